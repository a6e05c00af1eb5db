"""A notebook's cells: what was run, how it ended, what it showed.

Messages of a kernel go in; outputs come out as notebooks have them, pieces of one stream joined, a line that was
written over kept as it stood last. Promises that a cell holds no more than `MOST` characters and `PICTURES`
pictures, and says what it left out. Reaches no kernel and no disk.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from diffing.agents.workshop.scrub import Scrub
from diffing.common import words
from diffing.report import agent_notebook

State = Literal["waiting", "running", "done", "failed", "interrupted", "died", "lost"]
OPEN: tuple[State, ...] = ("waiting", "running")

MOST = 200_000
"""Characters of text that a cell keeps: some fifty pages, far above what anybody reads of one cell."""
PICTURES = 10
PICTURE = 4_000_000
"""Characters of one as base64: three megabytes, above any chart."""


def overwritten(text: str) -> str:
    """The text with each line as it was written last: progress bars write theirs again and again.

    A line break that may be the first half of another one stays at the end.
    """
    if "\r" not in text:
        return text
    end = "\r" if text.endswith("\r") else ""
    return "\n".join(line.rstrip("\r").rsplit("\r", 1)[-1] for line in text.split("\n")) + end


class Cell(NamedTuple):
    """A cell as it is now."""

    number: int
    code: str
    state: State
    outputs: tuple[Mapping[str, Any], ...] = ()
    """As notebooks have them, harmless and without keys."""
    note: str = ""
    """What is to be known beside the outputs, in a sentence: a limit reached, a kernel that died."""
    started: str = ""
    seconds: float = 0.0
    kernel: int = 0
    """Which kernel ran it, counted from 1: variables of an earlier one are gone."""

    @property
    def over(self) -> bool:
        return self.state not in OPEN

    def text(self) -> str:
        """Everything that it showed in words; pictures are named."""
        return "\n".join(part for part in map(_words, self.outputs) if part)

    def pictures(self) -> list[str]:
        """Its pictures, as base64 of PNG."""
        return [output["data"]["image/png"] for output in self.outputs if "image/png" in output.get("data", {})]

    def record(self) -> dict[str, Any]:
        """The cell as a notebook's file has it."""
        about = {"started": self.started, "seconds": self.seconds, "state": self.state}
        about |= {"note": self.note, "kernel": self.kernel}
        return agent_notebook.code_cell(self.number, self.code, self.outputs, about)


def of_record(told: Mapping[str, Any]) -> Cell:
    """A cell of a notebook's file, which `agent_notebook.read` has made harmless."""
    about = told["metadata"]["agent"]
    state, note, started = about.get("state", "lost"), about.get("note", ""), about.get("started", "")
    if state == "running":
        state, note = "lost", "The server ended while this cell ran, so what it showed is lost."
    elif state == "waiting":
        # One that was to be run again still shows what it showed before.
        state, note = ("done", note) if started else ("lost", "The server ended before this cell began.")
    return Cell(
        int(told["execution_count"]),
        told["source"],
        state,
        tuple(told["outputs"]),
        str(note),
        str(started),
        float(about.get("seconds", 0.0)),
        int(about.get("kernel", 0)),
    )


def _words(output: Mapping[str, Any]) -> str:
    if output["output_type"] == "stream":
        return str(output["text"]).rstrip("\n")
    if output["output_type"] == "error":
        return "\n".join(output["traceback"]) or f"{output['ename']}: {output['evalue']}"
    data = output["data"]
    said = [data["text/plain"]] if "text/plain" in data else []
    return "\n".join([*said, *(["[picture]"] if "image/png" in data else [])])


