"""Write `docs/starter.md`: what the starter finds on real answers, and how its labels did in their blind test.

`python -m tools.starter_doc STUDY LENGTH` reads two studies that are encoded and compared already, one of a real
checkpoint change and one whose planted difference is length, and the sample study. Promises that every figure is
read from them or from `docs/blind_scores.csv`, and that passages come from the sample alone: other texts may have
licences that forbid showing them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from diffing import diff, labels
from diffing.common import files
from diffing.diff.stored import Diff
from diffing.reader import firing
from diffing.reader.encodings import Encodings
from diffing.study import sample
from diffing.study.study import Study

LINE = "\n"
SHOWN = 20
CLAIMS = "## Drafted claims"
"""Where the part begins that `bench.claims` made."""
AROUND = 8
"""Pieces of text on either side of the strongest one."""
EACH = 2
"""Passages of a feature."""
TIED = 0.5
"""Share of a feature's active tokens near a probe from which it is told at the probe."""


def marked(pieces: list[tuple[str, float]]) -> str:
    """The pieces around the strongest one in a line, those that the feature is active on in brackets."""
    strongest = int(np.argmax([value for _, value in pieces]))
    start, end = max(0, strongest - AROUND), min(len(pieces), strongest + AROUND + 1)
    # No half words at the borders.
    while 0 < start < strongest and not pieces[start][0][0].isspace():
        start += 1
    while strongest + 1 < end < len(pieces) and not pieces[end][0][0].isspace():
        end -= 1
    words = []
    for text, value in pieces[start:end]:
        if value <= 0:
            words.append(text.replace("\n", "↵"))
            continue
        # The space before a word is not what a reader of the line looks for.
        lead = " " if text[:1] == " " and text.strip() else ""
        words.append(f"{lead}⟦{firing.shown(text)}⟧")
    line = "".join(words).strip()
    return f"{'… ' if start else ''}{line}{' …' if end < len(pieces) else ''}"


def passages(encodings: Encodings, feature: int) -> list[str]:
    """The strongest passages of the sample's discovery answers, each of another prompt."""
    table = encodings.occurrences(feature)
    table = table[table["document"].isin(firing.readable(encodings.study, encodings))]
    table = table.assign(prompt=encodings.documents["prompt_id"].to_numpy()[table["document"]])
    table = table.sort_values(["peak", "document"], ascending=[False, True]).drop_duplicates("prompt")
    return [
        marked(encodings.tokens(document).pieces(encodings.dense(document, feature)))
        for document in table["document"].head(EACH).tolist()
    ]


def figures(row: Any) -> str:
    """The figures that features and probes share, as cells of a table."""
    shares = f"{row.frequency_a:.0%} | {row.frequency_b:.0%} | {100 * row.delta:+.0f}"
    cuts = [f"{100 * row.delta_equal_length:+.0f}", f"{100 * row.delta_equal_length_tail:+.0f}"]
    return " | ".join([shares, *cuts]).replace("%", " %")


def nearest(words: Any) -> dict[str, float]:
    """A feature's probes, nearest first, with the share of its active tokens that lie near them."""
    if not isinstance(words, str) or not words:
        return {}
    return {name: float(share) for name, share in (part.rsplit(":", 1) for part in words.split("; "))}


def cell(text: str) -> str:
    """Text that Markdown shows as it is."""
    return text.replace("|", "\\|").replace("*", "\\*")


def counts(found: Diff) -> str:
    """How many features differ, plainly and at equal length."""
    told = found.summary
    share = told["survive_equal_length"] / told["differing"]
    return (
        f"{told['differing']:,} features differ plainly (q < 0.05, {told['tested']:,} tested); "
        f"{told['survive_equal_length']:,} of them, {100 * share:.0f} %, do so at equal length too,\n"
        "the same way among as many random tokens and not the other way in the first or the last ones. "
        f"Answers have {told['tokens_a']:.0f} tokens on A and {told['tokens_b']:.0f} on B."
    )


