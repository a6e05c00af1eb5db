"""The report made last of two checkpoints or a series: where it lies, what it was made from, what changed since.

Promises that a report's own mark on findings counts as no change. Does not promise that the files are those which
were made: whoever shows one treats it as outside text.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from diffing import diff
from diffing.common import files
from diffing.common.errors import UserError
from diffing.findings import findings
from diffing.report import agent_notebook
from diffing.study import measures
from diffing.study.study import Study
from diffing.whitebox.sight import seen

FILES = {
    "prompts": "prompts.csv",
    "answers": "responses.parquet",
    "labels": "labels.jsonl",
    "verdicts of the judge": "verdicts.jsonl",
    "checks of the judge": "people.jsonl",
    "blind votes": "votes.jsonl",
    "own probes": "own_probes.jsonl",
    "measures": measures.FILE,
    "the agent's notebook": agent_notebook.FILE,
}
"""What a report is made from, and the file of the study that holds it."""
ALONG = ("prompts", "answers", "own probes", "measures")
"""What a report along a series is made from: it counts answers anew and holds no finding."""


def folder_of(study: Study, a: str, b: str) -> Path:
    """Where the study keeps it."""
    return study.folder / "reports" / f"{a}-{b}"


def folder_of_series(study: Study, keys: Sequence[str]) -> Path:
    """The same of three or more in order; what is not all of the study's has a place of its own."""
    whole = list(keys) == [checkpoint.key for checkpoint in study.checkpoints]
    rest = "" if whole else f"-{files.content_hash(list(keys), 6)}"
    return study.folder / "reports" / f"series-{keys[0]}-{keys[-1]}{rest}"


def manifest(folder: Path) -> dict[str, Any] | None:
    """What the last one says of itself; None where there is none, a `UserError` where it cannot be read."""
    path = folder / "manifest.json"
    if not path.exists():
        return None
    told = files.read_json(path, "make the report again")
    if not isinstance(told, dict) or not isinstance(told.get("made"), str):
        raise UserError(f"'{path.name}' of the last report says nothing of it; make the report again.")
    return told


def state(study: Study, a: str, b: str) -> dict[str, str]:
    """What a report would be made from now: a hash of each thing."""
    out = {name: _hash(study.folder / file) for name, file in FILES.items()}
    mine = [finding for finding in findings.load(study) if (finding.a, finding.b) == (a, b)]
    # That a report marks what it reports is no news to the next one.
    said = [finding.model_dump(mode="json", exclude={"reported"}) for finding in mine]
    out["findings"] = files.content_hash(said, 16)
    try:
        out["comparison"] = str(diff.load(study, a, b).summary["created"])
    except UserError:
        # It is gone or damaged: no report could be made of it.
        out["comparison"] = ""
    # Only where somebody looked: older reports know nothing of it.
    if mark := seen.mark(study, a, b):
        out["what was seen from inside"] = mark
    return out


def state_of_series(study: Study) -> dict[str, str]:
    """The same of a report along a series."""
    return {name: _hash(study.folder / FILES[name]) for name in ALONG}


def changed(told: dict[str, Any], now: dict[str, str]) -> list[str]:
    """What has changed since a report was made, in words; of one that an older version made nothing is known."""
    then = told.get("state")
    return [name for name in now if now[name] != then.get(name, "")] if isinstance(then, dict) else []


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.exists() else ""
