"""A study on disk: its settings, checkpoints, prompts and answers.

A study is a folder `studies/<name>/` with `study.toml`, `prompts.csv` and `responses.parquet`; every later step
adds its own files beside them. Promises that names cannot leave `studies/`, that files are replaced whole, that of
several who change a study at once none undoes what another did (each reads, changes and writes under the study's
lock), that folders written by older versions still open, and that a study is for its owner's eyes from its first
writing on (0700). Computes nothing: the steps do.
"""

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import pandas as pd
from pydantic import ValidationError

from diffing.common import damage, files, noted, tables, who
from diffing.common.errors import UserError
from diffing.common.step import first_fault
from diffing.models.providers import NAME, Checkpoint
from diffing.study import arriving, channels, measures, prompts, responses
from diffing.study.channels import Channel
from diffing.study.prompts import Imported
from diffing.study.settings import ReaderChoice, StudySettings, load_settings, text_of

PATIENCE = 60.0
"""Seconds to wait for others to be done with a study. A change takes seconds, of a million answers too: whoever
holds it longer has been stopped or hangs. Chosen by eye."""

_mine = threading.local()
"""`folders`: those that this thread holds already."""


class Exists(UserError):
    """A study of that name is there."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Study '{name}' exists already; choose another name or open it.")


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """A study to this thread alone, to read and write in the block; may be asked for again within it.

    Every change of a study begins here, so here it is asked who may make one.
    """
    who.needs_editor()
    mine: set[Path] = vars(_mine).setdefault("folders", set())
    if folder in mine:
        yield
        return
    if not folder.is_dir():
        raise UserError(f"There is no study '{folder.name}' any more; 'list' shows those that are there.")
    with files.locked(folder / "study.lock", most=PATIENCE) as alone:
        if not alone:
            raise UserError(
                f"Study '{folder.name}' is held by another process for {PATIENCE:.0f} s now; end that process or "
                "wait for it, then try again."
            )
        mine.add(folder)
        try:
            yield
        finally:
            mine.discard(folder)


class OneSided(UserError):
    """A collection was asked for something that takes two sides."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"'{name}' is a collection, texts without a second side, and comparing takes two; `search {name}` "
            f"looks through it, and `import {name} FILE --add-checkpoints` brings another side."
        )


