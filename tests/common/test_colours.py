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
    f"{TEMPLATES}/one-page.css",
    "diffing/common/colours.py",
}


def test_the_theme_has_the_colours() -> None:
    theme = tomllib.loads((PROJECT / ".streamlit/config.toml").read_text())["theme"]
    assert [theme[mode]["primaryColor"] for mode in ("light", "dark")] == [*colours.PRIMARY]
    assert [theme[mode]["linkColor"] for mode in ("light", "dark")] == [*colours.LINKS]
    assert [theme[mode]["chartCategoricalColors"] for mode in ("light", "dark")] == [[colours.A, colours.B]] * 2


def test_the_reports_style_sheet_has_the_colours() -> None:
    sheet = (PROJECT / "diffing/report/templates/report.css").read_text()
    for side, colour in (("a", colours.A), ("b", colours.B)):
        (said,) = re.findall(rf"--{side}: ([\d, ]+);", sheet)
        assert said.replace(" ", "") == colours.rgb(colour)

    for colour in colours.LINKS:
        assert f"--link: {colour};" in sheet


def luminance(colour: str) -> float:
    """As the Web Content Accessibility Guidelines define it."""
    parts = [int(part) / 255 for part in colours.rgb(colour).split(",")]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def test_the_contrast_is_that_of_the_guidelines() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("name", ["A_WORDS", "B_WORDS", "TICKS", "LINKS"])
def test_words_can_be_read_on_pages_and_panels_of_both_themes(name: str) -> None:
    light, dark = getattr(colours, name)
    # Streamlit's grounds of pages and of panels, and the report's.
    assert min(contrast(light, ground) for ground in ("#ffffff", "#f8f8f7", "#ecedef", "#f4f6f8")) >= 4.5
    assert min(contrast(dark, ground) for ground in ("#171614", "#2d2b27", "#14171c")) >= 4.5


def test_white_words_can_be_read_on_what_is_pressed_which_is_of_neither_side() -> None:
    for colour in colours.PRIMARY:
        assert contrast(colour, "#ffffff") >= 4.5
        assert colour not in (colours.A, colours.B)


def test_no_other_file_writes_them() -> None:
    plain = (colours.A, colours.B, colours.SECOND)
    written = [
        *plain,
        *map(colours.rgb, plain),
        *colours.A_WORDS,
        *colours.B_WORDS,
        *colours.TICKS,
        *colours.PRIMARY,
    ]
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
