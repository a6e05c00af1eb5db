"""How what was seen once is tried over many prompts: the recipe as a checkpoint of a study."""

import shlex

import streamlit as st

from diffing.common import damage
from diffing.common.escape import md
from diffing.whitebox.writing import live
from diffing.whitebox.writing.live import Asked
from pages.parts.address import Comparison


def show(here: Comparison, asked: Asked) -> None:
    """Commands for the parts of a recipe that can be a checkpoint."""
    found = sources(here, asked)
    with st.expander("Test it over many prompts"):
        if not found:
            st.markdown(
                "B is as it is: it is a checkpoint of this study already. Ask both all prompts on **Run**; the "
                "Answer page then says what differs, with intervals."
            )
            return
        several = " Each part of the recipe is one by itself." if len(found) > 1 else ""
        st.markdown(
            f"A recipe is a checkpoint like any other: make a study of it, and ask both all its prompts.{several} "
            "A finding made so counts only once it is verified on the plain checkpoint."
        )
        base = here.study.checkpoint(here.a).source
        for kind, source in found:
            name = f"{here.study.name}-{kind}"
            st.code(f"python -m diffing new {shlex.join([name, base, source])}", language="bash", wrap_lines=True)
        st.caption(f"What each takes is told in {md('docs/inside.md')}, Weights as checkpoints of a study.")


def sources(here: Comparison, asked: Asked) -> list[tuple[str, str]]:
    """What parts of a recipe are called, and each as a checkpoint's source."""
    recipe = asked.recipe
    variant = here.study.checkpoint(here.b).source
    found = []
    if recipe.alpha != 1:
        found.append(("amplified", f"amplify:a,{variant},{recipe.alpha:g}"))
    if recipe.contrast:
        found.append(("contrasted", f"cdd:a,{variant},{recipe.contrast:g}"))
    for part in recipe.steering:
        file, _, name = part.direction.partition("#")
        path = damage.shown(live.folder(here.study, here.a, here.b) / f"{file}.safetensors")
        plain = "a" if recipe.alpha == 0 else variant
        found.append(("steered", f"steer:{plain},{path}#{name},{part.layer},{part.strength:g}"))
    return found
