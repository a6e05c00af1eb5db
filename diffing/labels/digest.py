"""A digest of a comparison: its sentence and its largest changes, from what is stored.

For whoever lists many studies at once. Promises the very words of the Answer page and of the command `answer`, and
that neither prompts nor answers are read for it; whether these have changed since is not asked.
"""

from pathlib import Path
from typing import Any, NamedTuple

from diffing import diff
from diffing.common.kept import Rests, kept
from diffing.diff import answer
from diffing.diff.answer import Behaviour
from diffing.labels import called, history
from diffing.labels.names import BUNDLED
from diffing.reader.places import table_path
from diffing.study.study import Study

LARGEST = 3
"""Changes that stand beside the sentence: what the eye takes in without reading."""


class Change(NamedTuple):
    """A change on one line."""

    side: str
    """Who shows it more, A or B."""
    name: str
    figures: str
    """A's and B's."""


class Digest(NamedTuple):
    """What a comparison says."""

    sentence: str
    changes: list[Change]
    """The largest ones that were confirmed, length apart."""
    computed: str
    """When it was compared."""


def of(study: Study, a: str = "", b: str = "") -> Digest:
    """What the diff of two checkpoints says; a `UserError` where there is none."""
    told = _told(study, *study.sides(a, b))
    return Digest(told["sentence"], [Change(*each) for each in told["changes"]], told["computed"])


def largest(found: list[Behaviour]) -> list[Behaviour]:
    """Of behaviours in order, what is named first: confirmed and in words, and length apart, which begins them."""
    told = [each for each in found if each.confirmed == "yes" and each.said and each.kind != "amount"]
    return told[:LARGEST]


def _rests(study: Study, a: str, b: str) -> Rests:
    stored = diff.load(study, a, b)
    tables = ("summary", "behaviours", "habits", "probes")
    paths: list[Path] = [next(stored.folder.glob(f"{name}.*"), stored.folder / name) for name in tables]
    written = [history.path_of(study), *sorted(history.imported_dir(study).glob("*.parquet")), BUNDLED]
    # By the folder of the diff, as a study has as many as it has pairs.
    return Rests(stored.folder, study.settings.reader.model_dump(), [*paths, *written, table_path(study)])


@kept(1, _rests)
def _told(study: Study, a: str, b: str) -> dict[str, Any]:
    stored = diff.load(study, a, b)
    found = [] if stored.older else called.named(study, stored, answer.behaviours(stored, examples=False))
    changes = [Change(each.direction, _said(each), each.brief) for each in largest(found)]
    computed = str(stored.summary.get("created", ""))
    return {"sentence": answer.sentence(stored), "changes": [list(each) for each in changes], "computed": computed}


def _said(each: Behaviour) -> str:
    return each.rest if each.author else each.name
