"""One surface probe: a name, a line for people, and the rule that finds it in an answer."""

from dataclasses import dataclass
from typing import Literal

from diffing.probes.rules import Answer, Finder, Span


@dataclass(frozen=True)
class Probe:
    """Something countable."""

    name: str
    description: str
    find: Finder
    kind: Literal["presence", "count"] = "presence"
    """Whether an answer shows it or not, or every answer has some and only the amount tells."""
    by_length: bool = False
    """Whether the characters inside the spans are counted, and not the spans."""
    whole: bool = False
    """Whether its span is all of the answer, so that every token is near it and none more than others."""

    @property
    def counted_only(self) -> bool:
        return self.kind == "count"

    def spans(self, text: str) -> list[Span]:
        return self.find(Answer(text))

    def count(self, text: str) -> int:
        return sum(end - start if self.by_length else 1 for start, end in self.spans(text))
