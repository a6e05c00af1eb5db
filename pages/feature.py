"""One feature: its figures, its label, and the two answers to the same prompt side by side."""

import streamlit as st

from diffing.common.errors import UserError
from pages.parts import address, channel, headline, load, shell
from pages.parts.feature import answer_pairs, groups, head, label, ranking, ties

shell.page("Feature")
here = channel.chosen(address.comparison())
try:
    found = load.of_pair(*here)
    encodings = load.encodings(here.study)
except UserError as error:
    address.lost(str(error))
row = ranking.chosen(here, found)
feature = int(row["feature"])

ranking.show(found, feature)
described = load.description(here.study, feature)
head.show(row, described.in_words())
answers = answer_pairs.show(here, found, encodings, row)
head.details(row)

with st.container(key="stack-below"):
    left, right = st.columns([3, 2], gap="large")
with left:
    groups.strengths(answers)
    groups.show(found, feature)
with right:
    label.show(here, row, described.in_words())
    ties.links(here, row, answers.held_out)
    ties.show(here, found, encodings, row, described)
headline.settings(found.diff)
