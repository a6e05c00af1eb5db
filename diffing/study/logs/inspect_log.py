"""Inspect's logs: `.eval` archives, whole samples or chunked ones, and JSON.

Read without Inspect itself: an archive's entries one by one, a JSON log sample by sample, what is not needed
(events, the store) passed over unread. Epochs are draws; the model under test is the checkpoint and the task the
category. "C", "P", "I" and "N" are 1, 0.5, 0 and 0, and other values become numbers as Inspect's own
`value_to_float` has it.
"""

import re
from collections.abc import Callable, Collection, Iterator
from typing import Any

from diffing.common import bounds, tables
from diffing.common.errors import UserError
from diffing.common.json_rows import Document
from diffing.common.loose import items, record, words
from diffing.models import speech
from diffing.study.logs import chat, zipped
from diffing.study.logs.head import Head
from diffing.study.logs.row import Row, Source, amount, count, plain, score
from diffing.study.logs.zipped import Archive

PASSED = (
    "events",
    "store",
    "metadata",
    "timelines",
    "error_retries",
    "events_data",
    "role_usage",
    "setup",
    "files",
)
"""Of a sample: what an answer does not need."""
SAMPLE = re.compile(r"samples/.+_epoch_\d+(\.json|/sample\.json)")
CHUNK = re.compile(r"(\d+)\.json")
WHOLE_CUT = {"max_tokens": "length", "model_length": "length"}
"""Inspect's stop reasons where ours have another name."""
LETTERS = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
MOST_COUNTED = 1e9
"""Beyond it, a count is none."""
ATTACHED = "attachment://"


def recognises(head: Head) -> bool:
    if head.entries is not None:
        return any(name in head.entries for name in ("header.json", "_journal/start.json"))
    return "eval" in head.names and bool({"samples", "status", "plan"} & head.names)


def read(source: Source) -> Iterator[Row]:
    with source.path.open("rb") as file:
        packed = file.read(4) == zipped.MAGIC
    yield from _archive(source) if packed else _json(source)


def _json(source: Source) -> Iterator[Row]:
    passed = {f"samples[].{name}" for name in PASSED} | {"reductions", "plan", "stats"}
    with tables.document(source.path) as whole:
        if whole.kind != "object":
            raise UserError(f"'{source.name}' is no log of Inspect; name its format with --from.")
        spec: dict[str, Any] = {}
        held, results = 0, None
        for path, value in whole.parts({"samples"}, passed):
            if path == "eval":
                spec = record(value)
            elif path == "results":
                results = value
            elif path == "samples[]":
                held += 1
                yield from _row(source, spec, record(value), whole.most.row)
        _check_count(source, results, held)


def _archive(source: Source) -> Iterator[Row]:
    with zipped.opened(source.path, bounds.limits()) as archive:
        start = next((name for name in ("header.json", "_journal/start.json") if name in archive.entries), None)
        if start is None:
            raise UserError(f"'{source.name}' is a zip without a log of Inspect in it; check the file.")
        header, held = _object(archive, start), 0
        spec = record(header.get("eval"))
        for name in archive.entries:
            if SAMPLE.fullmatch(name):
                held += 1
                sample = _object(archive, name, PASSED)
                if name.endswith("/sample.json"):
                    _unchunk(archive, name.removesuffix("sample.json"), sample)
                yield from _row(source, spec, sample, archive.most.row)
        _check_count(source, header.get("results"), held)


def _check_count(source: Source, results: Any, held: int) -> None:
    """A log that holds fewer samples than it counts is told: one may have been taken out, or its name damaged."""
    counted = amount(record(results).get("total_samples"))
    if counted is not None and held < counted < MOST_COUNTED:
        source.leave_out("samples that the log counts and does not hold", int(counted) - held)


def _object(archive: Archive, name: str, passed: Collection[str] = ()) -> dict[str, Any]:
    """An entry's object, without what is passed over."""
    with archive.text(name) as stream:
        found = Document(stream, f"{archive.name}/{name[:80]}", archive.most)
        return found.only_object(passed) if found.kind == "object" else {}


def _unchunk(archive: Archive, folder: str, sample: dict[str, Any]) -> None:
    """Put a chunked sample's messages and attachments where a whole sample has them."""
    attached = _sequence(archive, f"{folder}attachments/")
    sample["attachments"] = {str(place): told for place, told in enumerate(attached)}
    pool = _sequence(archive, f"{folder}messages/")
    messages: list[Any] = []
    for ends in items(sample.get("message_refs")):
        start, end = (amount(each) for each in ends) if isinstance(ends, list) and len(ends) == 2 else (None, None)
        if start is not None and end is not None and 0 <= start <= end <= len(pool):
            messages += pool[int(start) : int(end)]
        if len(messages) > archive.most.rows:
            raise bounds.too_long(archive.name, 1, archive.most)
    sample["messages"] = messages


