"""lm-evaluation-harness: `samples_TASK_DATE.jsonl`, a file a task, with `results_DATE.json` beside it.

One line is one document under one filter. Generated answers are the text, repeats are draws; of a multiple choice
the likeliest option is the text. Metrics are measures, named as in the harness's own results:
`exact_match,strict`, or `exact_match` where the filter is `none`. The model's name stands in the results file,
else it is the folder's.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from diffing.common import bounds, tables
from diffing.common.loose import items, record, words
from diffing.study.logs import chat
from diffing.study.logs.head import Head
from diffing.study.logs.row import Row, Source, amount

NAMED = re.compile(r"samples_(.+)_(\d{4}-\d\d-\d\dT[\d.:-]+)\.jsonl(\.gz|\.xz)?")
KEYS = {"doc_id", "arguments", "resps"}
MOST_RESULTS = 8_000_000
"""Bytes of a results file that is read: one of a hundred tasks has half a million."""


def recognises(head: Head) -> bool:
    return isinstance(head.first, dict) and set(head.first) >= KEYS


def read(source: Source) -> Iterator[Row]:
    match = NAMED.fullmatch(source.name)
    task = match[1] if match else source.name.partition(".")[0].removeprefix("samples_")
    model, better = _told(source.path, match[2] if match else "", task)
    seen: set[str] = set()
    for line in tables.json_lines(source.path):
        value = record(line)
        measured = _measures(source, value)
        told = {name: better[metric] for name in measured if (metric := name.partition(",")[0]) in better}
        identity = words(value.get("doc_id"))
        if identity in seen:
            # A document stands once under each filter: the same answers, other numbers.
            yield Row(model, "", sample=f"{task}/{identity}", measures=measured, better=told, numbers_alone=True)
            continue
        seen.add(identity)
        # A number is of the document: it stands beside the first answer.
        for row in _rows(source, value, task, model):
            yield row._replace(measures={} if row.draw else measured, better={} if row.draw else told)


def _told(path: Path, date: str, task: str) -> tuple[str, dict[str, bool]]:
    """The model's name, and of which metrics more is better, as the results beside say."""
    results = path.with_name(f"results_{date}.json")
    if date and results.is_file():
        if results.stat().st_size > MOST_RESULTS:
            raise bounds.too_large(results.name, bounds.limits()._replace(size=MOST_RESULTS))
        with tables.document(results) as whole:
            told = whole.only_object({"samples", "configs"}) if whole.kind == "object" else {}
        better = record(record(told.get("higher_is_better")).get(task))
        name = words(told.get("model_name")) or path.parent.name
        return name, {key: value for key, value in better.items() if isinstance(value, bool)}
    # The harness puts a model's files into a folder of its name; one that a page took in has none.
    folder = path.parent.name
    return ("" if folder.startswith("diffing-") else folder), {}


def _measures(source: Source, value: dict[str, Any]) -> dict[str, float]:
    chosen = words(value.get("filter")) or "none"
    found = {}
    for metric in items(value.get("metrics")):
        number = amount(value.get(metric)) if isinstance(metric, str) else None
        if number is None:
            source.leave_out("scores that are no number")
        else:
            found[metric if chosen == "none" else f"{metric},{chosen}"] = number
    return found


def _rows(source: Source, value: dict[str, Any], task: str, model: str) -> Iterator[Row]:
    asked = _requests(value.get("arguments"))
    replies = items(value.get("resps"))
    put, how = asked[0] if asked else (None, None)
    if not isinstance(put, str) or not put.strip():
        source.leave_out("documents that ask nothing")
        return
    turns = chat.turns_in(put)
    row = Row(
        model,
        "",
        prompt="" if turns else put,
        messages=chat.asked(turns) if turns else "",
        sample=f"{task}/{words(value.get('doc_id'))}",
        category=task,
    )
    if isinstance(how, dict):
        for draw, text in enumerate(items(replies[0]) if replies else []):
            yield row._replace(text=words(text), draw=draw)
        return
    # Nothing was generated: options were weighed, or the prompt itself was.
    options = [(_likelihood(reply), option) for reply, (_, option) in zip(replies, asked, strict=False)]
    sure = [(number, option) for number, option in options if number is not None]
    # Of equal ones the first, as the harness has it.
    best = max(sure, key=lambda each: each[0])[1] if len(asked) > 1 and sure else ""
    yield row._replace(text=words(best).strip())


def _requests(arguments: Any) -> list[tuple[Any, Any]]:
    """What was sent, and how it was to be answered or the option that was weighed."""
    if isinstance(arguments, dict):
        return [(record(one).get("arg_0"), record(one).get("arg_1")) for one in arguments.values()]
    # As older versions wrote it.
    return [(one[0], one[1] if len(one) > 1 else None) for one in map(items, items(arguments)) if one]


def _likelihood(reply: Any) -> float | None:
    """An option's log-likelihood, which the harness writes as text beside "is it the greedy one"."""
    pair = items(items(reply)[0]) if items(reply) else []
    if len(pair) != 2:
        return None
    try:
        return amount(float(str(pair[0])[:40]))
    except ValueError:
        return None
