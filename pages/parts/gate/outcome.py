"""What came of a gate: the verdict, every change with its figures, what would have been seen, files, command."""

from collections.abc import Callable, Sequence
from datetime import date

import pandas as pd
import streamlit as st

from diffing.common.errors import UserError
from diffing.common.escape import md
from diffing.common.words import count, small
from diffing.gate import allowed, check, forms, written
from diffing.gate.allowed import Change
from diffing.gate.check import Checked, Judged, Options
from diffing.gate.forms import Form
from diffing.study.study import Study
from pages.parts import address, download, load
from pages.parts.address import Comparison
from pages.parts.gate.rule import Asked

LOOKS = {
    "passed": (st.success, ":material/check_circle:"),
    "changed": (st.error, ":material/cancel:"),
    "cannot tell": (st.warning, ":material/help:"),
}
"""How each verdict looks: never by its colour alone."""
FILES: dict[str, tuple[Form, str, str]] = {
    "JUnit": ("junit", "xml", "application/xml"),
    "SARIF": ("sarif", "sarif", "application/json"),
    "Markdown": ("markdown", "md", "text/markdown"),
    "JSON": ("json", "json", "application/json"),
}
"""What can be taken away: the form, the file's ending and its kind."""


def show(study: Study, asked: Asked) -> None:
    """All of it."""
    try:
        found = _held(study, asked)
    except UserError as error:
        st.error(md(str(error)))
        st.stop()
    look, icon = LOOKS[found.verdict]
    look(md(written.sentence(found)), icon=icon)
    for title, some in written.headings(found):
        if some:
            _list(found, title, some)
    for each in found.absent:
        st.markdown(f"Expected, and did not come: {md(written.absent(each))}")
    for change in found.expired:
        st.markdown(f"{md(change.called)}: expected until {change.expires} only; take it out of the file.")
    _links(study, found)
    with st.expander("What would have been seen", expanded=found.verdict == "cannot tell"):
        st.markdown("\n".join(f"- {md(each.sentence)}" for each in found.powers))
        passed = len(found.by("passed"))
        st.caption(f"{count(passed, 'thing')} that {'was' if passed == 1 else 'were'} compared passed.")
    st.subheader("Take it along")
    with st.container(horizontal=True):
        for label, (form, ending, kind) in FILES.items():
            download.text(label, _content(found, form), f"gate.{ending}", kind)
    st.caption("The same in a pipeline; exit code 0 passed, 1 changed, 2 cannot tell, 3 not compared.")
    st.code(written.command(found, asked.file), language="bash", wrap_lines=True)


def _content(found: Checked, form: Form) -> Callable[[], str]:
    """What is written when it is asked for."""
    return lambda: forms.FORMS[form](found)


@load.said
@st.cache_resource(max_entries=16, show_spinner="Holding it against the rule", hash_funcs=load.REPORTED)
def _kept(study: Study, options: str, changes: tuple[str, ...], today: date) -> Checked:
    expected = [Change.model_validate_json(each) for each in changes]
    return check.of(study, Options.model_validate_json(options), today, expected)


def _held(study: Study, asked: Asked) -> Checked:
    """The outcome, kept as long as nothing it hangs on changes; an expected change ends with its day."""
    if asked.options.baseline:
        # Another study's files stand behind it, and nobody tells when those change.
        with st.spinner("Holding it against the rule"):
            return check.of(study, asked.options, changes=asked.changes)
    changes = tuple(change.model_dump_json() for change in asked.changes)
    return _kept(study, asked.options.model_dump_json(), changes, allowed.today())


def _list(found: Checked, title: str, some: Sequence[Judged]) -> None:
    st.subheader(title)
    rows = [
        {
            **({"where": written.who(found, each.item)} if found.series else {"more on": each.item.direction}),
            "an answer": each.item.name,
            "figures": written.figures(each.item),
            "change": written.difference(each.item),
            "q": small(each.item.q),
            "table": written.kind(each.item),
            "with it": ", ".join(part.item.name for part in found.parts(each) if part.item.name != each.item.name),
            "why": each.why,
        }
        for each in some
    ]
    table = pd.DataFrame(rows)
    st.dataframe(
        table.drop(columns=[name for name in ("with it", "why") if not table[name].any()]),
        hide_index=True,
        key=f"gate-{title}",
        column_config={
            # In a narrow window the figures behind it are whole.
            "an answer": st.column_config.TextColumn("an answer", width=235),
            "table": st.column_config.TextColumn("table", width=225),
        },
        alt=f"{title}: what, on which side, both figures, the difference with its interval, and q",
    )


def _links(study: Study, found: Checked) -> None:
    if found.series:
        checkpoints = ",".join(found.series)
        whole = checkpoints == ",".join(checkpoint.key for checkpoint in study.checkpoints)
        st.page_link(
            "pages/timeline.py",
            label="See it along the timeline",
            icon=":material/timeline:",
            query_params=address.written(study=study.name, checkpoints="" if whole else checkpoints),
        )
        return
    here = Comparison(study, found.a, found.b)
    st.page_link(
        "pages/answer.py",
        label="See each with a pair of answers",
        icon=":material/lightbulb:",
        query_params=here.link(),
    )
