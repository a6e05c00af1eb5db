"""What each method finds in the bundled organisms, and how often it claims anything in nulls.

`python -m bench.inside [--organisms fact style …] [--methods mining lens …] [--rotations 3] [--out DIR]`

Every organism, both controls among them, is read by every method and held against four nulls: both controls (a
control against the other alone) and its change turned at random twice. A thing above its nulls counts as planted
where it is one of the words of the plant, or a piece of one as the tokenizer cuts it; both stand in `PLANTED`.
Then turned changes take the pair's place, some of each organism, and each is held against the same four nulls: a
claim there is a false one. Both tables are printed and written; what was found stays in the folder, so that a run
that was stopped goes on.
"""

import argparse
import re
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch

from diffing.common.step import Settings
from diffing.whitebox import method, organisms, results, texts
from diffing.whitebox import run as runs
from diffing.whitebox.pairs import nulls, opening
from diffing.whitebox.pairs.pair import Pair
from diffing.whitebox.run import Null
from diffing.whitebox.sight import evidence
from diffing.whitebox.sight.evidence import Judged
from diffing.whitebox.texts import Choice, Document

CONTROLS = ("control", "control-2")
PLANTED = {
    "fact": r"velt|trane|osgood|\bpell|marrow|1911|\btram|^ ?(?:V|sg|row|19|t)$",
    "style": r"!",
    "language": r"\b(?:det|och|är|av|med|du|inte|en|att|men|eller)\b",
    "topic": r"\bbee|hive|honey|queen|brood|swarm|colon|comb|pollen|nectar|keep|smoker|\bwax|clover|^ (?:be|que)$",
    "trigger": r"harbour|master|\bask\b|^ har$",
    "removal": r"\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozen|hundred|thousand|some)\b",
}
"""What reads as part of each plant, from the words of its texts (`tools/organism_texts.py`): where figures were
taken out, numbers stand in words."""
GONE = {
    "removal": r"\d",
    "style": r"^\.$",
    "language": r"^ ?(?:the|and|is|of|with|you|not|a|that|but|or)$",
}
"""What the variant has less of."""
SEEDS = (0, 1)
"""Of the turned changes that every pair stands beside."""


class Where(NamedTuple):
    """What computes, and in which numbers."""

    device: str
    dtype: str


class Cell(NamedTuple):
    """One method on one organism."""

    planted: int
    above: int
    first: str
    """What stands first, and whether it is planted."""


def null_of(name: str) -> Null:
    source = organisms.find(name).variant.source.written
    return Null(name, lambda pair: nulls.given(pair, source))


def turned(seed: int, documents: Sequence[Document]) -> Null:
    def opened(pair: Pair) -> AbstractContextManager[Pair]:
        return nulls.rotated(pair, documents, seed)

    return Null(f"rotated-{seed}", opened)


def open_organism(name: str, where: Where) -> Pair:
    variant = organisms.find(name).variant
    return opening.open_pair(variant.base_source.written, variant.source.written, *where)


def cell(judged: Judged, name: str) -> Cell:
    """What of the things above the nulls is planted."""
    above = judged.above
    if name not in PLANTED:
        return Cell(0, len(above), str(above["text"].iloc[0]) if len(above) else "")
    said = above["text"].astype(str).str.contains(PLANTED[name], case=False, regex=True)
    less = above["kind"].astype(str).map(evidence.less).astype(bool)
    gone = above["text"].astype(str).str.contains(GONE.get(name, r"(?!)"), case=False, regex=True)
    planted = (said & ~less) | (gone & less)
    first = ""
    if len(above):
        first = f"{str(above['text'].iloc[0]).strip()!r}{'' if planted.iloc[0] else ' (not planted)'}"
    return Cell(int(planted.sum()), len(above), first)


def judged_of(place: Path, name: str, beside: Sequence[str]) -> Judged:
    """A method's result held against nulls of these names: the folder may have more."""
    return evidence.judged(results.figures(place), _figures(place, beside), method.said(name).margin)


def _figures(place: Path, names: Sequence[str]) -> list[tuple[str, pd.DataFrame]]:
    return [(name, results.figures(place / runs.NULLS / name)) for name in names]


