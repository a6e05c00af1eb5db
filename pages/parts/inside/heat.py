"""Texts with a figure laid over each token, in the variant's colour, and what recurs underlined.

HTML that holds no outside markup. Promises that a text stands as it was written, whatever a tokenizer does to the
blanks of its pieces: a piece is looked for in the text, and what is not found of one goes with the next.
"""

from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from diffing.common.colours import LEVELS, level
from diffing.common.escape import esc
from pages.parts import highlight


class Told(NamedTuple):
    """A run of text with its figure."""

    text: str
    value: float


def laid(text: str, pieces: Sequence[str], values: Sequence[float]) -> list[Told]:
    """A text cut where its tokens end, each with its figure; special tokens are in no text."""
    found, at = [], 0
    for piece, value in zip(pieces, values, strict=True):
        core = piece.strip() or piece
        # Two blanks may stand before a piece, which some tokenizers give without them.
        begin = text.find(core, at, at + len(core) + 2) if core else -1
        if begin < 0:
            continue
        end = begin + len(core)
        if piece[-1:].isspace() and not core[-1:].isspace():
            end += len(piece) - len(piece.rstrip())
        found.append(Told(text[at:end], float(value)))
        at = end
    return [*found, Told(text[at:], 0.0)] if at < len(text) else found


def text(before: str, told: Iterable[Told], largest: float, phrases: Iterable[str] = ()) -> str:
    """A text behind what it goes on from, which is paler; `phrases` are underlined wherever they stand."""
    told = list(told)
    under = _places("".join(part.text for part in told), phrases)
    out = [f'<div class="answer" dir="auto"><span style="opacity:.6">{esc(before)}</span>']
    at = 0
    for part in told:
        shade = level(part.value, largest)
        for marked, run in _runs(part.text, at, under):
            classes = [*([f"b{shade}"] if shade else []), *([f"s{LEVELS}"] if marked else [])]
            # No stop for the keyboard at each of some hundred tokens: the download has all figures.
            title = f' title="{part.value:.1f} nats"' if shade else ""
            # A blank that was only cut off from its word is no token of its own.
            alone = bool(run.strip()) or not part.text.strip()
            shown = highlight.marked(run) if shade and alone else esc(run)
            out.append(f'<bdi class="{" ".join(classes)}"{title}>{shown}</bdi>' if classes else shown)
        at += len(part.text)
    return "".join([*out, "</div>"])


def _runs(text: str, at: int, under: Container[int]) -> Iterator[tuple[bool, str]]:
    """A piece that begins at a place of the whole, cut where an underline begins or ends."""
    for marked, places in groupby(range(len(text)), lambda place: at + place in under):
        yield marked, "".join(text[place] for place in places)


def _places(text: str, phrases: Iterable[str]) -> set[int]:
    """Characters that are in one of the phrases, capitals aside."""
    # Letters that are folded to two would move all places behind them.
    low = text.lower() if len(text.lower()) == len(text) else text
    found: set[int] = set()
    for phrase in phrases:
        sought = phrase.strip().lower()
        at = low.find(sought) if sought else -1
        while at >= 0:
            found.update(range(at, at + len(sought)))
            at = low.find(sought, at + len(sought))
    return found


def scale(least: str, most: str) -> str:
    """What the shades mean."""
    shades = "".join(f'<i class="b{step}"></i>' for step in (1, 4, 7, LEVELS))
    return f'<div class="scale answer">{esc(least)} {shades} {esc(most)}</div>'
