"""How often each side shows the features that stand first, under the behaviours that they are a part of.

HTML, so that long names wrap, each row is a link, and a label that counts contradict is struck out. The bars draw
what the view compares; where a diff holds differences alone, as at equal length, they draw these from the middle.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from diffing.common import words
from diffing.common.colours import A, B
from diffing.common.escape import esc
from diffing.diff import ranking
from diffing.diff.answer import Behaviour
from diffing.diff.selection import Asked, Group
from pages.parts import highlight
from pages.parts.address import Comparison
from pages.parts.answer import row as behaviour_row

EACH, ALONE = 1, 6
"""Rows of a behaviour, and of what belongs to none: a dozen behaviours fill a screen and a half. Chosen by eye."""
OPENED = 30
"""Rows of either where groups are expanded."""
STYLE = """<style>
.fgroup{margin:.9rem 0 .15rem;font-size:.95rem;line-height:1.35}.fgroup small{opacity:.75}
.frow{display:grid;grid-template-columns:minmax(10rem,1fr) minmax(9rem,17rem) 3.6rem;gap:.1rem .9rem;
 align-items:center;padding:.22rem .4rem;border-radius:6px;color:inherit!important;text-decoration:none!important}
.frow:hover,.frow:focus-visible{background:rgba(128,132,149,.14)}
.fname{overflow-wrap:anywhere;line-height:1.25;font-size:.9rem}
.fname small,.struck{display:block;opacity:.72;font-size:.78rem;line-height:1.3}
.fbars{display:grid;grid-template-columns:.8rem 1fr 3rem;gap:0 .4rem;align-items:center;font-size:.78rem}
.fbars b,.fbars span,.fdiff{font-variant-numeric:tabular-nums}.fbars span,.fdiff{text-align:right}
.ftrack{position:relative;height:.55rem;border-radius:2px;background:rgba(128,132,149,.16)}
.ftrack i{position:absolute;top:0;bottom:0;border-radius:2px}
.ftrack u{position:absolute;top:50%;height:1px;background:currentColor;opacity:.75}
.ftrack em{position:absolute;top:-.2rem;bottom:-.2rem;width:2px;background:currentColor;opacity:.45}
.fone{height:.8rem}.fdiff{font-size:.9rem}
.fkey{display:flex;flex-wrap:wrap;gap:.1rem 1rem;font-size:.82rem;opacity:.85}
.fkey b{color:inherit}
@media(max-width:640px){.frow{grid-template-columns:1fr 3.6rem}.fname{grid-column:1/-1}}
</style>"""


class Scale(NamedTuple):
    """What the bars of a view draw."""

    columns: tuple[str, str] | None
    """A's and B's amounts; None where only the difference is known."""
    ends: tuple[str, str] | None
    """Names of the columns that an amount's interval begins and ends with, before the side."""
    write: Callable[[float], str]
    title: str


SCALES = {
    "presence": Scale(
        ("frequency_a", "frequency_b"), ("low", "high"), words.share, "Share of prompts whose answer shows it"
    ),
    "per 1,000 tokens": Scale(("rate_a", "rate_b"), None, lambda value: f"{value:.1f}", "Active tokens in 1,000"),
    "strength": Scale(
        ("strength_a", "strength_b"), None, words.share, "Mean strength, of the feature's strongest activation"
    ),
}
APART = Scale(None, None, words.points, "B − A in points; the grey line is B − A in whole answers")


def show(here: Comparison, asked: Asked, groups: Sequence[Group]) -> None:
    """Each behaviour with its first rows; the table has all."""
    if groups:
        st.html(STYLE + behaviour_row.STYLE + html(here, asked, groups))


def html(here: Comparison, asked: Asked, groups: Sequence[Group]) -> str:
    """The whole as HTML."""
    each, alone = (OPENED, OPENED) if asked.members else (EACH, ALONE)
    parts = [(group, group.rows.head(each if group.behaviour else alone)) for group in groups]
    scale = APART if asked.group else SCALES.get(asked.view, APART)
    rows = pd.concat([some for _, some in parts])
    whole = _whole(rows, asked, scale)
    name_a, name_b = here.names
    out = [
        f"<div class='fkey'><b>{esc(scale.title)}</b><span>{highlight.letter('a')} {esc(name_a)}</span>"
        f"<span>{highlight.letter('b')} {esc(name_b)}</span><span>right: B − A</span></div>"
    ]
    for group, some in parts:
        out.append(_head(group, len(some)))
        out += [_row(here, asked, row, scale, whole) for row in some.to_dict("records")]
    return "".join(out)


def _head(group: Group, shown: int) -> str:
    """A behaviour's line."""
    first = f", the first {shown} here" if 1 < shown < len(group.rows) else ""
    more = f" · {words.count(len(group.rows), 'feature')}{first}"
    if group.behaviour is None:
        return f"<div class='fgroup'>In no behaviour<small>{more}</small></div>"
    return f"<div class='fgroup'>{heading(group.behaviour)}<small>{more}</small></div>"


