"""The page that finds answers by a property: what it shows, what yes and no change, what is kept."""

import pytest

from diffing.concepts import feedback
from diffing.labels import history, names
from diffing.probes import own_probes
from diffing.study.study import Study
from tests.fakes.label_study import make
from tests.pages.test_pages import opened


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Study:
    """On A every third answer says maybe, on B nearly all."""
    a = [f"x{n} {'maybe' if n % 3 == 0 else 'y'} <b>" for n in range(40)]
    b = [f"x{n} {'maybe' if n % 8 else 'y'} <b>" for n in range(40)]
    made, _ = make(monkeypatch, {"a": a, "b": b}, [{"maybe": 2.0}, {"y": 1.0}])
    for feature, label in enumerate(["hedging word", "the letter"]):
        history.edit(made, names.sae_of(made.settings.reader), feature, label, "Ada")
    return made


def test_answers_stand_in_order_with_their_tokens_marked_and_hear_yes_and_no(study: Study) -> None:
    app = opened("pages/search.py", study=study.name, property="hedges")
    html = [str(getattr(each, "value", "")) for each in app.get("html")]
    marked = [text for text in html if 'class="found"' in text]
    assert len(marked) == 10 and all(">maybe</bdi>" in text and "&lt;b&gt;" in text for text in marked)
    yes = [button for button in app.button if button.label == "Yes"]
    yes[0].click().run()
    (said,) = feedback.lines(study)
    assert (said.sentence, said.said, said.author) == ("hedges", "yes", "person")
    assert "1 answers that have it" in app.caption[0].value
    assert feedback.sentences(study) == ["hedges"]
    app = opened("pages/search.py", study=study.name)
    assert "hedges" in [link.proto.label for link in app.get("page_link")]


def test_what_was_found_is_kept_as_a_probe_or_says_what_is_lacking(study: Study) -> None:
    app = opened("pages/search.py", study=study.name, property="hedges")
    keep = next(button for button in app.button if button.label == "Keep it")
    keep.click().run()
    assert "The probe has no name yet" in app.error[0].value
    app.text_input(key="kept-name").input("hedging").run()
    app.text_input(key="kept-says").input("hedges").run()
    next(button for button in app.button if button.label == "Keep it").click().run()
    assert app.success[0].value == "Kept as **hedging**."
    (probe,) = own_probes.load(study)
    assert (probe.name, probe.says, probe.kind) == ("hedging", "hedges", "property")


def test_what_nothing_stands_for_is_said_in_a_sentence(study: Study) -> None:
    app = opened("pages/search.py", study=study.name, property="zebras", by="labels")
    assert "zebras" in app.info[0].value
    # Answers by words alone, to begin with: a yes to one makes a search by examples.
    none = opened("pages/search.py", study=study.name, property="maybe", by="examples")
    assert "say yes to an answer, or choose features by labels" in none.info[0].value
    assert next(button for button in none.button if button.label == "Yes").click().run().info == []
