"""The report's notebook: the exported files read again, the main figures computed anew, and drawn.

It needs pandas, NumPy, SciPy and matplotlib but nothing of this project. Promises that it was run before it is
handed over, in a process of its own without keys, and that on one machine the same files give the same notebook,
outputs and all.
"""

import asyncio
import atexit
import json
import os
import re
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import jinja2
import matplotlib
import nbformat
from nbclient import NotebookClient

from diffing.common import colours, files
from diffing.common.keys import without_keys
from diffing.diff import measure, ranking
from diffing.report.facts import Facts
from diffing.report.render import TEMPLATES, md

TIMEOUT = 300
"""Seconds that one cell may take: the largest reads a file and draws it, and machines that run reports may be
busy."""
HEED = 0.2
"""Seconds after which a wish to end is heard."""
SCRATCH = "diffing-notebook-"
"""How the folder begins that the notebook's process has for itself, below the system's temporary one."""
CELL = re.compile(r"^# %% *(?P<kind>\[markdown\]|\w+)\n(?P<body>.*?)(?=^# %%|\Z)", re.MULTILINE | re.DOTALL)
"""A cell of the template, which is a Python file that can be read and checked as such."""


def build(facts: Facts) -> nbformat.NotebookNode:
    """The notebook before it is run, its cells with fixed ids."""
    loader = jinja2.FileSystemLoader(TEMPLATES)
    # Nothing here is HTML: names are escaped for Markdown, and what stands in code is written as JSON.
    made = jinja2.Environment(loader=loader, autoescape=False, undefined=jinja2.StrictUndefined)
    made.filters["json"] = json.dumps
    text = made.get_template("analysis.py.jinja").render(
        name=md(facts.study.name),
        a=md(facts.a.name),
        b=md(facts.b.name),
        key_a=facts.a.key,
        key_b=facts.b.key,
        study=facts.study.name,
        threshold=facts.diff.settings.threshold,
        colour_a=colours.A,
        colour_b=colours.B,
        level=measure.LEVEL,
        order=ranking.WORDS,
    )
    cells = [_cell(number, match["kind"], match["body"]) for number, match in enumerate(CELL.finditer(text))]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": cells}
    node: nbformat.NotebookNode = nbformat.from_dict(notebook)  # type: ignore[no-untyped-call]
    return node


def _cell(number: int, kind: str, body: str) -> dict[str, Any]:
    if kind == "[markdown]":
        source = re.sub(r"^# ?", "", body.strip(), flags=re.MULTILINE)
        return {"cell_type": "markdown", "id": f"text-{number}", "metadata": {}, "source": source}
    code: dict[str, Any] = {"execution_count": None, "outputs": [], "source": body.strip()}
    return {"cell_type": "code", "id": kind, "metadata": {}, **code}


def executed(made: nbformat.NotebookNode, folder: Path, check: Callable[[], None] = lambda: None) -> str:
    """The notebook as JSON after it was run in the folder that holds its files; `check` raises where the run is to
    end."""
    # Not `TemporaryDirectory`: what a report that was killed left there goes with the next one.
    with files.fresh_folder(Path(tempfile.gettempdir()), SCRATCH) as scratch:
        client = NotebookClient(
            made,
            timeout=TIMEOUT,
            # The moments of running would make each notebook another file.
            record_timing=False,
            # What a cell prints may come in two parts on a busy machine: one output either way.
            coalesce_streams=True,
            # The user's history of commands is neither written nor waited for.
            extra_arguments=["--HistoryManager.enabled=False"],
            resources={"metadata": {"path": str(folder)}},
        )
        kernel = client.create_kernel_manager()
        # Sockets in a folder of our own: what passes over TCP others on this machine could read.
        kernel.transport, kernel.ip = "ipc", f"{scratch}/socket"
        kernel.connection_file = f"{scratch}/kernel.json"
        _run(client, environment(scratch), check)
    for cell in made.cells:
        if cell.cell_type == "code":
            # What libraries warn of names this machine's folders and says nothing of the figures.
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
            cell.metadata = {}
    nbformat.validate(made)
    return json.dumps(made, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _run(client: NotebookClient, env: dict[str, str], check: Callable[[], None]) -> None:
    """Run all cells; nothing of it is left once this returns or raises."""
    # In a thread of its own: in the main one the client would answer signals to end in its own way, by breaking.
    with ThreadPoolExecutor(max_workers=1) as thread:
        running = thread.submit(asyncio.run, client.async_execute(env=env))
        try:
            while not wait([running], timeout=HEED).done:
                check()
        except BaseException:
            # The process may be about to start, and then it ends a moment later.
            while not wait([running], timeout=HEED).done:
                if process := getattr(getattr(client.km, "provisioner", None), "process", None):
                    process.kill()
            # One that was ended as it started is still put down by the client to be ended with this process.
            atexit.unregister(client._cleanup_kernel)
            raise
        running.result()


def environment(scratch: Path) -> dict[str, str]:
    """What the notebook's process sees: no key, and none of the user's own start-up files."""
    # matplotlib's folder as it is here: where that is a temporary one, the process would list all fonts anew.
    return without_keys(os.environ) | {
        "IPYTHONDIR": str(scratch / "ipython"),
        "MPLCONFIGDIR": matplotlib.get_configdir(),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYTHONWARNINGS": "ignore",
    }
