"""Dictionaries on the page Inside: what is offered before one is trained; latents, passages and curves after."""

import json
from typing import Any

import pandas as pd
import pytest

from diffing import jobs, labels
from diffing.labels import history
from diffing.labels.history import Label
from diffing.models import providers
from diffing.study.study import Study
from diffing.whitebox.dictionaries import judged, readers, shelf, told
from pages.parts.inside import dictionaries
from pages.parts.keys import fresh
from tests.fakes import pairs as fakes
from tests.fakes.pairs import Folders
from tests.pages.test_pages import opened

ASKED: dict[str, Any] = {
    "texts": {"source": "own", "count": 40, "length": 14},
    **{"tokens": 4_000, "batch": 64, "buffer": 256, "latents": 64, "k": 4, "rate": 3e-3},
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return fakes.make(tmp_path_factory.mktemp("pairs"), "llama")


@pytest.fixture
def study(folders: Folders) -> Study:
    sides = [providers.parse(f"hf:{folders.base}", "a"), providers.parse(folders.low_rank, "b")]
    return Study.create("s", sides, pd.DataFrame({"text": ["Hello"]}))


@pytest.mark.usefixtures("study")
def test_before_one_is_trained_it_says_what_one_is_and_offers_it() -> None:
    app = opened("pages/inside.py", study="s")
    assert any("takes what changed apart" in each.value for each in app.markdown)
    assert [button.label for button in app.button] == ["Look inside", "Train it"]
    # A name that leaves the folder is not taken.
    app.text_input(key=fresh("dictionary-name", "difference")).set_value("../elsewhere").run()
    assert next(button for button in app.button if button.label == "Train it").disabled


def test_a_study_without_weights_is_offered_none() -> None:
    sides = [providers.parse("starter", "a"), providers.parse("import", "b")]
    Study.create("s", sides, pd.DataFrame({"text": ["Hello"]}))
    assert not opened("pages/inside.py", study="s").button


def test_latents_come_by_what_they_write_and_a_link_opens_one_in_its_passages(study: Study) -> None:
    for kind in ("crosscoder", "difference"):
        assert jobs.run_here(study, "dictionary", ASKED | {"kind": kind}).state == "done"
    rows = told.first(study, "difference", dictionaries.LISTED)
    second = rows[1].latent
    app = opened("pages/inside.py", study="s", dictionary="difference", latent=str(second))
    assert any(each.value.startswith("**difference**: An SAE on the difference") for each in app.markdown)
    (table,) = [each.value for each in app.dataframe]
    assert table["latent"].tolist() == [row.latent for row in rows]
    shares = shelf.table(study, "difference", "latents").set_index("latent")["share"]
    assert table["share"].tolist() == pytest.approx([100 * shares[row.latent] for row in rows])
    assert table["share"].is_monotonic_decreasing and any(told.CAUTION in each.value for each in app.caption)
    assert app.selectbox(key=fresh("latent", "difference", second)).value == second
    passages = shelf.table(study, "difference", "passages")
    strongest = passages[passages["latent"] == second].nlargest(1, "value").iloc[0]
    shown = [html.value for html in app.html if 'class="answer"' in html.value]
    assert strongest["document"] in shown[0] and len(shown) > 1
    curves = shelf.curves(study, "difference")
    drawn = [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]
    (loss,) = [each for each in drawn if len(each["data"]) == 1]
    assert len(drawn) == 2 and len(loss["data"][0]["x"]) in (len(curves), 1, 2)


def test_what_was_judged_and_labelled_stands_with_the_latents(study: Study) -> None:
    assert jobs.run_here(study, "dictionary", ASKED | {"kind": "difference"}).state == "done"
    app = opened("pages/inside.py", study="s")
    assert "Judge its latents" in [button.label for button in app.button]
    assert any("trains 5 more dictionaries" in each.value for each in app.caption)
    rows = told.first(study, "difference", dictionaries.LISTED)
    table = shelf.table(study, "difference", "latents")
    # One that is tried and not among the first.
    last = int(table[~table["latent"].isin([row.latent for row in rows])]["latent"].iloc[0])
    verdicts = pd.DataFrame({"latent": [last], "verdict": "real", "exclusive": "variant", "stable": True})
    verdicts = verdicts.assign(effect=0.25, null_effect=0.1, p_latents=0.05, p_directions=0.05, raises="“!”")
    counts = pd.DataFrame({"told": ["this pair", "one", "two"], "alive": 60, "again": 30, "own": [7, 2, 1]})
    about = {"version": judged.VERSION, "mark": shelf.mark(shelf.facts(study, "difference")), "answers": False}
    about |= {"key": "", "nulls": ["one", "two"], "texts": 9, "tokens": 99, "options": {}, "date": ""}
    place = shelf.folder(study, "difference")
    judged.save(place, judged.About.model_validate(about), verdicts, counts.assign(base=0, variant=counts["own"]))
    label = Label(label="marks of joy", author="me", author_kind="person", date="2026")
    history.add(study, labels.sae_of(readers.choice("difference", study)), rows[0].latent, label)
    app = opened("pages/inside.py", study="s", latent=str(last))
    assert any("Of 60 latents that fire, 7 are exclusive and stable" in each.value for each in app.markdown)
    assert "Judge its latents" not in [button.label for button in app.button]
    counted, real, latents = [each.value for each in app.dataframe]
    assert counted["exclusive and found again"].tolist() == [7, 2, 1] and real["latent"].tolist() == [last]
    assert latents["label"].tolist()[:2] == ["marks of joy", ""]
    chosen = app.selectbox(key=fresh("latent", "difference", last))
    assert chosen.value == last and f"Latent {rows[0].latent}: marks of joy" in chosen.options
    outdated = judged.About.model_validate(about | {"version": 0})
    judged.save(place, outdated, verdicts, counts.assign(base=0, variant=0))
    app = opened("pages/inside.py", study="s")
    assert any("judged in another way since then" in each.value for each in app.warning)
    assert "Judge its latents" in [button.label for button in app.button]


def test_another_pairs_dictionary_and_one_of_no_latent_are_left_out(study: Study) -> None:
    assert jobs.run_here(study, "dictionary", ASKED | {"kind": "difference"}).state == "done"
    # The link of another study's page, or of a latent that is not among the first.
    app = opened("pages/inside.py", study="s", dictionary="nobody", latent="999999")
    assert any(each.value.startswith("**difference**") for each in app.markdown) and not app.exception
    (shelf.folder(study, "difference") / "passages.parquet").unlink()
    app = opened("pages/inside.py", study="s")
    assert any("no table of passages" in each.value for each in app.info) and not app.exception
