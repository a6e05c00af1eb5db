"""What an answer holds beside what is looked at: what the model thought, and the tools that it called."""

import pandas as pd
import streamlit as st

from diffing.study.channels import Channel, texts
from pages.parts.compare import written

TITLES: dict[Channel, str] = {"reasoning": "Reasoning", "tools": "Tools it called"}


def show(answers: pd.DataFrame, key: str, draw: int, side: str, looked_at: Channel) -> None:
    """Both, folded, without the one that is `looked_at`; nothing where the answer has neither."""
    if (key, draw) not in answers.index:
        return
    answer = answers.loc[[(key, draw)]]
    for channel, title in TITLES.items():
        text = str(texts(answer, channel).iloc[0])
        if text and channel != looked_at:
            with st.expander(title):
                st.html(written.answer(text, [], [], side, False))
