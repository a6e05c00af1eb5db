"""How large the mean difference is at each place of a text, whether texts agree on it, and what it says."""

from typing import Any

import pandas as pd
import streamlit as st

from diffing.common.escape import md
from diffing.common.words import count, listed
from diffing.findings import relevance
from diffing.whitebox.sight.seen import Seen
from pages.parts import address, download
from pages.parts.address import Comparison
from pages.parts.inside import lines
from pages.parts.inside.lines import Line
from pages.parts.keys import fresh

SHOWN = 12
TAKEN_OUT = ", nulls taken out"
"""Behind a kind, as the method has it, whose module takes seconds to import."""


def show(here: Comparison, seen: Seen) -> None:
    """Of one layer, which can be chosen: two charts and two lists."""
    sizes = seen.table("sizes")
    layers = sorted(sizes["layer"].unique().tolist())
    layer = _layer(layers)
    own = _at(sizes, layer)
    nulls = [_at(table, layer) for table in seen.null_tables("sizes")]
    with st.container(key="stack-lens"):
        for column, name, title, up in zip(
            st.columns(2),
            ("of_base", "coherent"),
            (f"How large it is, layer {layer}", f"How far texts agree on it, layer {layer}"),
            ("% of the base's length", "% common to all texts"),
            strict=True,
        ):
            line = Line(
                "the pair",
                (100 * own[name]).tolist(),
                [(100 * n.set_index("place")[name].reindex(own["place"])).tolist() for n in nulls],
            )
            column.plotly_chart(
                lines.drawn(own["place"].tolist(), [line], title, "place in a text", up),
                key=f"own-lens-{name}",
                config={"displayModeBar": False},
                alt=f"{title}, by place in a text, beside nulls; the download has the figures",
            )
        left, right = st.columns(2)
        with left:
            _list(seen, layer, "direction", "It makes likelier")
        with right:
            _list(seen, layer, "direction less", "It makes less likely")
    st.caption(f"Read at places 1 to 7 in the words of the model's own output. {_patched(seen, layer)}")
    _relevance(here, layer)
    _steered(here, seen, layer)
    download.csv("Download by place", sizes, f"{here.study.name}-inside-lens-places")


def _layer(layers: list[int]) -> int:
    """The one in the address, else the last, which is nearest to what the model says."""
    asked = address.number(address.text("layer"))
    at = asked if asked in layers else layers[-1]
    if len(layers) == 1:
        return at
    key = fresh("layer", at)
    chosen: int = st.segmented_control(
        "Layer",
        layers,
        default=at,
        required=True,
        key=key,
        on_change=lambda: address.put(layer=st.session_state[key]),
    )
    return chosen


def _at(sizes: pd.DataFrame, layer: int) -> pd.DataFrame:
    """A layer's places that some text has."""
    return sizes[(sizes["layer"] == layer) & (sizes["documents"] > 0)]


def _list(seen: Seen, layer: int, kind: str, title: str) -> None:
    """What the layer's difference says, the nulls' part taken out where there are nulls."""
    table = seen.judged.table
    taken = bool((table["kind"] == kind + TAKEN_OUT).any())
    mine = table[(table["kind"] == kind + TAKEN_OUT * taken) & table["key"].str.startswith(f"{layer} ")]
    best = mine.sort_values("figure", ascending=False, kind="stable").head(SHOWN)
    st.markdown(f"##### {title}")
    st.dataframe(
        [
            {
                "token": str(row.text).removesuffix(f" (layer {layer})").strip() or "␣",
                "figure": row.figure,
                "nulls": f"{row.null_low:.2f} to {row.null_high:.2f}" if row.null_high == row.null_high else "",
                "above": bool(row.above),
            }
            for row in best.itertuples()
        ],
        hide_index=True,
        key=f"lens-{kind}",
        column_config={
            "token": st.column_config.TextColumn("token", width=130),
            "figure": st.column_config.NumberColumn("by nats", format="%.2f"),
            "nulls": st.column_config.TextColumn("in the nulls"),
            "above": st.column_config.CheckboxColumn("above all nulls"),
        },
        alt=f"Tokens: {title.lower()}, with the nulls' range",
    )
    if taken:
        st.caption("What the nulls' differences share with it was taken out first.")


def _patched(seen: Seen, layer: int) -> str:
    """What came of putting the difference in a word's place."""
    facts: dict[str, Any] = seen.facts()
    if "named" not in facts:
        return ""
    named = facts["named"][facts["layers"].index(layer)]
    told = seen.table("patchscope")
    told = told[(told["layer"] == layer) & told["scale"].notna()]
    if len(told):
        words = dict.fromkeys(text.strip() for row in told["texts"] for text in list(row)[:3])
        first = listed(f"“{md(word)}”" for word in list(words)[:8])
        return f"Put in a word's place, the difference reads as {first}."
    able = f"Put in their places, the base names {100 * named:.0f} % of ordinary words"
    if named < 0.5:
        return f"{able}, under half, so what it would make of the difference was not asked."
    return (
        f"{able}, but halves of the {count(facts['documents'], 'text')} do not agree on what the difference says."
    )


def _relevance(here: Comparison, layer: int) -> None:
    """What a judge made of the first tokens, where one was asked (`python -m diffing relevance`)."""
    asked = relevance.Options(base=here.a, variant=here.b)
    if not relevance.path_of(here.study).exists() or not here.study.settings.organism:
        return
    found = relevance.table(here.study, asked)
    for told in relevance.told(found):
        if told.layer == layer:
            st.markdown(md(told.words))
    if len(found):
        download.csv("Download the judge's replies", found, f"{here.study.name}-inside-lens-relevance")


def _steered(here: Comparison, seen: Seen, layer: int) -> None:
    """What the base writes with the difference added, where that was asked for."""
    if not seen.options.get("steered") or not (seen.place / "steered.parquet").exists():
        return
    told = seen.table("steered")
    told = told[told["layer"] == layer].set_index("direction")
    if not len(told):
        return
    texts = seen.table("steered_texts")
    own, none = told.loc["own"], told.loc["none"]
    random = told.drop(["own", "none"])
    words = ", ".join(f"“{md(word.strip())}”" for word in list(own["words"])[:6])
    st.markdown(f"##### The base with the difference added, at {own['strength']:g} times its size")
    st.markdown(
        f"It writes the difference's own {len(own['words'])} first tokens ({words} …) "
        f"**{100 * own['share']:.1f} %** of the time; as it is {100 * none['share']:.1f} %, with "
        f"{count(len(random), 'random direction')} as long {100 * random['share'].min():.1f} to "
        f"{100 * random['share'].max():.1f} %. {100 * own['coherent']:.0f} % of its texts stay coherent."
    )
    mine = texts[texts["layer"] == layer]
    sides = {"with the difference": "own", "as it is": "none", "with a random direction": "random 1"}
    shown = {title: mine[mine["direction"] == side].reset_index(drop=True) for title, side in sides.items()}
    prefix = shown["as it is"]["prefix"]
    st.dataframe(
        pd.DataFrame({"behind": prefix} | {title: side["text"] for title, side in shown.items()}),
        hide_index=True,
        key="lens-steered",
        alt="What the base writes behind the same beginnings, with the difference, without, with a random one",
    )
    download.csv("Download steered texts", texts, f"{here.study.name}-inside-lens-steered")
