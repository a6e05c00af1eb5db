"""A new study: two checkpoints and a prompt set, with what it will take before anything is spent."""

import pandas as pd
import streamlit as st

from diffing import status
from diffing.common.errors import UserError
from diffing.common.escape import md
from diffing.common.step import checked
from diffing.common.words import share
from diffing.models import providers
from diffing.reader import presets
from diffing.study import collect, known_cases, prompts
from diffing.study.settings import ReaderChoice, Sampling, StudySettings
from diffing.study.study import Study
from pages.parts import address, bring, consent, person, shell, upload
from pages.parts.keys import fresh

HELD_OUT = StudySettings.model_fields["held_out"].default

shell.page("New study")


def open_it(study: Study) -> None:
    address.leave("run", address.written(study=study.name))


asked, brought = st.tabs(["Ask two checkpoints", "Bring answers that exist"])

with asked:
    left, right = st.columns(2)
    case = left.selectbox(
        "Start from",
        ["", *known_cases.KNOWN_CASES],
        key="case",
        format_func=lambda name: name or "two checkpoints of my own",
    )
    known = known_cases.KNOWN_CASES.get(case)
    name = right.text_input("Name", value=case, key=fresh("name", case), help="Letters, digits, '.', '_' and '-'.")
    if known:
        st.info(md(known.note))
    first = left.text_input(
        "Before (A)",
        value=known.checkpoints[0] if known else "",
        key=fresh("before", case),
        placeholder="openai:gpt-4o-mini",
    )
    second = right.text_input(
        "After (B)",
        value=known.checkpoints[1] if known else "",
        key=fresh("after", case),
        placeholder="openai:gpt-4o",
    )
    st.caption(
        f"`provider:model`, where the provider is {', '.join(providers.PROVIDERS)}; `URL#model` for any other "
        "compatible endpoint; `hf:model`, `hf:base+adapter` or `starter` for weights on this machine; for B also "
        "what is made of A and other weights, so that a small change is seen: `amplify:a,hf:base+adapter,2`. "
        "`Name=` before it gives it a name."
    )
    st.subheader("Prompts", anchor=False)
    left, right = st.columns(2)
    own = left.file_uploader("A file of your own, else the bundled set", key="own")
    pick = right.container()
    st.subheader("How they are asked and read", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        draws = st.number_input(
            "Draws", 1, 20, 1, key="draws", help="Answers to each prompt; two or more show the noise."
        )
        temperature = st.number_input("Temperature", 0.0, 2.0, 1.0, 0.1, key="temperature")
        longest = st.number_input("Longest answer in tokens", 16, 32768, 2048, key="longest")
        tag = st.text_input(
            "Tag of reasoning",
            key="reasoning-tag",
            placeholder="think",
            help="Where a model writes its reasoning into its text, between <think> and </think>: the tag's name. "
            "What stands in it is kept apart from the text. Reasoning that an endpoint sends by itself is, too.",
        )
        key_env = st.text_input(
            "Variable that holds the key", key="key-env", help="Only for URL#model checkpoints."
        )
    names = [preset.name for preset in presets.PRESETS]
    reader = st.selectbox(
        "Reader",
        names,
        index=names.index(known.reader.preset) if known else 0,
        key=fresh("reader", case),
        format_func=lambda one: f"{one}: {presets.get(one).title}",
        help="The model and the sparse autoencoder that turn answers into features. It can be changed later.",
    )

    try:
        if own is None:
            table = prompts.bundled()
        else:
            with upload.saved(own) as path:
                table = prompts.load(path)
        counts = table.get("category", pd.Series(dtype=str)).value_counts()
        kept = pick.multiselect(
            "Categories (all where none is chosen)",
            sorted(counts.index),
            key=fresh("categories", *sorted(counts.index)),
            format_func=lambda one: f"{one} ({counts[one]})",
        )
        table = table[table["category"].isin(kept)] if kept else table
        pick.caption(f"{len(table):,} prompts; {share(HELD_OUT)} of them are held out to test findings on.")
        told = {"draws": int(draws), "temperature": float(temperature), "max_tokens": int(longest)}
        sampling = checked("new", Sampling, told | {"reasoning_tag": tag.strip().strip("<>/")})
        choice = ReaderChoice(preset=reader)
        least = status.detectable(len(table), status.reader_features(choice))
        st.subheader("What it will take", anchor=False)
        pair = [providers.parse(text, key, key_env) for text, key in ((first, "a"), (second, "b")) if text.strip()]
        whole = providers.with_plain(pair)
        if len(pair) == 2:
            st.write(md(collect.expected(whole, len(table), sampling.draws).in_words()))
            for extra in whole[2:]:
                st.caption(f"{md(extra.name)} is asked too: findings about what is made of it are verified on it.")
        else:
            st.caption("Name both checkpoints to see calls, dollars and time.")
        st.write(status.power_in_words(least))
        consent.show(providers.endpoints(pair), "new")
        lacking = [what for what, there in (("a name", name), ("both checkpoints", len(pair) == 2)) if not there]
        with st.container(horizontal=True, vertical_alignment="center"):
            if person.button("Make the study", key="make-study", type="primary", disabled=bool(lacking)):
                open_it(Study.create(name, whole, table, sampling=sampling, reader=choice))
            if lacking:
                st.caption(f"Give it {' and '.join(lacking)} first.")
        st.caption("Making a study spends nothing; the next page asks for a limit before it collects.")
    except UserError as error:
        st.error(md(str(error)))

with brought:
    made = bring.show()
    if made is not None:
        open_it(made)
