"""A measure's row in words: what it is on both sides, what can be said of it, and what stands beside that."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from diffing.common.words import count, points, share, small
from diffing.diff import measure


def figure(value: float, kind: str) -> str:
    """A mean for a reader: of a share in hundreds, of another number to three digits."""
    if pd.isna(value):
        return "–"
    return share(value) if kind != "number" else f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def told(row: Mapping[str, Any]) -> str:
    """One line: what it is on both sides, and what can be said of that."""
    kind, asked = str(row["kind"]), int(row["n_prompts"])
    if not asked:
        return f"{row['measure']}: on one side alone ({_alone(row)})"
    values = f"{figure(row['mean_a'], kind)} → {figure(row['mean_b'], kind)}"
    if not (row["discordant_a"] or row["discordant_b"]):
        return f"{row['measure']} {values}, the same on every prompt: {row['verdict']}"
    needed = measure.to_ask(row["needed"], asked)
    more = f", would take about {needed:,} prompts" if needed else ""
    best = f", {row['better']} is better" if row["verdict"] == "differs" and row["better"] else ""
    tested = f"q = {small(row['q'])}" if not pd.isna(row["q"]) else f"p = {small(row['p'])}"
    return f"{row['measure']} {values}, {tested}: {row['verdict']}{best}{more}"


def _alone(row: Mapping[str, Any]) -> str:
    sides = [f"{count(int(row[f'alone_{s}']), 'answer')} of {s.upper()}" for s in "ab" if row[f"alone_{s}"]]
    return " and ".join(sides)


def bought(row: Mapping[str, Any]) -> str:
    """What pairing bought: the test that a harness would make, and how many prompts it would have needed."""
    if pd.isna(row["z_unpaired"]):
        return ""
    z = f"{row['z_unpaired']:.2f}".replace("-", "−")
    said = f"unpaired z = {z}, p = {small(row['p_unpaired'])}"
    if pd.isna(row["gain"]):
        return said
    # Without pairing the standard error is that of the paired one on so many prompts.
    return f"{said}; without pairs it would take {row['gain'] ** 2:.1f} times as many prompts"


def more(row: Mapping[str, Any]) -> str:
    """What stands under it: difference and interval, prompts, the test without pairs, what was left out."""
    points_ = " points" if row["kind"] != "number" else ""
    first = f"{spread(row)}{points_} on {count(int(row['n_prompts']), 'prompt')}, p = {small(row['p'])}"
    return "; ".join(part for part in (first, noise(row), by_task(row), bought(row), left_out(row)) if part)


def spread(row: Mapping[str, Any]) -> str:
    """The difference with its interval: of a share in points."""
    low, high = _unit(row, row["ci_low"]), _unit(row, row["ci_high"])
    return f"{_unit(row, row['delta'])} [{low} to {high}]"


def noise(row: Mapping[str, Any]) -> str:
    """Whether two runs of one checkpoint would differ as much; empty with one draw."""
    if pd.isna(row["noise_band"]):
        return ""
    how = "more" if row["outside_noise"] else "no more"
    unit = " points" if row["kind"] != "number" else ""
    return f"{how} than two runs of one checkpoint differ by (up to {band(row)}{unit}, as its draws tell)"


def band(row: Mapping[str, Any]) -> str:
    """What two runs of one checkpoint differ by at most, 95 times in 100."""
    return "–" if pd.isna(row["noise_band"]) else _unit(row, row["noise_band"]).lstrip("+")


def by_task(row: Mapping[str, Any]) -> str:
    """Whether the difference is the same in all categories, and the interval were they a sample of more."""
    parts = []
    if row["q_heterogeneity"] < measure.LEVEL:
        parts.append(f"not the same in all categories (q = {small(row['q_heterogeneity'])})")
    if not pd.isna(row["ci_low_tasks"]):
        low, high = _unit(row, row["ci_low_tasks"]), _unit(row, row["ci_high_tasks"])
        parts.append(f"with its {int(row['tasks']):,} categories as a sample of more [{low} to {high}]")
    return "; ".join(parts)


def _unit(row: Mapping[str, Any], value: float) -> str:
    """A difference: of shares in points."""
    if row["kind"] != "number":
        return points(value)
    return "–" if pd.isna(value) else f"{value:+,.3g}".replace("-", "−")


def left_out(row: Mapping[str, Any]) -> str:
    """Answers whose number has no partner; empty where all have one."""
    return f"left out: {_alone(row)}" if row["alone_a"] or row["alone_b"] else ""
