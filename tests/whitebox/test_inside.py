"""The step `inside`: what it asks of a study, which nulls it takes, what it leaves and when that is outdated."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from diffing import jobs
from diffing.common import files
from diffing.common.errors import UserError
from diffing.jobs.job import JobStatus
from diffing.models import providers
from diffing.study.study import Study
from diffing.whitebox import beside, method, results
from diffing.whitebox import run as runs
from diffing.whitebox.pairs import nulls
from diffing.whitebox.pairs.pair import Pair
from diffing.whitebox.plan import TRIES, Options, planned
from diffing.whitebox.sight import seen
from diffing.whitebox.texts import Document
from tests.fakes import pairs as fakes
from tests.fakes.pairs import IDS, Folders

DOCUMENTS = [Document(str(n), tuple(row), 1, len(row), "text", False) for n, row in enumerate(IDS)]
ASKED: dict[str, Any] = {
    "methods": ["divergence"],
    "settings": {"divergence": {"resamples": 100}},
    "texts": {"source": "own", "count": 12, "length": 12},
    "nulls": ["same", "rotated:2"],
}


@pytest.fixture
def study(folders: Folders) -> Study:
    sides = [providers.parse(f"hf:{folders.base}", "a"), providers.parse(folders.low_rank, "b")]
    sides.append(providers.parse("import", "c"))
    return Study.create("s", sides, pd.DataFrame({"text": ["Hello"]}))


def run(study: Study, **options: Any) -> JobStatus:
    return jobs.run_here(study, "inside", ASKED | options)


def test_results_lie_in_the_study_beside_their_nulls_and_are_seen(study: Study) -> None:
    assert not seen.there(study) and seen.of(study).sentence == seen.NONE
    status = run(study)
    assert (status.state, status.error) == ("done", "")
    # The pair, the same weights, and two turned changes: twelve texts each, less those that ended at once.
    assert status.result is not None and status.total == status.done == 4 * status.result["texts"]
    found = seen.of(study)
    (one,) = found.methods
    assert one.place.parent == study.folder / "whitebox" / "a-b" and one.name == "divergence"
    assert [null.name for null in one.nulls] == ["rotated-0", "rotated-1", "same"] and one.lacking == 0
    assert one.options["resamples"] == 100 and not one.outdated and one.title == "Divergence by token"
    assert one.judged.compared and one.judged.nulls == ("rotated-0", "rotated-1")
    assert status.result["sentence"] == found.sentence and found.method("divergence") is one
    with pytest.raises(UserError, match="has no result of 'lens' on these checkpoints"):
        found.method("lens")
    log = jobs.recent(study)[0].log_tail()
    assert any("Both models read about" in line for line in log)


def test_what_is_there_is_not_computed_again(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    run(study)
    before = seen.of(study)
    monkeypatch.setattr(runs, "passed", None)
    monkeypatch.setattr(nulls, "matched", None)
    status = run(study)
    assert status.state == "done" and status.total == 0
    assert "All of it is there already." in "".join(jobs.recent(study)[0].log_tail())
    assert seen.of(study).sentence == before.sentence
    # One more null: how strong the others have to be is known, and this one's has to be found.
    assert run(study, nulls=["rotated:3"]).state == "failed"


def test_the_strength_of_a_turned_change_is_looked_for_once(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    with nulls.rotated(pair, DOCUMENTS, seed=4) as first:
        pass
    monkeypatch.setattr(nulls, "matched", None)
    with nulls.rotated(pair, DOCUMENTS, seed=4) as again:
        assert again.key == first.key and again.facts == first.facts
    for other in ({"seed": 5}, {"documents": DOCUMENTS[:2]}):
        asked: dict[str, Any] = {"documents": DOCUMENTS, "seed": 4} | other
        with pytest.raises(TypeError), nulls.rotated(pair, **asked):
            pass


def test_results_are_outdated_once_what_they_were_made_from_has_changed(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = tmp_path / "mine.txt"
    texts.write_text("One text.\n\nAnother text, a little longer.\n\nA third.")
    run(study, texts={"source": str(texts), "length": 12}, nulls=[])

    def why() -> str:
        return seen.of(study).methods[0].outdated

    assert why() == ""
    texts.write_text("One text.\n\nAnother text.")
    assert why() == "The texts or answers that it read have changed since then."
    # With answers there, the study's own are read.
    rows = [
        {"prompt_id": study.prompts()["id"][0], "checkpoint": key, "draw": 0, "text": "Good morning to you all."}
        for key in "ab"
    ]
    study.add_responses(pd.DataFrame(rows))
    run(study, texts={"length": 12}, nulls=[])
    assert why() == ""
    study.add_responses(pd.DataFrame([rows[0] | {"text": "Good evening to you all."}]))
    assert why() == "The texts or answers that it read have changed since then."
    with monkeypatch.context() as patched:
        patched.setattr(method, "said", lambda _: method.Said("Divergence by token", 99, 1.0))
        assert why() == "The method gives other numbers since then."
    monkeypatch.setattr(seen, "_mark", lambda _: "another")
    assert why() == "The weights are others since then."


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"variant": "c"}, "Checkpoint 'c' of study 's' is 'import', which has no weights to look into"),
        ({"methods": ["x"], "settings": {}}, "There is no method 'x'"),
        ({"settings": {"x": {}}}, "Settings are given for 'x', which is not asked for"),
        ({"settings": {"divergence": {"top": 0}}}, "the method divergence cannot run: top"),
        ({"nulls": ["turned"]}, "'turned' is no null; write auto, few, same, rotated:N"),
        ({"nulls": ["rotated:0"]}, "'rotated:0' names no number of nulls"),
        ({"nulls": ["given:"]}, "'given:' is no null"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(study: Study, options: dict[str, Any], told: str) -> None:
    status = run(study, **options)
    assert status.state == "failed" and told in status.error and not seen.there(study)


def test_a_run_that_is_cancelled_keeps_what_was_whole(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    real = runs.run

    def stopped(*told: Any) -> Any:
        if told[4]:
            jobs.recent(study)[0].cancel()
            # The disk is asked five times a second.
            time.sleep(0.3)
        return real(*told)

    monkeypatch.setattr(runs, "run", stopped)
    assert run(study).state == "cancelled"
    (one,) = seen.of(study).methods
    assert one.lacking == 3 and not one.judged.compared
    assert seen.of(study).sentence.startswith("Not compared with nulls yet")
    monkeypatch.undo()


def test_the_nulls_that_fit_are_those_of_the_registry_or_trained_or_turned(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert beside.auto(pair, "fact:starter:default") == [
        *("given:starter+control", "given:starter+control-2", "rotated:2")
    ]
    # A control has none of its own, and neither has what others have published.
    assert beside.auto(pair, "taboo_gold") == beside.auto(pair) == ["control:2", "rotated:2"]
    monkeypatch.setattr(beside, "SMALL", 1)
    assert beside.auto(pair) == ["rotated:3"]
    found = beside.chosen(["auto", "rotated:1", "self", "same"], pair, DOCUMENTS)
    assert [null.name for null in found] == ["rotated-0", "rotated-1", "rotated-2", "self-0", "same"]


def test_a_given_null_is_known_by_what_it_holds(pair: Pair, folders: Folders, tmp_path: Path) -> None:
    names = []
    for seed in (5, 5, 6):
        fakes.adapter(folders.base, tmp_path / "other", seed=seed)
        (null,) = beside.chosen([f"given:{tmp_path / 'other'}"], pair, DOCUMENTS)
        names.append(null.name)
        with null.open(pair) as opened:
            assert opened.kind == "control" and opened.key != pair.key
    assert names[0] == names[1] != names[2] and null.told == str(tmp_path / "other")


def test_controls_learn_ordinary_text(pair: Pair) -> None:
    documents = beside.unrelated(pair)
    assert len(documents) > 200 and not any(document.held_out for document in documents)
    (null,) = beside.chosen(["control"], pair, DOCUMENTS)
    with null.open(pair) as opened:
        assert opened.kind == "control" and opened.key != pair.key


def test_two_pairs_whose_keys_make_one_name_are_two(folders: Folders) -> None:
    keys = ["a", "b-c", "a-b", "c"]
    study = Study.create("s", [providers.parse(folders.low_rank, key) for key in keys])
    seen.note(study, "a", "b-c", {"divergence": Path("x")}, {})
    assert seen.there(study, "a", "b-c") and not seen.there(study, "a-b", "c")


def test_looking_takes_none_of_the_libraries_that_models_need(study: Study) -> None:
    run(study)
    code = (
        "import sys\nfrom diffing.study.study import Study\nfrom diffing.whitebox.sight import seen\n"
        "print(seen.of(Study.open('s')).sentence)\n"
        "print(*(name for name in ('torch', 'transformers', 'peft') if name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=files.PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [seen.of(study).sentence, ""]


def test_what_it_takes_is_told_before(study: Study) -> None:
    plan = planned(study, Options.model_validate(ASKED))
    tokens = sum(len(document.ids) for document in plan.documents)
    # Pair and three nulls, both models each, and the search for the strength of the two turned ones.
    assert plan.cost.read == 2 * tokens * (4 + 2 * TRIES) and plan.cost.written == 0
    assert plan.readings == 4
    assert f"about {plan.cost.read:,} tokens" in plan.told and "on the pair and 3 nulls" in plan.told
    run(study)
    again = planned(study, Options.model_validate(ASKED))
    assert again.readings == 0 and again.cost == (0, 0)
    assert results.exists(next(iter(runs.places_of(*again[:4]).values())))
