"""The view of Compare where people vote: two answers without names on shuffled sides, and what the votes say.

Nothing that tells whose an answer is may stand here: no letter, no colour of a side, no mark, no flag.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import streamlit as st

from diffing.common.escape import esc, md, visible
from diffing.findings import votes
from diffing.findings.votes import BETTER, Pair, Question, Said
from pages.parts import address, charts, load, person
from pages.parts.address import Comparison
from pages.parts.attempt import attempt
from pages.parts.compare import chips, tallied, written
from pages.parts.keys import fresh
from pages.parts.loaded import Loaded

LABELS: tuple[tuple[Said, str], ...] = (
    ("left", "Left"),
    ("no difference", "No difference"),
    ("right", "Right"),
)
KEYS = (("Left", "Down", "Right"), ("1", "2", "3"))
"""By question, the key of each button."""
EITHER = "Only which is better"


def show(here: Comparison, found: Loaded | None) -> None:
    """The whole view."""
    st.caption(
        "Two answers to the same prompt, without names and on sides that a coin decides. A vote is kept at once, "
        "and the next pair comes by itself; prompts come in random order."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        voter = person.field("Stands beside your votes.")
        asked = _asked(here, found)
        categories = sorted(set(here.study.prompts()["category"]) - {""})
        category = st.selectbox(
            "Category", categories, None, placeholder="All", key="category", bind="query-params"
        )
        held = st.toggle(
            "Held-out prompts too",
            key="held",
            bind="query-params",
            help="Held-out prompts are the new ones: labels and drafts have not seen them. "
            "Each vote records it, and findings that you write afterwards say that you saw some.",
        )
        rendered = st.toggle("Show Markdown as it is meant", key="rendered", bind="query-params")
    every = load.vote_pairs(*here, held)
    table = load.prompts(here.study)
    queue = [pair for pair in every if category in (None, table.at[pair.prompt_id, "category"])]
    if not queue:
        st.info("There is no pair of different answers to vote on here.")
        return
    done = votes.done(votes.standing(load.votes_of(here.study)), voter, {question.key for question in asked})
    finished = _pair(here, queue, asked, done, voter, rendered)
    tallied.show(here, asked_for=finished, votes_cast=len(done))


def _asked(here: Comparison, found: Loaded | None) -> list[Question]:
    """What each pair is asked: which is better, and of what is in view which shows it more."""
    choices: dict[tuple[str, str], str] = {
        ("behaviour", str(each.number)): each.name
        for each in chips.listed(here, found)
        if each.said and each.kind not in ("amount", "place")
    }
    choices |= {
        ("finding", each.id): each.claim
        for each in load.findings_of(here.study)
        if (each.a, each.b) == (here.a, here.b) and not each.rejected and each.claim not in choices.values()
    }
    given = [(kind, address.text(kind)) for kind in ("finding", "behaviour") if address.text(kind)]
    if given and given[0] not in choices:
        st.caption(f"There is no {given[0][0]} '{md(given[0][1])}' here to ask about.")
    now = given[0] if given and given[0] in choices else None
    key = fresh("about", now)

    def put() -> None:
        kind, name = st.session_state[key] or ("", "")
        address.put(**{each: name if each == kind else None for each in ("behaviour", "finding")})

    st.selectbox(
        "Ask too which shows more",
        list(choices),
        list(choices).index(now) if now else None,
        format_func=lambda choice: charts.short(visible(choices[choice]), 70),
        placeholder=EITHER,
        key=key,
        on_change=put,
        disabled=not choices,
    )
    return [BETTER, *([votes.shows(choices[now])] if now else [])]


def _pair(
    here: Comparison,
    queue: Sequence[Pair],
    asked: Sequence[Question],
    done: Mapping[tuple[str, str], Said],
    voter: str,
    rendered: bool,
) -> bool:
    """The pair in the address, or the first that has a question open; whether none is open."""
    still = [pair for pair in queue if any((question.key, pair.key) not in done for question in asked)]
    finished = len(queue) - len(still)
    st.progress(finished / len(queue), text=f"{finished:,} of {len(queue):,} pairs")
    named = next((pair for pair in queue if pair.prompt_id == address.text("prompt")), None)
    pair = named or next(iter(still), None)
    if pair is None:
        st.success("You have voted on all pairs.")
        _undo(here, voter)
        return True
    for question, keys in zip(asked, KEYS, strict=False):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.html(f"<b>{esc(question.words)}</b>", width="content")
            for (said, label), key in zip(LABELS, keys, strict=True):
                kind: Literal["primary", "secondary"] = (
                    "primary" if done.get((question.key, pair.key)) == said else "secondary"
                )
                # The pair is part of the key: a second click in a hurry must not fall upon the next one.
                name = f"vote-{question.key}-{said}-{pair.key}"
                if person.button(label, key=name, shortcut=key, type=kind):
                    _tell(here, pair, question, said, voter, _open(asked, done, pair, question))
            if question is BETTER:
                others = [other for other in _after(still, queue, pair) if other is not pair]
                if st.button(
                    "Skip", key="skip-pair", shortcut="s", icon=":material/skip_next:", disabled=not others
                ):
                    address.put(prompt=others[0].prompt_id)
                    st.rerun()
                _undo(here, voter)
    st.code(visible(pair.prompt), language=None, wrap_lines=True)
    st.html(written.STYLE)
    for column, title, text in zip(st.columns(2, gap="medium"), ("Left", "Right"), pair[3:5], strict=True):
        with column, st.container(border=True, height="stretch"):
            st.markdown(f"**{title}**")
            # Of neither side: a side's colour would tell whose it is.
            st.html(written.answer(text, [], [], "n", rendered))
    return not still


def _open(asked: Sequence[Question], done: Mapping[tuple[str, str], Said], pair: Pair, now: Question) -> bool:
    """Whether the pair has another question without an answer."""
    return any(question != now and (question.key, pair.key) not in done for question in asked)


def _after(still: Sequence[Pair], queue: Sequence[Pair], pair: Pair) -> list[Pair]:
    """Those still to be voted on, from behind this pair round to it."""
    place = queue.index(pair)
    behind = set(queue[place + 1 :])
    return [each for each in still if each in behind] + [each for each in still if each not in behind]


def _tell(here: Comparison, pair: Pair, question: Question, said: Said, voter: str, stay: bool) -> None:
    """Write the vote down and go on, unless the pair has another question open."""

    def write() -> None:
        votes.tell(here.study, here.a, here.b, pair, question, said, voter)
        address.put(prompt=pair.prompt_id if stay else None)

    attempt(write)


def _undo(here: Comparison, voter: str) -> None:
    def take_back() -> None:
        vote = votes.undo(here.study, here.a, here.b, voter)
        address.put(prompt=vote.prompt_id)
        st.toast("Taken back.")

    if person.button(
        "Undo", key="undo-vote", shortcut="u", icon=":material/undo:", help="Takes your last vote back."
    ):
        attempt(take_back)
