"""The benchmark: what each way of looking found in pairs whose truth is known, and what it invented in others."""

from importlib.util import find_spec

import streamlit as st

from diffing.agents.benchmark import results, running
from diffing.common.errors import UserError
from diffing.common.escape import md
from pages.parts import address, benchmark, shell

shell.page("Benchmark")
st.caption(
    "Agents are given pairs of checkpoints whose truth is known, a pair in which nothing changed among them, and "
    "what they claim is held against it."
)
there = running.names()
if not there:
    st.info("The benchmark was not run yet. See what it would take, then leave the last word out:")
    st.code("python -m diffing bench run --model openrouter:openai/gpt-4o-mini --dry-run", language="bash")
    st.stop()
asked = address.text("run")
if asked and asked not in there:
    address.lost(f"There is no run '{asked}' of the benchmark.")
name = benchmark.chosen(there, asked or there[-1])
try:
    with st.spinner("Reading the logs"):
        found = results.of(name)
except UserError as error:
    st.warning(md(str(error)))
    st.stop()
except ModuleNotFoundError:
    st.warning("The logs are newer than what was kept of them; reading them needs `make extras`.")
    st.stop()
benchmark.arms(found)
benchmark.compared(found)
benchmark.runs(name, found, readable=find_spec("inspect_ai") is not None)
benchmark.beside(found)
