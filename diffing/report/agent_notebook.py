"""The notebook in which an agent worked on a study, as it is kept and as it is handed over with the report.

Outputs come from code that nobody here wrote, over answers that nobody here trusts. Promises that of an output
there stay plain text, pictures (PNG) and tables without a single attribute: nothing that runs, links or fetches;
and that this is done when a cell is kept and once more when the notebook is handed over. Does not look into
pictures.
"""

import base64
import binascii
import html
import json
import re
import sys
from collections.abc import Iterable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from diffing.common import damage, files
from diffing.common.escape import throughout, tidied, tidy
from diffing.study.study import Study

FILE = "agent.ipynb"
"""Of the study's folder, and of the report's."""
AGAIN = "move it away, or out of the report, and a new one is begun"
PNG = b"\x89PNG\r\n\x1a\n"
TERMINAL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
"""Colours and the like, which only a terminal understands."""
TABLE = ("table", "thead", "tbody", "tfoot", "tr", "th", "td", "caption")
"""Tags that stay, all without attributes."""
SILENT = ("script", "style", "template", "svg", "math", "iframe", "object")
"""Tags whose text is none of the table's."""
KEPT = {"started", "seconds", "state", "note", "kernel"}
"""What is known of a cell beside its code and outputs."""


def path_of(study: Study) -> Path:
    return study.folder / FILE


def read(study: Study) -> dict[str, Any] | None:
    """The notebook, its outputs harmless whatever has happened to the file; None where there is none."""
    path = path_of(study)
    if not path.exists():
        return None
    with damage.reading(path, AGAIN):
        told = json.loads(path.read_text(encoding="utf-8"))
        return notebook(told["metadata"]["agent"], [_cell(each) for each in told["cells"]])


def notebook(about: Mapping[str, Any], cells: list[dict[str, Any]]) -> dict[str, Any]:
    """A whole notebook; `about` is what is known of it beside its cells."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}, "agent": tidied(dict(about))}
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells}


def code_cell(
    number: int, code: str, outputs: Iterable[Mapping[str, Any]], about: Mapping[str, Any]
) -> dict[str, Any]:
    """A cell as a notebook has it; each is known by its number."""
    return {
        "cell_type": "code",
        "id": f"cell-{number}",
        "execution_count": number,
        "metadata": {"agent": tidied(dict(about))},
        "source": tidy(code),
        "outputs": [clean for output in outputs if (clean := harmless(output, number))],
    }


def text(told: dict[str, Any]) -> str:
    """A notebook as its file has it."""
    return json.dumps(told, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _cell(told: Mapping[str, Any]) -> dict[str, Any]:
    about = {name: value for name, value in told["metadata"]["agent"].items() if name in KEPT}
    return code_cell(int(told["execution_count"]), str(told["source"]), list(told["outputs"]), about)


def harmless(output: Mapping[str, Any], number: int) -> dict[str, Any] | None:
    """What of an output may be kept and shown; None where nothing is left."""
    kind = output.get("output_type")
    if kind == "stream":
        name = "stderr" if output.get("name") == "stderr" else "stdout"
        return {"output_type": kind, "name": name, "text": plain(output.get("text"))}
    if kind == "error":
        lines = output.get("traceback") or []
        said = {name: plain(output.get(name)) for name in ("ename", "evalue")}
        return {"output_type": kind, **said, "traceback": [plain(line) for line in lines]}
    data = _data(output.get("data") or {})
    if kind not in ("display_data", "execute_result") or not data:
        return None
    counted = {"execution_count": number} if kind == "execute_result" else {}
    return {"output_type": kind, "data": data, "metadata": {}, **counted}


def plain(value: Any) -> str:
    """Text as a person reads it; notebooks also hold it as a list of lines."""
    whole = "".join(str(part) for part in value) if isinstance(value, list) else str(value or "")
    return tidy(TERMINAL.sub("", whole))


def _data(told: Mapping[str, Any]) -> dict[str, str]:
    data: dict[str, str] = {}
    if "text/plain" in told:
        data["text/plain"] = plain(told["text/plain"])
    if table := only_table(plain(told.get("text/html"))):
        data["text/html"] = table
    if picture := _png(told.get("image/png")):
        data["image/png"] = picture
    return data


def _png(value: Any) -> str:
    try:
        data = base64.b64decode(plain(value).replace("\n", ""), validate=True)
    except (binascii.Error, ValueError):
        return ""
    return base64.b64encode(data).decode() if data.startswith(PNG) else ""


def only_table(page: str) -> str:
    """The tables of a piece of HTML, made anew from their rows and texts; empty where it has none."""
    tables = _Tables()
    tables.feed(page)
    tables.close()
    return tables.whole()


class _Tables(HTMLParser):
    """Writes tags of its own for those that it knows, and the text between them escaped."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[str] = []
        self._open: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # None is kept: an attribute can run, link and fetch.
        del attrs
        if tag in SILENT:
            self._silent += 1
        elif tag in TABLE and (self._open or tag == "table"):
            self._open.append(tag)
            self._parts.append(f"<{tag}>")

    def handle_endtag(self, tag: str) -> None:
        if tag in SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag in self._open:
            while self._open:
                last = self._open.pop()
                self._parts.append(f"</{last}>")
                if last == tag:
                    break

    def handle_data(self, data: str) -> None:
        if self._open and not self._silent:
            self._parts.append(html.escape(data))

    def whole(self) -> str:
        return "".join([*self._parts, *(f"</{tag}>" for tag in reversed(self._open))])


def handed(study: Study) -> str | None:
    """The notebook for a report's folder; None where no agent worked in one."""
    told = read(study)
    return None if told is None or not told["cells"] else text(throughout(_without_places, told))


def _without_places(words: str) -> str:
    """What a traceback or a listing says of this machine's folders, by their last names alone."""
    places = [files.home(), files.PROJECT, Path.home(), *map(Path, (sys.prefix, sys.base_prefix))]
    both = {str(each) for place in places for each in (place, place.resolve()) if len(each.parts) > 1}
    for place in sorted(both, key=lambda place: (-len(place), place)):
        words = words.replace(place, f"…/{Path(place).name}")
    return words
