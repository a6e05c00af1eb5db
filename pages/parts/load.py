"""What pages read, kept in memory between reruns: diffs, encodings, names of features, findings.

Each is kept as long as the files that it comes from are the same ones, so that a page shows them as they are. What
comes back is shared by all sessions and must not be changed.
"""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import pandas as pd
import streamlit as st

from diffing import diff, labels
from diffing.common import files
from diffing.common.damage import Damaged
from diffing.common.errors import UserError
from diffing.diff import measures as compared_measures
from diffing.diff import own
from diffing.diff import pairs as feature_pairs
from diffing.diff.answer import Behaviour
from diffing.findings import asking, evidence, findings, people
from diffing.findings import rulings as judge_rulings
from diffing.findings import votes as blind
from diffing.findings.evidence import Standing
from diffing.findings.findings import Finding
from diffing.findings.people import Question
from diffing.findings.rulings import Ruling
from diffing.labels import called, history
from diffing.probes import own_probes as own_kept
from diffing.probes.own import Rule
from diffing.reader import firing, places, query
from diffing.reader.encodings import Encodings
from diffing.report import last
from diffing.study import measures as stored_measures
from diffing.study import responses
from diffing.study.study import Study
from diffing.whitebox import results
from diffing.whitebox.sight import seen
from pages.parts import address
from pages.parts.loaded import Loaded

Asked = ParamSpec("Asked")
Found = TypeVar("Found")
State = tuple[str, tuple[files.Identity, ...]]


def answers_state(study: Study, *more: Path) -> State:
    """Which view of a study it is, and which files of prompts, answers and encodings lie there."""
    names = ("study.toml", "prompts.csv", *responses.FILES)
    paths = [*(study.folder / name for name in names), places.table_path(study), *more]
    # The table's place names the study, its reader and its channel.
    return str(places.table_path(study)), tuple(map(files.identity, paths))


def _judged(study: Study) -> State:
    """The same with findings and what a judge said of them."""
    return answers_state(study, study.folder / "findings.jsonl", study.folder / "verdicts.jsonl")


def _everything(study: Study) -> State:
    """The same with what people and later steps write: labels, findings, verdicts, diffs."""
    written = [
        study.folder / "findings.jsonl",
        study.folder / "verdicts.jsonl",
        people.path_of(study),
        *study.folder.glob("diffs/*/summary.json"),
        *study.folder.glob(f"{places.FOLDER}/*.parquet"),
    ]
    return answers_state(study, history.path_of(study), history.imported_dir(study), *sorted(written))


def _own(study: Study) -> State:
    """Answers with the study's own probes, and what judges said to them."""
    return answers_state(study, own_kept.path_of(study), asking.path_of(study))


def _measured(study: Study) -> State:
    """Answers with the numbers that other tools gave them."""
    return answers_state(study, study.folder / stored_measures.FILE)


def _voted(study: Study) -> State:
    """Answers with blind votes on them."""
    return answers_state(study, blind.path_of(study))


def _reported(study: Study) -> State:
    """Everything, with blind votes, own probes, measures and what was seen from inside."""
    folder, found = _everything(study)
    paths = [
        blind.path_of(study),
        own_kept.path_of(study),
        study.folder / stored_measures.FILE,
        *seen_files(study),
    ]
    more = [files.identity(path) for path in paths]
    return folder, (*found, *more)


def seen_files(study: Study) -> list[Path]:
    """The files of what was seen from inside."""
    found = study.folder.glob(f"{seen.FOLDER}/*/**/{results.FACTS}")
    return [*sorted(study.folder.glob(f"{seen.FOLDER}/*/{seen.ASKED}")), *sorted(found)]


ANSWERS: dict[str | type[Any], Any] = {Study: answers_state}
JUDGED: dict[str | type[Any], Any] = {Study: _judged}
EVERYTHING: dict[str | type[Any], Any] = {Study: _everything}
OWN: dict[str | type[Any], Any] = {Study: _own}
MEASURED: dict[str | type[Any], Any] = {Study: _measured}
VOTED: dict[str | type[Any], Any] = {Study: _voted}
REPORTED: dict[str | type[Any], Any] = {Study: _reported}


