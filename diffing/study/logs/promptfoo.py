"""promptfoo's results: the JSON of `promptfoo eval --output`, or its JSON lines.

A provider is a checkpoint, by its label; repeated tests are draws. `score`, `pass` and the named scores are
measures.
"""

from collections.abc import Iterator
from typing import Any

from diffing.common import tables
from diffing.common.errors import UserError
from diffing.common.loose import record, words
from diffing.study.logs import chat
from diffing.study.logs.head import Head
from diffing.study.logs.row import Row, Source, amount, count, plain

KEYS = {"promptIdx", "testIdx", "provider"}
FAILED = 2
"""promptfoo's reason where the provider gave no answer; 1 is an answer that its tests refuse."""


def recognises(head: Head) -> bool:
    lines = isinstance(head.first, dict) and set(head.first) >= KEYS
    return lines or "evalId" in head.names or {"results.version", "results.prompts"} <= head.names


def read(source: Source) -> Iterator[Row]:
    for result in _results(source):
        row = _row(result)
        if row.prompt.strip() or row.messages:
            yield row
        else:
            source.leave_out("results that ask nothing")


def _results(source: Source) -> Iterator[dict[str, Any]]:
    if ".jsonl" in source.name.lower():
        yield from map(record, tables.json_lines(source.path))
        return
    with tables.document(source.path) as whole:
        if whole.kind != "object":
            raise UserError(f"'{source.name}' is no result of promptfoo; name its format with --from.")
        passed = {"results.prompts", "config", "results.table", "results.results[].testCase.assert"}
        for path, value in whole.parts({"results", "results.results"}, passed):
            if path == "results.results[]":
                yield record(value)


def _row(result: dict[str, Any]) -> Row:
    raw = words(record(result.get("prompt")).get("raw"))
    turns = chat.turns_in(raw)
    response, provider = record(result.get("response")), record(result.get("provider"))
    said = response.get("output")
    failed = result.get("failureReason") == FAILED or "output" not in response
    fault = words(response.get("error") or result.get("error")) or "no answer" if failed else ""
    tokens = record(response.get("tokenUsage"))
    numbers = {"score": amount(result.get("score")), "pass": amount(result.get("success"))}
    numbers |= {name: amount(value) for name, value in record(result.get("namedScores")).items()}
    place = amount(result.get("testIdx"))
    latency = amount(result.get("latencyMs"))
    return Row(
        checkpoint=words(provider.get("label")) or words(provider.get("id")),
        text="" if failed else words(said),
        prompt="" if turns else raw,
        messages=chat.asked(turns) if turns else "",
        # With zeros in front, so that texts have the order of numbers.
        sample=f"{int(place):09d}" if place is not None and 0 <= place < 1e9 else "",
        category=words(record(result.get("testCase")).get("description")),
        finish_reason=words(response.get("finishReason")),
        error=fault,
        tokens_in=count(tokens.get("prompt")),
        tokens_out=count(tokens.get("completion")),
        cost=plain(result.get("cost")),
        latency="" if latency is None else repr(latency / 1000),
        measures={} if failed else {name: number for name, number in numbers.items() if number is not None},
    )
