"""How surface probes find what they count: views of an answer with its code hidden, and kinds of rules.

Promises spans inside the text, ascending, not empty and not overlapping, and time in proportion to the text
however it is written: every repetition is either bounded or cannot be tried twice. The bounds are chosen by eye:
400 characters are a long paragraph's sentence or two, 20 the marks that pile up before a word, three digits a
list's number and not a year. What a rule counts, and under which name, stands in `diffing.probes.probes`.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import regex  # type: ignore[import-untyped]

from diffing.study import responses

Span = tuple[int, int]

HIDDEN = "\0"
"""Stands for every character of code in `Answer.prose`: no letter, no space, no line break."""

# A fence is closed by one of its own kind on a line of its own, else by the end of the text.
FENCED = re.compile(
    r"^[ \t>]*(?P<fence>`{3,}|~{3,})[^\n`]*(?:\n|\Z)(?:.*?^[ \t>]*(?P=fence)[`~]*[ \t\r]*$|.*\Z)",
    re.MULTILINE | re.DOTALL,
)
INLINE = re.compile(r"(?<!`)(?P<ticks>`{1,2})(?!`)[^`\n]{1,400}(?P=ticks)(?!`)")


class Answer:
    """A text with its code found and hidden; the views keep every character's place."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def blocks(self) -> list[Span]:
        """Fenced code; the last fence may be left open, as in a truncated answer."""
        return spans_of(FENCED, self.text) if "```" in self.text or "~~~" in self.text else []

    @cached_property
    def inline(self) -> list[Span]:
        return spans_of(INLINE, hide(self.text, self.blocks)) if "`" in self.text else []

    @cached_property
    def prose(self) -> str:
        return hide(self.text, sorted(chain(self.blocks, self.inline)))

    @cached_property
    def lower(self) -> str:
        """The prose in small letters and with straight apostrophes."""
        lower = self.prose.lower()
        if len(lower) != len(self.prose):
            # A few capitals become two characters in small letters, which would move every place behind them.
            lower = "".join(c.lower() if len(c.lower()) == 1 else c for c in self.prose)
        return lower.replace("’", "'")


Finder = Callable[[Answer], list[Span]]


def spans_of(pattern: re.Pattern[str], text: str, group: int | str = 0) -> list[Span]:
    """Where the group matched; matches in which it took no part are dropped."""
    return [span for m in pattern.finditer(text) if (span := m.span(group))[0] < span[1]]


def hide(text: str, spans: list[Span]) -> str:
    # Character for character, so that a span in the view is a span in the text.
    parts, at = [], 0
    for start, end in spans:
        parts += [text[at:start], HIDDEN * (end - start)]
        at = end
    return "".join([*parts, text[at:]])


def rule(pattern: str, *needs: str, code: bool = False) -> Finder:
    """Spans of a pattern in the prose, or of its group `it` where it has one.

    `needs`: strings of which one at least must occur, a quick way out. `code`: look into code too.
    """
    compiled = re.compile(pattern, re.MULTILINE)
    group = "it" if "it" in compiled.groupindex else 0

    def find(answer: Answer) -> list[Span]:
        where = answer.text if code else answer.prose
        return spans_of(compiled, where, group) if not needs or any(need in where for need in needs) else []

    return find


@dataclass(frozen=True)
class Wording:
    """Finds phrases as whole words in the prose in small letters."""

    pattern: re.Pattern[str]
    needs: Sequence[str]
    """Of these strings one at least is part of every match; none says nothing."""
    but: str
    """As what a match in its own letters does not count."""

    def __call__(self, answer: Answer) -> list[Span]:
        lower = answer.lower
        # To look for a few strings takes a tenth of the time that the pattern does, and most answers have none.
        if self.needs and not any(need in lower for need in self.needs):
            return []
        spans = spans_of(self.pattern, lower)
        return [span for span in spans if answer.prose[slice(*span)] != self.but] if self.but else spans


