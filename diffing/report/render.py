"""The report as HTML and as Markdown, from one set of plain facts and two templates.

Promises that every value a template prints is escaped for its format, whatever it holds: nothing in a template can
forget to. Of HTML it promises besides that nothing is fetched and nothing runs.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from diffing.common.escape import visible
from diffing.common.words import count, listed
from diffing.diff import answer as diff_answer
from diffing.diff import ranking
from diffing.findings import brief
from diffing.report import (
    advice,
    behaviours,
    cards,
    details,
    examples,
    inside,
    limits,
    listing,
    measured,
    tables,
    voted,
)
from diffing.report import text as report_text
from diffing.report.cards import Card
from diffing.report.drawing import Chart
from diffing.report.examples import Answer, Line
from diffing.report.facts import Facts
from diffing.report.one_page import Sheet
from diffing.report.series import Sheet as SeriesSheet
from diffing.report.tables import Table

TEMPLATES = Path(__file__).parent / "templates"

SIGNS = re.compile(r"([\\`*_\[\]|~$#])")
"""Signs that mean something anywhere in a line of Markdown, of its tables or of formulas in it."""
OPENING = re.compile(r"^([-+=]|\d+[.)])(?=\s|$)")
"""What makes a list or a heading at the beginning of a line."""
ADDRESS = re.compile(r"(?i)(https?|ftp|mailto)(?=:)|(?<=www)(?=\.)|(?=@)")
"""Places at which Markdown would make a link of bare text."""
LINE = "\x1e"
"""A line break inside an excerpt until the template's own empty lines are tidied; `visible` lets none through."""


def context(facts: Facts, charts: list[Chart], shown: Sequence[Card], link: str) -> dict[str, Any]:
    """What both templates lay out; `shown` are the facts' cards."""
    features = behaviours.by_features(facts)
    return {
        "facts": facts,
        "told": facts.diff.summary,
        "charts": {chart.name: chart for chart in charts},
        "link": link,
        "sentence": report_text.unbroken(diff_answer.sentence(facts.diff)),
        "compared": report_text.compared(facts),
        "by_features": (
            f"{count(features, 'more difference')} confirmed that only features tell of; the appendix has them."
            if features
            else ""
        ),
        "implications": advice.implications(facts),
        "may_be_length": advice.may_be_length(facts),
        "cards": shown,
        "first_cards": _first(shown),
        "untested": brief.UNTESTED,
        "voted": voted.sentences(facts),
        "measured": measured.sentences(facts),
        "inside": inside.sentences(facts),
        "inside_note": inside.note(facts),
        "open": limits.found(facts),
        "margin": limits.MARGIN,
        "text_alone": limits.TEXT_ALONE,
        "smallest": limits.smallest(facts),
        "details": details.of(facts),
        "blocked": details.blocked(facts),
        "rejected": details.rejected(facts),
        "set_aside": _set_aside(facts),
        "own_error": details.own_error(facts),
        "judged": report_text.judged(facts) if facts.verification.judge else "",
        "not_confirmed": limits.not_confirmed(facts),
        "amount": report_text.amount(facts),
        "features_open": limits.by_features(facts),
        "recommendations": advice.recommendations(facts),
        "method": limits.method(facts),
        "tables": _tables(facts, shown),
        "setup": tables.setup(facts),
        "doubted": tables.doubted(facts),
        "settings": tables.settings(facts) + inside.settings(facts),
        "hashes": tables.hashes(facts),
        "versions": tables.versions(),
        "order": ranking.WORDS,
    }


def _first(shown: Sequence[Card]) -> list[Card]:
    """As many as a page shows before it is asked for more, of the tested and of the untested."""
    kinds = ([card for card in shown if card.tested is kind] for kind in (True, False))
    return [card for some in kinds for card in some[: diff_answer.SHOWN]]


def _set_aside(facts: Facts) -> str:
    parts = [f"{len(facts.blocked)} contradicted by the figures"] if facts.blocked else []
    parts += [f"{len(facts.rejected)} rejected"] if facts.rejected else []
    number = len(facts.blocked) + len(facts.rejected)
    return f"{count(number, 'finding')} set aside: {listed(parts)}; the appendix says why." if number else ""


