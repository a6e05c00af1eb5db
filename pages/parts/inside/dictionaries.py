"""Dictionaries on the page Inside: training one with its curves as they come, and what the latents of one do.

Which dictionary and which latent is looked at stands in the address.
"""

from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from diffing import jobs
from diffing.common.colours import GREY, A, B
from diffing.common.errors import UserError
from diffing.common.escape import esc, md
from diffing.common.words import listed
from diffing.jobs.job import Job
from diffing.labels import names
from diffing.whitebox.dictionaries import readers, shelf, told
from pages.parts import address, charts, download, highlight, job_panel
from pages.parts.address import Comparison
from pages.parts.inside import heat, judged
from pages.parts.keys import fresh

KIND = shelf.STEP
LISTED = 20
"""Latents of the table; the download has all."""
PASSAGES = 8
KINDS = {"difference": "On the difference", "crosscoder": "Crosscoder: both side by side"}
CURVES = {
    "explained_base": ("of the base explained", A),
    "explained_variant": ("of the variant explained", B),
    "explained_difference": ("of their difference explained", GREY),
    "dead": ("of the latents dead", "#b26a00"),
}
"""Shares that are drawn, and in which colour."""


def show(here: Comparison) -> None:
    """What is trained, what is being trained, and a way to train one."""
    st.subheader("Dictionaries of what differs")
    mine = [name for name in shelf.names(here.study) if _mine(here, name)]
    if mine:
        try:
            _one(here, _chosen(mine))
        except UserError as error:
            # A table that is not there, or is damaged.
            st.info(md(str(error)))
    else:
        st.markdown(
            "A dictionary takes what changed apart into **latents**: parts that fire on few tokens each, with the "
            "passages in which they do and the words that they write. It learns from both models' activations."
        )
    _training(here)
    with st.expander("Train a dictionary", expanded=not mine):
        _form(here)


def _mine(here: Comparison, name: str) -> bool:
    facts = shelf.facts(here.study, name)
    return (facts.base, facts.variant) == (here.a, here.b)


def _chosen(there: list[str]) -> str:
    asked = address.text("dictionary")
    at = asked if asked in there else there[0]
    if len(there) == 1:
        return at
    key = fresh("dictionary", at)
    chosen: str = st.segmented_control(
        "Dictionary",
        there,
        default=at,
        required=True,
        key=key,
        on_change=lambda: address.put(dictionary=st.session_state[key], latent=None),
        label_visibility="collapsed",
    )
    return chosen


def _one(here: Comparison, name: str) -> None:
    """A dictionary's facts, its first latents, one of them in its passages, and how it learnt."""
    facts, study = shelf.facts(here.study, name), here.study
    kind = "A crosscoder" if facts.kind == "crosscoder" else "An SAE on the difference"
    explained = [f"{row.share:.0%} of the {row.of}" for row in shelf.table(study, name, "explained").itertuples()]
    st.markdown(
        f"**{md(name)}**: {kind} of {facts.latents:,} latents at layer {facts.layer} of {facts.layers}, trained "
        f"on {facts.tokens:,} tokens. Of texts that it did not learn from it explains {listed(explained)}."
    )
    if why := shelf.outdated(study, name):
        st.warning(f"{md(why)} Train it again under another name, or remove it first.")
    found = judged.show(here, name)
    rows = told.first(study, name, LISTED)
    labels = _labels(here, name)
    st.markdown("##### Latents that write most of the difference")
    st.dataframe(
        pd.DataFrame(
            {
                "latent": row.latent,
                **({"label": labels.get(row.latent, "")} if labels else {}),
                "share": 100 * row.share,
                "fires": 100 * row.frequency,
                "base": row.beta("base"),
                "variant": row.beta("variant"),
                "writes": " ".join(row.writes[:5]),
                "passage": row.passage,
            }
            for row in rows
        ),
        hide_index=True,
        key="latents",
        column_config={
            "share": st.column_config.NumberColumn("share of the difference", format="%.2f %%"),
            "fires": st.column_config.NumberColumn("fires on", format="%.2f %%", help="Share of tokens."),
            "base": st.column_config.TextColumn("base has", help="Where it fires: 1 is all that it says."),
            "variant": st.column_config.TextColumn("variant has", help="Where it fires: 1 is all that it says."),
            "passage": st.column_config.TextColumn("strongest in", width=330),
        },
    )
    st.caption(told.CAUTION)
    download.csv("Download all latents", shelf.table(study, name, "latents"), f"{study.name}-{name}-latents")
    if rows:
        known = [row.latent for row in rows]
        if found is not None:
            known += [int(latent) for latent in found.first["latent"] if int(latent) not in known]
        _latent(here, name, known, labels)
    with st.expander("How it learnt"):
        _curves(shelf.curves(study, name), f"learnt-{name}")
    reads = f"python -m diffing encode {study.name} --reader whitebox:{name}"
    st.caption(f"It reads answers like any other reader: `{reads}`, then compare as usual.")


