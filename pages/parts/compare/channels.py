"""What an answer holds beside its text: what the model thought, and the tools that it called."""

import pandas as pd
import streamlit as st

from diffing.study.logs import chat
from pages.parts.compare import written


def show(answers: pd.DataFrame, key: str, draw: int, side: str) -> None:
    """Both, folded; nothing where the answer has neither."""
    if (key, draw) not in answers.index:
        return
    answer = answers.loc[key, draw]
    steps = "\n\n".join(chat.lines(str(answer["tools"])))
    for title, text in (("Reasoning", str(answer["reasoning"])), ("Tools it called", steps)):
        if text:
            with st.expander(title):
                st.html(written.answer(text, [], [], side, False))
