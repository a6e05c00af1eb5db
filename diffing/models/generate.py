"""Answers from weights on this machine, batch by batch: one set of them, through `transformers`' own `generate`.

Checkpoints that are made of others answer by a room above (`ABOVE`). Promises the same cache and the same records
as an endpoint's answers, and that a run killed and resumed on the same machine, with the same versions and number
of threads, samples what an undisturbed one would have: elsewhere a probability differs in its last bits, and from
a token that hangs on them the answer goes another way. It is no serving engine: for speed serve the model (vLLM)
and name its URL. Torch and transformers are slow to import, so only a run that samples does.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from diffing.common import files
from diffing.common.errors import UserError
from diffing.models import local, made, providers
from diffing.models.local import Source, Weights
from diffing.models.providers import Checkpoint
from diffing.models.replies import Reply, Request, cache

BATCH = 16
"""Answers sampled together: few enough for a small GPU's memory at usual lengths. No measurement stands behind it,
but another number samples other answers, since a batch shares its seed."""

USUAL_LENGTH = 1024
"""Longest answer in tokens where the study sets none: `generate`'s own 20 would cut nearly every answer."""

SAMPLING = ("top_p", "top_k", "min_p", "repetition_penalty")
"""Fields of `extra_body` that mean the same here; others are for endpoints and change nothing."""


ABOVE = "diffing.whitebox.writing.answering"
"""The module whose `opened(source)` answers for what is made of others. Named and not imported, as the steps of
`jobs` are: how a change is made larger and two models run beside each other is known in a room above, and
`collect`, which stands below that room, is to have one way to ask whatever lies on this machine."""

Check = Callable[[], None]


class Writer(Protocol):
    """Whoever answers."""

    @property
    def most(self) -> int:
        """Answers written together."""

    def read(self, asked: Request) -> tuple[str, str]:
        """A conversation as the model reads it, or why it cannot."""

    def write(self, texts: list[str], asked: list[Request], check: Check) -> list[Reply]:
        """Answers to one batch of such texts."""


def request(checkpoint: Checkpoint, parameters: dict[str, Any], seed: int) -> Request:
    """What all requests to a local checkpoint share; a folder is known by its weights' sizes and dates."""
    # Earlier answers were sampled from the 50 likeliest tokens alone and must not stand among these.
    return Request("local", identity(checkpoint.source), [], parameters | {"seed": seed, "from": "all tokens"})


def answers(checkpoint: Checkpoint, requests: Sequence[Request], check: Check) -> Iterator[tuple[int, Reply]]:
    """Each place with its answer, stored before it is handed on; `check` raises where a run is to end."""
    missing = []
    for place, asked in enumerate(requests):
        stored = cache().reply(asked.key)
        if stored is None:
            missing.append(place)
        else:
            yield place, stored
    if not missing:
        return
    with _opened(checkpoint.source) as writer:
        texts = {}
        for place in missing:
            text, fault = writer.read(requests[place])
            if fault:
                yield place, Reply(error=fault, created=files.now())
            else:
                texts[place] = text
        # By length, so that a batch has little padding; what a killed run left falls into the same batches again.
        ready = sorted(texts, key=lambda place: len(texts[place]))
        for begin in range(0, len(ready), writer.most):
            group = ready[begin : begin + writer.most]
            replies = writer.write([texts[i] for i in group], [requests[i] for i in group], check)
            with cache().transact():
                for place, reply in zip(group, replies, strict=True):
                    cache().set(requests[place].key, reply.model_dump(exclude={"cached"}))
            yield from zip(group, replies, strict=True)


def _opened(source: str) -> AbstractContextManager[Writer]:
    if not made.is_made(source):
        return nullcontext(load(local.parse(source)))
    opened: AbstractContextManager[Writer] = import_module(ABOVE).opened(source)
    return opened


def identity(source: str) -> str:
    """All of a source that changes an answer."""
    if made.is_made(source):
        # By where it lies, and by what lies there now.
        found = made.parse(source)
        file = _state(Path(found.file)) if found.file else None
        return f"{source}@{files.content_hash([*map(identity, found.parts), file], 8)}"
    return f"{source.removeprefix('hf:')}@{_fingerprint(local.parse(source))}"


def _fingerprint(source: Source) -> str:
    folders = [Path(each.model) / each.subfolder for each in source if each is not None]
    here = [folder for folder in folders if folder.is_dir()]
    if not here:
        return "hub"
    # Sizes and dates, as hashing the weights would take a minute before the first answer. Of a Hub id the revision
    # is not asked for: a model that is moved under its name keeps the answers of before.
    kinds = ("*.safetensors", "*.bin", "*.json", "*.jinja")
    kept = [path for folder in here for path in sorted(path for kind in kinds for path in folder.glob(kind))]
    return files.content_hash([_state(path) for path in kept], 8)


def _state(path: Path) -> list[Any]:
    if not path.is_file():
        raise UserError(f"There is no file '{path.name}' where the study looks for it; put it back.")
    return [path.name, path.stat().st_size, path.stat().st_mtime_ns]


class Model(NamedTuple):
    """A loaded model with what turns text into its tokens."""

    model: Any
    tokenizer: Any

    @property
    def most(self) -> int:
        return BATCH

    def read(self, asked: Request) -> tuple[str, str]:
        return rendered(self.model.config, self.tokenizer, asked)

    def write(self, texts: list[str], asked: list[Request], check: Check) -> list[Reply]:
        return _sample(self.model, self.tokenizer, texts, asked, check)