class Study:
    """One study's folder. Cheap to make; every call reads the files as they are now."""

    def __init__(self, folder: Path, settings: StudySettings) -> None:
        self.folder = folder
        self.settings = settings
        self.other_reader = False
        """Whether `settings` name another reader than the study's own (`read_by`)."""
        self.channel: Channel = "text"
        """What of an answer stands as its text (`through`)."""

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def beside(self) -> bool:
        """Whether this is another view than the study's own, whose files lie beside the own ones."""
        return self.other_reader or self.channel != "text"

    @property
    def one_sided(self) -> bool:
        """Whether there is nothing to compare: a collection."""
        return len(self.settings.checkpoints) < 2

    @property
    def checkpoints(self) -> Sequence[Checkpoint]:
        return self.settings.checkpoints

    @classmethod
    def create(
        cls,
        name: str,
        checkpoints: Sequence[Checkpoint],
        prompt_table: pd.DataFrame | None = None,
        answers: pd.DataFrame | None = None,
        numbers: pd.DataFrame | None = None,
        **settings: Any,
    ) -> Self:
        """Make the folder, whole or not at all; `numbers` are measures, `settings` fields of `StudySettings`."""
        who.needs_editor()
        folder, full = folder_of(name), cls.planned(name, checkpoints, **settings)
        try:
            with files.fresh_folder(folder.parent, ".new-") as temporary:
                study = cls(temporary, full)
                study.save_settings(full)
                study.save_prompts(prompts.empty() if prompt_table is None else prompt_table)
                if answers is not None:
                    study.add_responses(answers)
                if numbers is not None and len(numbers):
                    study.add_measures(numbers)
                temporary.rename(folder)
        except OSError as error:
            if folder.exists():
                # Another process has made it meanwhile.
                raise Exists(name) from error
            raise UserError(f"Study '{name}' cannot be made: {damage.in_words(error)}") from error
        return cls(folder, full)

    @classmethod
    def planned(cls, name: str, checkpoints: Sequence[Checkpoint], **settings: Any) -> StudySettings:
        """The settings of a study that can be made so; makes nothing."""
        if folder_of(name).exists():
            raise Exists(name)
        try:
            return StudySettings(name=name, created=files.now(), checkpoints=list(checkpoints), **settings)
        except ValidationError as error:
            raise UserError(f"Study '{name}' cannot be made: {first_fault(error)}.") from error

    @classmethod
    def open(cls, name: str) -> Self:
        folder = folder_of(name)
        path = folder / "study.toml"
        if not path.exists():
            known = ", ".join(names()) or "none yet"
            raise UserError(f"There is no study '{name}'; studies here: {known}.")
        return cls(folder, load_settings(path))

    @classmethod
    def list(cls) -> Sequence[Self]:
        """All studies that open, by name; `names()` also has those that do not."""
        studies = []
        for name in names():
            try:
                studies.append(cls.open(name))
            except UserError:
                # The caller who wants the reason opens it by name.
                continue
        return studies

    def checkpoint(self, key: str) -> Checkpoint:
        for checkpoint in self.checkpoints:
            if checkpoint.key == key:
                return checkpoint
        known = ", ".join(c.key for c in self.checkpoints)
        raise UserError(f"Study '{self.name}' has no checkpoint '{key}'; it has {known}.")

    def read_by(self, choice: ReaderChoice) -> Self:
        """The same study as another reader sees it, whose files lie beside the own one's; for looking alone."""
        if choice == self.settings.reader:
            return self
        other = type(self)(self.folder, self.settings.model_copy(update={"reader": choice}))
        other.other_reader, other.channel = True, self.channel
        return other

    def through(self, channel: Channel) -> Self:
        """The same study with another channel of its answers in place of their text; for looking alone."""
        if channel == self.channel:
            return self
        other = type(self)(self.folder, self.settings)
        other.other_reader, other.channel = self.other_reader, channel
        return other

    def held(self) -> AbstractContextManager[None]:
        """The lock under which whoever changes the study reads it first."""
        return held(self.folder)

    def _check_own(self) -> None:
        """What is stored or asked from another view would be taken for the study's own."""
        if self.beside:
            raise ValueError("a study as another reader or channel shows it is not for changing; open it anew")

    # Settings.

    def reread(self) -> StudySettings:
        """The settings as they stand on the disk now."""
        self.settings = load_settings(self.folder / "study.toml")
        return self.settings

    def change_settings(self, **fields: Any) -> None:
        """Give some fields of the settings new values; the others stay as anybody has left them by now."""
        with self.held():
            self.save_settings(self.reread().model_copy(update=fields))

    def save_settings(self, settings: StudySettings) -> None:
        """Replace all settings: for a study that nobody else knows yet, or under the lock."""
        self._check_own()
        with self.held():
            self.settings = settings
            files.tighten(self.folder)
            # TOML has no null: what is None is left out, and read as None again.
            files.write_text(self.folder / "study.toml", text_of(settings))

    # Prompts.

    def prompts(self) -> pd.DataFrame:
        return prompts.read(self.folder / "prompts.csv")

    def prompts_of(self, ids: Sequence[str]) -> pd.DataFrame:
        """Some prompts, in any order; of a large table no others are parsed."""
        return prompts.part(self.folder / "prompts.csv", ids)

    def add_prompts(self, new: pd.DataFrame) -> Imported:
        """Add those prompts that the study lacks by now; what comes back is what was added."""
        with self.held():
            old = self.prompts()
            table, repeated = prompts.lacking(new, old, self.reread().held_out)
            self.save_prompts(pd.concat([old, table], ignore_index=True))
        # After the lock: on many prompts it takes a while, and nothing hangs on it.
        return Imported(table, repeated, prompts.near_duplicates(table, old))

    def activate(self, ids: Collection[str], active: bool) -> None:
        """Have prompts asked, or not any more."""
        with self.held():
            table = self.prompts()
            gone = set(ids) - set(table["id"])
            if gone:
                raise UserError(
                    f"Prompt '{min(gone)}' is no longer in study '{self.name}'; look at the prompts again."
                )
            self.reread()
            table.loc[table["id"].isin(list(ids)), "active"] = active
            self.save_prompts(table)

    def save_prompts(self, table: pd.DataFrame) -> None:
        """Replace the prompt table; ids and the discovery/held-out split follow from the content.

        Takes what is not in `table` away: who changes some prompts reads the others under the lock first.
        """
        with self.held():
            files.tighten(self.folder)
            prompts.write(self.folder / "prompts.csv", prompts.normal(table, self.settings.held_out))

    # Answers.

    @property
    def _table(self) -> Path:
        return self.folder / responses.TABLE

    def responses(self) -> pd.DataFrame:
        """All answers, each with the study's channel as its text."""
        return channels.seen(responses.read(self._table), self.channel)

    def told_of_responses(self, *columns: str) -> pd.DataFrame:
        """Some columns of all answers: their texts need not stand in memory."""
        if self.channel != "text":
            return self.responses()[[*columns]]
        return responses.part(self._table, columns)[[*columns]]

    def responses_in_parts(self) -> Iterator[pd.DataFrame]:
        """All answers, some thousand at a time, so that a large study need not stand in memory."""
        for part in responses.parts(self._table):
            yield channels.seen(part, self.channel)

    def responses_to(self, prompt_ids: Sequence[str]) -> pd.DataFrame:
        """The answers to some prompts, of which alone the table is read."""
        return channels.seen(responses.part(self._table, [*responses.COLUMNS], prompt_ids), self.channel)

    def add_responses(self, rows: pd.DataFrame) -> None:
        """Store answers; a row takes the place of an earlier one of the same prompt, checkpoint and draw."""
        self._check_own()
        with self.held():
            files.tighten(self.folder)
            both, order = responses.joined(self.responses(), rows)
            responses.write(self._table, both, order)

    def append_responses(self, rows: pd.DataFrame) -> None:
        """The same beside the table, for a run that brings some every few seconds; `settle_responses` ends it."""
        self._check_own()
        with self.held():
            if not self._table.exists():
                self.add_responses(rows)
                return
            files.tighten(self.folder)
            responses.append(self._table, rows)
            if arriving.large(self._table):
                self.settle_responses()

    def settle_responses(self) -> None:
        """Write what has come in beside the table into it."""
        self._check_own()
        with self.held():
            if arriving.beside(self._table).exists():
                responses.write(self._table, self.responses())

    def add_import(
        self, settings: StudySettings, table: pd.DataFrame, rows: pd.DataFrame, numbers: pd.DataFrame
    ) -> None:
        """Take settings, prompts, answers and their measures at once: all are on the disk before the first takes
        its place.

        Settings and table were read under the same hold of the lock.
        """
        self._check_own()
        names = ["study.toml", "prompts.csv", responses.TABLE, *([measures.FILE] if len(numbers) else [])]
        paths = [self.folder / name for name in names]
        with self.held():
            both, order = responses.joined(self.responses(), rows)
            whole = prompts.normal(table, settings.held_out)
            measured = measures.joined(self.measures(), numbers)
            with ExitStack() as stack:
                toml, csv, parquet, *more = (stack.enter_context(files.replacing(path)) for path in paths)
                toml.write_text(text_of(settings), encoding="utf-8")
                tables.write_csv(csv, whole)
                files.fill_parquet(parquet, responses.marked(self._table, both), order)
                for path in more:
                    files.fill_parquet(path, measured)
            noted.note(paths[1], len(whole))
            responses.written(self._table, both, order)
            if len(numbers):
                noted.note(paths[3], len(measured))
        self.settings = settings

    # Measures.

    def measures(self) -> pd.DataFrame:
        """Scores and other numbers by answer that other tools gave: `measures.COLUMNS`."""
        return measures.read(self.folder / measures.FILE)

    def add_measures(self, numbers: pd.DataFrame) -> None:
        """Store numbers; one takes the place of an earlier one of the same name and answer."""
        with self.held():
            files.tighten(self.folder)
            measures.write(self.folder / measures.FILE, measures.joined(self.measures(), numbers))

    # Two sides.

    def sides(self, a: str = "", b: str = "") -> tuple[str, str]:
        """The checkpoints compared: the first two of the study where none are named."""
        if self.one_sided:
            raise OneSided(self.name)
        keys = [checkpoint.key for checkpoint in self.checkpoints]
        a, b = a or keys[0], b or keys[1]
        # Each raises where there is no such checkpoint.
        self.checkpoint(a), self.checkpoint(b)
        if a == b:
            raise UserError(f"'{a}' cannot be compared with itself; name another checkpoint.")
        return a, b

    def looked_at(self, a: str = "", b: str = "") -> tuple[str, ...]:
        """The same for what shows answers and compares none: of a collection its only checkpoint."""
        return (self.checkpoints[0].key,) if self.one_sided else self.sides(a, b)

    def pairs(self, a: str, b: str, texts: bool = True) -> pd.DataFrame:
        """Both sides' answers by (prompt, draw), with the reason where a pair is excluded.

        Without `texts` these are empty: who asks for flags alone need not hold all of them.
        """
        self.checkpoint(a), self.checkpoint(b)
        table = (
            self.responses() if texts else self.told_of_responses(*responses.KEY, "flag", "error").assign(text="")
        )
        return responses.pairs(table, self.prompts(), a, b)


def folder_of(name: str) -> Path:
    if not NAME.fullmatch(name):
        raise UserError(
            f"'{name}' is no study name; use 1 to 64 letters, digits, '.', '_' or '-', a letter or digit first."
        )
    return files.studies_dir() / name


def sweep(folder: Path) -> None:
    """Take away what killed processes left in a study's folder, in the folders in it, and in those of its jobs."""
    inside = [f"*/{name}" for name in files.LEFT]
    files.sweep(folder, *files.LEFT, *inside, "jobs/*/.*.tmp")


def names() -> list[str]:
    """Names of all study folders, whether or not they open."""
    root = files.studies_dir()
    return sorted(p.parent.name for p in root.glob("[!.]*/study.toml")) if root.exists() else []
