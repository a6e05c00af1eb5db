"""Answers collected elsewhere: other tools' logs and tables become prompts, responses and measures of a study.

What a file is follows from what stands in it (`logs.formats`), or is said. Promises that files with one bad row,
or with a checkpoint that has no place in the study, change nothing at all, and that the same files brought twice
add nothing twice. Does not promise as much of a process that is killed half-way: importing the same files again
completes it.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from diffing.common import columns as cells
from diffing.common import files
from diffing.common.errors import UserError
from diffing.models.providers import Checkpoint
from diffing.study import answer_tables, channels, measures, responses, study
from diffing.study.channels import Channel
from diffing.study.logs import batches, folders, formats, transcripts
from diffing.study.logs.formats import Taken
from diffing.study.logs.row import Source
from diffing.study.settings import StudySettings
from diffing.study.study import Exists, Study

PROMPT_COLUMNS = ("prompt", "messages", "category", "tags", "active")
KEPT = ("reasoning", "tools", "error", "model_served")
NUMBERS = ("tokens_in", "tokens_out", "cost", "latency")


class How(NamedTuple):
    """How files are read."""

    columns: Mapping[str, str] = {}
    """Of a table: our names to the file's."""
    format: str = ""
    """One of `formats.NAMES`; found by what stands in the file where it is empty."""
    names: Sequence[str] = ()
    """Checkpoints: one for all files, or one for each."""
    channel: Channel = "text"
    """What of an answer becomes its text."""
    measures: Sequence[str] = ()
    """Of a table: columns that are measures."""


class Answers(NamedTuple):
    """Files' content in our words."""

    prompts: pd.DataFrame
    """`text, messages, category, tags`, one row a prompt."""
    responses: pd.DataFrame
    """Rows of the response schema; `checkpoint` holds the files' own names."""
    checkpoints: list[str]
    """The files' names, in order of appearance."""
    measures: pd.DataFrame
    """Rows of the schema of measures, with the files' own names."""
    formats: dict[str, str]
    """What each file was read as."""
    left_out: dict[str, int]
    """Why rows or numbers were left out, and how many."""


AS_THEY_ARE = How()


def load(path: Path, columns: Mapping[str, str] | None = None) -> Answers:
    """A file's answers; `columns` maps our names to the file's."""
    return load_all([path], How(columns or {}))


def of_table(table: pd.DataFrame, path: Path, columns: Mapping[str, str] | None = None) -> Answers:
    """The answers in a table that was read from a file of this name."""
    source = Source(path, [path], {})
    found = _from_table(source, table, "", How(columns or {}))
    return _together([found], [source], "text")


def load_all(given: Sequence[Path], how: How = AS_THEY_ARE) -> Answers:
    """Files' answers, as if they stood in one."""
    names = _names(given, how.names)
    paths = [(path, name) for one, name in zip(given, names, strict=True) for path in folders.files_in(one)]
    paths = [(path, name) for path, name in paths if not _asks(path)]
    if not paths:
        raise UserError(f"'{given[0].name}' holds questions without their answers; bring these with it.")
    left_out: dict[str, int] = {}
    sources = [Source(path, given, left_out, how.measures) for path, _ in paths]
    found = [_one(source, name, how) for source, (_, name) in zip(sources, paths, strict=True)]
    return _together(found, sources, how.channel)


def _asks(path: Path) -> bool:
    """Whether a file is what another one of the import answers."""
    return batches.holds_requests(path) or answer_tables.holds_prompts(path)


class _Part(NamedTuple):
    """What one file holds."""

    rows: pd.DataFrame
    """Long rows with ids and draws."""
    measures: pd.DataFrame
    """`row, name, value, better`."""
    format: str


def _together(found: Sequence[_Part], sources: Sequence[Source], channel: Channel) -> Answers:
    """The answers of several files."""
    parts, numbers, before = [], [], 0
    for part, source in zip(found, sources, strict=True):
        parts.append(part.rows.assign(file=source.name))
        numbers.append(part.measures.assign(row=part.measures["row"] + before))
        before += len(part.rows)
    table = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
    del parts
    table["draw"] += _later(table)
    _check_apart(table)
    measured = pd.concat(numbers, ignore_index=True)
    keys = table[responses.KEY].take(measured["row"].astype(int)).reset_index(drop=True)
    asked = table.loc[~table["prompt_id"].duplicated(), [c for c in PROMPT_COLUMNS if c in table]]
    return Answers(
        asked.rename(columns={"prompt": "text"}).reset_index(drop=True),
        _responses(table, channel),
        list(dict.fromkeys(table["checkpoint"])),
        measures.normal(keys.assign(**_measured(measured))),
        {source.name: part.format for source, part in zip(sources, found, strict=True)},
        sources[0].left_out,
    )


def _names(given: Sequence[Path], names: Sequence[str]) -> Sequence[str]:
    """The checkpoint of each file, empty where the file says it itself."""
    if len(names) > 1 and len(names) != len(given):
        raise UserError(f"{len(names)} names are given for {len(given)} files; give --as once, or once a file.")
    return list(names) if len(names) > 1 else [*(names or [""])] * len(given)


