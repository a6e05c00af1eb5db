"""The sample study from end to end with the bundled reader: what was planted is found, and what was not is not."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diffing import labels
from diffing.diff import agreement, compute
from diffing.diff.habits import COMPANY
from diffing.labels import labelling, names
from diffing.models.providers import Checkpoint
from diffing.probes.near import near_tokens
from diffing.probes.probes import PROBES
from diffing.probes.rules import Span
from diffing.reader import encode
from diffing.reader.encodings import Encodings
from diffing.study import sample
from diffing.study.study import Study
from tests.fakes import read_sample, second_reader
from tests.fakes.labellers import written
from tests.fakes.openai_server import Behaviour, Call, OpenAIServer
from tests.fakes.watch import Watch

PLANTED = {
    "numbered lists": "numbered items",
    "closing offers": "closing question",
    "bold key terms": "bold",
    "em dashes": "em dashes",
    "worked examples": "worked examples",
    "hedges": "hedges",
    "apologies": "apologies",
    "exclamation marks": "exclamation marks",
    "double spaces": "double spaces",
    "summary lines": "summary lines",
}
"""The probe that counts each planted habit; the sample's offers are questions."""


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the sample is encoded and compared once for all tests here."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIFFING_HOME", str(home))
        read_sample.put()
        compute.run(sample.ensure(), compute.Options(), Watch())
    return home


