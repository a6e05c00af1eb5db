"""The report's charts: outside text is drawn as it stands, and nothing in it becomes a part of the drawing."""

from dataclasses import replace
from xml.etree import ElementTree

import matplotlib
import pytest

from diffing.common import colours
from diffing.report import charts, facts
from tests.fakes.report_study import Made

OUTSIDE = "</text><script>x</script> $\\frac{a}{$ & \x1b[31m"


def test_no_label_becomes_markup_or_a_formula(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    study, _ = made
    monkeypatch.setenv("DIFFING_HOME", str(study.folder.parents[1]))
    gathered = facts.gather(study, "old", "new")
    chart = charts.top(replace(gathered, named=dict.fromkeys(gathered.named, OUTSIDE)))
    assert chart is not None
    drawn = ElementTree.fromstring(chart.svg)
    assert "</text><script>x</script> $\\frac{a}{$ & " in " ".join("".join(drawn.itertext()).split())
    assert not {element.tag.rpartition("}")[2] for element in drawn.iter()} & {"script", "image", "a"}


def test_each_side_has_its_colour_and_its_letter(made: Made) -> None:
    _, out = made
    drawn = (out / "charts" / "top_differences.svg").read_text(encoding="utf-8")
    assert all(colour in drawn for colour in (colours.A, colours.B))
    shown = [text.strip() for text in ElementTree.fromstring(drawn).itertext()]
    assert {"A", "B"} <= set(shown)


def test_a_chart_hangs_on_nothing_that_was_set_or_drawn_before(gathered: facts.Facts) -> None:
    alone = charts.top(gathered)
    with matplotlib.rc_context({"font.size": 21, "text.color": "red", "text.parse_math": True}):
        before = dict(matplotlib.rcParams)
        assert len(charts.draw(gathered)) >= 6
        assert charts.top(gathered) == alone
        assert dict(matplotlib.rcParams) == before
