"""Outside text as harmless cells and as Markdown that reads as it is."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from diffing.common import escape, tables
from diffing.common.escape import visible
from diffing.report import render
from tests.fakes.html_page import Page

PLAIN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


@given(st.text(max_size=20))
def test_a_cell_never_begins_like_a_formula_and_loses_nothing(text: str) -> None:
    told = escape.cell(text)
    assert not re.match(r"[\s\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r]", told)
    assert escape.uncell(told) == tables.clean(text)


@given(st.text(alphabet=st.characters() | st.sampled_from(list("<>&\"'/=;!-a ")), max_size=40))
def test_any_text_stands_for_itself_in_a_page_and_in_an_attribute(text: str) -> None:
    page = Page(f'<p title="{escape.esc(text)}">{escape.esc(text)}</p>')
    assert (page.tags, page.attributes) == ({"p"}, {"title"})
    assert "".join(page.words) == visible(text)


@settings(max_examples=300)
@given(st.text(alphabet=st.characters() | st.sampled_from(list("\\`*_{}[]()<>#+-.!|~$:&@\n \t=1w/")), max_size=40))
def test_any_text_stands_for_itself_in_markdown(text: str) -> None:
    said = " ".join(visible(text).split())
    page = Page(PLAIN.render(f"x {render.md(text)}\n\n| a |\n| --- |\n| {render.md(text)} |\n"))
    # The renderer, as CommonMark asks, shows a replacement for NUL, which `visible` has spelled out before.
    assert page.tags == {"p", "table", "thead", "tbody", "tr", "th", "td"}
    lines = [word for word in "".join(page.words).split("\n") if word]
    assert lines[0].strip() == f"x {said}".strip()
    assert [line.strip() for line in lines[1:]] == (["a", said] if said else ["a"])
