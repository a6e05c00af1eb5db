"""A blind test of the starter's labels: passages to judge from a label alone, and how well that went.

`python -m tools.blind_sheet draw CORPUS OUT` draws labels at random and writes, for each, twenty unmarked
passages of the corpus's "score" half, which no label was written from: ten over the deciles of the feature's
activation, ten in which it is silent on every token. `python -m tools.blind_sheet score OUT SHEET` compares a
reader's answers with the truth and keeps answer and truth of every passage, without its text.
"""

import csv
import json
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from diffing.common import files
from diffing.labels.names import BUNDLED
from tools.label_contexts import ASSISTANT_SOURCES, NARROW, Contexts, Starter
from tools.starter_corpus import encode_texts, half, read_corpus

app = typer.Typer()
PASSAGES = 10
"""Passages that show a feature, and as many that do not."""


def passages(contexts: Contexts, feature: int, random: np.random.Generator) -> list[tuple[str, bool]]:
    """Unmarked windows with their truth, shuffled; empty where the feature fires too seldom."""
    column = contexts.encoded.activations[:, [feature]].tocoo()
    fired = column.row[np.argsort(-column.data, kind="stable")]
    if len(fired) < 5 * PASSAGES:
        return []
    taken: set[str] = set()
    active = [
        at
        for decile in np.array_split(fired, PASSAGES)
        for at in contexts.distinct(random.permutation(decile), 1, taken)
    ]
    shown = set(fired.tolist())
    silent: list[int] = []
    for at in random.permutation(len(contexts.encoded.tokens)).tolist():
        start, end = contexts.window(at, NARROW)
        if shown.isdisjoint(range(start, end)) and end - start > NARROW:
            silent.append(at)
        if len(silent) == PASSAGES:
            break
    if len(active) < PASSAGES or len(silent) < PASSAGES:
        return []
    places = [(at, True) for at in active] + [(at, False) for at in silent]
    rows = [(contexts.span(*contexts.window(at, NARROW)), truth) for at, truth in places]
    return [rows[i] for i in random.permutation(len(rows))]


@app.command()
def draw(
    corpus: Path,
    out: Path,
    starter: Path = Path("diffing/starter"),
    answers: Annotated[int, typer.Option(help="Corpus answers to read, at random.")] = 700,
    labels: int = 50,
    seed: int = 1,
) -> None:
    """Write `sheet.txt` for the reader and `key.json` for the scorer."""
    loaded, random = Starter(starter), np.random.default_rng(seed)
    eligible = [d for d in read_corpus(corpus) if d.source in ASSISTANT_SOURCES and half(d) == "score"]
    picked = [eligible[i] for i in random.permutation(len(eligible))[:answers]]
    contexts = Contexts(loaded.encode(encode_texts(loaded.tokenizer, [d.text for d in picked])), loaded.tokenizer)
    written = files.read_json(BUNDLED)
    sheet: list[str] = []
    key: dict[str, list[bool]] = {}
    skipped = 0
    for feature in random.permutation(sorted(map(int, written))).tolist():
        rows = passages(contexts, feature, random)
        skipped += not rows
        if not rows:
            continue
        entry = written[str(feature)]
        sheet += [f"### FEATURE {feature}", f"label: {entry['label']}"]
        sheet += [f"{number}: {text}" for number, (text, _) in enumerate(rows, start=1)]
        key[str(feature)] = [truth for _, truth in rows]
        if len(key) == labels:
            break
    out.mkdir(parents=True, exist_ok=True)
    (out / "sheet.txt").write_text("\n".join(sheet) + "\n", encoding="utf-8")
    files.write_json(out / "key.json", key)
    print(f"{len(key)} labels; {skipped} drawn before them fire too seldom in these answers to be tested")


@app.command()
def score(out: Path, sheet: Path) -> None:
    """Read `answers.jsonl` ({"feature", "answers": [true, false, …]}) and write the scoring sheet."""
    key, written = files.read_json(out / "key.json"), files.read_json(BUNDLED)
    lines = (out / "answers.jsonl").read_text(encoding="utf-8").splitlines()
    given = {str(one["feature"]): one["answers"] for one in map(json.loads, lines)}
    accuracies = []
    with sheet.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["feature", "label", "balanced_accuracy", "truth", "answers"])
        for feature, truth in key.items():
            # An answer that is missing is wrong.
            said = [*given.get(feature, []), *[None] * len(truth)][: len(truth)]
            right = [s is t for s, t in zip(said, truth, strict=True)]
            sides = [
                np.mean([r for r, t in zip(right, truth, strict=True) if t is side]) for side in (True, False)
            ]
            accuracies.append(float(np.mean(sides)))
            signs = ["".join({True: "1", False: "0", None: "-"}[v] for v in row) for row in (truth, said)]
            table.writerow([feature, written[feature]["label"], f"{accuracies[-1]:.2f}", *signs])
    mean, spread = np.mean(accuracies), np.std(accuracies, ddof=1) / np.sqrt(len(accuracies))
    print(f"mean balanced accuracy {mean:.3f}, standard error {spread:.3f}, {len(accuracies)} labels")


if __name__ == "__main__":
    app()
