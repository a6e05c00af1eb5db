"""Colours: the same wherever they are written, and shades that leave no active token unseen."""

import re
import tomllib

import pytest

from diffing.common import colours, files


def test_the_theme_and_the_reports_style_sheet_have_the_same_colours() -> None:
    config = tomllib.loads((files.PROJECT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert config["theme"]["primaryColor"] == colours.A
    for mode in ("light", "dark"):
        assert config["theme"][mode]["chartCategoricalColors"] == [colours.A, colours.B]
    sheet = (files.PROJECT / "diffing" / "report" / "templates" / "report.css").read_text(encoding="utf-8")
    assert set(re.findall(r"--(a|b): ([\d, ]+);", sheet)) == {
        (name, colours.rgb(colour).replace(",", ", ")) for name, colour in (("a", colours.A), ("b", colours.B))
    }


@pytest.mark.parametrize(
    ("value", "level"), [(-1.0, 0), (0.0, 0), (1e-9, 1), (0.1, 3), (0.5, 7), (1.0, 10), (2.0, 10)]
)
def test_every_active_token_has_a_shade_and_no_silent_one_has(value: float, level: int) -> None:
    assert colours.level(value, 1.0) == level
    assert colours.level(value, 0.0) == 0
