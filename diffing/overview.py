"""Every study in a few lines: what it says, when it last changed, and what comes next.

For the first page and the command `list`, which show all studies at once. Promises that neither prompts nor
answers are read unless they are newer than the diff: their numbers are those that stand beside the files, so that
an answer that failed counts as one that is there.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from diffing import diff, jobs
from diffing.common import damage, noted, words
from diffing.common.errors import UserError
from diffing.findings import judged
from diffing.labels import digest
from diffing.labels.digest import Change
from diffing.reader.places import table_path
from diffing.study import responses, study
from diffing.study.study import Study
from diffing.whitebox.sight import seen


class Overview(NamedTuple):
    """A study as one sees it among others."""

    name: str
    fault: str = ""
    """Why it does not open; all that follows is then empty."""
    study: Study | None = None
    sentence: str = ""
    """What its first two checkpoints' diff says; empty where there is none."""
    changes: tuple[Change, ...] = ()
    changed: str = ""
    """When a file of it last changed."""
    size: str = ""
    """Prompts and answers, in words."""
    findings: str = ""
    """How many there are and how many a judge was asked about, in words."""
    step: str = ""
    """The step, as the status names it, that has to be done before there is a diff; empty afterwards."""
    next: str = ""
    """The same as a sentence."""
    how: str = ""
    """The command that does it."""
    stale: str = ""
    """Why its diff is no longer true, as a sentence; empty where it is, or where there is none."""
    inside: str = ""
    """What was seen of its first two checkpoints' weights; empty where nobody looked."""
    running: tuple[str, ...] = ()
    """Kinds of jobs that run now."""

    def matches(self, search: str) -> bool:
        """Whether all words of a search stand in its name, its checkpoints' names or what it says."""
        sides = [checkpoint.name for checkpoint in self.study.checkpoints] if self.study else []
        note = self.study.settings.note if self.study else ""
        here = " ".join([self.name, *sides, note, self.sentence, *(each.name for each in self.changes)]).lower()
        return all(word in here for word in search.lower().split())


def of(name: str) -> Overview:
    """One study; what is wrong with it stands in `fault`."""
    try:
        with damage.told():
            return _of(Study.open(name))
    except UserError as error:
        return Overview(name, fault=str(error))


def every() -> list[Overview]:
    """All studies, the last changed first; those that do not open come last."""
    found = [of(name) for name in study.names()]
    return sorted(found, key=lambda each: each.changed, reverse=True)


def _of(opened: Study) -> Overview:
    try:
        told = digest.of(opened)
    except damage.Damaged:
        raise
    except UserError:
        # Not compared yet.
        told = None
    prompts, answers = _rows(opened.folder / "prompts.csv"), sum(_rows(opened.folder / n) for n in responses.FILES)
    step, ahead, how = ("", "", "") if told else _next(opened, prompts, answers)
    if opened.one_sided and step == "diff":
        step, ahead, how = "", "Next: search it.", f"python -m diffing search {opened.name} WORDS"
    counted = [words.count(number, kind) for number, kind in ((prompts, "prompt"), (answers, "answer")) if number]
    return Overview(
        name=opened.name,
        study=opened,
        sentence=told.sentence if told else "",
        changes=tuple(told.changes) if told else (),
        changed=_changed(opened.folder),
        size=" · ".join(counted),
        findings=judged.of(opened).all_in_words,
        step=step,
        next=ahead,
        how=how,
        stale=_stale(opened) if told else "",
        inside=seen.of(opened).sentence if seen.there(opened) else "",
        running=tuple(job.spec["kind"] for job in jobs.recent(opened) if job.status().state == "running"),
    )


def _stale(opened: Study) -> str:
    """Whether the diff of the first two checkpoints is of an older method, or of other answers than there are."""
    stored = diff.load(opened, *opened.sides())
    if stored.older:
        return "This was computed by an older method."
    made = (stored.folder / "summary.json").stat().st_mtime
    inputs = (*(opened.folder / name for name in ("prompts.csv", *responses.FILES)), table_path(opened))
    # What is older than the diff is what it was made from; of what is newer it is asked whether it is the same.
    newer = any(path.exists() and path.stat().st_mtime > made for path in inputs)
    return "Prompts or answers have changed since it was compared." if newer and stored.outdated(opened) else ""


def _next(opened: Study, prompts: int, answers: int) -> tuple[str, str, str]:
    """The step that leads to a diff, in words, and its command."""
    command, name = "python -m diffing", opened.name
    brought = all(checkpoint.source == "import" for checkpoint in opened.checkpoints)
    if not prompts:
        return "prompts", "It has no prompts yet: add some.", f"{command} prompts {name} --add FILE"
    if not answers and brought:
        return "answers", "It has no answers yet: bring some.", f"{command} import {name} FILE"
    due = prompts * opened.settings.sampling.draws * len(opened.checkpoints)
    if not answers:
        return "answers", f"Next: ask the checkpoints, {due:,} answers in all.", f"{command} collect {name}"
    if not table_path(opened).exists():
        if answers < due and not brought:
            return (
                "answers",
                f"{answers:,} of {due:,} answers are there: ask for the rest.",
                f"{command} collect {name}",
            )
        return "encoding", "Next: have the answers read.", f"{command} encode {name}"
    return "diff", "Next: compare the two sides.", f"{command} diff {name}"


def _rows(path: Path) -> int:
    """Rows of a table as they stand beside it or in its last bytes; 0 where nothing tells."""
    number = noted.rows(path)
    if number is None and path.suffix == ".parquet" and path.exists():
        with damage.reading(path):
            return int(pq.read_metadata(path).num_rows)
    return number or 0


def _changed(folder: Path) -> str:
    """The date of the latest file: the study's own, each diff's summary, and what was looked into from inside."""
    moments = [each.stat().st_mtime for each in _files(folder)]
    return datetime.fromtimestamp(max(moments, default=0.0), UTC).isoformat(timespec="seconds")


def _files(folder: Path) -> Iterator[Path]:
    yield from (
        each
        for each in folder.iterdir()
        if each.is_file() and not each.name.startswith(".") and each.name != "study.lock"
    )
    yield from folder.glob("diffs/*/summary.json")
    yield from folder.glob("whitebox/*/asked.json")
