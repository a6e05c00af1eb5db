"""One line of a table of what was wanted and what came: a figure, its 95 % interval, and whether that holds."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats


class Line(NamedTuple):
    """One line of the table."""

    scenario: str
    counted: str
    """Of how many: 3 of 200."""
    value: float
    low: float
    high: float
    """95 % interval of the value; NaN where it is of one study and has none."""
    least: float
    most: float
    """What is wanted of the value."""
    chance: bool = False
    """Whether it holds as long as its interval reaches what is wanted."""

    @property
    def holds(self) -> bool:
        low, high = (self.low, self.high) if self.chance else (self.value, self.value)
        # Written so that NaN, nothing to be counted, does not hold.
        return bool(low <= self.most and high >= self.least)

    @property
    def wanted(self) -> str:
        error = " and its error" if self.chance else ""
        if self.most < 1 and self.least > 0:
            return f"{self.least:g} to {self.most:g}"
        if self.most < 1:
            return f"at most {_percent(self.most)}{error}" if self.most else "none"
        return "all" if self.least == 1 else f"at least {_percent(self.least)}{error}"

    @property
    def cells(self) -> list[str]:
        """Scenario, what is wanted, how many of how many, the figure, its interval, whether it holds."""
        shown = _plain if self.most < 1 and self.least > 0 else _percent
        interval = "" if np.isnan(self.low) else f"{shown(self.low)} to {shown(self.high)}"
        holds = "yes" if self.holds else "**no**"
        return [self.scenario, self.wanted, self.counted, shown(self.value), interval, holds]


def share(
    scenario: str, hits: int, tries: int, least: float = 0.0, most: float = 1.0, chance: bool = False
) -> Line:
    """So many of so many independent studies, with the exact interval of Clopper and Pearson."""
    low = float(stats.beta.ppf(0.025, hits, tries - hits + 1)) if hits else 0.0
    high = float(stats.beta.ppf(0.975, hits + 1, tries - hits)) if hits < tries else 1.0
    value = hits / tries if tries else np.nan
    return Line(scenario, f"{hits:,} of {tries:,}", value, low, high, least, most, chance)


def pooled(
    scenario: str, hits: Sequence[int], tries: Sequence[int], least: float = 0.0, most: float = 1.0
) -> Line:
    """A share over several studies whose parts hang together: the interval is of studies, by Student's t."""
    a, n = np.array(hits, np.float64), np.array(tries, np.float64)
    value = float(a.sum() / n.sum()) if n.sum() else np.nan
    half = np.nan
    if len(a) > 1 and n.sum():
        spread = np.sqrt(np.sum((a - value * n) ** 2) * len(a) / (len(a) - 1)) / n.sum()
        half = float(stats.t.ppf(0.975, len(a) - 1) * spread)
    counted = f"{int(a.sum()):,} of {int(n.sum()):,}"
    return Line(scenario, counted, value, max(value - half, 0.0), min(value + half, 1.0), least, most)


def averaged(scenario: str, values: Sequence[float], least: float, most: float) -> Line:
    made = np.array(values)
    half = float(stats.t.ppf(0.975, len(made) - 1) * made.std(ddof=1) / len(made) ** 0.5)
    value = float(made.mean())
    return Line(scenario, f"mean of {len(made)}", value, value - half, value + half, least, most)


def _percent(value: float) -> str:
    return (
        f"{100 * value:.2f} %".replace(".00 %", " %")
        if value < 0.01
        else f"{100 * value:.1f} %".replace(".0 %", " %")
    )


def _plain(value: float) -> str:
    return f"{value:.3f}"


HEAD = "| what was done | wanted | counted | figure | 95 % interval | holds |\n|---|---|---|---|---|---|"


def rows(lines: Iterable[Line]) -> str:
    """The table's rows."""
    return "\n".join(f"| {' | '.join(line.cells)} |" for line in lines)
