"""Colours: A's and B's are the same in every file that cannot import them, and shades that can be told apart."""

import re
import tomllib

from diffing.common import colours
from diffing.common.files import PROJECT


def test_the_theme_and_the_report_show_the_same_blue_and_orange() -> None:
    theme = tomllib.loads((PROJECT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["theme"]
    both = [colours.A, colours.B]
    assert theme["primaryColor"] == colours.A
    assert [theme[light]["chartCategoricalColors"] for light in ("light", "dark")] == [both, both]
    style = (PROJECT / "diffing" / "report" / "templates" / "report.css").read_text(encoding="utf-8")
    mixed = {side: value.replace(" ", "") for side, value in re.findall(r"--(a|b): ([\d, ]+);", style)}
    assert mixed == {"a": colours.rgb(colours.A), "b": colours.rgb(colours.B)}


def test_every_active_token_has_a_shade_and_a_silent_one_has_none() -> None:
    assert [colours.level(value, 8.0) for value in (-1.0, 0.0, 1e-9, 8.0, 80.0)] == [0, 0, 1, 10, 10]
    assert colours.level(1.0, 0.0) == 0
    shades = [colours.level(n / 100, 1.0) for n in range(1, 101)]
    assert shades == sorted(shades) and set(shades) == set(range(1, 11))