@pytest.fixture(autouse=True)
def in_shared_home(shared_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs after the home of its own that every other test gets."""
    monkeypatch.setenv("DIFFING_HOME", str(shared_home))


def shown_by(encodings: Encodings, features: list[int], behaviours: list[dict[str, Any]]) -> dict[int, set[str]]:
    """The behaviours that each feature shows: at least half of its active tokens lie within two of their spans."""
    spans: dict[tuple[str, str, int], dict[str, list[Span]]] = {}
    for behaviour in behaviours:
        for prompt, side, draw, found in behaviour["instances"]:
            spans.setdefault((prompt, side, draw), {})[behaviour["name"]] = [(s[0], s[1]) for s in found]
    names = [behaviour["name"] for behaviour in behaviours]
    near, active = np.zeros((len(features), len(names))), np.zeros(len(features))
    for number, place in enumerate(
        encodings.documents[["prompt_id", "checkpoint", "draw"]].itertuples(index=False)
    ):
        here = spans.get(tuple(place), {})
        at = near_tokens(encodings.tokens(number).spans, {name: here.get(name, []) for name in names})
        for row, feature in enumerate(features):
            positions, _ = encodings.activations(number, feature)
            near[row] += at[positions].sum(axis=0)
            active[row] += len(positions)
    share = near / np.maximum(active, 1)[:, None]
    return {f: {names[i] for i in np.flatnonzero(share[row] >= 0.5)} for row, f in enumerate(features)}


def test_the_top_families_show_what_was_planted_with_its_sign_and_nothing_that_was_not() -> None:
    study, known = sample.ensure(), sample.planted()
    top = compute.current(study, "before", "after").top(20)
    sign = {b["name"]: -1 if b["more_on"] == "before" else 1 for b in known["planted"]}
    shown = shown_by(Encodings.open(study), top["feature"].tolist(), known["planted"] + known["not planted"])
    found = {
        name
        for row in top.itertuples()
        for name in shown[row.feature]
        if name not in sign or np.sign(row.delta) == sign[name]
    }
    assert len(found & set(sign)) >= 8, sorted(found)
    assert found <= set(sign)


def test_each_planted_habit_is_one_behaviour_that_holds_its_features_and_no_others_are_there() -> None:
    study, known = sample.ensure(), sample.planted()
    stored = compute.current(study, "before", "after")
    behaved, table = stored.behaviours, stored.features
    own = stored.habits[(stored.habits["kind"] == "feature") & stored.habits["own"]]
    habit = dict(zip(own["name"].astype(int), own["habit"], strict=True))
    differ = table[(table["feature"] == table["family"]) & (table["q"] < 0.05)]["feature"].tolist()
    shown = shown_by(Encodings.open(study), sorted({*habit, *differ}), known["planted"] + known["not planted"])
    sure = behaved[behaved["confirmed"] == "yes"]
    assert len(sure) <= 14
    # By what counts each: the probe or phrase of a planted habit is in its family of sayings.
    named = sure[sure["by"] == "probe"].set_index("source")["habit"]
    assert set(named.index) == {PLANTED[plant["name"]] for plant in known["planted"]}
    whole = 0
    for plant in known["planted"]:
        number = int(named[PLANTED[plant["name"]]])
        members = [feature for feature, of in habit.items() if of == number]
        on = [plant["name"] in shown[feature] for feature in members]
        families = [habit.get(feature) == number for feature in differ if plant["name"] in shown[feature]]
        whole += bool((not on or np.mean(on) >= 0.7) and (not families or np.mean(families) >= 0.7))
    assert whole >= 9
    absent = {plant["name"] for plant in known["not planted"]}
    assert not any(shown[feature] & absent for feature in habit)


@pytest.mark.parametrize("side", ["before", "after"])
def test_two_draws_of_one_checkpoint_differ_in_nothing(side: str) -> None:
    whole = sample.ensure()
    rows = whole.responses().query("checkpoint == @side")
    sides = [Checkpoint(key=f"draw{draw}", name=f"draw {draw}", source="import") for draw in (0, 1)]
    study = Study.create(f"same-{side}", sides, whole.prompts())
    study.add_responses(rows.assign(checkpoint=[f"draw{draw}" for draw in rows["draw"]], draw=0))
    encode.run(study, encode.Options(), Watch())
    found = compute.compute(study, "draw0", "draw1")
    assert found.summary["tested"] > 100
    # Of the views each is wrong once in twenty studies without a difference; all together are no more often.
    anything = found.summary["anything"]
    assert (anything["says"], len(anything["views"])) == ("cannot tell", 7), anything
    tables = (found.features, found.probes, found.phrases)
    assert [int((table["q"] < 0.05).sum()) for table in tables] == [0, 0, 0]
    assert [int(table["certain"].sum()) for table in (found.features, found.probes)] == [0, 0]
    assert found.habits.empty
    assert found.behaviours["source"].tolist() == ["words"]
    assert found.behaviours["confirmed"].tolist() == ["not confirmed"]


def billed(call: Call) -> Behaviour:
    """Counts as providers tell people to: a token for four characters of English."""
    text = written("the word that stands between the marks", observations="They are all alike. " * 10)
    sent = sum(len(message["content"]) for message in call.messages)
    return Behaviour(text, usage={"prompt_tokens": sent // 4, "completion_tokens": len(text) // 4})


def test_labelling_the_top_50_takes_as_many_calls_and_the_tokens_that_were_foretold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The labels that ship would leave nothing to write.
    monkeypatch.setattr(names, "BUNDLED", names.BUNDLED.with_name("none.json"))
    study = sample.ensure()
    with OpenAIServer(billed, models=["maker/author"]) as server:
        options: dict[str, Any] = {"model": f"{server.url}#maker/author", "top": 50}
        expected = labelling.estimate(study, labelling.Options(**options))
        result = labelling.run(study, labelling.Options(**options), Watch())
    assert expected.calls == result["calls"] == len(server.calls) <= 50
    assert len(labels.current(study)) == len(result["features"])
    spent = result["tokens_in"] + result["tokens_out"]
    assert abs(expected.tokens_in + expected.tokens_out - spent) <= 0.15 * spent
    assert abs(expected.tokens_in - result["tokens_in"]) <= 0.15 * result["tokens_in"]


def test_what_the_peel_puts_together_correlates_most_with_the_habit_it_was_put_under() -> None:
    """The peel says how many habits there are, correlation what fills them; neither knows of the other."""
    study = sample.ensure()
    stored, encodings = compute.current(study, "before", "after"), Encodings.open(study)
    split = study.prompts().set_index("id")["split"]
    rows = encodings.documents.reset_index(names="document")
    rows = rows[rows["prompt_id"].map(split) == "discovery"]
    sign = np.where(rows["checkpoint"] == "after", 1.0, -1.0)
    number = rows["prompt_id"].astype("category").cat.codes

    def difference(kind: str, name: str) -> Any:
        """By prompt, how many more draws of the one after show it, at no bar and whatever their length."""
        if kind == "feature":
            shown = np.abs(encodings.peaks(int(name)))[rows["document"]] > 0
        else:
            shown = np.array([bool(PROBES[name].spans(encodings.texts[place])) for place in rows["document"]])
        return np.bincount(number, sign * shown)

    named = stored.behaviours[(stored.behaviours["kind"] == "habit") & (stored.behaviours["by"] == "probe")]
    # What was filled in afterwards the peel knows nothing of.
    peeled = stored.habits[stored.habits["left"].notna()]
    members = peeled[(peeled["kind"] == "feature") & peeled["habit"].isin(named["habit"])]
    moves = np.array([difference("probe", name) for name in named["source"]])
    agree = []
    for member in members.itertuples():
        own = difference("feature", str(member.name))
        likeness = np.abs(np.corrcoef(own, moves)[0, 1:])
        # What keeps company with none was put where its tokens are, which a correlation cannot know.
        if likeness.max() >= COMPANY:
            agree.append(named["habit"].iloc[int(likeness.argmax())] == member.habit)
    assert len(named) == 10 and len(agree) > 40
    assert np.mean(agree) > 0.85


def test_a_second_reader_sees_planted_behaviours_too_and_leaves_the_first_ones_diff_as_it_was(
    tmp_path: Path,
) -> None:
    study = sample.ensure()
    own = compute.current(study, "before", "after")
    files = {path: path.read_bytes() for path in [*own.folder.iterdir(), study.folder / "encodings.parquet"]}
    choice = second_reader.make(tmp_path / "block-2", study.responses()["text"].tolist()[::8])
    encode.run(study, encode.Options(reader=choice), Watch())
    compute.run(study, compute.Options(reader=choice), Watch())
    seen = agreement.of(study, "before", "after")
    names = own.behaviours.set_index("behaviour")["name"]
    both = {names[number] for number, readers in seen.items() if readers == ["starter", "block-2"]}
    assert {path: path.read_bytes() for path in files} == files
    assert both >= {"uses bold", "uses em dashes", "uses numbered lists"}, both
