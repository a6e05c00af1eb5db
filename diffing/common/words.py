"""Words for numbers, the same on the command line, on the pages and in the report."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    pass


def dollars(cost: float | None) -> str:
    if cost is None:
        return "cost unknown"
    return f"${cost:.2f}" if cost == 0 or cost >= 0.01 else f"${cost:.4f}"


def about(cost: float | None) -> str:
    return dollars(cost) if cost is None else f"about {dollars(cost)}"


def duration(seconds: float | None) -> str:
    if seconds is None:
        return "time unknown"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def moment(date: str) -> str:
    """A point in time as people read it, to the minute."""
    return date[:16].replace("T", " ") + " UTC"


def share(value: float) -> str:
    return "–" if pd.isna(value) else f"{100 * value:.0f} %"


def points(value: float) -> str:
    return "–" if pd.isna(value) else f"{100 * value:+.0f}".replace("-", "−")


def interval(low: float, high: float) -> str:
    return "–" if pd.isna(low) or pd.isna(high) else f"{points(low)} to {points(high)}"


def small(value: float) -> str:
    """A p- or q-value."""
    return "not tested" if pd.isna(value) else f"{value:.2g}"


def listed(things: Iterable[str]) -> str:
    found = list(things)
    return " and ".join([", ".join(found[:-1]), found[-1]] if len(found) > 1 else found)


def count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def yes(value: Any) -> str:
    return "–" if pd.isna(value) else "yes" if value else "no"