def changed(found: Diff, rows: Sequence[Any]) -> str:
    """The features that differ most at equal length, and the probes that they fall on."""
    near = {row.feature: nearest(row.probes) for row in rows}
    lines = [
        f"| {row.feature} | {cell(row.label)} | {figures(row)} | "
        f"{', '.join(f'{probe} {share:.2f}' for probe, share in near[row.feature].items())} |"
        for row in rows
    ]
    first = {next(iter(probes)) for probes in near.values() if probes}
    probes = found.probes[found.probes["probe"].isin(first)]
    probes = probes.iloc[probes["delta_equal_length"].abs().argsort(kind="stable")[::-1]]
    tied = {name: [str(f) for f, ties in near.items() if ties.get(name, 0) >= TIED] for name in first}
    counted = [f"| {row.probe} | {figures(row)} | {', '.join(tied[row.probe])} |" for row in probes.itertuples()]
    return f"""## What differs most at equal length

A is `{found.a}`, B is `{found.b}`: a real change of a checkpoint.
{counts(found)}

These are the {SHOWN} families of features with the largest difference when both answers are cut to their first
tokens, as many as the shorter one has. A and B are shares of whole answers; differences are in points: of whole
answers, of answers cut to their first tokens, and cut to their last. Where the two cuts disagree, the feature
belongs to a place: closing words are lost from a longer answer that is cut to its beginning, openings from one
that is cut to its end. Beside each feature stand the probes it is near: the share of its active tokens within two
tokens of one.

| feature | label | A | B | B - A | first | last | near |
|---|---|---|---|---|---|---|---|
{LINE.join(lines)}

The nearest probes themselves, counted in the text without any feature, and which of the features above have at
least {100 * TIED:.0f} % of their active tokens near them:

| probe | A | B | B - A | first | last | features |
|---|---|---|---|---|---|---|
{LINE.join(counted)}
"""


def shown(study: Study, rows: Sequence[Any]) -> str:
    """Passages of the sample in which the features fire."""
    encodings = Encodings.open(sample.ensure())
    lines = []
    for row in rows:
        here = passages(encodings, row.feature)
        lines.append(f"- **{row.feature}** {cell(row.label)}{'' if here else ': does not fire there'}")
        lines += [f"  - `` {text} ``" for text in here]
    return f"""## Where these features fire

The licence of AlpacaEval's answers keeps their text out of this project. The passages below are from the sample
study, hand-made answers that ship with it: the two strongest on discovery prompts, with ⟦brackets⟧ around the
tokens that the feature is active on, ↵ for a line break and ␣ for a space. Who has AlpacaEval's answers, in a file
with the columns `prompt`, `category`, `checkpoint` and `response`, sees the real passages on the dashboard's pages
or with

```bash
python -m diffing import {study.name} gpt4_0613_vs_1106.jsonl.xz
python -m diffing encode {study.name}
python -m diffing diff {study.name}
python -m diffing feature {study.name} {rows[0].feature}
```

{LINE.join(lines)}
"""


def length_alone(found: Diff) -> str:
    """What a pair of checkpoints shows that differ by length."""
    return f"""## When length is what differs

One checkpoint, asked to be concise (A, `{found.a}`) or verbose (B, `{found.b}`):
{counts(found)}

Most of them differ because a longer answer shows more of everything, and the cut removes that. What stays is not
all free of length: verbose answers are also laid out otherwise, and a long answer's beginning is no short answer.
"""


def blind(scores: Path) -> str:
    """How the labels did in their blind test."""
    accuracy = pd.read_csv(scores)["balanced_accuracy"]
    spread = accuracy.std(ddof=1) / np.sqrt(len(accuracy))
    return f"""## Blind test of the labels

{len(accuracy)} labels were drawn at random when 1,054 were written, each with twenty unmarked passages of that
half of the corpus which no label was written from: ten active, over the deciles of activation, and ten silent. The
scorer, a language model of the same family as the one that wrote the labels, saw label and passages only and knew
that about half were active.
Mean balanced accuracy {accuracy.mean():.3f}, standard error {spread:.3f}.
`docs/blind_scores.csv` has every truth and answer; `tools/blind_sheet.py` draws and scores.
"""


def page(study: Study, length: Study, scores: Path) -> str:
    """The whole page."""
    found, long = (diff.load(one, one.checkpoints[0].key, one.checkpoints[1].key) for one in (study, length))
    top = found.top(SHOWN, by="delta_equal_length")["feature"].tolist()
    rows = list(
        labels.named(study, found.features, found.a, found.b)
        .set_index("feature", drop=False)
        .loc[top]
        .itertuples()
    )
    title = f"""# The starter on real answers

Written by `python -m tools.starter_doc {study.name} {length.name}` from two studies of AlpacaEval's published
answers to {found.summary["prompts"]} prompts, which the bundled reader and SAE were not trained on
(`diffing/starter/MODEL_CARD.md`).
"""
    return LINE.join([title, changed(found, rows), shown(study, rows), length_alone(long), blind(scores)])


def main(
    study: str,
    length: str,
    out: Path = files.PROJECT / "docs" / "starter.md",
    scores: Annotated[Path, typer.Option(help="What `tools.blind_sheet score` wrote.")] = (
        files.PROJECT / "docs" / "blind_scores.csv"
    ),
) -> None:
    """Write the page from two studies that are encoded and compared."""
    text = page(Study.open(study), Study.open(length), scores)
    # What another tool made stays.
    before = out.read_text(encoding="utf-8") if out.exists() else ""
    text += LINE + before[before.index(CLAIMS) :] if CLAIMS in before else ""
    with files.replacing(out) as temporary:
        temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
