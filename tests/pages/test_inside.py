"""The page Inside: what it says before anything was looked at, and the sentence and clues after."""

from typing import Any

import pandas as pd
import pytest

from diffing import jobs
from diffing.common import files
from diffing.models import providers
from diffing.study.study import Study
from diffing.whitebox import beside, results
from diffing.whitebox.sight import seen
from pages.parts.inside import heat, lines, methods, start
from tests.fakes import pairs as fakes
from tests.fakes.pairs import Folders
from tests.pages.test_pages import opened

ASKED: dict[str, Any] = {
    "methods": ["divergence"],
    "settings": {"divergence": {"resamples": 100}},
    "texts": {"source": "own", "count": 12, "length": 12},
    "nulls": ["rotated:2"],
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return fakes.make(tmp_path_factory.mktemp("pairs"), "llama")


@pytest.fixture
def study(folders: Folders) -> Study:
    sides = [providers.parse(f"hf:{folders.base}", "a"), providers.parse(folders.low_rank, "b")]
    return Study.create("s", sides, pd.DataFrame({"text": ["Hello"]}))


@pytest.mark.usefixtures("study")
def test_before_a_run_the_page_says_what_it_is_for_and_offers_one() -> None:
    app = opened("pages/inside.py", study="s")
    assert "with nothing to find" in app.markdown[0].value
    assert [button.label for button in app.button] == ["Look inside", "Train it"]
    assert app.text_input(key="nulls").value == start.AUTO == beside.AUTO
    assert any("costs no money" in caption.value for caption in app.caption)


def test_a_checkpoint_without_weights_is_a_sentence_and_no_button() -> None:
    sides = [providers.parse("starter", "a"), providers.parse("import", "b")]
    Study.create("s", sides, pd.DataFrame({"text": ["Hello"]}))
    app = opened("pages/inside.py", study="s")
    assert "there are no weights to look into" in app.info[0].value and not app.button


def test_after_it_the_sentence_comes_first_then_clues_beside_nulls_and_each_method(study: Study) -> None:
    assert jobs.run_here(study, "inside", ASKED).state == "done"
    found = seen.of(study)
    app = opened("pages/inside.py", study="s", every="true")
    (said,) = [html.value for html in app.html if "class='said'" in html.value]
    assert found.sentence.split(":")[0] in said
    (told,) = [caption.value for caption in app.caption if "no model read anything" in caption.value]
    assert "seed 0" in told
    table = app.dataframe[0].value
    assert len(table) == len(found.clues) and set(table["methods"]) == {"Divergence by token"}
    assert app.segmented_control[0].options == ["Divergence by token"]
    # Of the clues, of the method's things, and of what it alone can show.
    assert len(app.get("plotly_chart")) == 3
    assert not app.warning and not app.success


SMALL: dict[str, dict[str, Any]] = {
    "perplexity": {"samples": 12, "length": 8},
    "contrastive": {"openings": 4, "draws": 1, "alone": 4, "length": 8},
    "divergence": {"resamples": 100},
    "mining": {"positions": 100, "words": 3},
    "activations": {"least": 2},
    "pca": {"seen": 1, "resamples": 100},
    "weights": {"resamples": 100},
    "lens": {"least": 2, "steered": 3, "length": 4, "controls": 2},
    "amplification": {"alphas": [2.0], "texts": 12, "length": 8, "resamples": 100},
}
CHARTS = {"perplexity": 2, "contrastive": 2, "activations": 4, "lens": 4}
"""Of the page, where it is not three: the clues', the method's first, and one of its own."""


def test_each_method_shows_what_it_alone_can_and_is_a_link(study: Study) -> None:
    told = ASKED | {"methods": list(SMALL), "settings": SMALL}
    assert jobs.run_here(study, "inside", told).state == "done"
    assert set(methods.OWN) == set(SMALL)
    for name in SMALL:
        app = opened("pages/inside.py", study="s", method=name)
        assert app.segmented_control[0].value == name
        assert not [info.value for info in app.info], name
        assert len(app.get("plotly_chart")) == CHARTS.get(name, 3), name
        assert all(len(table.value) for table in app.dataframe), name
        if name == "lens":
            assert any("with 2 random directions as long" in told.value for told in app.markdown)
    # What an address names that is not there is the first.
    assert opened("pages/inside.py", study="s", method="none").segmented_control[0].value == "perplexity"


def test_a_method_that_is_chosen_stands_in_the_address(study: Study) -> None:
    wanted = {"methods": ["divergence", "weights"], "settings": {name: SMALL[name] for name in ("weights",)}}
    jobs.run_here(study, "inside", ASKED | wanted)
    app = opened("pages/inside.py", study="s")
    app.segmented_control[0].set_value("weights").run()
    assert app.query_params["method"] == "weights" and app.segmented_control[0].value == "weights"
    assert any("Size says nothing about behaviour" in caption.value for caption in app.caption)


def test_a_result_without_its_own_table_is_a_sentence(study: Study) -> None:
    jobs.run_here(study, "inside", ASKED)
    (seen.of(study).method("divergence").place / "texts.parquet").unlink()
    app = opened("pages/inside.py", study="s")
    assert "run the method again" in app.info[0].value


def test_a_result_of_an_older_version_keeps_its_first_chart(study: Study) -> None:
    jobs.run_here(study, "inside", ASKED)
    path = seen.of(study).method("divergence").place / results.SETTINGS
    files.write_json(path, files.read_json(path) | {"version": 0})
    app = opened("pages/inside.py", study="s")
    assert "run it again" in app.info[0].value and len(app.get("plotly_chart")) == 2


def test_a_text_is_cut_as_its_tokens_are_whatever_their_blanks() -> None:
    told = heat.laid("The cat sat.", ["The", "cat", " sat", ".", "<end>"], [1.0, 2.0, 3.0, 4.0, 5.0])
    assert [part.text for part in told] == ["The", " cat", " sat", "."]
    assert [part.value for part in told] == [1.0, 2.0, 3.0, 4.0]
    # What is written behind the last piece that was found stays, without a figure.
    assert heat.laid("ab", ["a"], [1.0]) == [heat.Told("a", 1.0), heat.Told("b", 0.0)]


def test_heat_holds_no_markup_of_the_text_and_underlines_what_recurs() -> None:
    written = heat.text("<i>", [heat.Told("A <b>cat", 1.0), heat.Told(" sat", 0.0)], 1.0, ["CAT S"])
    assert "<i>" not in written and "<b>" not in written
    assert '<bdi class="b10 s10" title="1.0 nats">cat</bdi><bdi class="s10"> s</bdi>at' in written
    # A blank is made visible where it is a token, and not where an underline begins behind it.
    assert "·" not in heat.text("", [heat.Told(" cat", 1.0)], 1.0, ["cat"])
    assert "·" in heat.text("", [heat.Told(" ", 1.0)], 1.0)


def test_nulls_are_a_band_from_their_least_to_their_most() -> None:
    line = lines.Line("the pair", [1.0, 2.0], [[0.5, 3.0], [1.5, float("nan")]])
    low, high, own = lines.drawn(["0", "later"], [line], "", "", "").data
    assert (low.y, high.y, own.y) == ((0.5, 3.0), (1.5, 3.0), (1.0, 2.0))
    assert high.fill == "tonexty"


def test_an_older_result_says_so(study: Study) -> None:
    jobs.run_here(study, "inside", ASKED | {"texts": ASKED["texts"] | {"source": "auto"}})
    study.add_responses(
        pd.DataFrame(
            [{"prompt_id": study.prompts()["id"][0], "checkpoint": "a", "draw": 0, "text": "Hi.", "flag": ""}]
        ).assign(finish_reason="stop")
    )
    app = opened("pages/inside.py", study="s")
    assert "out of date" in app.warning[0].value
