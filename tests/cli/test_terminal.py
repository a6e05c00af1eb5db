"""What the commands print: outside text as it is, and JSON alone where another program reads."""

import json

import pytest

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


def test_what_another_program_reads_is_json_alone(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"name": OUTSIDE, "long": "word " * 400, "signs": "ж\u2028"}
    terminal.tell(value)
    out, err = capsys.readouterr()
    assert (json.loads(out), err) == (value, "")


def test_an_option_that_is_no_pair_is_named() -> None:
    assert terminal.pairs(["prompt=question", "response=a=b"]) == {"prompt": "question", "response": "a=b"}
    with pytest.raises(UserError, match="'prompt' is no pair; write it as OURS=THEIRS."):
        terminal.pairs(["prompt"])