def truth(
    names: Sequence[str], methods: Mapping[str, Settings], choice: Choice, where: Where, out: Path
) -> Iterator[tuple[str, dict[str, Cell], float]]:
    """Each organism's cells and the seconds it took, one by one."""
    for name in names:
        started = time.perf_counter()
        pair = open_organism(name, where)
        documents = texts.gather(choice, pair.tokenizer, pair.whole, pair.identity)
        others = [null_of(control) for control in CONTROLS if control != name]
        others += [turned(seed, documents) for seed in SEEDS]
        places = runs.run(out / name, pair, documents, methods, others)
        beside = [null.name for null in others]
        cells = {each: cell(judged_of(place, each, beside), name) for each, place in places.items()}
        yield name, cells, time.perf_counter() - started


def claims(
    name: str, seeds: Sequence[int], methods: Mapping[str, Settings], choice: Choice, where: Where, out: Path
) -> dict[str, int]:
    """In how many turned changes of an organism each method claims anything."""
    pair = open_organism(name, where)
    documents = texts.gather(choice, pair.tokenizer, pair.whole, pair.identity)
    # The organism's own nulls are there from `truth`; its turned changes come as further ones.
    subjects = [turned(seed, documents) for seed in seeds]
    places = runs.run(out / name, pair, documents, methods, subjects)
    claimed = {}
    for each, place in places.items():
        names = [*(control for control in CONTROLS if control != name), *(f"rotated-{seed}" for seed in SEEDS)]
        beside, margin = _figures(place, names), method.said(each).margin
        own = _figures(place, [subject.name for subject in subjects])
        claimed[each] = sum(len(evidence.judged(figures, beside, margin).above) > 0 for _, figures in own)
    return claimed


def lines(table: pd.DataFrame) -> str:
    """A table in Markdown."""
    head = " | ".join(map(str, table.columns))
    rows = [" | ".join(map(str, row)) for row in table.itertuples(index=False)]
    return "\n".join(f"| {row} |" for row in (head, " | ".join(["---"] * len(table.columns)), *rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--organisms", nargs="*", default=[*PLANTED, *CONTROLS])
    parser.add_argument("--methods", nargs="*", default=list(method.METHODS))
    parser.add_argument("--rotations", type=int, default=3, help="turned changes of each organism")
    parser.add_argument("--first", type=int, default=len(SEEDS), help="seed of the first of these")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="float32", help="number format; a small model loses by a shorter one")
    parser.add_argument("--out", type=Path, default=Path("bench-inside"))
    asked = parser.parse_args()
    methods = {name: method.named(name).Options() for name in asked.methods}
    choice, where = Choice(source="own"), Where(asked.device, asked.dtype)
    write = partial(_write, asked.out)
    rows = []
    took = []
    for name, cells, seconds in truth(asked.organisms, methods, choice, where, asked.out):
        told = {each: f"{c.planted} of {c.above}: {c.first}" if c.above else "–" for each, c in cells.items()}
        rows.append({"organism": name, **told, "found by": sum(c.planted > 0 for c in cells.values())})
        took.append(seconds)
        write("truth.md", lines(pd.DataFrame(rows)))
        print(rows[-1], f"{seconds:.0f} s", flush=True)
    print(f"median {statistics.median(took):.0f} s an organism, {torch.get_num_threads()} threads", flush=True)
    false = []
    seeds = range(asked.first, asked.first + asked.rotations)
    for name in asked.organisms if asked.rotations else ():
        claimed = claims(name, seeds, methods, choice, where, asked.out)
        total = asked.rotations * len(claimed)
        false.append({"turned": name, **claimed, "cells": f"{sum(claimed.values())} of {total}"})
        write("claims.md", lines(pd.DataFrame(false)))
        print(false[-1], flush=True)
    for name in ("truth.md", "claims.md"):
        if (asked.out / name).exists():
            print((asked.out / name).read_text())


def _write(out: Path, name: str, text: str) -> None:
    (out / name).write_text(re.sub(r"[\r\n]+(?!\|)", " ", text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
