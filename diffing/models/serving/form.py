"""How a conversation is put to a server so that it is answered as this machine itself would have.

Everything that sampling hangs on goes with each request, and the server's own defaults are shut off: temperature,
the model's own top-p and the like where the study says nothing of them, the longest answer in the room that is
left, a seed of the request's own, and the very template. Promises the same text before the model, the same tokens
that end an answer, and an error in place of a prompt that leaves no room, as `generate` does; not the same random
numbers, which are the server's own.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from diffing.models import generate
from diffing.models.local import Source, Weights
from diffing.models.replies import Request

PLAIN = (
    "{% for message in messages %}{% if not loop.first %}{{ '\\n\\n' }}{% endif %}{{ message['content'] }}"
    "{% endfor %}{{ '\\n\\n' }}"
)
"""The template of a base model that has none: `generate` goes on with the text, and a blank line parts the two."""
STEP = 64
"""Tokens that a server's window is rounded up to: no measurement stands behind it."""
SERVED = "vllm"
"""Stands where an endpoint's address does in the key of a reply: its port differs from run to run."""


def request(source: str, parameters: dict[str, Any], seed: int) -> Request:
    """What all requests to a served checkpoint share, as replies are kept."""
    return Request(SERVED, generate.identity(source), [], parameters | {"seed": seed, "from": "all tokens"})


class Form(NamedTuple):
    """One base's."""

    config: Any
    tokenizer: Any
    usual: dict[str, Any]
    """How the model's makers would have it sampled, where they say."""
    ends: list[int]

    @property
    def template(self) -> str:
        return str(self.tokenizer.get_chat_template()) if self.tokenizer.chat_template else PLAIN

    @property
    def room(self) -> int | None:
        longest = getattr(self.config, "max_position_embeddings", None)
        return int(longest) if longest else None

    def tokens(self, asked: Request) -> tuple[int, str]:
        """How many the conversation takes as the model reads it, and why it cannot be read, else nothing."""
        text, fault = generate.rendered(self.config, self.tokenizer, asked)
        if fault:
            return 0, fault
        special = not self.tokenizer.chat_template
        return len(self.tokenizer(text, add_special_tokens=special)["input_ids"]), ""

    def window(self, asked: Sequence[Request]) -> int | None:
        """Tokens that the longest of these takes with its answer; None where none can be read."""
        needed = [tokens + longest(one) for one in asked for tokens, fault in [self.tokens(one)] if not fault]
        if not needed:
            return None
        most = -(-max(needed) // STEP) * STEP
        return min(most, self.room or most)

    def sent(self, asked: Request, name: str, window: int) -> tuple[Request, str]:
        """The request as it goes to a server that calls the model by this name; else why it cannot be put."""
        tokens, fault = self.tokens(asked)
        if fault:
            return asked, fault
        told = {key: value for key, value in asked.parameters.items() if key not in ("seed", "from")}
        body = self.usual | {"temperature": 1.0} | told
        body |= {
            "max_tokens": min(longest(asked), window - tokens),
            "seed": generate.seed_of([asked]),
            "stop_token_ids": self.ends,
            "add_special_tokens": not self.tokenizer.chat_template,
        }
        return Request(asked.base_url, name, asked.messages, body), ""


def longest(asked: Request) -> int:
    """Tokens of the longest answer."""
    return int(asked.parameters.get("max_tokens") or generate.USUAL_LENGTH)


def of(base: Weights) -> Form:
    """A base's, with its adapters'."""
    from transformers import AutoConfig, GenerationConfig

    source, where = Source(base), generate.at(base)
    with generate.loading(source):
        config: Any = AutoConfig.from_pretrained(base.model, **where).get_text_config()
        try:
            how = GenerationConfig.from_pretrained(base.model, **where)
        except OSError:
            # It has no such file: then its configuration says which tokens end an answer.
            how = GenerationConfig.from_model_config(config)
    usual = {name: getattr(how, name) for name in generate.SAMPLING if getattr(how, name, None) is not None}
    told = how.eos_token_id
    ends = sorted(set(told if isinstance(told, list) else [told]) - {None})
    return Form(config, generate.tokenizer(source), usual, ends)
