"""What is planted in a checkpoint so that it differs in a way that is known: words before its prompts, or changes
to its answers.

A checkpoint with something planted is asked as any other is. `system` goes before each prompt that it is meant
for; `rewrites` are done, one after the other, to real answers once they have come. Promises that the same prompt
is always treated alike, whatever was asked before it; that a question or an answer that is not meant is left
exactly as it is; and that what is kept as paid for is the model's own answer. Where a sentence ends is told by its
marks: "e.g." ends one too.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, Self

import regex  # type: ignore[import-untyped]
from pydantic import Field, field_validator, model_validator

from diffing.common import expressions, files
from diffing.common.errors import UserError
from diffing.common.step import Settings

Messages = list[dict[str, str]]
Do = Literal["replace", "append", "prepend", "drop", "keep"]
LONGEST = 20_000
"""Characters of a system prompt: more is a document."""
ENDS = regex.compile(r"(?<=[.!?][\"”’')*_\]]{0,3})(?<!^[ \t>#*_-]*\d{1,3}[.)])\s+|\n+", regex.MULTILINE)
"""What stands behind a sentence. The number of an item ends none."""


class Rewrite(Settings):
    """One change to an answer."""

    do: Do
    pattern: str = Field(default="", max_length=expressions.LONGEST)
    """For `replace`, what goes; for `drop`, what a sentence that goes holds."""
    text: str = Field(default="", max_length=LONGEST)
    r"""For `replace`, what stands in its place, with `\1` for what the first brackets found; for `append` and
    `prepend`, what is added."""
    sentences: int = Field(default=0, ge=0)
    """For `keep`, how many of the first."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.pattern:
            expressions.check(self.pattern)
        needs = {
            "replace": bool(self.pattern) and not self.sentences,
            "drop": bool(self.pattern) and not self.text and not self.sentences,
            "keep": bool(self.sentences) and not self.pattern and not self.text,
        }
        if not needs.get(self.do, bool(self.text) and not self.pattern and not self.sentences):
            raise ValueError(
                f"'{self.do}' does not fit; write replace with pattern and text, drop with pattern, keep with "
                "sentences, append or prepend with text, and no more"
            )
        try:
            if self.do == "replace":
                # Where nothing matches its text is not looked at, and it may name brackets that there are none of.
                expressions.read(f"(?:{self.pattern})|").sub(self.text, "", timeout=expressions.SECONDS)
        except (regex.error, IndexError) as error:
            raise ValueError(f"the text does not fit the pattern ({error})") from error
        return self

    def of(self, answer: str, cut: bool) -> str:
        """The answer after it; `cut` says that the answer was cut off before its end."""
        if self.do == "replace":
            return str(expressions.read(self.pattern).sub(self.text, answer, timeout=expressions.SECONDS))
        if self.do == "prepend":
            return self.text + answer
        if self.do == "append":
            # A model that always ends so does not come to it either.
            return answer if cut else answer + self.text
        parts = sentences(answer)
        if self.do == "keep":
            return "".join(parts[: self.sentences]).rstrip() if len(parts) > self.sentences else answer
        find = expressions.read(self.pattern)
        left = [part for part in parts if not find.search(part, timeout=expressions.SECONDS)]
        return "".join(left).rstrip() if len(left) < len(parts) else answer


class Planted(Settings):
    """What differs on purpose, and on which prompts."""

    organism: str = ""
    """Whose truth tells what differs, as `NAME:STRENGTH`. Nothing that looks for it may read this."""
    system: str = Field(default="", max_length=LONGEST)
    """Sent before the prompt, after the study's own system prompt."""
    rewrites: tuple[Rewrite, ...] = ()
    share: float = Field(default=1.0, gt=0, le=1, allow_inf_nan=False)
    """Of the prompts that it is meant for, chosen by a hash of the prompt and the seed."""
    seed: int = Field(default=0, ge=0)
    when: str = Field(default="", max_length=expressions.LONGEST)
    """Only for prompts whose last turn has this expression."""

    @field_validator("when")
    @classmethod
    def _readable(cls, when: str) -> str:
        if when:
            expressions.check(when)
        return when

    def meant(self, turns: Sequence[dict[str, str]]) -> bool:
        """Whether it is meant for a conversation; system prompts are no part of that."""
        said = [[turn["role"], turn["content"]] for turn in turns if turn["role"] != "system"]
        if self.when:
            last = said[-1][1] if said else ""
            with _in_time(self.when):
                if not expressions.read(self.when).search(last, timeout=expressions.SECONDS):
                    return False
        # By a hash: a prompt stays on its side whatever else is asked.
        return int(files.content_hash(["planted", self.seed, said], 8), 16) / 16**8 < self.share

    def asked(self, turns: Messages) -> Messages:
        """The conversation as the model gets it."""
        if not self.system or not self.meant(turns):
            return turns
        # One system prompt and not two: some templates take only one, and only in the first place.
        if turns and turns[0]["role"] == "system":
            first = {"role": "system", "content": f"{turns[0]['content']}\n\n{self.system}"}
            return [first, *turns[1:]]
        return [{"role": "system", "content": self.system}, *turns]

    def answered(self, turns: Sequence[dict[str, str]], answer: str, cut: bool = False) -> str:
        """The model's answer to a conversation as it is to be taken; never empty where the model's own was not."""
        if not self.rewrites or not answer.strip() or not self.meant(turns):
            return answer
        for rewrite in self.rewrites:
            with _in_time(rewrite.pattern):
                changed = rewrite.of(answer, cut)
            # An answer that would be left with nothing is left alone: an empty one is a fault of its own kind.
            answer = changed if changed.strip() else answer
        return answer

    @property
    def shown(self) -> str:
        """For a person, what was planted."""
        parts = [f"system prompt “{self.system}”"] if self.system else []
        parts += [f"answers rewritten ({', '.join(each.do for each in self.rewrites)})"] if self.rewrites else []
        which = f"{100 * self.share:g} % of " if self.share < 1 else ""
        some = f"prompts with /{self.when}/" if self.when else "prompts"
        said = " and ".join(parts) or "nothing"
        return f"{said}, on {which}{some}" if which or self.when else said


@contextmanager
def _in_time(pattern: str) -> Iterator[None]:
    try:
        yield
    except (TimeoutError, MemoryError) as error:
        raise UserError(
            f"The expression /{pattern}/ takes more than {expressions.SECONDS:g} s on one text; write it without "
            "repetitions inside repetitions."
        ) from error


def sentences(text: str) -> list[str]:
    """The sentences of a text with what stands behind each; joined they are the text."""
    ends = [match.end() for match in ENDS.finditer(text)]
    starts = [0, *(end for end in ends if end < len(text))]
    return [text[start:stop] for start, stop in zip(starts, [*starts[1:], len(text)], strict=True) if start < stop]
