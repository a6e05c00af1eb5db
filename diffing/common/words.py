"""Words for numbers, the same on the command line, on the pages and in the report.

Holds what is said of plain numbers; how a job, an estimate or an answer is put stands with these. It rounds for
reading: nothing may be computed from its words.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd


def dollars(cost: float | None) -> str:
    if cost is None:
        return "cost unknown"
    # Below a cent two places would say that it is free.
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
    # A space that no line breaks at.
    return "–" if pd.isna(value) else f"{100 * value:.0f}\u00a0%"


def shares(a: float, b: float) -> tuple[str, str]:
    """Two shares beside their difference: where whole per cents would not add up to it, with a place more."""
    if pd.isna(a) or pd.isna(b) or _whole(b) - _whole(a) == _whole(b - a):
        return share(a), share(b)
    return f"{100 * a:.1f}\u00a0%", f"{100 * b:.1f}\u00a0%"


def _whole(value: float) -> int:
    return int(f"{100 * value:.0f}")


def ab(a: float, b: float) -> str:
    """A's share and B's."""
    return " → ".join(shares(a, b))


def points(value: float) -> str:
    # A real minus sign: a hyphen is narrower than the plus above it, and breaks off at a line's end.
    return "–" if pd.isna(value) else f"{100 * value:+.0f}".replace("-", "−")


def whole_number(value: float) -> str:
    """A difference of amounts that are counted."""
    return "–" if pd.isna(value) else f"{value:+,.0f}".replace("-", "−") if round(value) else "0"


def interval(low: float, high: float) -> str:
    return "–" if pd.isna(low) or pd.isna(high) else f"{points(low)} to {points(high)}"


def change(value: float) -> str:
    """A relative difference of an amount, in per cent."""
    return "–" if pd.isna(value) else f"{points(value)}\u00a0%"


def replicated(row: Mapping[str, Any]) -> str:
    """A diff's column of that name; where a difference did not come again, with what it would have taken."""
    word = str(row["replicated"])
    # Older diffs say "no", which sounds as if the contrary had been shown, and do not know what would be needed.
    if word not in ("no", "not confirmed"):
        return word or "–"
    needed = row.get("needed")
    if pd.isna(needed):
        return "not confirmed"
    differ = count(int(row["discordant_heldout"]), "new prompt differs", "new prompts differ")
    return f"not confirmed ({differ}; would need {needed:,.0f})"


def small(value: float) -> str:
    """A p- or q-value, one way everywhere: `0.31`, `0.003`, `2e-10`."""
    if pd.isna(value):
        return "not tested"
    # Two digits where they may decide between under and over 0.05; below, nobody reads more than the size.
    if value >= 0.0001 or value == 0:
        return f"{value:.2g}" if value >= 0.01 else f"{value:.1g}"
    return f"{value:.0e}".replace("e-0", "e-")


def listed(things: Iterable[str]) -> str:
    names = list(things)
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def yes(value: Any) -> str:
    return "–" if pd.isna(value) else "yes" if value else "no"


def between_commas(text: str) -> list[str]:
    """What a person listed with commas between, without the spaces around."""
    return [part.strip() for part in text.split(",") if part.strip()]