def said(read: Callable[Asked, Found]) -> Callable[Asked, Found]:
    """A damaged file met on the way ends the page with its sentence and the way home."""

    @wraps(read)
    def asked(*args: Asked.args, **kwargs: Asked.kwargs) -> Found:
        try:
            return read(*args, **kwargs)
        except Damaged as error:
            address.lost(str(error))

    return asked


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs=ANSWERS)
def failed(study: Study) -> pd.DataFrame:
    """The answers that failed, and why."""
    table = study.responses()
    return table.loc[table["flag"] == "failed", ["prompt_id", "checkpoint", "draw", "error"]]


@st.cache_resource(max_entries=8, show_spinner="Reading the diff", hash_funcs=EVERYTHING)
def of_pair(study: Study, a: str, b: str) -> Loaded:
    """The stored diff of two checkpoints; a `UserError` where there is none."""
    found = diff.load(study, a, b)
    return Loaded(study, found, found.outdated(study))


def if_compared(study: Study, a: str, b: str) -> Loaded | None:
    """The same; None where the two have not been compared yet."""
    try:
        return of_pair(study, a, b)
    except Damaged as error:
        address.lost(str(error))
    except UserError:
        return None


@said
@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs=EVERYTHING)
def behaviours(study: Study, a: str, b: str) -> list[Behaviour]:
    """What changed between two checkpoints, in order."""
    return called.behaviours(study, of_pair(study, a, b).diff)


@said
@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs=EVERYTHING)
def rulings(study: Study, a: str, b: str) -> dict[int, Ruling]:
    """What a judge made of behaviours, by their numbers."""
    return judge_rulings.of(study, a, b, behaviours(study, a, b))


@said
@st.cache_resource(max_entries=64, show_spinner=False, hash_funcs=ANSWERS)
def texts_to(study: Study, prompt_ids: tuple[str, ...]) -> dict[tuple[str, str, int], str]:
    """Every answer to some prompts by prompt, checkpoint and draw."""
    table = study.responses_to(prompt_ids)
    names = table["prompt_id"], table["checkpoint"], table["draw"]
    return dict(zip(zip(*names, strict=True), table["text"], strict=True))


@st.cache_resource(max_entries=4, show_spinner=False, hash_funcs=ANSWERS)
def prompts(study: Study) -> pd.DataFrame:
    """The prompts by id."""
    return study.prompts().set_index("id", drop=False)


@said
@st.cache_resource(max_entries=64, show_spinner=False, hash_funcs=ANSWERS)
def prompts_of(study: Study, ids: tuple[str, ...]) -> pd.DataFrame:
    """Some prompts by id."""
    return study.prompts_of(ids).set_index("id", drop=False)


@said
@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs=JUDGED)
def findings_of(study: Study) -> list[Finding]:
    """All findings as they stand."""
    return findings.load(study)


@st.cache_resource(max_entries=4, show_spinner="Opening the encodings", hash_funcs=ANSWERS)
def encodings(study: Study) -> Encodings:
    """The study's encodings, opened once."""
    return Encodings.open(study)


@st.cache_resource(max_entries=64, show_spinner=False, hash_funcs=ANSWERS)
def encodings_to(study: Study, prompt_id: str) -> Encodings:
    """The encodings of the answers to one prompt."""
    return Encodings.of_prompt(study, prompt_id)


@said
@st.cache_resource(max_entries=32, show_spinner=False, hash_funcs=ANSWERS)
def pairs(study: Study, feature: int, a: str, b: str, held_out: bool) -> pd.DataFrame:
    """The pairs of answers with a feature's strongest activations, as `diffing.diff.pairs` has them."""
    return feature_pairs.pairs(study, encodings(study), feature, a, b, held_out)


