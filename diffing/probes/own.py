"""A person's own rule for something that can be counted: words, a phrase or a regular expression.

Promises that the same rule finds the same spans in any study, and that no expression, however it is written, keeps
a text longer than its time or takes memory without end. Unlike the built-in probes an own rule looks at code too:
it does what it says and no more.
"""

from functools import lru_cache
from typing import Literal

import regex  # type: ignore[import-untyped]
from pydantic import Field, field_validator, model_validator

from diffing.common import expressions
from diffing.common.errors import UserError
from diffing.common.step import Settings
from diffing.probes.rules import Span

LONGEST = expressions.LONGEST
"""Characters of an expression, and of all words together: more of them is a list for a file."""

Kind = Literal["words", "phrase", "regex"]


class Rule(Settings):
    """What to look for."""

    kind: Kind
    words: tuple[str, ...] = Field(default=(), max_length=200)
    """Whole words, in any case; a word may be several with a space between."""
    text: str = Field(default="", max_length=LONGEST)
    """A phrase as it is written, letter by letter; or an expression, `^` and `$` at every line."""

    @field_validator("words")
    @classmethod
    def _not_empty(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        plain = tuple(" ".join(word.split()) for word in words)
        if not all(plain) or sum(map(len, plain)) > LONGEST:
            raise ValueError(f"a word is empty, or all of them have more than {LONGEST} characters")
        return plain

    @model_validator(mode="after")
    def _whole(self) -> "Rule":
        if self.kind == "words" and (not self.words or self.text):
            raise ValueError("a list of words needs words and no text")
        if self.kind != "words" and (not self.text or self.words):
            raise ValueError(f"a {self.kind} needs a text and no words")
        if self.kind == "regex":
            expressions.check(self.text)
        return self

    @property
    def shown(self) -> str:
        """For a person, as the end of a sentence: says “sorry” or “apologies”."""
        if self.kind == "regex":
            return f"matches /{self.text}/"
        listed = [f"“{word}”" for word in self.words or (self.text,)]
        return f"says {', '.join(listed[:-1])} or {listed[-1]}" if len(listed) > 1 else f"says {listed[0]}"

    def spans(self, text: str) -> list[Span]:
        """Where a text has it; a `UserError` where the expression takes too long."""
        try:
            # Concurrent: whoever else is in this process goes on meanwhile.
            found = _expression(self).finditer(text, timeout=expressions.SECONDS, concurrent=True)
            matches = [match.span() for match in found]
        except (TimeoutError, MemoryError) as error:
            raise UserError(
                f"The expression /{self.text}/ takes more than {expressions.SECONDS:g} s on one answer; write it "
                "without repetitions inside repetitions."
            ) from error
        return [span for span in matches if span[0] < span[1]]


# A study's own rules, whose expressions are asked for at every text.
@lru_cache(maxsize=512)
def _expression(rule: Rule) -> "regex.Pattern[str]":
    if rule.kind == "regex":
        return expressions.read(rule.text)
    if rule.kind == "phrase":
        return regex.compile(regex.escape(rule.text, special_only=True))
    # Longer ones first: of two that begin alike the one that says more is found.
    words = sorted(rule.words, key=len, reverse=True)
    some = "|".join(
        r"\s+".join(regex.escape(part, special_only=True) for part in word.split(" ")) for word in words
    )
    # No \b: a word may begin or end with a mark.
    return regex.compile(rf"(?<!\w)(?:{some})(?!\w)", regex.IGNORECASE)