def _one(source: Source, name: str, how: How) -> _Part:
    """What a file holds; `name` is its checkpoint, where it is said."""
    kind = how.format or formats.of(source.path)
    if kind == formats.TABLE:
        return _from_table(source, folders.table(source.path), name, how)
    return _from_log(source, formats.read(source, kind), name, kind)


def _from_table(source: Source, whole: pd.DataFrame, name: str, how: How) -> _Part:
    whole = answer_tables.with_prompts(whole, source.name, source.beside)
    wide = answer_tables.two_answers(whole, how.measures, how.columns.get("prompt", ""))
    columns = how.columns if {*how.columns} & {"response", *wide} else {**wide, **how.columns}
    # Two columns of answers are called as their checkpoints.
    sides = [*wide.values()] if wide and wide.items() <= columns.items() else ["a", "b"]
    whole = answer_tables.taken(whole, columns, source.path)
    talks = transcripts.in_table(whole)
    if talks:
        rows = transcripts.rows(source, whole, talks)
        return _from_log(source, formats.gathered(rows, source), name, "transcripts")
    table = _named(answer_tables.long(whole, source.name, name, sides), name, source.name)
    table = answer_tables.checked(table, source.name)
    answer_tables.check_repeats(table, source.name)
    numbers, lost = answer_tables.measured(table, how.measures, source.path)
    if lost:
        source.leave_out("scores that are no number", lost)
    return _Part(table, numbers, formats.TABLE)


def _from_log(source: Source, taken: Taken, name: str, kind: str) -> _Part:
    table = _named(taken.answers.rename(columns={"text": "response"}), name, source.name)
    return _Part(answer_tables.checked(table, source.name), taken.measures, kind)


def _named(table: pd.DataFrame, name: str, file: str) -> pd.DataFrame:
    """Rows with the checkpoint that they are said to be of."""
    theirs = table["checkpoint"].unique()
    if name and len(theirs) > 1:
        raise UserError(
            f"'{file}' holds answers of {len(theirs)} models, which one name cannot stand for; match each with "
            f"--match '{theirs[0]}=KEY'."
        )
    return table.assign(checkpoint=name) if name else table


def _later(table: pd.DataFrame) -> "pd.Series[int]":
    """How much later a draw is for its sample being the second or third that asks the same of a checkpoint."""
    if "sample" not in table:
        return pd.Series(0, index=table.index)
    samples = table[["checkpoint", "prompt_id", "sample"]].fillna("").drop_duplicates()
    # By their names and not as they come: a log has them in the order in which they were done.
    samples = samples.sort_values(["checkpoint", "prompt_id", "sample"])
    place = samples.groupby(["checkpoint", "prompt_id"]).cumcount()
    found = (
        table[["checkpoint", "prompt_id", "sample"]]
        .fillna("")
        .merge(samples.assign(place=place), on=["checkpoint", "prompt_id", "sample"], how="left")
    )
    return (found["place"] * (int(table["draw"].max()) + 1)).set_axis(table.index)


def _check_apart(table: pd.DataFrame) -> None:
    """Two files must not answer the same draw of the same prompt for one checkpoint."""
    repeated = table.duplicated(responses.KEY, keep="first")
    if not bool(repeated.any()):
        return
    row = table[repeated].iloc[0]
    same = (table[responses.KEY] == row[responses.KEY]).all(axis=1)
    first, second = table.loc[same, "file"].iloc[:2]
    if first == second:
        raise UserError(
            f"'{first}' answers the sample '{row.get('sample', '')}' twice for '{row['checkpoint']}'; drop one."
        )
    raise UserError(
        f"'{first}' and '{second}' both answer the same prompts for '{row['checkpoint']}'; tell them apart with "
        "--as NAME, once for each file."
    )


def _measured(numbers: pd.DataFrame) -> dict[str, "pd.Series[float]"]:
    better = numbers["better"].map({"yes": True, "no": False}).astype("boolean")
    value = pd.to_numeric(numbers["value"]).astype("float64")
    return {"name": numbers["name"].astype("str"), "value": value, "higher_is_better": better}


class Plan(NamedTuple):
    """What an import would leave behind; all its checks have passed."""

    settings: StudySettings
    prompts: pd.DataFrame
    responses: pd.DataFrame
    measures: pd.DataFrame
    """What comes in, by the study's keys."""


def into(
    name: str,
    answers: Answers,
    match: Mapping[str, str] | None = None,
    add_checkpoints: bool = False,
    **chosen: Any,
) -> Study:
    """Put answers into a study, which is made where there is none, then with these settings."""
    if name not in study.names():
        plan = planned(name, answers, match, collection=bool(chosen.get("collection")))
        try:
            return Study.create(
                name, plan.settings.checkpoints, plan.prompts, plan.responses, plan.measures, **chosen
            )
        except Exists:
            # Else another import has just made it, and these answers go into it.
            if name not in study.names():
                raise
    target = Study.open(name)
    with target.held():
        target.reread()
        plan = planned(name, answers, match, add_checkpoints)
        target.add_import(plan.settings, plan.prompts, plan.responses, plan.measures)
    return target


