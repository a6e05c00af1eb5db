"""The answers that a search found, the best first: why each is there, and whether it has the property."""

import streamlit as st

from diffing.common.escape import esc, md
from diffing.common.words import count
from diffing.concepts import feedback, ranking
from diffing.concepts.search import Found, Ground
from diffing.study.study import Study
from pages.parts import address, download, highlight, person

SHOWN = 10
"""Answers at first, and by which more are shown: as many as a person says yes or no to in one go."""
STYLE = "<style>.found{max-height:13rem;overflow:auto}.found:focus-visible{outline:2px solid currentColor}</style>"
SAID = {"yes": ("Yes", ":material/check:"), "no": ("No", ":material/close:")}
ADDS = 3
"""Features named beside an answer: with more of them nobody reads any."""


def show(study: Study, found: Found) -> None:
    """How they were found, the answers, and all of them as a file."""
    st.html(highlight.STYLE + STYLE)
    _told(found)
    more = address.number(address.text("more")) or 0
    most = SHOWN * (1 + more)
    rows = found.table(most).to_dict("records")
    for row, told in zip(found.order[:most], rows, strict=True):
        _answer(study, found, row, {str(name): value for name, value in told.items()})
    with st.container(horizontal=True):
        if most < len(found.order):
            st.button(f"Show {SHOWN} more", key="more-found", on_click=address.put, kwargs={"more": more + 1})
        download.csv("Download all answers, ranked", found.export(), f"{study.name}-search")


def _told(found: Found) -> None:
    kept = found.property
    has = int((found.scores >= kept.threshold).sum())
    by_people = kept.set_by == "feedback"
    set_by = "your yes and no set" if by_people else "is set at a tenth of all answers, by nobody's yes or no"
    st.caption(
        f"{count(len(kept.features), 'feature')}, chosen {md(kept.chosen_by)}. {has:,} of {len(found.scores):,} "
        f"answers score {kept.threshold:.2f} or more, a bar that {set_by}. Say yes or no to some, and they are "
        "ranked again by it."
    )


def _answer(study: Study, found: Found, row: int, told: dict[str, object]) -> None:
    key = (str(told["prompt_id"]), str(told["checkpoint"]), int(str(told["draw"])))
    why = found.evidence(row)
    with st.container(border=True, key=f"found-{told['rank']}"):
        st.caption(_line(study, told, key))
        largest = max((abs(size) for _, size in why["pieces"]), default=0.0)
        pieces = [(text, max(size, 0.0)) for text, size in why["pieces"]]
        st.html(f'<div class="found" tabindex="0">{highlight.answer(pieces, "n", largest)}</div>')
        adds = [f"{part['label']} ({part['adds']:+.2f})" for part in why["features"][:ADDS]]
        st.html(f"<div class='sides'>{esc('; '.join(adds))}</div>")
        _asked(study, found.property.sentence, key, str(told["said"]))


def first(study: Study, ground: Ground, sentence: str) -> None:
    """Where no feature stands for a sentence: answers by its words alone, so that examples can be named."""
    st.html(highlight.STYLE + STYLE)
    st.caption("By its words alone (BM25). Say yes or no to some, then have features chosen by examples.")
    said = feedback.of(study, sentence, ground.matrix.answers, ground.texts)
    for row in ranking.ranked(ground.words.scores(sentence))[:SHOWN].tolist():
        told = ground.matrix.answers.iloc[row]
        key = (str(told["prompt_id"]), str(told["checkpoint"]), int(told["draw"]))
        with st.container(border=True, key=f"first-{row}"):
            st.html(f'<div class="found answer" tabindex="0">{esc(ground.texts[row])}</div>')
            _asked(study, sentence, key, {True: "yes", False: "no", None: ""}[said.get(row)])


def _asked(study: Study, sentence: str, key: tuple[str, str, int], given: str) -> None:
    """Whether an answer has the property, and the way to where it stands."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        for said, (label, icon) in SAID.items():
            there = given == said
            person.button(
                label,
                key=f"{said}-{'-'.join(map(str, key))}",
                icon=icon,
                type="primary" if there else "secondary",
                on_click=_give,
                args=[study, sentence, key, "take back" if there else said],
            )
        if study.one_sided:
            st.page_link(
                "pages/prompts.py",
                label="Its place in the collection",
                icon=":material/list:",
                query_params=address.written(**{"study": study.name, "q-prompts": key[0]}),
            )
        else:
            st.page_link(
                "pages/compare.py",
                label="Both answers",
                icon=":material/compare_arrows:",
                query_params=address.written(study=study.name, prompt=key[0], draw=address.draw(key[2])),
            )


def _line(study: Study, told: dict[str, object], key: tuple[str, str, int]) -> str:
    """Where an answer stands, and whose it is."""
    parts = [f"**{told['rank']}**", f"score {float(str(told['score'])):.2f}"]
    if not study.one_sided:
        parts.append(md(study.checkpoint(key[1]).name))
    if told["category"]:
        parts.append(md(str(told["category"])))
    place = int(str(told["bm25 rank"]))
    parts.append(f"by its words alone (BM25) at {place:,}" if place else "by its words alone (BM25) nowhere")
    return " · ".join(parts)


def _give(study: Study, sentence: str, key: tuple[str, str, int], said: feedback.Said) -> None:
    feedback.give(study, sentence, key, said, person.name("person"))