def _sequence(archive: Archive, folder: str) -> list[Any]:
    """All items of a sequence, whose chunks are named by the place of their first."""
    starts = {}
    for name in archive.entries:
        if name.startswith(folder) and (match := CHUNK.fullmatch(name, len(folder))):
            starts[int(match[1][:18])] = name
    found: list[Any] = []
    before = archive.size
    for _, name in sorted(starts.items()):
        with archive.text(name) as stream:
            chunk = Document(stream, f"{archive.name}/{name[:80]}", archive.most)
            if chunk.kind == "list":
                found += [value for _, value in chunk.members()]
        if archive.size - before > archive.most.row:
            raise bounds.too_long(f"{archive.name}/{folder[:80]}", 1, archive.most)
    return found


def _resolver(sample: dict[str, Any], name: str, most: int) -> Callable[[Any], Any]:
    """Puts texts that stand apart back in their places, up to the length of a row."""
    apart = record(sample.get("attachments"))
    taken = 0

    def resolved(value: Any) -> Any:
        nonlocal taken
        if isinstance(value, str) and value.startswith(ATTACHED):
            told = words(apart.get(value.removeprefix(ATTACHED), value))
            taken += len(told)
            if taken > most:
                raise UserError(f"'{name}' has a sample of more than {most:,} characters; cut or drop it.")
            return told
        if isinstance(value, list):
            return [resolved(each) for each in value]
        if isinstance(value, dict):
            return {key: resolved(each) for key, each in value.items()}
        return value

    return resolved


def _row(source: Source, spec: dict[str, Any], sample: dict[str, Any], most: int) -> Iterator[Row]:
    if "input" not in sample:
        source.leave_out("samples that ask nothing")
        return
    resolved = _resolver(sample, source.name, most)
    put = resolved(sample["input"])
    prompt = put + _choices(sample) if isinstance(put, str) else ""
    messages = chat.asked(put) if isinstance(put, list) else ""
    if not (prompt.strip() or messages):
        source.leave_out("samples that ask nothing")
        return
    output = record(resolved(sample.get("output")))
    choice = record(next(iter(items(output.get("choices"))), None))
    completion = output.get("completion")
    final = (
        completion if isinstance(completion, str) else speech.text(speech.content(record(choice.get("message"))))
    )
    told = [
        message for message in items(resolved(sample.get("messages"))) if record(message).get("source") != "input"
    ]
    said = speech.answer(told, final)
    fault = words(record(sample.get("error")).get("message"))
    reason = words(choice.get("stop_reason"))
    model = words(spec.get("model"))
    served = words(output.get("model"))
    usage = record(record(sample.get("model_usage")).get(model)) or record(output.get("usage"))
    task = words(spec.get("task"))
    yield Row(
        # A task may ask models of its own choice: then the log as a whole names none.
        checkpoint=served if model in ("", "none", "none/none") else model,
        text="" if fault else said.text,
        prompt=prompt,
        messages=messages,
        sample=f"{task}/{words(sample.get('id'))}",
        draw=max(0, int(amount(sample.get("epoch")) or 1) - 1),
        category=task,
        reasoning=said.reasoning,
        tools=said.tools,
        finish_reason=WHOLE_CUT.get(reason, reason),
        error=fault,
        model_served=served,
        tokens_in=count(usage.get("input_tokens")),
        tokens_out=count(usage.get("output_tokens")),
        latency=plain(output.get("time")),
        measures=_measures(source, record(sample.get("scores"))),
    )


def _choices(sample: dict[str, Any]) -> str:
    """The options of a question, which stand beside it."""
    options = items(sample.get("choices"))
    lines = [f"{chr(65 + place % 26)}) {words(option)}" for place, option in enumerate(options)]
    return "\n\n" + "\n".join(lines) if lines else ""


def _measures(source: Source, scores: dict[str, Any]) -> dict[str, float]:
    found = {}
    for scorer, told in scores.items():
        value = record(told).get("value")
        parts = (
            {f"{scorer}/{key}": part for key, part in value.items()}
            if isinstance(value, dict)
            else {scorer: value}
        )
        for name, part in parts.items():
            number = _number(part)
            if number is None:
                source.leave_out("scores that are no number")
            else:
                found[name] = number
    return found


def _number(value: Any) -> float | None:
    return LETTERS[value] if isinstance(value, str) and value in LETTERS else score(value)
