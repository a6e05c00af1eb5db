"""What the commands print: outside text as it is, and JSON alone where another program reads."""

import json
import threading

import pytest
from rich.console import Console

from diffing.cli import terminal
from diffing.common.errors import UserError

OUTSIDE = "[bold]one[/bold] [/] [link=http://x.example]two[/link] :tea: \\[x"


def test_outside_text_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.say(OUTSIDE)
    terminal.warn(OUTSIDE)
    out, err = capsys.readouterr()
    assert (out, err) == (f"{OUTSIDE}\n", f"{OUTSIDE}\n")


def test_a_table_shows_cells_headers_and_title_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.show([{f"head {OUTSIDE}": f"cell {OUTSIDE}"}], title=f"title {OUTSIDE}")
    lines = capsys.readouterr().out
    assert all(f"{place} {OUTSIDE}" in lines for place in ("head", "cell", "title"))


def narrowed(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """A terminal of so many columns, as the commands see it."""
    monkeypatch.setattr(terminal, "console", Console(width=width, force_terminal=True, color_system=None))


def test_the_widest_column_of_a_table_wraps_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    narrowed(monkeypatch, 40)
    terminal.show([{"feature": 17, "label": "a label of many words that takes room", "q": "3e-8"}])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 40
    cells = [line.split("│")[2].strip() for line in lines if line.startswith("│")]
    assert " ".join(cells) == "a label of many words that takes room"


def test_a_table_of_too_many_columns_stands_one_row_under_the_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    narrowed(monkeypatch, 40)
    terminal.show([{name: f"{name} is right here" for name in ("one", "two", "three", "four")}])
    assert capsys.readouterr().out.splitlines() == [
        "one is right here  two is right here",
        "    three three is right here · four",
        "    four is right here",
    ]


def test_what_takes_long_says_so_now_and_then_where_nobody_sees_a_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said, warn = threading.Event(), terminal.warn

    def heard(text: str) -> None:
        warn(text)
        said.set()

    monkeypatch.setattr(terminal, "warn", heard)
    monkeypatch.setattr(terminal, "NOTICED", 0.001)
    with terminal.busy("Loading the reader"):
        assert said.wait(60)
    assert capsys.readouterr().err == "Loading the reader, 0 s so far …\n"


def test_what_another_program_reads_is_json_alone(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"name": OUTSIDE, "long": "word " * 400, "signs": "ж\u2028"}
    terminal.tell(value)
    out, err = capsys.readouterr()
    assert (json.loads(out), err) == (value, "")


def test_an_option_that_is_no_pair_is_named() -> None:
    assert terminal.pairs(["prompt=question", "response=a=b"]) == {"prompt": "question", "response": "a=b"}
    with pytest.raises(UserError, match="'prompt' is no pair; write it as OURS=THEIRS."):
        terminal.pairs(["prompt"])