def heading(each: Behaviour) -> str:
    """What a behaviour is, its figures, and what became of it."""
    fate = {"yes": "", "may be length": " · may be length alone", "too few": " · too few new prompts to tell"}
    told = fate.get(each.confirmed, " · not confirmed on new prompts")
    unit = "new prompts" if each.kind == "amount" else "answers to new prompts"
    return f"{behaviour_row.title(each)} <small>{esc(each.figures)} of {unit}{told}</small>"


def _whole(rows: pd.DataFrame, asked: Asked, scale: Scale) -> float:
    """What a full bar stands for."""
    if scale.columns is None:
        names = [asked.by.delta, "delta"] if asked.by.delta in rows else ["delta"]
        return float(rows[names].abs().max().max()) or 1.0
    # Shares of prompts go on to all of them, so that one chart can be held against another.
    return 1.0 if asked.view == "presence" else float(rows[[*scale.columns]].max().max()) or 1.0


def _row(here: Comparison, asked: Asked, row: dict[str, Any], scale: Scale, whole: float) -> str:
    link = f"feature?{urlencode(here.link(feature=row['feature']))}"
    bars = _two(row, scale, whole) if scale.columns else _one(row, asked, whole)
    difference = row[asked.by.delta]
    written = words.points(difference) if asked.by.delta != "rate_difference" else _signed(difference)
    return (
        f"<a class='frow' target='_self' href='{esc(link)}' title='{esc(told(row))}'>"
        f"<span class='fname'>{esc(row['title'])}{label(row)}</span>{bars}<span class='fdiff'>{written}</span></a>"
    )


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "−")


def label(row: dict[str, Any]) -> str:
    """The label that stands, in grey behind what the feature does here; struck out where counts contradict it."""
    number = f"#{row['feature']}"
    if row["named_by"] == "rule" or row["label"] == row["title"]:
        return f"<small>{number}</small>"
    text = esc(row["label"])
    struck = f"<s title='{esc(row['refuted'])}'>{text}</s>" if row["refuted"] else text
    return f"<small>{number} · {struck}</small>"


def told(row: dict[str, Any]) -> str:
    """The statistics of a feature in a hover text."""
    parts = [
        "A {}, B {} of prompts".format(*words.shares(row["frequency_a"], row["frequency_b"])),
        f"B − A {words.points(row['delta'])} points [{words.interval(row['ci_low'], row['ci_high'])}], "
        f"q = {words.small(row['q'])}",
        f"among as many random tokens {words.points(row.get('delta_rarefied', float('nan')))} points",
        f"tokens in 1,000: A {row['rate_a']:.2f}, B {row['rate_b']:.2f}",
        f"on new prompts: {words.replicated(row)}",
    ]
    return "; ".join(parts)


def _two(row: dict[str, Any], scale: Scale, whole: float) -> str:
    """A's and B's bars."""
    assert scale.columns is not None
    out, values = [], [row[column] for column in scale.columns]
    written = words.shares(*values) if scale.write is words.share else [scale.write(value) for value in values]
    for side, value, colour, figure in zip("ab", values, (A, B), written, strict=True):
        bar = f"<i style='left:0;width:{_per_cent(value, whole)}%;background:{colour}'></i>"
        if scale.ends:
            low, high = (_per_cent(row[f"{end}_{side}"], whole) for end in scale.ends)
            bar += f"<u style='left:{low}%;width:{round(high - low, 1)}%'></u>"
        out.append(f"{highlight.letter(side)}<div class='ftrack'>{bar}</div><span>{figure}</span>")
    return f"<span class='fbars'>{''.join(out)}</span>"


def _one(row: dict[str, Any], asked: Asked, whole: float) -> str:
    """One bar from the middle: the difference alone is known."""
    value = row[asked.by.delta]
    low, high = _ends(row, asked)
    colour = B if value > 0 else A
    size, ends = _per_cent(abs(value), whole) / 2, [50 + _signed_share(end, whole) for end in (low, high)]
    start = 50 if value > 0 else 50 - size
    bar = f"<i style='left:{start}%;width:{size}%;background:{colour}'></i>"
    if pd.notna(low) and pd.notna(high):
        bar += f"<u style='left:{ends[0]:.1f}%;width:{ends[1] - ends[0]:.1f}%'></u>"
    bar += f"<em style='left:{50 + _signed_share(row['delta'], whole):.1f}%'></em>"
    return (
        f"<span class='fbars'>{highlight.letter('a')}<div class='ftrack fone'>{bar}</div>"
        f"{highlight.letter('b')}</span>"
    )


def _ends(row: dict[str, Any], asked: Asked) -> tuple[float, float]:
    """The interval of the difference."""
    if asked.group:
        return row["low_in_group"], row["high_in_group"]
    low, high = ranking.interval(pd.DataFrame([row]), asked.by.delta)
    return float(low.iloc[0]), float(high.iloc[0])


def _per_cent(value: float, whole: float) -> float:
    return 0.0 if pd.isna(value) else round(100 * min(max(value / whole, 0.0), 1.0), 1)


def _signed_share(value: float, whole: float) -> float:
    return 0.0 if pd.isna(value) else 50 * max(min(value / whole, 1.0), -1.0)
