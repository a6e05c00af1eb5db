"""The page on what the starter finds: how passages are shown, and that the page says what the files say."""

import re

import pytest

from diffing.common import files
from diffing.labels.names import bundled
from tools.starter_doc import cell, marked, nearest

PAGE = files.PROJECT / "docs" / "starter.md"


@pytest.mark.parametrize(
    ("pieces", "line"),
    [
        ([("One", 0.0), (" two", 1.5), (".", 0.0)], "One ⟦two⟧."),
        ([("End.", 0.0), (" \n", 2.0), ("Next", 0.5)], "End.⟦␣↵⟧⟦Next⟧"),
        ([("a\nb", 0.0), (" ", 1.0)], "a↵b⟦␣⟧"),
        (
            [(" w", 0.0), ("ord", 0.0), (" x", 0.0), *[("-", 0.0)] * 6, (" hit", 1.0)],
            "… x------ ⟦hit⟧",
        ),
        ([("hit", 1.0), *[(" x", 0.0)] * 7, (" w", 0.0), ("ord", 0.0)], "⟦hit⟧ x x x x x x x …"),
    ],
)
def test_a_passage_marks_active_tokens_around_the_strongest(pieces: list[tuple[str, float]], line: str) -> None:
    assert marked(pieces) == line


def test_probes_are_read_back_from_the_diffs_words() -> None:
    assert nearest("double spaces:0.96; bold:0.10") == {"double spaces": 0.96, "bold": 0.1}
    assert nearest("") == nearest(None) == {}


def test_the_page_gives_the_labels_that_ship() -> None:
    rows = re.findall(r"^\| (\d+) \| (.+?) \| \d+ % \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    shipped = bundled("starter")
    assert len(rows) == 20
    assert dict(rows) == {feature: cell(shipped[int(feature)].label) for feature, _ in rows}
