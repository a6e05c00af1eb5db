"""The report along a series: its figures are the timeline's, its files are whole, nothing from outside runs."""

import json
import zipfile
from html import unescape
from io import BytesIO
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.image import imread

from diffing.common.errors import UserError
from diffing.diff import timeline, told
from diffing.report import folder, series, series_charts
from diffing.study.study import Study
from tests.diff.test_timeline import answer
from tests.fakes.diff_study import made
from tests.fakes.html_page import Page
from tests.fakes.watch import Watch

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Four checkpoints with a score that rises at c; the home stays for all tests of this file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIFFING_HOME", str(tmp_path_factory.mktemp("series")))
        found = made(answer, prompts=80, keys="abcd", encoded=False)
        table = found.responses()
        late = table["checkpoint"].isin(["c", "d"]).astype(float)
        found.add_measures(table[["prompt_id", "checkpoint", "draw"]].assign(name=HOSTILE, value=late))
        return found


@pytest.fixture(scope="module")
def out(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("out") / "report"
    result = folder.run(study, folder.Options(out=str(place), series=True), Watch())
    assert result["changed"] == len(told.sure(timeline.of(study)))
    return place


def test_the_page_says_what_the_timeline_says_and_runs_nothing(study: Study, out: Path) -> None:
    page = (out / "report.html").read_text(encoding="utf-8")
    found = timeline.of(study)
    said = told.said(found)
    assert said.headline in unescape(page)
    for where, what in said.parts:
        assert f"{where} {what}" in unescape(page).replace("<b>", "").replace("</b>", "")
    short = (out / "one-page.html").read_text(encoding="utf-8")
    for each in (page, short):
        assert HOSTILE not in each and "<script" not in each
        assert all(address.startswith("data:") for address in Page(each).addresses)
        assert not {"script", "iframe", "link"} & Page(each).tags
    # One page says the same and leaves the appendix out.
    assert said.headline in unescape(short) and "Appendix" not in short
    assert f"{HOSTILE}: 0 % → 0 % → 100 % → 100 %, rose b → c".replace(" %", "\u00a0%") in unescape(page)


def test_the_folder_holds_what_its_manifest_lists_and_the_zip_all_of_it(study: Study, out: Path) -> None:
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["series"] == ["a", "b", "c", "d"]
    there = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    (packed,) = out.glob("*.zip")
    assert there == {*manifest["files"], "manifest.json", packed.name}
    with zipfile.ZipFile(packed) as archive:
        assert {name.split("/", 1)[1] for name in archive.namelist()} == there - {packed.name}
    table = pd.read_csv(out / "timeline.csv").set_index("item")
    expected = timeline.of(study).table().set_index("item")
    assert table.loc["bold", ["value_a", "value_d", "before", "change_low"]].astype(
        float
    ).tolist() == pytest.approx(
        expected.loc["bold", ["value_a", "value_d", "before", "change_low"]].astype(float).tolist()
    )
    assert imread(BytesIO((out / "one-page.png").read_bytes())).shape[:2] == (1500, 1200)
    # Written again it takes its own place, and refuses a folder that holds something else.
    folder.run(study, folder.Options(out=str(out), checkpoints="a,b,c,d"), Watch())
    other = out.parent / "other"
    other.mkdir()
    (other / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="holds no report"):
        folder.run(study, folder.Options(out=str(other), series=True), Watch())


def test_a_chart_stands_for_each_of_the_surest_changes_and_names_the_rest(study: Study) -> None:
    found = timeline.of(study)
    chart = series_charts.draw(found)
    assert chart is not None
    drawing = chart.svg.decode()
    for says in told.notable(found).head(series_charts.SHOWN)["says"]:
        assert str(says)[:20] in unescape(drawing)
    assert chart.told.startswith(f"{min(len(told.notable(found)), series_charts.SHOWN)} changes")


def test_where_nothing_changed_it_says_so_and_draws_nothing() -> None:
    still = made(lambda prompt, _key, _draw: f"word{prompt} again.", prompts=30, keys="abc", encoded=False)
    found = timeline.of(still)
    assert series_charts.draw(found) is None
    sheet = series.sheet(still, found, "2026-01-01")
    assert (sheet.table.rows, sheet.caution, sheet.said.parts) == ([], "", [])
    assert sheet.unchanged.startswith(f"{len(found.items)} of {len(found.items)} things")
