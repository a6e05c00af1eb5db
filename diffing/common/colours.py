"""The colours that mean something, and the ten shades of an activation: one place for pages, charts and reports.

A is always blue and B always orange: two hues that stay apart for colour-blind eyes, on white and on black. Files
that cannot import (the theme, the report's style sheet) write the same values; a test holds them equal.
"""

import numpy as np

A, B = "#4684d7", "#c78901"
A_WORDS, B_WORDS = ("#2c64b0", "#7aaef0"), ("#8a5e00", "#dba02b")
"""The same two as words have them, on a light page and on a dark one: A and B themselves are too pale to read on
white (contrast 3.8 and 3.0, where 4.5 is the least that is held to be readable)."""
TICKS = ("#5c6170", "#a3a8b4")
"""Numbers and names along a chart's axes."""
PRIMARY = ("#33535c", "#527883")
"""What is chosen or pressed: of neither side's hue, and dark enough for white words on it."""
LINKS = ("#33535c", "#9cc3ce")
SECOND = "#00966e"
"""A second feature's underline, and a text that belongs to neither side."""
GREY = "#8a8f98"
"""What does not differ, and lines that only help to read a chart."""
LEVELS = 10
"""Shades from just visible to full colour; the eye tells no more apart under a word."""


def rgb(colour: str) -> str:
    """`#4684d7` as style sheets mix it with an opacity: `70,132,215`."""
    return ",".join(str(int(colour[place : place + 2], 16)) for place in (1, 3, 5))


def css(light_dark: tuple[str, str]) -> str:
    """A pair as a style sheet takes the one of the page's theme."""
    return f"light-dark({','.join(light_dark)})"


def level(value: float, largest: float) -> int:
    """1 to 10 for an active token, 0 for a silent one; logarithmic, so that weak activations stay visible."""
    if value <= 0 or largest <= 0:
        return 0
    # log(1 + 9x) / log(10) takes 0 to 0 and 1 to 1, and a tenth of the largest to level 3: chosen by eye.
    return max(1, min(LEVELS, round(LEVELS * float(np.log1p(9 * min(1.0, value / largest)) / np.log(10)))))
