"""From an answer to windows of token ids, and where each counted token stands in the answer.

Holds the framing of an answer (chat template or none, alone or after its prompt), the windows for texts longer
than the reader takes, and the exact span of each counted token. Promises that only tokens with characters of the
answer count, each once, and that spans refer to the answer as it was given. Several tokens may share one character
and so its span: `diffing.reader.pieces` joins these for reading.
"""

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal, NamedTuple

import jinja2
import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, processors
from transformers import PreTrainedTokenizerBase

from diffing.common.arrays import Ints
from diffing.common.errors import UserError

VERSION = 1
"""Part of a reader's key: raised when the same answer would be framed or cut in another way."""

Message = dict[str, Any]

LONGEST = 400_000
"""Bytes of an answer that is read: 100,000 tokens of English, or as many emoji. Tokens have a byte at least, and
what is read of an answer takes about a kilobyte each; what is longer is a loop, or was not meant for an answer."""

MARK = "\ue000the answer stands here\ue001"
"""Stands for the answer while the template is filled; characters for private use at its ends, since no template
trims them."""
SURROGATE = re.compile("[\ud800-\udfff]")
PINNED_DATE = "26 Jul 2024"
"""The day that Llama 3.1's template names where it is told none."""
PIN = (
    "{%- macro strftime_now(format) -%}{{ format"
    "|replace('%d', '26')|replace('%-d', '26')|replace('%e', '26')|replace('%j', '208')"
    "|replace('%b', 'Jul')|replace('%B', 'July')|replace('%m', '07')|replace('%-m', '7')"
    "|replace('%Y', '2024')|replace('%y', '24')|replace('%A', 'Friday')|replace('%a', 'Fri')"
    "|replace('%F', '2024-07-26')|replace('%H', '00')|replace('%M', '00')|replace('%S', '00')"
    "|replace('%T', '00:00:00') }}{%- endmacro -%}"
)
"""Put before a template, it hides the clock: the same answer must give the same tokens on every day."""


class Window(NamedTuple):
    """What the model reads at once."""

    ids: list[int]
    start: int
    """Positions [start, stop) are the answer's tokens that this window counts; earlier ones are context."""
    stop: int


class Reading(NamedTuple):
    """One answer, ready for the model."""

    windows: list[Window]
    spans: NDArray[np.int32]
    """[n_kept, 2] character offsets into the answer, in token order over the windows; they cover it whole."""


