"""Parts of the page Benchmark: the run, the table of arms, how they compare, single runs with transcripts."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from diffing.agents.benchmark import results, statistics, table
from diffing.agents.benchmark.results import Results
from diffing.common.errors import UserError
from diffing.common.escape import md
from diffing.common.words import count
from pages.parts import address
from pages.parts.keys import fresh

SHARES = ("invented", "rejected", "recall", "at least 4", "broken")
HELP = {
    "invented": "Share of runs on a pair in which nothing changed that claimed something all the same.",
    "rejected": "Share of those that rightly handed in nothing.",
    "95 % of invented": "Wilson's interval.",
    "recall": "Share of the changes whose behaviour was claimed.",
    "95 % of recall": "Organisms drawn anew, then the runs of each.",
    "grade": "0 wrong, 1 not claimed, 2 area, 3 behaviour, 4 where it shows, 5 details; a mean over changes.",
    "at least 4": "Share of runs with a claim of grade 4 or 5.",
    "false": "Claims a run that mean no change that there is.",
    "repeats": "Claims a run that say once more what another says.",
    "agreement": "How far runs of one organism find the same.",
    "Brier": "Mean squared distance of stated confidence from what is so: 0 is best, 0.25 is guessing.",
    "broken": "Share of runs that ended without handing in.",
    "unjudged": "Claims of which nobody could say what they mean.",
}
RUNS = [
    "arm",
    "task",
    "epoch",
    "recall",
    "grade",
    "claims",
    "false",
    "repeats",
    "dollars",
    "tokens",
    "minutes",
    "why",
]


def chosen(there: Sequence[str], at: str) -> str:
    """The run in the address, the latest where it names none."""
    if len(there) == 1:
        return there[0]
    key = fresh("run", at)
    name: str = st.selectbox("Run", there[::-1], index=there[::-1].index(at), key=key)
    if name != at:
        address.put(run=name)
        st.rerun()
    return name


def arms(found: Results) -> None:
    """Nulls first, then what was found, then what it cost."""
    rows = table.arms(*found)
    shown = pd.DataFrame(
        {
            "arm": rows["arm"],
            "framing": rows["framing"],
            "null runs": rows["null runs"],
            "invented": rows["invented"],
            "95 % of invented": _range(rows["invented low"], rows["invented high"]),
            "rejected": rows["rejected"],
            "runs": rows["runs"],
            "recall": rows["recall"],
            "95 % of recall": _range(rows["recall low"], rows["recall high"]),
            "grade": rows["grade"],
            "at least 4": rows["at least 4"],
            "false": rows["false"],
            "repeats": rows["repeats"],
            "agreement": rows["agreement"],
            "Brier": rows["brier"],
            "broken": rows["broken"],
            "unjudged": rows["unjudged"],
            "dollars": rows["dollars"],
            "tokens": rows["tokens"],
            "minutes": rows["minutes"],
        }
    )
    shown[[*SHARES]] *= 100
    forms = {name: "%.0f %%" for name in SHARES} | {"dollars": "$%.4f", "tokens": "%,.0f"}
    forms |= dict.fromkeys(("grade", "false", "repeats", "agreement", "Brier", "minutes"), "%.2f")
    columns = {
        name: st.column_config.NumberColumn(format=forms[name], help=HELP.get(name))
        if name in forms
        else st.column_config.Column(help=HELP.get(name))
        for name in shown.columns
    }
    columns["arm"] = st.column_config.Column(pinned=True)
    st.dataframe(shown, hide_index=True, column_config=columns, key="benchmark-arms")
    model = ", ".join(md(each) for each in sorted(set(rows["model"])))
    st.caption(f"The agent: {model}. Costs are the agent's own, a run; a judge's are not among them.")


def _range(low: pd.Series, high: pd.Series) -> list[str]:
    return ["" if a != a else f"{100 * a:.0f} to {100 * b:.0f} %" for a, b in zip(low, high, strict=True)]


def compared(found: Results) -> None:
    """Each arm against each other, and the model beside."""
    rows = table.comparisons(found.runs)
    if not len(rows):
        return
    st.subheader("Arms against each other")
    lines = [table.compared_in_words(table.plain(row)) for row in rows.to_dict("records")]
    if rows["organisms"].max() < 2:
        st.info(
            "Runs of one organism are no separate evidence: with one that changed, no two arms can be told apart."
        )
    lines.append(table.ordered_in_words(statistics.ordered(table.graded(found.runs))))
    st.markdown("\n".join(f"- {md(line)}" for line in lines))


def runs(name: str, found: Results, readable: bool) -> None:
    """Every run; a chosen one with its claims and its transcript."""
    st.subheader("Runs")
    rows = found.runs.sort_values(["arm", "task", "epoch"]).reset_index(drop=True)
    forms = {"recall": "%.2f", "grade": "%.1f", "dollars": "$%.4f", "tokens": "%,.0f", "minutes": "%.1f"}
    columns = {name: st.column_config.NumberColumn(format=form) for name, form in forms.items()}
    picked = st.dataframe(
        rows[RUNS],
        hide_index=True,
        column_config=columns,
        on_select="rerun",
        selection_mode="single-row",
        key="benchmark-runs",
    )
    places = picked["selection"]["rows"]
    if not places:
        st.caption("Choose a row for its claims and its transcript.")
        return
    run = rows.iloc[places[0]]
    st.markdown(f"**{md(run['arm'])}** on {md(run['task'])}, epoch {run['epoch']}")
    mine = found.claims
    if len(mine):
        same = (mine["arm"] == run["arm"]) & (mine["task"] == run["task"]) & (mine["epoch"] == run["epoch"])
        names = ["text", "more", "confidence", "item", "grade", "how", "repeat", "q", "holds"]
        st.dataframe(mine.loc[same, names], hide_index=True, key="benchmark-claims")
    if not readable:
        st.caption("Reading transcripts needs `make extras`.")
        return
    try:
        said = results.transcript(name, run["log"], run["task"], int(run["epoch"]))
    except UserError as error:
        st.warning(md(str(error)))
        return
    with st.expander(f"Transcript, {count(len(said), 'message')}"):
        for each in said:
            st.caption(md(" ".join([each.role, *each.calls])))
            # What a model wrote, as it is.
            st.code(each.text or " ", language=None, wrap_lines=True)
    st.code(f"python -m diffing bench view {name}", language="bash")


def beside(found: Results) -> None:
    """Confidence against truth, and our own verification against it."""
    if not len(found.claims):
        return
    left, right = st.columns(2)
    with left:
        st.subheader("Confidence against truth")
        st.dataframe(table.calibration(found.claims), hide_index=True, key="benchmark-confidence")
    with right:
        st.subheader("Our verification against truth")
        verified = pd.DataFrame([table.against_q(found.claims)])
        st.dataframe(verified, hide_index=True, key="benchmark-verification")
        st.caption(
            "Over claims that were tested on held-out prompts and of which it is known whether they are so."
        )
