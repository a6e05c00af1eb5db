"""The report's charts: outside text stays text, and no chart leaves anything to the next."""

from dataclasses import replace
from xml.etree import ElementTree

import matplotlib

from diffing.report import charts
from diffing.report.facts import Facts
from tests.fakes.report_study import facts

__all__ = ["facts"]

NASTY = "$x_1$ <b>&amp;</b> ]]> \\frac{1}{2}"


def test_outside_text_is_neither_markup_nor_formula(facts: Facts) -> None:
    hostile = replace(facts, named=dict.fromkeys(facts.named, NASTY))
    chart = charts.top(hostile)
    assert chart is not None
    page = ElementTree.fromstring(chart.svg.decode())
    texts = ["".join(text.itertext()) for text in page.iter("{http://www.w3.org/2000/svg}text")]
    assert sum(text.startswith(NASTY) for text in texts) == len(facts.top)
    assert list(page.iter("{http://www.w3.org/2000/svg}b")) == []


def test_a_chart_is_the_same_whatever_was_drawn_before(facts: Facts) -> None:
    before = dict(matplotlib.rcParams)
    alone = charts.top(facts)
    assert len(charts.draw(facts)) >= 6
    assert charts.top(facts) == alone
    assert dict(matplotlib.rcParams) == before
