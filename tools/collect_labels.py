"""Puts the labels that readers of `label_contexts` wrote into the starter's `labels.json`.

`python -m tools.collect_labels FOLDER AUTHOR DATE` reads `out-*.jsonl` (feature, label, description) beside the
`features.json` that names the features chosen. Promises one label a feature, none of them longer than a line, and
no blind score that was not taken.
"""

import json
from pathlib import Path

import typer

from diffing.common import files
from diffing.labels.names import BUNDLED

EVIDENCE = {"contexts": 20, "strongest": 5, "over_deciles": 15, "from": "the training corpus, label half"}


def main(folder: Path, author: str, date: str, out: Path = BUNDLED) -> None:
    """Write `labels.json` and say how many labels it holds."""
    chosen = files.read_json(folder / "features.json")
    labels: dict[int, dict[str, object]] = {}
    for path in sorted(folder.glob("out-*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            feature, label = int(entry["feature"]), " ".join(str(entry["label"]).split())
            if str(feature) not in chosen or feature in labels or not label:
                raise ValueError(f"{path.name}: feature {feature} was not chosen, stands twice or has no label")
            labels[feature] = {
                "label": label,
                "description": " ".join(str(entry["description"]).split()),
                "author": author,
                "author_kind": "llm",
                "evidence": EVIDENCE,
                "date": date,
                "score": None,
            }
    files.write_json(out, {str(feature): labels[feature] for feature in sorted(labels)})
    unclear = sum(str(entry["label"]).startswith("unclear") for entry in labels.values())
    print(f"{len(labels)} labels of {len(chosen)} features chosen, {unclear} of them unclear")


if __name__ == "__main__":
    typer.run(main)
