"""Outside text where a page makes HTML of it itself: Markdown as it is meant, and the preview of a report."""

from html.parser import HTMLParser

import pytest

from pages.parts import report
from pages.parts.compare import written

OURS = {"div", "p", "bdi", "strong", "em", "code"}
"""All tags that an answer's HTML is made of."""
ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![x](http://evil.example/x.png)",
    "[click](javascript:alert(1))",
    "<javascript:alert(1)>",
    "http://evil.example and www.evil.example and a@evil.example",
    "**<b onmouseover=alert(1)>bold</b>**",
    "# <iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "- <svg/onload=alert(1)>",
    "> <style>*{display:none}</style></div></div>",
    "```html\n<script>alert(1)</script>\n```",
    "`<script>alert(1)</script>` &lt;script&gt; &#60;script&#62;",
    '1. " onfocus="alert(1)" autofocus="',
    "$\\href{javascript:alert(1)}{x}$ :red[x] {{ 7*7 }}",
    "\u202e<script>\u0000\x1b[31m",
]


class Seen(HTMLParser):
    """Tags with their attributes, in order, and the text between them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("evil", ATTACKS)
@pytest.mark.parametrize("rendered", [True, False])
def test_an_answer_makes_no_tag_no_link_and_no_attribute(evil: str, rendered: bool) -> None:
    for marks in ([], [(0, len(evil))], [(1, 3), (5, len(evil) + 9)]):
        seen = Seen(written.answer(evil, marks, [(2, 6)], "a", rendered))
        assert {tag for tag, _ in seen.tags} <= OURS
        assert {name for _, attributes in seen.tags for name in attributes} <= {"class", "tabindex", "dir"}
        assert seen.open == []


def test_a_deep_nest_stays_flat_and_a_long_line_is_read_once() -> None:
    # What took the square of a line's length would never end.
    nests = ["> " * 20_000 + "x", "- " * 20_000, "#" * 50_000 + " x", "**" * 30_000 + "x", "*a " * 30_000]
    nests += ["`" * 60_001, "[" * 30_000 + "](javascript:alert(1))", "**a*" * 20_000, "<div>" * 20_000]
    nests += ["```\n" * 20_000]
    for evil in nests:
        seen = Seen(written.answer(evil, [], [], "n", True))
        # A box, the answer, a line, and what is bold or code in it: no line opens another.
        assert seen.open == [] and {tag for tag, _ in seen.tags} <= OURS


@pytest.mark.parametrize("evil", ["<script>alert(1)</script>", '"></iframe><script>alert(1)</script>', "'\"&lt;"])
def test_a_report_is_shown_in_a_frame_in_which_nothing_runs(evil: str) -> None:
    seen = Seen(report.framed(evil))
    assert [tag for tag, _ in seen.tags] == ["style", "iframe"]
    frame = seen.tags[1][1]
    # Without a value: an empty sandbox forbids all that can be forbidden.
    assert frame["sandbox"] is None and frame["srcdoc"] == evil
