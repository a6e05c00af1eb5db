"""The page Live: both answers side by side, what stands in the address, and that nothing is written twice."""

from collections.abc import Iterator
from threading import Event
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from diffing import jobs
from diffing.common import who
from diffing.common.who import Person
from diffing.models import providers
from diffing.study.study import Study
from diffing.whitebox.writing import directions, held, live
from diffing.whitebox.writing.live import Asked
from diffing.whitebox.writing.recipe import Recipe
from pages.parts.live import form
from tests.fakes import pairs as fakes
from tests.fakes.pairs import Folders
from tests.pages.test_pages import opened

SHORT = {"study": "s", "prompt": "Hello you", "length": "8"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folders]:
    yield fakes.make(tmp_path_factory.mktemp("pairs"), "llama")
    held.HOLDER.close()


@pytest.fixture
def study(folders: Folders) -> Study:
    sides = [providers.parse(f"hf:{folders.base}", "a"), providers.parse(folders.low_rank, "b")]
    return Study.create("s", sides, pd.DataFrame({"text": ["Hello", "What is new?"]}))


def written(app: AppTest) -> AppTest:
    """Press the button, wait for the thread, and look again."""
    app.button(key="write").click().run()
    for each in list(held._writing.values()):
        each.wait(120)
    app.run()
    assert not app.exception, app.exception[0].value
    return app


def columns(app: AppTest) -> list[str]:
    return [html.value for html in app.html if 'class="answer live"' in html.value]


def ready(study: Study) -> None:
    held.HOLDER.open(study, "a", "b")


def test_a_pair_of_ones_own_tells_its_memory_and_is_opened_by_a_button(study: Study) -> None:
    held.HOLDER.close()
    app = opened("pages/live.py", **SHORT)
    assert any("GiB" in caption.value for caption in app.caption)
    assert [button.label for button in app.button if button.key == "write"] == []
    app.button(key="open-pair").click().run()
    assert held.HOLDER.has(study, "a", "b")
    assert app.button(key="write").label == "Write"


def test_strength_nought_is_the_base_and_the_page_says_so(study: Study) -> None:
    ready(study)
    app = written(opened("pages/live.py", alpha="0", **SHORT))
    (found,) = live.latest(study, "a", "b", 9)
    assert [token.id for token in found.a] == [token.id for token in found.b] and len(found.a) == 8
    assert any("Both wrote the same 8 tokens" in text.value for text in app.markdown)
    a, b = columns(app)
    assert a == b.replace("<b>this recipe</b>", "") or "first" not in a + b


def test_a_link_shows_what_was_written_without_a_model_and_writes_it_no_second_time(study: Study) -> None:
    ready(study)
    first = columns(written(opened("pages/live.py", **SHORT)))
    (found,) = live.latest(study, "a", "b", 9)
    assert found.parts is not None, "a random adapter should change something"
    assert 'class="afirst"' in first[0] and 'class="bfirst"' in first[1]
    held.HOLDER.close()
    again = opened("pages/live.py", **SHORT)
    assert columns(again) == first and not held.HOLDER.has(study, "a", "b")
    held.HOLDER.open(study, "a", "b")
    assert columns(written(opened("pages/live.py", **SHORT))) == first
    assert live.latest(study, "a", "b", 9)[0].date == found.date


def test_the_same_link_gives_the_same_texts_on_a_server_that_kept_nothing(study: Study) -> None:
    ready(study)
    asked = Asked(prompt="Hello you", length=8, recipe=Recipe(alpha=2, temperature=1, seed=3))
    texts = []
    for _ in range(2):
        writing = held.start(study, "a", "b", asked)
        writing.wait(120)
        texts.append([[token.id for token in side] for side in writing.sides])
        writing.path.unlink()
    assert texts[0] == texts[1] and all(len(side) == 8 for side in texts[0])