def _labels(here: Comparison, name: str) -> dict[int, str]:
    """What latents are called, where `label` was run with this dictionary as the reader."""
    known = names.dossiers(here.study, readers.choice(name, here.study))
    return {latent: dossier.current.label for latent, dossier in known.items() if dossier.current is not None}


def _latent(here: Comparison, name: str, known: list[int], labels: dict[int, str]) -> None:
    """The passages of a latent, strongest first."""
    asked = address.number(address.text("latent"))
    at = asked if asked in known else known[0]
    key = fresh("latent", name, at)
    chosen = st.selectbox(
        "Latent",
        known,
        index=known.index(at),
        format_func=lambda number: f"Latent {number}" + (f": {labels[number]}" if number in labels else ""),
        key=key,
        on_change=lambda: address.put(latent=st.session_state[key]),
    )
    passages = shelf.table(here.study, name, "passages")
    own = passages[passages["latent"] == chosen].sort_values("value", ascending=False).head(PASSAGES)
    if own.empty:
        st.caption("It fires in none of the texts that were looked at.")
        return
    largest = float(own["value"].max())
    st.html(highlight.STYLE + heat.scale("fires a little", f"fires at {largest:.1f}"))
    for document, tokens, values in zip(own["document"], own["tokens"], own["values"], strict=True):
        pieces = zip(tokens, map(float, values), strict=True)
        st.html(highlight.answer(pieces, "b", largest) + f"<div class='scale'>{esc(document)}</div>")
    flat = passages[passages["latent"] == chosen].assign(tokens=lambda table: table["tokens"].map("".join))
    download.csv(
        "Download its passages", flat.drop(columns=["values"]), f"{here.study.name}-{name}-latent-{chosen}"
    )


def _training(here: Comparison) -> None:
    """The latest training, and its curves while it lasts."""

    def mine(job: Job) -> bool:
        options = job.spec["options"]
        sides = here.study.sides(options.get("base", ""), options.get("variant", ""))
        return job.status().state != "done" and sides == (here.a, here.b)

    job = job_panel.latest(here.study, KIND)
    if job is None or not mine(job):
        return
    job_panel.panel(here.study, KIND, mine)
    options = job.spec["options"]
    name = options.get("name") or options.get("kind") or "crosscoder"
    alive = jobs.running(here.study, KIND) is not None

    @st.fragment(run_every=2.0 if alive else None)
    def live() -> None:
        _curves(shelf.curves(here.study, name), "live")

    live()


def _curves(table: pd.DataFrame, key: str) -> None:
    """Shares explained and dead latents, and the loss, along the tokens that were learnt from."""
    if table.empty:
        st.caption("No step is learnt yet.")
        return
    shares = go.Figure()
    for column, (title, colour) in CURVES.items():
        if column in table:
            shares.add_scatter(x=table["tokens"], y=100 * table[column], name=title, line={"color": colour})
    shares.update_xaxes(title="tokens learnt from")
    shares.update_yaxes(title="share, %", rangemode="tozero")
    loss = go.Figure(go.Scatter(x=table["tokens"], y=table["loss"], line={"color": GREY}))
    loss.update_xaxes(title="tokens learnt from")
    left, right = st.columns(2)
    for place, figure, title in ((left, shares, "What it explains"), (right, loss, "Loss")):
        with place:
            st.plotly_chart(
                charts.laid_out(figure, title, 300, legend=figure is shares),
                key=f"{key}-{title}",
                config={"displayModeBar": False},
                alt=f"{title}, along training; the download has the figures",
            )
    download.csv("Download the curves", table, f"{key}-curves")


def _form(here: Comparison) -> None:
    left, right = st.columns(2)
    with left:
        kind = st.selectbox(
            "Kind",
            list(KINDS),
            format_func=KINDS.__getitem__,
            key="dictionary-kind",
            help="The first is quicker and shows what changed; the second also what both have alike.",
        )
        name = st.text_input("Name", kind, key=fresh("dictionary-name", kind))
    with right:
        latents = st.number_input("Latents", 2, None, 2048, key="dictionary-latents")
        layer = st.slider("Depth of the layer", 0.0, 1.0, 0.5, key="dictionary-layer")
    tokens = st.number_input("Tokens to learn from", 1, None, 2_000_000, step=500_000, key="dictionary-tokens")
    st.caption(
        "Runs on this machine and costs no money: some minutes on two cores for a small model. What it reads and "
        "takes stands first in its log; it goes on if you close this page, and where it was if it is stopped."
    )
    options: dict[str, Any] = {"base": here.a, "variant": here.b, "kind": kind, "name": name}
    options |= {"latents": latents, "layer": layer, "tokens": tokens}
    there = name in shelf.names(here.study)
    if there:
        st.caption("There is a dictionary of this name already: choose another.")
    job_panel.start_button(
        here.study, KIND, "Train it", lambda: options, disabled=there or not shelf.NAME.fullmatch(name)
    )
