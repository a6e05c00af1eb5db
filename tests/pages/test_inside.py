"""The page Inside: what it says before anything was looked at, and the sentence and clues after."""

from typing import Any

import pandas as pd
import pytest

from diffing import jobs
from diffing.models import providers
from diffing.study.study import Study
from diffing.whitebox import beside, seen
from pages.parts.inside import start
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
    assert [button.label for button in app.button] == ["Look inside"]
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
    assert [tab.label for tab in app.tabs] == ["Divergence by token"]
    assert len(app.get("plotly_chart")) == 2
    assert not app.warning and not app.success


def test_an_older_result_says_so(study: Study) -> None:
    jobs.run_here(study, "inside", ASKED | {"texts": ASKED["texts"] | {"source": "auto"}})
    study.add_responses(
        pd.DataFrame(
            [{"prompt_id": study.prompts()["id"][0], "checkpoint": "a", "draw": 0, "text": "Hi.", "flag": ""}]
        ).assign(finish_reason="stop")
    )
    app = opened("pages/inside.py", study="s")
    assert "out of date" in app.warning[0].value