def test_what_is_stopped_is_kept_as_far_as_it_came_and_told(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    ready(study)
    begun, on = Event(), Event()
    token = live.Pieces.token

    def slow(self: live.Pieces, step: Any) -> live.Token:
        begun.set()
        on.wait(120)
        return token(self, step)

    monkeypatch.setattr(live.Pieces, "token", slow)
    app = opened("pages/live.py", **SHORT)
    app.button(key="write").click().run()
    assert begun.wait(120)
    app.run()
    (writing,) = held._writing.values()
    app.button(key="stop").click().run()
    on.set()
    writing.wait(120)
    app.run()
    (found,) = live.latest(study, "a", "b", 9)
    assert writing.state == "stopped" and not found.whole and 1 <= len(found.a) < 8
    assert any("Stopped before its end" in caption.value for caption in app.caption)
    # The pair is free again, and the rest is written when it is asked for.
    monkeypatch.setattr(live.Pieces, "token", token)
    written(app)
    assert live.latest(study, "a", "b", 9)[0].whole


def test_who_comes_second_waits_and_is_told(study: Study) -> None:
    ready(study)
    with held.HOLDER.turn(study, "a", "b"):
        writing = held.start(study, "a", "b", Asked(prompt="Hello", length=2))
        assert held.start(study, "a", "b", Asked(prompt="Hello", length=2)) is writing
        for _ in range(600):
            if writing.note:
                break
            writing.wait(0.1)
        assert (writing.note, writing.state) == (held.WAITS, "waiting")
    writing.wait(120)
    assert writing.state == "done"


@pytest.mark.parametrize(
    ("name", "value"), [("alpha", "²"), ("alpha", "9"), ("contrast", "nan"), ("length", "2.5"), ("seed", "-1")]
)
@pytest.mark.usefixtures("study")
def test_a_number_of_the_address_that_is_none_gets_a_sentence(name: str, value: str) -> None:
    app = opened("pages/live.py", study="s", **{name: value})
    (told,) = [warning.value for warning in app.warning]
    assert form.NUMBERS[name].called.split(" (")[0] in told and f"{form.NUMBERS[name].usual:g} instead" in told


@pytest.mark.usefixtures("study")
def test_texts_that_are_too_long_and_directions_that_are_none_get_a_sentence_too() -> None:
    app = opened("pages/live.py", study="s", prompt="x" * (live.PROMPT + 1), steer="lens-0#1-2")
    assert len(app.warning) == 2 and app.text_area(key="prompt").value == ""


def test_b_is_pushed_along_a_latent_of_a_dictionary(study: Study) -> None:
    ready(study)
    learnt: dict[str, Any] = {"texts": {"source": "own", "count": 20, "length": 12}, "tokens": 800, "batch": 50}
    status = jobs.run_here(study, "dictionary", learnt | {"latents": 40, "k": 4, "name": "my-own"})
    assert status.state == "done", status
    first = directions.names(study, "a", "b")[0]
    latent = first.partition("#")[2].partition("-")[2]
    app = opened("pages/live.py", **SHORT)
    assert app.selectbox(key="steer").options[:2] == ["nothing", f"latent {latent} of dictionary my-own"]
    app.selectbox(key="steer").set_value(first).run()
    assert app.number_input(key="layer").value == 2 and not app.warning, (app.query_params, app.warning)
    written(app)
    (found,) = live.latest(study, "a", "b", 9)
    (part,) = found.asked.recipe.steering
    assert (part.direction, part.layer) == (first, 2)
    assert any(f".safetensors#2-{latent},2,1" in code.value for code in app.code)
    # A link chooses it, at its own layer or at the one that the link names, and the address follows a choice.
    assert first in app.query_params["steer"]
    app = opened("pages/live.py", **SHORT, steer=first)
    assert app.selectbox(key="steer").value == first and app.number_input(key="layer").value == 2
    assert not app.warning and first in app.query_params["steer"]
    assert opened("pages/live.py", **SHORT, steer=first, layer="1").number_input(key="layer").value == 1
    app.selectbox(key="steer").set_value("").run()
    assert "steer" not in app.query_params and not app.warning


def test_an_answer_can_be_taken_as_the_beginning_and_is_gone_on_from(study: Study) -> None:
    ready(study)
    app = written(opened("pages/live.py", **SHORT))
    (found,) = live.latest(study, "a", "b", 9)
    app.button(key="go-on-b").click().run()
    assert app.text_area(key="start").value == live.text_of(found.b)
    app.text_area(key="start").set_value("Hello again").run()
    written(app)
    newest = live.latest(study, "a", "b", 9)[0]
    assert newest.asked.start == "Hello again"
    assert any("Begins with" in caption.value for caption in app.caption)


def test_a_recipe_leads_to_checkpoints_that_can_be_made(study: Study) -> None:
    ready(study)
    app = written(opened("pages/live.py", alpha="2", contrast="1", **SHORT))
    (first, second) = [code.value for code in app.code]
    for command, kind in ((first, "amplify"), (second, "cdd")):
        source = command.split()[-1].strip("'")
        assert source.startswith(f"{kind}:a,")
        assert providers.parse(source, "c").source


def test_a_viewer_reads_and_has_nothing_written(study: Study) -> None:
    ready(study)
    held.start(study, "a", "b", Asked(prompt="Hello you", length=8)).wait(120)
    with who.found_by(lambda: Person("vera@example.org", "viewer")):
        app = opened("pages/live.py", **SHORT)
        assert app.button(key="write").disabled and len(columns(app)) == 2
        with pytest.raises(who.Refused):
            held.start(study, "a", "b", Asked(prompt="Else"))


def test_a_checkpoint_without_weights_is_the_sentence_of_inside() -> None:
    sides = [providers.parse("starter", "a"), providers.parse("import", "b")]
    Study.create("t", sides, pd.DataFrame({"text": ["Hello"]}))
    app = opened("pages/live.py", study="t")
    assert "there are no weights to look into" in app.info[0].value and not app.button


@pytest.mark.usefixtures("study")
def test_the_studys_own_prompts_are_at_hand() -> None:
    app = opened("pages/live.py", study="s")
    app.button(key="next-prompt").click().run()
    assert app.text_area(key="prompt").value in ("Hello", "What is new?")
