"""The choice to have a study's weights answer through vLLM, with what that would start."""

import streamlit as st

from diffing.common.errors import UserError
from diffing.common.escape import md
from diffing.models import local
from diffing.models.serving import engine
from diffing.models.serving.plan import Choices
from diffing.study import served
from diffing.study.study import Study


def through_vllm(study: Study) -> bool:
    """Whether they are to; not asked where no checkpoint is weights."""
    if not any(local.is_weights(checkpoint.source) for checkpoint in study.checkpoints):
        return False
    chosen = st.toggle(
        "Answer through vLLM",
        key="serve",
        disabled=not engine.there(),
        help="Checkpoints that are weights answer through a server that is started for the run and ended with it: "
        "many times as fast as this process alone.",
    )
    if not engine.there():
        st.caption(f"vLLM is not here; it is installed in an environment of its own: `{engine.INSTALL}`.")
    elif chosen:
        try:
            for line in served.sentences(study, Choices()):
                st.caption(md(line))
        except UserError as error:
            st.error(md(str(error)))
            return False
    return chosen
