"""The colours stand in one place: files that cannot import them hold the same."""

import re
import tomllib

import pytest

from diffing.common import colours
from diffing.common.files import PROJECT

TEMPLATES = "diffing/report/templates"
CANNOT_IMPORT = {
    ".streamlit/config.toml",
    f"{TEMPLATES}/report.css",
    f"{TEMPLATES}/one-page.html.jinja",
    "diffing/common/colours.py",
}


def test_the_theme_has_the_colours() -> None:
    theme = tomllib.loads((PROJECT / ".streamlit/config.toml").read_text())["theme"]
    assert theme["primaryColor"] == colours.A
    assert [theme[mode]["chartCategoricalColors"] for mode in ("light", "dark")] == [[colours.A, colours.B]] * 2


def test_the_reports_style_sheet_has_the_colours() -> None:
    sheet = (PROJECT / "diffing/report/templates/report.css").read_text()
    for side, colour in (("a", colours.A), ("b", colours.B)):
        (said,) = re.findall(rf"--{side}: ([\d, ]+);", sheet)
        assert said.replace(" ", "") == colours.rgb(colour)


def test_no_other_file_writes_them() -> None:
    written = [colours.A, colours.B, colours.SECOND, *map(colours.rgb, (colours.A, colours.B, colours.SECOND))]
    places = [PROJECT / "dashboard.py", *(PROJECT / "pages").rglob("*.py"), *(PROJECT / "diffing").rglob("*.py")]
    places += [*(PROJECT / "diffing/report/templates").iterdir(), *(PROJECT / ".streamlit").iterdir()]
    found = {
        str(path.relative_to(PROJECT))
        for path in places
        if any(colour in path.read_text(encoding="utf-8").lower().replace(", ", ",") for colour in written)
    }
    assert found == CANNOT_IMPORT


def test_a_colour_in_parts() -> None:
    assert [colours.rgb(colour) for colour in ("#4684d7", "#c78901", "#00966e")] == [
        "70,132,215", "199,137,1", "0,150,110",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "largest", "level"),
    [(0.0, 5.0, 0), (-1.0, 5.0, 0), (1.0, 0.0, 0), (5.0, 5.0, 10), (50.0, 5.0, 10), (1e-9, 5.0, 1), (1.0, 9.0, 3)],
)
def test_weak_activations_stay_visible_and_strong_ones_end_at_full_colour(
    value: float, largest: float, level: int
) -> None:
    assert colours.level(value, largest) == level
