"""What pages read, kept in memory between reruns: diffs, encodings, names of features.

Each is keyed by the files' own dates, so that a page shows the files as they are. What comes back is shared by all
sessions and must not be changed.
"""

from threading import Lock
from typing import Any, NamedTuple

import pandas as pd
import streamlit as st

from diffing import contradictions as against
from diffing import diff, evidence, labels, names, query
from diffing.activations import Encodings, path_of
from diffing.contradictions import Contradiction
from diffing.diff import Diff, DiffSettings
from diffing.evidence import Standing
from diffing.study import ReaderChoice, Study


class Loaded(NamedTuple):
    """A diff with the names of its features."""

    diff: Diff
    table: pd.DataFrame
    """`diff.features` with `label`, `named_by` (person, llm, rule) and `score`."""
    outdated: bool
    """Whether answers or encodings have changed since."""


def _stamp(*paths: object) -> tuple[int, ...]:
    return tuple(p.stat().st_mtime_ns if p.exists() else 0 for p in paths)  # type: ignore[attr-defined]


def of_pair(study: Study, a: str, b: str) -> Loaded:
    """The stored diff of two checkpoints; a `UserError` where there is none."""
    folder = diff.folder_of(study, a, b, DiffSettings())
    stamp = _stamp(
        folder / "summary.json",
        path_of(study),
        labels.path_of(study),
        study.folder / "responses.parquet",
        study.folder / "prompts.csv",
    )
    return _of_pair(study.name, a, b, str(study.folder), stamp)


@st.cache_resource(max_entries=8, show_spinner="Reading the diff")
def _of_pair(
    name: str,
    a: str,
    b: str,
    folder: str,  # noqa: ARG001 - part of the key
    stamp: tuple[int, ...],  # noqa: ARG001 - part of the key
) -> Loaded:
    study = Study.open(name)
    found = diff.load(study, a, b)
    return Loaded(found, names.named(study, found), found.outdated(study))


def encodings(study: Study) -> Encodings:
    """The study's encodings, opened once."""
    return _encodings(study.name, str(study.folder), _stamp(path_of(study), study.folder / "responses.parquet"))


@st.cache_resource(max_entries=4, show_spinner="Opening the encodings")
def _encodings(
    name: str,
    folder: str,  # noqa: ARG001 - part of the key
    stamp: tuple[int, ...],  # noqa: ARG001 - part of the key
) -> Encodings:
    return Encodings.open(Study.open(name))


def read_text(study: Study, text: str, top: int) -> dict[str, Any]:
    """A text's pieces and strongest features by the study's reader, as `encode.TextFeatures` has them."""
    return _read_text(study.settings.reader.model_dump_json(), text, top)


@st.cache_data(max_entries=32, show_spinner="Reading the text")
def _read_text(choice: str, text: str, top: int) -> dict[str, Any]:
    # Heavy to import, and only this needs it.
    from diffing import encode

    reader, turn = _reader(choice)
    with turn:
        return encode.read_text(reader, text, top).model_dump()


@st.cache_resource(max_entries=1, show_spinner="Loading the reader, once")
def _reader(choice: str) -> tuple[Any, Lock]:
    """A reader, and the lock under which sessions take turns with it."""
    from diffing import encode

    chosen = ReaderChoice.model_validate_json(choice)
    return encode.load_reader(chosen, encode.devices_for("auto", 1)[0]), Lock()


def standings(study: Study, a: str, b: str) -> list[Standing]:
    """Where the findings of two checkpoints stand."""
    names = ("findings.jsonl", "verdicts.jsonl", "responses.parquet", "prompts.csv", "study.toml")
    paths = [study.folder / name for name in names]
    folder = diff.folder_of(study, a, b, DiffSettings())
    return _standings(
        study.name, a, b, str(study.folder), _stamp(*paths, labels.path_of(study), folder / "summary.json")
    )


@st.cache_resource(max_entries=8, show_spinner="Weighing the findings")
def _standings(
    name: str,
    a: str,
    b: str,
    folder: str,  # noqa: ARG001 - part of the key
    stamp: tuple[int, ...],  # noqa: ARG001 - part of the key
) -> list[Standing]:
    return evidence.of(Study.open(name), a, b)


def contradictions(study: Study, a: str, b: str, feature: int) -> list[Contradiction]:
    """What the counts say against a feature's label."""
    folder = diff.folder_of(study, a, b, DiffSettings())
    stamp = _stamp(folder / "summary.json", labels.path_of(study), path_of(study))
    return _contradictions(study.name, a, b, str(study.folder), stamp, feature)


@st.cache_resource(max_entries=256, show_spinner=False)
def _contradictions(
    name: str,
    a: str,
    b: str,
    folder: str,  # noqa: ARG001 - part of the key
    stamp: tuple[int, ...],  # noqa: ARG001 - part of the key
    feature: int,
) -> list[Contradiction]:
    return against.of(Study.open(name), a, b, [feature]).get(feature, [])


def correlated(study: Study, feature: int) -> pd.DataFrame:
    """Features that answers show together with this one, computed once for these encodings."""
    stamp = _stamp(path_of(study), study.folder / "responses.parquet")
    return _correlated(study.name, str(study.folder), stamp, feature, study.settings.seed)


@st.cache_resource(max_entries=64, show_spinner=False)
def _correlated(
    name: str,
    folder: str,  # noqa: ARG001 - part of the key
    stamp: tuple[int, ...],  # noqa: ARG001 - part of the key
    feature: int,
    seed: int,
) -> pd.DataFrame:
    opened = encodings(Study.open(name))
    found = query.correlated(opened, query.of_feature(opened, feature), seed=seed)
    return found[found["feature"] != feature].reset_index(drop=True)
