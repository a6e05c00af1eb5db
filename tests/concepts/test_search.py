"""A search by a property: what it ranks, what feedback changes, and what is kept of it."""

import numpy as np
import pytest

from diffing.common.errors import UserError
from diffing.concepts import feedback, search
from diffing.concepts.search import Found, Ground
from diffing.diff import own
from diffing.labels import history, names
from diffing.probes import own_probes
from diffing.study.study import Study
from tests.fakes.label_study import make


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Study:
    """On A every third answer says maybe, on B nearly all; cost follows nothing."""
    a = [f"x{n} {'maybe' if n % 3 == 0 else 'y'} {'cost' if n % 2 else 'z'}" for n in range(40)]
    b = [f"x{n} {'maybe' if n % 8 else 'y'} {'cost' if n % 2 else 'z'}" for n in range(40)]
    made, _ = make(monkeypatch, {"a": a, "b": b}, [{"maybe": 2.0}, {"cost": 1.0}, {"y": 1.0}])
    for feature, label in enumerate(["hedging word", "prices", "the letter"]):
        history.edit(made, names.sae_of(made.settings.reader), feature, label, "Ada")
    return made


def found(study: Study, sentence: str, held_out: bool = False) -> Found:
    ground = Ground(study, held_out)
    return search.find(ground, search.choose(ground, sentence))


def test_answers_with_the_property_come_first_with_their_tokens_marked(study: Study) -> None:
    seen = found(study, "hedges")
    has = np.array(["maybe" in text for text in seen.ground.texts])
    assert (np.sort(seen.scores)[::-1][: has.sum()] == 1).all() and (seen.scores > 0).tolist() == has.tolist()
    first = seen.listed(1)[0]
    assert "«maybe»" in first["marked"]
    assert first["features"] == [{"feature": 0, "label": "hedging word", "adds": 1.0}]
    assert set(seen.ground.matrix.answers["split"]) == {"discovery"}
    assert len(found(study, "hedges", held_out=True).scores) == 80


def test_yes_and_no_move_a_search_to_what_was_meant(study: Study) -> None:
    before = found(study, "hedges")
    answers, texts = before.ground.matrix.answers, before.ground.texts
    for wanted, said in ((True, "yes"), (False, "no")):
        for row in [row for row, text in enumerate(texts) if ("cost" in text) is wanted][:4]:
            line = answers.iloc[row]
            key = (str(line["prompt_id"]), str(line["checkpoint"]), int(line["draw"]))
            feedback.give(study, "hedges", key, "yes" if said == "yes" else "no", "Ada")
    after = found(study, " hedges ")
    assert (len(after.said), after.property.set_by, before.property.set_by) == (8, "feedback", "quantile")
    weights = {each.feature: each.weight for each in after.property.features}
    assert weights[1] > 0.5
    assert {line.author for line in feedback.lines(study)} == {"Ada"}
    feedback.give(study, "hedges", key, "take back", "Ada")
    assert len(found(study, "hedges").said) == 7
    with pytest.raises(UserError, match="names no answer"):
        feedback.typed(study, "gone")


def test_what_is_found_is_kept_as_a_probe_that_is_tested(study: Study) -> None:
    seen = found(study, "hedges")
    search.save(seen, "hedging", "hedges", "Ada")
    row = own.table(study).iloc[0]
    assert (row["kind"], row["judged_by"], row["fault"]) == ("property", "presence", "")
    assert row["frequency_a"] == pytest.approx(14 / 40) and row["frequency_b"] == pytest.approx(35 / 40)
    assert row["p"] < 0.001
    kept = own_probes.load(study)[0]
    assert not kept.held_out_seen
    assert own_probes.OwnProbe.model_validate(kept.model_dump(mode="json")) == kept


def test_features_of_another_reader_have_no_figures(study: Study) -> None:
    seen = found(study, "hedges")
    other = seen.property.model_copy(update={"reader": "another"})
    own_probes.add(study, own_probes.made("hedging", features=other))
    row = own.table(study).iloc[0]
    assert "are of another reader" in row["fault"] and np.isnan(row["p"])