@said
@st.cache_resource(max_entries=256, show_spinner=False, hash_funcs=ANSWERS)
def description(study: Study, feature: int) -> firing.Lexical:
    """What a rule says of a feature: the tokens of answers to discovery prompts that it fires on most."""
    opened = encodings(study)
    return firing.describe(opened, [feature], firing.readable(study, opened).tolist())[feature]


@said
@st.cache_resource(max_entries=64, show_spinner=False, hash_funcs=ANSWERS)
def correlated(study: Study, feature: int) -> pd.DataFrame:
    """Features that answers show together with this one."""
    opened = encodings(study)
    found = query.correlated(opened, query.of_feature(opened, feature), seed=study.settings.seed)
    return found[found["feature"] != feature].reset_index(drop=True)


@said
@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs=EVERYTHING)
def dossiers(study: Study) -> dict[int, history.Dossier]:
    """All that is known of each feature's name."""
    return labels.dossiers(study)


@said
@st.cache_resource(max_entries=8, show_spinner="Weighing the findings", hash_funcs=EVERYTHING)
def standings(study: Study, a: str, b: str) -> list[Standing]:
    """Where the findings of two checkpoints stand."""
    return evidence.of(study, a, b)


@said
@st.cache_resource(max_entries=4, show_spinner="Reading the answers", hash_funcs=ANSWERS)
def own_answers(study: Study, a: str, b: str) -> own.Answers:
    """The answers that own probes are counted in."""
    return own.answers(study, a, b)


@said
@st.cache_resource(max_entries=8, show_spinner="Counting", hash_funcs=OWN)
def own_probes(study: Study, a: str, b: str) -> own.Tested:
    """The study's own probes with their figures and places."""
    return asking.both(study, own_answers(study, a, b))


@said
@st.cache_resource(max_entries=8, show_spinner="Comparing measures", hash_funcs=MEASURED)
def measures(study: Study, a: str, b: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measures compared, of all prompts and by category."""
    whole, parts = (compared_measures.table(study, a, b, by_category=by) for by in (False, True))
    return whole, parts


# What is typed changes with every letter; the last ones are asked for again at every visit.
@said
@st.cache_resource(max_entries=32, show_spinner="Counting", hash_funcs=ANSWERS)
def own_trial(study: Study, a: str, b: str, rule: str) -> own.Tested:
    """A rule, as JSON, that is not kept yet: on discovery prompts alone."""
    trial = own_kept.OwnProbe(name="trial", rule=Rule.model_validate_json(rule))
    return own.test(own.discovery(own_answers(study, a, b)), [trial])


@said
@st.cache_resource(max_entries=8, show_spinner="Drawing pairs", hash_funcs=JUDGED)
def questions(study: Study, a: str, b: str, number: int) -> list[Question]:
    """What a person is asked, so that the judge's error is measured."""
    return people.questions(study, a, b, number)


@said
@st.cache_resource(max_entries=4, show_spinner=False, hash_funcs=ANSWERS)
def vote_pairs(study: Study, a: str, b: str, held_out: bool) -> list[blind.Pair]:
    """The pairs that people vote on, in their order."""
    return blind.pairs(study, a, b, held_out)


@said
@st.cache_resource(max_entries=4, show_spinner=False, hash_funcs=VOTED)
def votes_of(study: Study) -> list[blind.Vote]:
    """Every line of votes."""
    return blind.read(study)


@said
@st.cache_resource(max_entries=4, show_spinner=False, hash_funcs=VOTED)
def votes(study: Study, a: str, b: str) -> pd.DataFrame:
    """The votes that count on two checkpoints."""
    return blind.table(study, a, b)


@said
@st.cache_resource(max_entries=4, show_spinner=False, hash_funcs=REPORTED)
def report_state(study: Study, a: str, b: str) -> dict[str, str]:
    """What a report would be made from now."""
    return last.state(study, a, b)


@said
@st.cache_resource(max_entries=4, show_spinner=False, hash_funcs=REPORTED)
def series_state(study: Study) -> dict[str, str]:
    """The same of a report along a series."""
    return last.state_of_series(study)
