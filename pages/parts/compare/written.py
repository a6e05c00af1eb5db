"""An answer as it was written or as its Markdown means it, with marks, as HTML that holds no outside markup.

A subset of our own: headings, lists, quotes, code, bold and italics, line by line. A library would lose where in
the text each piece stands, and marks are places in the text. Promises that every tag comes from here: raw HTML,
links, images and formulas stay the characters that they are, and nothing is fetched.
"""

import re
from collections.abc import Callable, Sequence
from itertools import groupby

from diffing.common.colours import LEVELS
from diffing.common.escape import esc
from diffing.probes.rules import Span
from pages.parts import highlight

STYLE = (
    "<style>"
    # Browsers that know it begin at the first mark; the others at the top, as ever.
    ".first{scroll-initial-target:nearest}"
    ".other{text-decoration:underline 2px;text-underline-offset:3px}"
    ".box{max-height:34rem;overflow-y:auto}"
    ".rendered{white-space:normal}.rendered p{margin:0 0 .5em;min-height:.5em;white-space:pre-wrap}"
    ".rendered .head{font-weight:700;font-size:1.08em}.rendered .item{padding-left:1.3em;text-indent:-1em}"
    ".rendered .quote{border-left:3px solid currentColor;padding-left:.7em;opacity:.85}"
    ".rendered .code,.rendered code{font-family:monospace;font-size:.9em}.rendered .code{margin:0}"
    "</style>"
)
MARK, OTHER = 1, 2
"""What is marked, and a word that the other answer has not."""
LINE = re.compile(r"(?P<head> {0,3}#{1,6} +)|(?P<quote> {0,3}> ?)|(?P<item>\s*(?:[-*+]|\d{1,9}[.)]) +)")
# No part may hold its own end, so that each is read once however long a line is.
INLINE = re.compile(r"\*\*(?P<strong>[^*\n]+)\*\*|\*(?P<em>[^*\s][^*\n]*)\*|`(?P<code>[^`\n]+)`")
FENCE = re.compile(r" {0,3}(?:```|~~~)")
Run = Callable[[int, int], str]


def answer(text: str, marks: Sequence[Span], others: Sequence[Span], side: str, rendered: bool) -> str:
    """The answer in a box of its own; `others` are the words that only this answer has."""
    run = _runs(text, marks, others, side)
    body = _lines(text, run) if rendered else run(0, len(text))
    kind = " rendered" if rendered else ""
    return f'<div class="box" tabindex="0"><div class="answer{kind}" dir="auto">{body}</div></div>'


def _runs(text: str, marks: Sequence[Span], others: Sequence[Span], side: str) -> Run:
    """Writes a stretch of the text with its marks."""
    kinds = bytearray(len(text))
    for spans, kind in ((marks, MARK), (others, OTHER)):
        for start, end in spans:
            for place in range(max(start, 0), min(end, len(text))):
                kinds[place] |= kind
    first = min((start for start, _ in marks or others), default=-1)

    def run(start: int, end: int) -> str:
        out = []
        for kind, places in groupby(range(start, end), key=kinds.__getitem__):
            held = list(places)
            piece = text[held[0] : held[-1] + 1]
            if not kind:
                out.append(esc(piece))
                continue
            names = [f"{side}{LEVELS}"] * bool(kind & MARK) + ["other", f"{side}3"] * (kind == OTHER)
            names += ["other"] * (kind == MARK | OTHER) + ["first"] * (held[0] <= first <= held[-1])
            focus = ' tabindex="0"' if kind & MARK else ""
            shown = highlight.marked(piece) if kind & MARK else esc(piece)
            out.append(f'<bdi class="{" ".join(names)}"{focus}>{shown}</bdi>')
        return "".join(out)

    return run


def _lines(text: str, run: Run) -> str:
    out, at, fenced = [], 0, False
    for line in text.split("\n"):
        end = at + len(line)
        if FENCE.match(line):
            fenced = not fenced
        elif fenced:
            out.append(f'<p class="code">{run(at, end)}</p>')
        else:
            out.append(_line(line, at, run))
        at = end + 1
    return "".join(out)


def _line(line: str, at: int, run: Run) -> str:
    """A heading, a quote, an item with its number or bullet, or a line of prose."""
    begun = LINE.match(line)
    if begun is None:
        return f"<p>{_inline(line, at, 0, run)}</p>"
    kind, body = str(begun.lastgroup), begun.end()
    lead = run(at, at + body) if kind == "item" else ""
    return f'<p class="{kind}">{lead}{_inline(line, at, body, run)}</p>'


def _inline(line: str, at: int, done: int, run: Run) -> str:
    out = []
    for match in INLINE.finditer(line, done):
        tag = str(match.lastgroup)
        start, end = match.span(tag)
        out.append(f"{run(at + done, at + match.start())}<{tag}>{run(at + start, at + end)}</{tag}>")
        done = match.end()
    return "".join([*out, run(at + done, at + len(line))])