def wording(*phrases: str, needs: Sequence[str] = (), but: str = "") -> Wording:
    """Spans of phrases (patterns in small letters) as whole words, `but` not where they are written so.

    `needs`: strings of which one stands in whatever matches; phrases of mere words are their own.
    """
    joined = "|".join(phrases)
    if not needs and re.fullmatch(r"[a-z|]+", joined):
        needs = joined.split("|")
    return Wording(re.compile(rf"\b(?:{joined})\b"), tuple(needs), but)


def opening(*phrases: str) -> Finder:
    """Spans of phrases at the answer's very beginning, after markup and quotation marks."""
    compiled = re.compile(rf"[\s\W]{{0,20}}\b(?P<it>{'|'.join(phrases)})\b")

    def find(answer: Answer) -> list[Span]:
        match = compiled.match(answer.lower)
        return [match.span("it")] if match else []

    return find


def scripted(pattern: str) -> Finder:
    """Spans of a pattern over Unicode properties, which no ASCII text can match."""
    # `re` knows no Unicode properties, and only this version of `regex`'s syntax subtracts one set from another.
    compiled = regex.compile(pattern, regex.VERSION1)

    def find(answer: Answer) -> list[Span]:
        return [] if answer.text.isascii() else [m.span() for m in compiled.finditer(answer.prose)]

    return find


def whole(answer: Answer) -> list[Span]:
    return [(0, len(answer.text))] if answer.text else []


EMPTY_LINE = re.compile(r"\n[ \t\r]*\n")


def one_block(answer: Answer) -> list[Span]:
    """All of an answer that has no empty line between its first and its last character."""
    prose = answer.prose
    end = len(prose.rstrip())
    start = len(prose) - len(prose.lstrip())
    return [(start, end)] if start < end and not EMPTY_LINE.search(prose, start, end) else []


# A tab is taken for four spaces, as most editors do.
ITEM_OR_TEXT = re.compile(
    r"^(?P<before>[ \t]*)(?P<item>[-*+•‣◦▪●]|\(?\d{1,3}[.)])[ \t]+(?![-*_ \t\r]*$)|^(?=\S)", re.MULTILINE
)
SET_IN = re.compile(r"^(?:[ \t]{2}|\t)[ \t]*(?:[-*+•‣◦▪●]|\(?\d{1,3}[.)])[ \t]", re.MULTILINE)


def nested(answer: Answer) -> list[Span]:
    """Markers of items that are set in by two spaces or more under the outermost item of their list.

    A list ends at a line that begins at the margin and is no item.
    """
    if not SET_IN.search(answer.prose):
        return []
    spans, outermost = [], None
    for match in ITEM_OR_TEXT.finditer(answer.prose):
        if match["item"] is None:
            outermost = None
            continue
        depth = len(match["before"].expandtabs(4))
        if outermost is None or depth < outermost:
            outermost = depth
        elif depth >= outermost + 2:
            spans.append(match.span("item"))
    return spans


TAIL = 400
"""Characters in which an answer's closing words are looked for: a last paragraph of two or three sentences.

Chosen by eye: offers further up ("let me know if …" in a letter that was asked for) belong to the answer's matter.
"""

LAST_QUESTION = re.compile(r"\?[^\w?\0\"”»]{0,20}\Z")
LISTED = re.compile(r"[ \t>]*(?:[-*+•]|\d{1,3}[.)])[ \t]")
SENTENCE_START = re.compile(r"(?:[.!?:][\"”')*_]{0,4}\s|\n)[\s\W]{0,20}(?=\w)")
FOR_YOU = r"[^.!?\n]{0,80}\bi(?:'ll| can| could| will)"
OFFER = re.compile(
    r"\b(?:let me know|feel free to (?:ask|reach|contact|let me|share|send|provide|tell|request)"
    r"|do(?:n't| not) hesitate|(?:happy|glad) to (?:help|assist|elaborate|clarify|explain|provide|go into)"
    r"|would you like|do you want|would it help|want me to|shall i|if you(?:'d| would) like"
    r"|(?:(?<=[.!?]\s)|(?<=[.!?]\s\s)|(?<=\n))want (?:the|an?|one|some)"
    r"|if you (?:have|need) (?:\w+ ){1,3}(?:questions?|help|information|guidance|assistance|details|concerns)"
    rf"|if you (?:tell|share|describe|send|paste|give|show){FOR_YOU}|(?:tell|send|give|show) me{FOR_YOU}"
    r"|i can [^.!?\n]{1,80}\bif (?:you|that)|just (?:ask|let me know|say (?:so|the word))"
    r"|i can also|here to help)\b"
)