class Framing:
    """How one reader's tokenizer is given an answer; the tokenizer is set up anew for it."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        window: int,
        context: Literal["answer", "prompt+answer"] = "answer",
        prepend_bos: bool = True,
    ) -> None:
        if not tokenizer.is_fast:
            raise UserError(
                f"{type(tokenizer).__name__} gives no character offsets; choose a reader with a tokenizer.json."
            )
        self.tokenizer = tokenizer
        self.window = window
        self.context = context
        self.prepend_bos = prepend_bos
        self.backend: Tokenizer = tokenizer.backend_tokenizer
        self.backend.no_truncation()
        self.backend.no_padding()
        # It would add special tokens and take spaces off spans; ids are the same without.
        self.backend.post_processor = processors.Sequence([])
        self.template: str | None = tokenizer.chat_template if isinstance(tokenizer.chat_template, str) else None
        # Several templates by name: the others are for tools and retrieval.
        if isinstance(tokenizer.chat_template, dict):
            self.template = tokenizer.chat_template.get("default")
        self.notes: set[str] = set()
        """How templates had to be met, in words for people; filled while reading."""
        self._alone: str | None = None

    @cached_property
    def _plain(self) -> Tokenizer:
        """The same tokenizer, blind to special tokens: for answers that spell one out."""
        copy = Tokenizer.from_str(self.backend.to_str())
        copy.encode_special_tokens = True
        return copy

    @cached_property
    def _special(self) -> re.Pattern[str] | None:
        spelled = [t.content for t in self.backend.get_added_tokens_decoder().values() if t.special]
        return re.compile("|".join(re.escape(s) for s in spelled if s)) if any(spelled) else None

    def read(self, messages: Sequence[Message], answer: str) -> Reading:
        """Windows and spans of one answer; `messages` matter only where the prompt is read too."""
        if not answer:
            raise UserError("The answer is empty: there is nothing to read.")
        size = len(answer.encode("utf-8", "surrogatepass"))
        if size > LONGEST:
            raise UserError(f"The answer has {size:,} bytes where {LONGEST:,} can be read: it is left out.")
        # One character for one character, so that spans still fit the answer.
        text = SURROGATE.sub("\ufffd", answer)
        before = SURROGATE.sub("\ufffd", self.before(messages))
        ids, offsets, first = self._encode(before, text)
        if first == len(ids):
            raise UserError("The reader's tokenizer drops every character of the answer: nothing to read.")
        return Reading(windows(ids, first, self.window, self._bos), _tiled(offsets, len(answer)))

    def before(self, messages: Sequence[Message] = ()) -> str:
        """The text that comes before the answer."""
        if self.context == "answer":
            if self._alone is None:
                self._alone = self._rendered([]) if self.template else ""
            return self._alone
        if self.template:
            return self._rendered(list(messages))
        return "".join(f"{message['content']}\n\n" for message in messages)

    @property
    def _bos(self) -> int | None:
        return self.tokenizer.bos_token_id  # type: ignore[no-any-return]

    def _encode(self, before: str, text: str) -> tuple[list[int], Ints, int]:
        """All ids up to the answer's end, the spans of the answer's tokens, and where those begin."""
        # A template writes its own BOS.
        lead = [self._bos] if not self.template and self.prepend_bos and self._bos is not None else []
        if self._special is not None and self._special.search(text):
            # In two pieces, since the tokenizer is to know special tokens in the template and none in the answer.
            start = self.backend.encode(before, add_special_tokens=False).ids
            own = self._plain.encode(text, add_special_tokens=False)
            return [*lead, *start, *own.ids], np.array(own.offsets).reshape(-1, 2), len(lead) + len(start)
        # Together, as a tokenizer may join the last of the template with the first of the answer.
        whole = self.backend.encode(before + text, add_special_tokens=False)
        offsets = np.array(whole.offsets).reshape(-1, 2) - len(before)
        # The first token that reaches into the answer. The running maximum is there because a tokenizer may give a
        # token without characters a span that falls back to 0.
        first = int(np.searchsorted(np.maximum.accumulate(offsets[:, 1]), 1)) if len(offsets) else 0
        return [*lead, *whole.ids], offsets[first:], len(lead) + first

    def _rendered(self, messages: list[Message]) -> str:
        """The template's text before the assistant's answer."""
        turn: Message = {"role": "assistant", "content": MARK}
        fault = ""
        for chat, note in self._attempts(messages):
            try:
                text = self.tokenizer.apply_chat_template(
                    [*chat, turn],
                    chat_template=PIN + (self.template or ""),
                    tokenize=False,
                    date_string=PINNED_DATE,
                )
            except (jinja2.TemplateError, TypeError, ValueError, KeyError, IndexError) as error:
                # The first attempt's words: the conversation as it is, which the user knows.
                fault = fault or str(error)
                continue
            if isinstance(text, str) and MARK in text:
                if note:
                    self.notes.add(note)
                # The last one, should a prompt spell the mark.
                return text[: text.rindex(MARK)]
            fault = fault or "the answer does not appear in it"
        raise UserError(
            f"The reader's chat template refuses this conversation ({fault}); choose another reader or context."
        )

    @staticmethod
    def _attempts(messages: list[Message]) -> list[tuple[list[Message], str]]:
        """The conversation as it is, then as templates want it that know no system turn or a user's turn first."""
        system = "\n\n".join(str(m["content"]) for m in messages if m["role"] == "system")
        others = [m for m in messages if m["role"] != "system"]
        note = "the system prompt is read as part of the first user turn"
        if not others or others[0]["role"] != "user":
            others = [{"role": "user", "content": system}, *others]
            note = note if system else "an empty user turn stands before the answer"
        elif system:
            opening = {"role": "user", "content": f"{system}\n\n{others[0]['content']}"}
            others = [opening, *others[1:]]
        return [(messages, ""), (others, note)]


def windows(ids: Sequence[int], first: int, size: int, bos: int | None = None) -> list[Window]:
    """Cut ids[first:] into windows of at most `size`, half of each but the first one new.

    Every token counts in the earliest window that has it, where it has most context on its left. Later windows
    begin with the first one's BOS, which readers expect at their start.
    """
    if len(ids) <= size:
        return [Window(list(ids), first, len(ids))]
    lead = [ids[0]] if bos is not None and ids[0] == bos else []
    room = size - len(lead)
    # By halves: every token of a later window has half a window of context at least, for twice the reading.
    step = max(1, room // 2)
    cut = []
    done = first
    # Where the text before the answer fills the first window there is nothing in it to count.
    if first < size:
        cut.append(Window(list(ids[:size]), first, size))
        done = size
    while done < len(ids):
        stop = min(len(ids), done + step)
        begin = max(len(lead), stop - room)
        cut.append(Window([*lead, *ids[begin:stop]], len(lead) + done - begin, len(lead) + stop - begin))
        done = stop
    return cut


def _tiled(offsets: Ints, length: int) -> NDArray[np.int32]:
    """Spans that leave out no character: what a tokenizer drops goes to the token that follows it."""
    # The first token may begin in the template, and so before the answer.
    spans = np.clip(offsets, 0, length)
    reached = np.maximum.accumulate(spans[:, 1])
    spans[:, 0] = np.minimum(spans[:, 0], np.concatenate([[0], reached[:-1]]))
    spans[:, 1] = np.maximum(spans[:, 1], spans[:, 0])
    # What is dropped at the end has no token that follows it.
    spans[-1, 1] = length
    return spans.astype(np.int32)