def load(source: Source) -> Model:
    """One set of weights with the adapter that may stand on it, ready to write."""
    import torch
    from transformers import AutoModelForCausalLM

    # On a CPU bfloat16 is slow and coarse; GPUs are made for it, and checkpoints are mostly stored in it.
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    with loading(source):
        model: Any = AutoModelForCausalLM.from_pretrained(source.weights.model, dtype=dtype, **at(source.weights))
        if source.adapter is not None:
            from peft import PeftModel

            # Beside the weights and not merged into them: in 16 bits that would lose most of a small change.
            model = PeftModel.from_pretrained(model, source.adapter.model, **at(source.adapter))
    return Model(model.to(device).eval(), tokenizer(source))


def tokenizer(source: Source) -> Any:
    """A checkpoint's tokenizer, its base's, set up to write."""
    from transformers import AutoTokenizer

    with loading(source):
        # To the left, since each answer goes on from its row's right end.
        found = AutoTokenizer.from_pretrained(source.weights.model, padding_side="left", **at(source.weights))
    # Any token does for padding, which the mask hides.
    if found.pad_token_id is None:
        found.pad_token = found.eos_token
    return found


def at(weights: Weights) -> dict[str, Any]:
    """Where the library finds weights of a model."""
    # By way of our own look-up, which knows `.env` too.
    told = {"revision": weights.revision or None, "subfolder": weights.subfolder}
    return told | {"token": providers.key_of("HF_TOKEN")}


@contextmanager
def loading(source: Source) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        # The libraries' own words run to paragraphs of advice.
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"Checkpoint '{source.written}' cannot be loaded ({reason}); check the folder or id."
        ) from error


def rendered(config: Any, tokenizer: Any, asked: Request) -> tuple[str, str]:
    """A conversation as a model of that configuration reads it, or why it cannot."""
    from jinja2 import TemplateError

    if tokenizer.chat_template:
        try:
            text = tokenizer.apply_chat_template(asked.messages, tokenize=False, add_generation_prompt=True)
        except TemplateError as error:
            return "", f"the model's chat template refuses the conversation ({error})"
    else:
        # A base model goes on with the text: a blank line parts the prompt from what it writes.
        text = "\n\n".join(message["content"] for message in asked.messages) + "\n\n"
    tokens = len(tokenizer(text, add_special_tokens=not tokenizer.chat_template)["input_ids"])
    longest = getattr(config, "max_position_embeddings", None)
    if longest and tokens >= longest:
        return "", f"the prompt has {tokens} tokens, the model takes {longest} with its answer"
    return text, ""


def _sample(model: Any, tokenizer: Any, texts: list[str], asked: list[Request], check: Check) -> list[Reply]:
    """One batch; the template has written the special tokens already, so none are added."""
    import torch
    from transformers import StoppingCriteria, StoppingCriteriaList, set_seed

    class UntilTold(StoppingCriteria):
        """Looks at every token whether the user asked to stop: a long batch may take minutes."""

        def __call__(self, input_ids: Any, *_: Any, **__: Any) -> Any:
            check()
            return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)

    started = time.perf_counter()
    special = not tokenizer.chat_template
    inputs = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=special).to(model.device)
    width = inputs["input_ids"].shape[1]
    parameters = asked[0].parameters
    longest = parameters.get("max_tokens") or USUAL_LENGTH
    # GPT-2's kin have no positions beyond these, and others were not trained on any.
    room = getattr(model.config, "max_position_embeddings", None) or width + longest
    sampling = {name: parameters[name] for name in SAMPLING if name in parameters}
    if model.generation_config.top_k is None:
        # The library's own 50 would cut a distribution that nobody asked to have cut.
        sampling.setdefault("top_k", 0)
    temperature = parameters.get("temperature", 1.0)
    # At 0 the likeliest token is taken, and `generate` refuses a temperature beside that.
    if temperature:
        sampling["temperature"] = temperature
    # From the keys, which hold the study's seed: a batch samples the same whatever was sampled before it.
    set_seed(seed_of(asked))
    with torch.inference_mode():
        output = model.generate(
            **inputs,
            do_sample=bool(temperature),
            max_new_tokens=min(longest, room - width),
            pad_token_id=tokenizer.pad_token_id,
            stopping_criteria=StoppingCriteriaList([UntilTold()]),
            use_cache=True,
            **sampling,
        )
    # Each answer's share of its batch, so that latencies add up to the run's time.
    latency = round((time.perf_counter() - started) / len(texts), 3)
    stops = ends(model)
    return [
        reply(each, tokenizer, row, stops, int(mask.sum()), latency)
        for each, row, mask in zip(asked, output[:, width:].tolist(), inputs["attention_mask"], strict=True)
    ]


def seed_of(asked: Sequence[Request]) -> int:
    """A batch's own."""
    return int(files.content_hash([each.key for each in asked], 8), 16)


def ends(model: Any) -> set[int]:
    """Tokens that end an answer."""
    told = model.generation_config.eos_token_id
    return set(told if isinstance(told, list) else [told]) - {None}


def reply(
    asked: Request, tokenizer: Any, row: Sequence[int], stops: set[int], tokens_in: int, latency: float
) -> Reply:
    """An answer from the tokens that a model wrote."""
    # A row that is done is filled up until the longest of its batch is.
    stop = next((i for i, token in enumerate(row) if token in stops), None)
    kept = row if stop is None else row[:stop]
    return Reply(
        text=tokenizer.decode(kept, skip_special_tokens=True),
        finish_reason="length" if stop is None else "stop",
        model_served=asked.model,
        tokens_in=tokens_in,
        tokens_out=len(kept),
        cost=0.0,
        latency=latency,
        created=files.now(),
    )
