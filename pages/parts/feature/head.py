"""The top of a feature's page: what it does here, what it is called, and its figures in one line."""

import pandas as pd
import streamlit as st

from diffing.common import words
from diffing.common.colours import A, B
from diffing.common.escape import esc, md
from diffing.diff.measure import LEVEL
from diffing.labels import names
from diffing.probes import near
from pages.parts.features.bars import told

STYLE = """<style>
.fhead h2{margin:0;padding:0;font-size:1.35rem;line-height:1.3;overflow-wrap:anywhere}
.fhead small{opacity:.75;font-size:.85rem}
.ffigures{display:flex;flex-wrap:wrap;gap:.2rem 1.8rem;align-items:center;margin-top:.5rem}
.ffigures span{display:inline-flex;align-items:center;gap:.45rem;font-variant-numeric:tabular-nums}
.ffigures .track{display:inline-block;width:8rem;height:.6rem;border-radius:3px;background:rgba(128,132,149,.18)}
.ffigures .track i{display:block;height:100%;border-radius:3px}
</style>"""
WHOSE = {"person": "a person's label", "llm": "a model's label", "rule": ""}


def show(row: pd.Series, described: str) -> None:
    """The feature's row of the diff; `described` are the tokens it fires on, by a rule."""
    st.html(STYLE + f"<div class='fhead'>{title(row, described)}{figures(row)}</div>")


def title(row: pd.Series, described: str) -> str:
    """What it does here; then, in grey, the label that stands, struck out where counts contradict it."""
    # Of what hardly differs no diff keeps the tokens.
    here = names.here({**row.to_dict(), "tokens": row["tokens"] or described})
    said = f"<h2>#{row['feature']} · {esc(here)}</h2>"
    if row["named_by"] == "rule" or row["label"] == here:
        return said
    label = f"<s>{esc(row['label'])}</s>. {esc(row['refuted'])}" if row["refuted"] else esc(row["label"])
    whose = "the reader's label, of all texts" if row["general"] else WHOSE[row["named_by"]]
    return f"{said}<small>{whose}: {label}</small>"


def figures(row: pd.Series) -> str:
    """Both shares as bars and the difference; hovering says how sure it is."""
    parts = []
    for side, colour in (("a", A), ("b", B)):
        share = row[f"frequency_{side}"]
        bar = f"<span class='track'><i style='width:{100 * share:.1f}%;background:{colour}'></i></span>"
        parts.append(
            f"<span><b style='color:{colour}'>{side.upper()}</b>{bar}{words.share(share)} of prompts</span>"
        )
    interval = words.interval(row["ci_low"], row["ci_high"])
    parts.append(f"<span><b>{words.points(row['delta'])} points</b>[{interval}]</span>")
    # An older diff has the cuts alone.
    equal = row.get("delta_rarefied", row["delta_equal_length"])
    if pd.notna(equal):
        parts.append(f"<span>{words.points(equal)} at equal length</span>")
    sure = pd.notna(row["q"]) and row["q"] < LEVEL
    parts.append("<span>differs</span>" if sure else "<span>no difference is sure</span>")
    return f"<div class='ffigures' title='{esc(told(row.to_dict()))}'>{''.join(parts)}</div>"


def details(row: pd.Series) -> None:
    """What else is known of it, in a line below the evidence."""
    st.caption(md(" · ".join(fact for fact in facts(row) if fact)))


def facts(row: pd.Series) -> list[str]:
    """What stands in that line; empty where there is nothing to say."""
    noise = "" if pd.isna(row["outside_noise"]) else "beyond" if row["outside_noise"] else "within"
    replicated = {
        "": "",
        "yes": "confirmed on new prompts",
        "too few": "too few new prompts to confirm it",
    }.get(row["replicated"], f"{words.replicated(row)} on new prompts")
    ties = ", ".join(f"{tie.probe} {words.share(tie.share)}" for tie in near.read_column(row["probes"]))
    first, last = words.points(row["delta_equal_length"]), words.points(row["delta_equal_length_tail"])
    return [
        f"q = {words.small(row['q'])}",
        f"in the first tokens of equally long answers {first} points, in the last {last}",
        f"active tokens in 1,000: A {row['rate_a']:.2f}, B {row['rate_b']:.2f}",
        replicated,
        f"{noise} the noise of one checkpoint" if noise else "",
        f"its tokens stand at {ties}" if ties else "",
    ]