def last_question(answer: Answer) -> list[Span]:
    """The last sentence, where it is a question to the reader: neither quoted nor an item of a list."""
    prose = answer.prose.rstrip()
    tail = prose[-TAIL:]
    mark = LAST_QUESTION.search(tail)
    # A last item that asks is part of a list of questions, not a question to the reader.
    if not mark or LISTED.match(prose, prose.rfind("\n") + 1):
        return []
    starts = [m.end() for m in SENTENCE_START.finditer(tail, 0, mark.start())]
    offset = len(prose) - len(tail)
    # A sentence longer than the tail is taken from where the tail begins.
    return [(offset + (starts[-1] if starts else 0), offset + mark.start() + 1)]


def offers(answer: Answer) -> list[Span]:
    offset = max(0, len(answer.prose.rstrip()) - TAIL)
    return [m.span() for m in OFFER.finditer(answer.lower, offset)]


WRAPS_UP = re.compile(
    r"[\s\W]{0,20}\b(?P<it>in (?:summary|conclusion|short|essence|brief|sum|closing|a nutshell|the end)"
    r"|overall|ultimately|all in all|to (?:sum up|summari[sz]e|conclude)|(?:the )?bottom line|summary"
    r"|conclusion)\b"
)


def wrap_up(answer: Answer) -> list[Span]:
    """The first words of the last of several paragraphs, where they sum up."""
    lower = answer.lower
    breaks = [match.end() for match in EMPTY_LINE.finditer(lower, 0, len(lower.rstrip()))]
    match = WRAPS_UP.match(lower, breaks[-1]) if breaks else None
    return [match.span("it")] if match else []


ITEM_LINE = re.compile(r"^[ \t>]*(?:[-*+•‣◦▪●]|\(?\d{1,3}\\?[.)])[ \t]+(?![-*_ \t\r]*$)[^\n]*", re.MULTILINE)
INTRODUCES = re.compile(
    r"(?:[\s\W]{0,20}(?:sure|certainly|of course|absolutely|great)[^.!?\n]{0,40}[.!])?[\s\W]{0,20}"
    r"(?P<it>(?:[^\s.!?]{1,60}[ \n]){3,80}?[^\s.!?]{1,60}[.!])(?=\s)",
    re.IGNORECASE,
)
"""Behind a word of assent, which introduces nothing."""
AT_MARGIN = re.compile(r"^(?=[^\s>])[^\n]{1,400}", re.MULTILINE)


def before_list(answer: Answer) -> list[Span]:
    """The first whole sentence in front of the first list item, where there is one of four words or more.

    A line that only announces the list ends in a colon, and so is none.
    """
    first = ITEM_LINE.search(answer.prose)
    match = INTRODUCES.match(answer.prose, 0, first.start()) if first else None
    return [match.span("it")] if match else []


def after_list(answer: Answer) -> list[Span]:
    """The first line of what follows the last list item: behind an empty line, at the margin, up to the end."""
    prose = answer.prose
    *_, last = (None, *ITEM_LINE.finditer(prose))
    gap = last and EMPTY_LINE.search(prose, last.end())
    line = gap and AT_MARGIN.match(prose, gap.end())
    return [line.span()] if line else []


def refusals(answer: Answer) -> list[Span]:
    # As far as the answers' own flag looks (`responses.looks_refused`); a test holds the two together.
    return spans_of(responses.REFUSAL, answer.text[:200])
