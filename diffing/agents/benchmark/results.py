"""What came of a run of the benchmark, kept beside its logs so that a page opens at once, and single transcripts.

Promises that what is kept is read out of the logs anew once any of them is newer. Needs inspect_ai for that and
for transcripts; what is kept opens without it.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from diffing.agents.benchmark import pairs, running, table
from diffing.common import files
from diffing.common.errors import UserError

VERSION = 1
"""Of what is kept; another one is read out of the logs anew."""


class Results(NamedTuple):
    """Runs and claims, as `table` has them."""

    runs: pd.DataFrame
    claims: pd.DataFrame


class Said(NamedTuple):
    """One message of a transcript."""

    role: str
    """system, user, assistant or the name of a tool."""
    text: str
    calls: tuple[str, ...]
    """Tools that it calls, with what they are told."""


def named(name: str = "") -> str:
    """A run's name, or the latest's."""
    there = running.names()
    if name and name not in there:
        raise UserError(f"There is no run '{name[:60]}'; there are {', '.join(there) or 'none'}.")
    if not there:
        raise UserError("The benchmark was not run yet; start with 'python -m diffing bench run'.")
    return name or there[-1]


def of(name: str) -> Results:
    """All runs and claims that are in a run's logs by now."""
    folder, kept = running.logs(name), pairs.folder() / "results" / f"{name}.json"
    newest = max((path.stat().st_mtime_ns for path in folder.glob("*.eval")), default=0)
    if kept.exists() and (told := files.read_json(kept)).get("state") == [VERSION, newest]:
        return Results(_read(told["runs"]), _read(told["claims"]))
    found = Results(*table.read(folder))
    kept.parent.mkdir(mode=files.PRIVATE_FOLDER, exist_ok=True)
    files.write_json(
        kept, {"state": [VERSION, newest], "runs": _plain(found.runs), "claims": _plain(found.claims)}
    )
    return found


def _plain(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON has them; what is found follows from the grades."""
    return [
        {str(name): _value(value) for name, value in row.items() if name != "found"}
        for row in rows.to_dict("records")
    ]


def _value(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and np.isnan(value) else value


def _read(rows: list[dict[str, Any]]) -> pd.DataFrame:
    told = pd.DataFrame(rows)
    for name in ("recall", "grade", "best", "brier", "rating", "dollars", "q"):
        if name in told and not (name == "grade" and "text" in told):
            told[name] = told[name].astype(float)
    if "grades" in told:
        told["found"] = [table.found(grades) for grades in told["grades"]]
    return told


def transcript(name: str, log: str, task: str, epoch: int) -> list[Said]:
    """All that was said in one run."""
    from inspect_ai.log import read_eval_log_sample

    path = running.logs(name) / Path(log).name
    if not path.exists():
        raise UserError(f"The log '{path.name}' of the run '{name}' is not there any more; run it again.")
    sample = read_eval_log_sample(str(path), id=task, epoch=epoch)
    return [
        Said(
            message.function or "tool" if message.role == "tool" else message.role,
            message.text or (message.error.message if message.role == "tool" and message.error else ""),
            tuple(f"{call.function} {call.arguments}" for call in getattr(message, "tool_calls", None) or []),
        )
        for message in sample.messages
    ]
