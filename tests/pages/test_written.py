"""Answers shown as their Markdown means them: what is kept, where marks lie, and that nothing gets out."""

from html.parser import HTMLParser

import pytest

from pages.parts.compare import written

HOSTILE = (
    "![x](https://e.example/x.png)\n[go](javascript:alert(1)) <https://e.example>\n<img src=x onerror=alert(1)>\n"
    '**<script>alert(1)</script>** `</code><svg onload=alert(1)>` *a" onclick="x*\n'
    "# </p><iframe src=//e.example>\n- <style>@import 'x'</style>\n$$"
    + "\\def\\x{\\x\\x}\\x" * 50
    + "$$\n```html\n<b>\n"
)


class Tags(HTMLParser):
    """Names of all tags and attributes, and the text between them."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names |= {tag, *(name for name, _ in attrs)}

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("rendered", [False, True])
@pytest.mark.parametrize("marks", [[], [(0, 9), (40, 60), (90, 140)]])
def test_hostile_answers_bring_no_tag_and_no_address(rendered: bool, marks: list[tuple[int, int]]) -> None:
    seen = Tags()
    seen.feed(written.answer(HOSTILE, marks, [(20, 120)], "a", rendered))
    assert seen.names <= {"div", "p", "bdi", "strong", "em", "code", "class", "dir", "tabindex"}
    assert "![x](https://e.example/x.png)" in seen.text
    assert "<img src=x onerror=alert(1)>" in seen.text


def test_marks_stay_where_they_are_when_markdown_is_shown_as_meant() -> None:
    text = "# Head\n1. **bold** and `code`\nplain"
    shown = written.answer(text, [(12, 16)], [], "b", True)
    assert '<p class="head">Head</p>' in shown
    assert (
        '<p class="item">1. <strong><bdi class="b10 first" tabindex="0">bold</bdi></strong> and <code>code'
        in shown
    )
    assert "<p>plain</p>" in shown