class Shown:
    """What a running cell has shown so far."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._outputs: list[dict[str, Any]] = []
        self._places: dict[str, int] = {}
        self._left = MOST
        self._dropped = self._pictures = 0
        self._clear = False

    def take(self, kind: str, content: Mapping[str, Any]) -> None:
        """A message of the kernel about this cell."""
        if kind == "clear_output":
            self._clear = bool(content.get("wait"))
            if not self._clear:
                self._cleared()
        elif kind in ("stream", "display_data", "execute_result", "error"):
            if self._clear:
                self._cleared()
            self._add({"output_type": kind, **content})
        elif kind == "update_display_data":
            place = self._places.get(_display(content))
            if place is not None:
                self._take_back(self._outputs[place])
                self._outputs[place] = self._fitting({**content, "output_type": "display_data"}) or _NOTHING

    def outputs(self, scrub: Scrub) -> tuple[Mapping[str, Any], ...]:
        """What it has shown, without keys."""
        cut = [dict(output) for output in self._outputs if output is not _NOTHING]
        clean: list[dict[str, Any]] = scrub.everywhere(cut)
        for output in clean:
            if "text" in output:
                output["text"] = output["text"].rstrip("\r")
        if self._dropped and clean and scrub.longest:
            # Of a key that was cut in two the first half would stand here.
            _shorten(clean[-1], scrub.longest)
        return tuple(clean)

    def left_out(self) -> str:
        """What was not kept, as a sentence; empty where all was."""
        parts = [words.count(self._dropped, "character")] if self._dropped else []
        parts += [words.count(self._pictures, "picture")] if self._pictures else []
        most = f"a cell keeps {MOST:,} characters and {PICTURES} pictures"
        return (
            f"{' and '.join(parts)} more were not kept ({most}): show less, or write it to a file."
            if parts
            else ""
        )

    def _cleared(self) -> None:
        self._outputs, self._places, self._left, self._clear = [], {}, MOST, False

    def _add(self, told: dict[str, Any]) -> None:
        output = self._fitting(told)
        if output is None:
            return
        last = self._outputs[-1] if self._outputs else _NOTHING
        if output["output_type"] == "stream" and last.get("name") == output["name"]:
            joined = overwritten(last["text"] + output["text"])
            self._left += len(last["text"]) + len(output["text"]) - len(joined)
            last["text"] = joined
            return
        if output["output_type"] == "stream":
            self._left += len(output["text"])
            output["text"] = overwritten(output["text"])
            self._left -= len(output["text"])
        if name := _display(told):
            self._places[name] = len(self._outputs)
        self._outputs.append(output)

    def _fitting(self, told: dict[str, Any]) -> dict[str, Any] | None:
        """An output as far as there is room for it."""
        if told["output_type"] == "stream":
            # Parts, since making it plain takes away what moves a terminal's place, and the next piece may need
            # it.
            parts = str(told.get("text", "")).replace("\r\n", "\n").split("\r")
            name = "stderr" if told.get("name") == "stderr" else "stdout"
            text = "\r".join(map(agent_notebook.plain, parts))
            return self._cut({"output_type": "stream", "name": name, "text": text})
        output = agent_notebook.harmless(told, self.number)
        if output is None:
            return None
        data = output.get("data", {})
        picture = data.get("image/png", "")
        drawn = sum("image/png" in each.get("data", {}) for each in self._outputs)
        if picture and (len(picture) > PICTURE or drawn >= PICTURES):
            self._pictures += 1
            del data["image/png"]
        return self._cut(output)

    def _cut(self, output: dict[str, Any]) -> dict[str, Any] | None:
        length = _length(output)
        if length > self._left:
            over = length - self._left
            self._dropped += over
            # A table that does not fit stands as text, which can be cut.
            output.get("data", {}).pop("text/html", None)
            _shorten(output, max(0, _length(output) - self._left))
        self._left -= _length(output)
        empty = not _length(output) and "image/png" not in output.get("data", {})
        return None if empty and length else output

    def _take_back(self, output: dict[str, Any]) -> None:
        self._left += _length(output)


_NOTHING: dict[str, Any] = {"output_type": "none"}


def _display(content: Mapping[str, Any]) -> str:
    return str((content.get("transient") or {}).get("display_id") or "")


def _length(output: Mapping[str, Any]) -> int:
    data = output.get("data", {})
    texts = [
        output.get("text", ""),
        *output.get("traceback", []),
        data.get("text/plain", ""),
        data.get("text/html", ""),
    ]
    return sum(map(len, texts))


def _shorten(output: dict[str, Any], by: int) -> None:
    """Take this many characters away from the end of an output's text."""
    if output["output_type"] == "error":
        # Its end says what broke.
        whole = "\n".join(output["traceback"])
        output["traceback"] = [whole[by:]]
        return
    held, name = (output["data"], "text/plain") if "data" in output else (output, "text")
    text = held.get(name, "")
    held[name] = text[: max(0, len(text) - by)]
