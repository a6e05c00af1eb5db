"""Cells hold what was shown: joined, bounded, harmless, without keys."""

import base64
import json
import urllib.parse

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffing.agents.workshop import cells
from diffing.agents.workshop.cells import Cell, Shown
from diffing.agents.workshop.scrub import GONE, Scrub
from diffing.report import agent_notebook

KEY = "sk-or-v1-0123456789/abc+def=="
NONE = Scrub([])


def stream(text: str, name: str = "stdout") -> dict[str, str]:
    return {"name": name, "text": text}


def test_pieces_of_a_stream_are_one_output_until_another_comes_between() -> None:
    shown = Shown(1)
    for text in ("one ", "two\n"):
        shown.take("stream", stream(text))
    shown.take("stream", stream("oh", "stderr"))
    shown.take("stream", stream("three"))
    assert [(each["name"], each["text"]) for each in shown.outputs(NONE)] == [
        ("stdout", "one two\n"),
        ("stderr", "oh"),
        ("stdout", "three"),
    ]


@given(st.lists(st.sampled_from(["a", "b", "\r", "\n"]), max_size=24), st.integers(0, 24))
def test_a_line_that_is_written_over_stands_as_last_written_however_it_is_cut(signs: list[str], cut: int) -> None:
    whole = "".join(signs)
    shown = Shown(1)
    for part in (whole[:cut], whole[cut:]):
        shown.take("stream", stream(part))
    lines = [line.rstrip("\r").rsplit("\r", 1)[-1] for line in whole.replace("\r\n", "\n").split("\n")]
    # A piece that ends in "\r" may be followed by "\n": either way the line is what stood before them.
    assert Cell(1, "", "done", shown.outputs(NONE)).text() == "\n".join(lines).rstrip("\n")


def test_a_cell_keeps_so_much_and_says_how_much_it_left_out() -> None:
    shown = Shown(1)
    shown.take("stream", stream("x" * (cells.MOST - 10)))
    shown.take("stream", stream("y" * 1_000_010))
    text = Cell(1, "", "done", shown.outputs(NONE)).text()
    assert (len(text), text.count("y")) == (cells.MOST, 10)
    assert "1,000,000 characters more were not kept" in shown.left_out()


def test_what_is_cleared_makes_room() -> None:
    shown = Shown(1)
    shown.take("stream", stream("x" * cells.MOST))
    shown.take("clear_output", {"wait": True})
    shown.take("stream", stream("new"))
    assert [each["text"] for each in shown.outputs(NONE)] == ["new"]


def test_a_display_that_is_changed_stands_once() -> None:
    shown = Shown(1)
    named = {"transient": {"display_id": "bar"}, "metadata": {}}
    shown.take("display_data", {"data": {"text/plain": "1 of 2"}, **named})
    shown.take("update_display_data", {"data": {"text/plain": "2 of 2"}, **named})
    assert [each["data"] for each in shown.outputs(NONE)] == [{"text/plain": "2 of 2"}]


def test_pictures_are_kept_as_pictures_and_only_so_many() -> None:
    picture = base64.b64encode(agent_notebook.PNG + b"pixels").decode()
    shown = Shown(1)
    for _ in range(cells.PICTURES + 2):
        shown.take("display_data", {"data": {"image/png": picture, "text/plain": "<Figure>"}})
    cell = Cell(1, "", "done", shown.outputs(NONE))
    assert cell.pictures() == [picture] * cells.PICTURES
    assert "2 pictures more were not kept" in shown.left_out()
    assert cell.text().splitlines()[:2] == ["<Figure>", "[picture]"]


@pytest.mark.parametrize("before", ["", "a", "ab"])
@pytest.mark.parametrize("after", ["", "c", "cd"])
def test_a_key_goes_in_every_form_in_which_it_comes_by_accident(before: str, after: str) -> None:
    told = f"{before}{KEY}{after}"
    forms = (
        told,
        told[::-1],
        urllib.parse.quote(told, safe=""),
        urllib.parse.quote_plus(told),
        told.encode().hex(),
        base64.b64encode(told.encode()).decode(),
        base64.urlsafe_b64encode(told.encode()).decode(),
        json.dumps(told),
    )
    scrub = Scrub([KEY])
    assert [form for form in forms if GONE not in scrub.text(f"({form})")] == []
    assert scrub.text("(plain words)") == "(plain words)"


@given(st.integers(1, 40))
def test_no_part_of_a_key_is_left_where_the_output_was_cut(left: int) -> None:
    shown = Shown(1)
    shown.take("stream", stream("x" * (cells.MOST - left) + KEY + "y" * 100))
    text = Cell(1, "", "done", shown.outputs(Scrub([KEY]))).text()
    assert KEY[:6] not in text


def test_of_html_the_words_of_tables_stay_and_nothing_that_acts() -> None:
    page = (
        "<div onclick=a()><style>td{}</style><script>alert(1)</script><table class=x onload=b()><tr><td "
        "style='background:url(http://evil.example)'>1 &lt;b&gt;<img src=http://evil.example></td>"
        "<td><a href=javascript:c()>two</a></tr></table><iframe src=http://evil.example></iframe></div>after"
    )
    assert agent_notebook.only_table(page) == ("<table><tr><td>1 &lt;b&gt;</td><td>two</td></tr></table>")
    assert agent_notebook.only_table("<p>no table</p>") == ""
    data = {"text/html": page, "application/javascript": "x", "image/svg+xml": "<svg/>", "text/plain": "t"}
    kept = agent_notebook.harmless({"output_type": "display_data", "data": data, "metadata": {"a": 1}}, 1)
    assert kept is not None and set(kept["data"]) == {"text/html", "text/plain"} and kept["metadata"] == {}


def test_a_file_of_cells_is_a_notebook_and_comes_back_as_it_was() -> None:
    shown = Shown(2)
    shown.take("execute_result", {"data": {"text/plain": "2"}, "execution_count": 9, "metadata": {}})
    shown.take("error", {"ename": "E", "evalue": "v", "traceback": ["\x1b[31mE\x1b[0m: v"]})
    cell = Cell(2, "1 + 1", "failed", shown.outputs(NONE), "A note.", "2026-11-29T10:00:00+00:00", 1.5, 3)
    whole = agent_notebook.notebook({"workshop": "w"}, [cell.record()])
    nbformat.validate(nbformat.from_dict(whole))  # type: ignore[no-untyped-call]
    assert cells.of_record(whole["cells"][0]) == cell
    assert cell.text() == "2\nE: v"


@pytest.mark.parametrize(
    ("state", "started", "after", "note"),
    [
        ("running", "x", "lost", "The server ended while this cell ran, so what it showed is lost."),
        ("waiting", "", "lost", "The server ended before this cell began."),
        ("waiting", "x", "done", "before"),
        ("failed", "x", "failed", "before"),
    ],
)
def test_a_cell_that_was_not_over_when_the_server_was_is_said_to_be_lost(
    state: cells.State, started: str, after: str, note: str
) -> None:
    cell = cells.of_record(Cell(1, "1", state, (), "before", started).record())
    assert (cell.state, cell.note) == (after, note)