def planned(
    name: str,
    answers: Answers,
    match: Mapping[str, str] | None = None,
    add_checkpoints: bool = False,
    collection: bool = False,
) -> Plan:
    """What `into` would do, or the `UserError` with which it would refuse; changes nothing."""
    renamed = [(match or {}).get(theirs, theirs) for theirs in answers.checkpoints]
    if name not in study.names():
        if len(set(renamed)) < 2 and not collection:
            raise UserError(
                f"A study compares two checkpoints, and there are answers of '{renamed[0]}' alone; bring "
                "the other's in the same import, tell files apart with --as NAME, once for each file, or bring it "
                "alone with `read`."
            )
        keys = [slug(theirs) for theirs in renamed]
        settings = Study.planned(
            name, [_imported(r, k) for r, k in zip(renamed, keys, strict=True)], collection=collection
        )
        rows, numbers = (_keyed(of, answers, keys) for of in (answers.responses, answers.measures))
        return Plan(settings, answers.prompts, rows, numbers)
    target = Study.open(name)
    keys = _known_keys(target, renamed, add_checkpoints)
    # By key: two names of the file may have been matched to one new checkpoint.
    added = {key: theirs for theirs, key in zip(renamed, keys, strict=True) if key not in _keys(target)}
    more = [_imported(theirs, key) for key, theirs in added.items()]
    old = target.prompts()
    table = pd.concat([old, answers.prompts], ignore_index=True) if len(old) else answers.prompts
    settings = target.settings.model_copy(update={"checkpoints": [*target.checkpoints, *more]})
    rows, numbers = (_keyed(of, answers, keys) for of in (answers.responses, answers.measures))
    if any(kind != formats.TABLE for kind in answers.formats.values()):
        _check_no_other_run(target, rows)
    return Plan(settings, table, rows, numbers)


def _check_no_other_run(target: Study, rows: pd.DataFrame) -> None:
    """A log of another run must not take the places of answers that are there: a table is edited, a log is not."""
    there = target.responses()
    there = there.loc[there["flag"] != "failed", [*responses.KEY, "text"]]
    both = there.merge(rows[[*responses.KEY, "text", "flag"]], on=responses.KEY, suffixes=("_old", "_new"))
    other = both[both["text_old"] != both["text_new"]]
    if len(other):
        key = str(other["checkpoint"].iloc[0])
        raise UserError(
            f"Study '{target.name}' has other answers of '{key}' to {len(other):,} of the same prompts; name the "
            "new ones with --as NAME and --add-checkpoints."
        )


def _keyed(rows: pd.DataFrame, answers: Answers, keys: Sequence[str]) -> pd.DataFrame:
    """Rows with the study's keys in place of the files' names."""
    names = dict(zip(answers.checkpoints, keys, strict=True))
    return rows.assign(checkpoint=rows["checkpoint"].map(names).astype("str"))


def _responses(table: pd.DataFrame, channel: Channel) -> pd.DataFrame:
    rows = table[[*responses.KEY, "finish_reason"]].copy()
    for name in KEPT:
        rows[name] = table[name].fillna("") if name in table else ""
    for name in NUMBERS:
        if name in table:
            rows[name] = pd.to_numeric(table[name].replace("", None), errors="coerce")
    rows["text"] = table["response"]
    rows["text"] = channels.texts(rows, channel)
    rows["flag"] = cells.mapped(responses.flag, rows["text"], rows["finish_reason"], rows["error"])
    rows["created"] = files.now()
    return rows


def _known_keys(target: Study, names: Sequence[str], add: bool) -> list[str]:
    """The study's keys for a file's checkpoint names, which may be keys or names."""
    # A key goes before a name, as the study's own word for a checkpoint.
    by_name = {c.name: c.key for c in target.checkpoints} | {c.key: c.key for c in target.checkpoints}
    for theirs in names:
        if theirs not in by_name and not add:
            known = ", ".join(_keys(target))
            raise UserError(
                f"Study '{target.name}' has no checkpoint '{theirs}' (it has {known}); match it with "
                f"--match '{theirs}=KEY' or add it with --add-checkpoints."
            )
    keys = [by_name.get(theirs) or slug(theirs) for theirs in names]
    owners = {key: key for key in _keys(target)}
    for theirs, key in zip(names, keys, strict=True):
        # 'a b' and 'a-b' are two checkpoints, and one key cannot stand for both.
        if theirs not in by_name and owners.setdefault(key, theirs) != theirs:
            raise UserError(
                f"'{theirs}' and '{owners[key]}' would both have the key '{key}'; tell them apart with "
                f"--match '{theirs}=KEY'."
            )
    return keys


def _keys(target: Study) -> list[str]:
    return [c.key for c in target.checkpoints]


def _imported(name: str, key: str) -> Checkpoint:
    return Checkpoint(key=key, name=name, source="import")


def slug(name: str) -> str:
    """A name as a key or a folder may be called."""
    # As `providers.NAME` wants it.
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:64] or "checkpoint"
