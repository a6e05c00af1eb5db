"""What is asked of one behaviour in its place: where it lies, what is behind it, and to make it a finding."""

from collections.abc import Sequence

import streamlit as st

from diffing import labels
from diffing.common.errors import UserError
from diffing.common.escape import md
from diffing.diff.answer import Behaviour
from diffing.findings import findings
from diffing.findings.findings import Example
from diffing.findings.predicates import Predicate
from pages.parts import address, download, load, person
from pages.parts.address import Comparison
from pages.parts.answer import where
from pages.parts.figures import FEATURE, FIGURES, shown
from pages.parts.findings import adding
from pages.parts.loaded import Loaded

PANELS = {"where": ("Where", "grid_on"), "behind": ("What is behind it", "layers")}
COLUMNS = [
    "feature",
    "label",
    "named_by",
    "frequency_a",
    "frequency_b",
    "delta",
    "q",
    "delta_rarefied",
    "replicated",
]


def show(here: Comparison, found: Loaded, each: Behaviour, panel: str) -> None:
    """The panel that the address opens."""
    if panel == "where":
        st.html(where.table(found.diff, [each]))
    elif panel == "behind":
        _behind(here, found, each)


def _behind(here: Comparison, found: Loaded, each: Behaviour) -> None:
    """The habit's members: what is counted, and the features that move with it."""
    sources = [("probe", name) for name in each.probes] + [("phrase", form) for form in each.phrases]
    counted = [predicate.shown for source in sources if (predicate := Predicate.of_source(*source))]
    if counted:
        st.markdown(f"Counted, and moving together: an answer {md('; '.join(counted))}.")
    if each.features:
        st.caption(
            "Features that change on the same prompts. A label is a hypothesis, and may be of another corpus."
        )
        features(here, found, [str(feature) for feature in each.features])


def features(here: Comparison, found: Loaded, numbers: Sequence[str]) -> None:
    """A table of features; a row opens its feature."""
    rows = found.some([int(number) for number in numbers])
    key = f"features-{'-'.join(numbers[:3])}-{len(numbers)}"
    event = st.dataframe(
        shown(rows, COLUMNS),
        placeholder="–",
        hide_index=True,
        column_config=FEATURE | FIGURES,
        key=key,
        on_select="rerun",
        selection_mode="single-row",
        alt="Features of this behaviour with their figures",
    )
    picked = event["selection"]["rows"]
    if picked and picked[0] < len(rows):
        address.leave("feature", here.link(feature=int(rows.iloc[picked[0]]["feature"])))
    download.csv("Download these", rows, f"{here.study.name}-{key}")


def finding(here: Comparison, each: Behaviour) -> None:
    """A button that writes the behaviour down as a finding in the words of what counts it, or the way to it.

    Not of another channel than the text, in which findings are counted.
    """
    if here.study.channel != "text":
        return
    predicate = Predicate.of_behaviour(each.kind, each.by, each.source)
    if predicate is None:
        # Nothing counts it in these words: what a person writes of it, a judge can test.
        adding.show(here, adding.of_behaviour(each))
        return
    known = load.findings_of(here.study)
    mine = [
        other
        for other in known
        if other.predicate == predicate
        and other.side == each.direction.lower()
        and (other.a, other.b) == (here.a, here.b)
    ]
    if mine:
        st.page_link(
            "pages/findings.py",
            label="In the findings",
            icon=":material/fact_check:",
            query_params=here.link(finding=mine[0].id),
        )
        return
    if person.button("Make it a finding", key=f"make-{each.number}", type="tertiary", icon=":material/add_task:"):
        try:
            _make(here, each, predicate)
        except UserError as error:
            st.error(md(str(error)))
            return
        st.toast("Written down. It stands on the page Findings.")
        st.rerun()


def _make(here: Comparison, each: Behaviour, predicate: Predicate) -> None:
    findings.add(
        here.study,
        predicate.shown,
        "a" if each.direction == "A" else "b",
        a=here.a,
        b=here.b,
        author=person.name(st.session_state.get("author")),
        predicate=predicate,
        features=each.features,
        probes=[each.source] if each.by == "probe" else [],
        examples=[Example(*row) for row in each.examples[:3]],
        counter_examples=[Example(*row) for row in each.against[:3]],
        reader=labels.sae_of(here.study.settings.reader),
    )