def _tables(facts: Facts, shown: Sequence[Card]) -> dict[str, Table]:
    # By name, so that a template's table and the function that makes it are called the same.
    names = (
        "compared",
        "categories",
        "excluded",
        "flags",
        "behaviours",
        "by_features",
        "top",
        "probes",
        "phrases",
    )
    made = {name: getattr(tables, name)(facts) for name in (*names, "work", "arms_compared")}
    made |= {"voted": voted.table(facts), "measured": measured.table(facts), "inside": inside.table(facts)}
    return made | {"findings": listing.table(listing.of(facts, shown))}


def html(values: dict[str, Any]) -> str:
    made = _environment(lambda value: visible(value) if _bare(value) else value)
    made.filters["code"] = lambda text: _code(text, lambda part: Markup("<code>{}</code>").format(part), escape)
    made.filters["spaces"] = examples.seen
    made.filters["asked"] = cards.prompt
    return made.get_template("report.html.jinja").render(values)


def one_page(sheet: Sheet) -> str:
    """The page to share."""
    made = _environment(lambda value: visible(value) if _bare(value) else value)
    made.filters["spaces"] = examples.seen
    return made.get_template("one-page.html.jinja").render(sheet=sheet)


def series(sheet: SeriesSheet, chart: Chart | None) -> str:
    """The report along a series."""
    made = _environment(lambda value: visible(value) if _bare(value) else value)
    return made.get_template("series.html.jinja").render(sheet=sheet, chart=chart)


def series_one_page(sheet: SeriesSheet, chart: Chart | None) -> str:
    """The page of it to share."""
    made = _environment(lambda value: visible(value) if _bare(value) else value)
    return made.get_template("series-one-page.html.jinja").render(sheet=sheet, chart=chart)


def markdown(values: dict[str, Any]) -> str:
    made = _environment(lambda value: md(value) if _bare(value) else value)
    made.filters["code"] = lambda text: _code(text, lambda part: Markup(f"`{part}`"), md)
    made.filters["fenced"] = fenced
    made.filters["asked"] = cards.prompt
    made.filters["marked"] = marked
    text = made.get_template("report.md.jinja").render(values)
    # A template that reads well leaves more empty lines than Markdown needs; those of excerpts are theirs.
    return re.sub(r"\n{3,}", "\n\n", text).strip().replace(LINE, "\n") + "\n"


def _environment(finalize: Callable[[Any], Any]) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        # For Markdown too: it keeps what a macro made from being escaped again.
        autoescape=True,
        finalize=finalize,
        # A slip in a template ends the run, rather than leaving a hole in the report.
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _bare(value: Any) -> bool:
    return isinstance(value, str) and not isinstance(value, Markup)


def md(text: str) -> Markup:
    """Outside text on one line of Markdown, where every character stands for itself."""
    # On one line: most of it stands in a table, a heading or a list, which a break would end.
    line = " ".join(visible(text).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = OPENING.sub(lambda m: m[1][:-1] + "\\" + m[1][-1], SIGNS.sub(r"\\\1", line))
    # A backslash before the sign that follows: the address reads the same and is none.
    return Markup(ADDRESS.sub(lambda m: m[0] + ("\\" if m.end() < len(line) else ""), line))


def _code(text: str, code: Callable[[str], Markup], plain: Callable[[str], Markup]) -> Markup:
    """A sentence of our own, with what stands between backticks as code."""
    return Markup("").join(code(part) if i % 2 else plain(part) for i, part in enumerate(text.split("`")))


def marked(line: Line) -> Markup:
    """An excerpt on one line of Markdown, « » around its marks."""
    return md(line.excerpt.plain)


def fenced(answer: Answer) -> Markup:
    """An excerpt of an answer as a block that Markdown leaves alone."""
    # A fence longer than any run of backticks inside, so that none of them can end it.
    text = visible(examples.excerpt(answer))
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return Markup(f"{fence}text\n{text}\n{fence}".replace("\n", LINE))
