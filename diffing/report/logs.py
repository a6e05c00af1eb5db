"""A study's answers as other tools open them: logs for Inspect, agent runs for Docent, a data set for `datasets`.

Inspect: one log a checkpoint, an epoch a draw, scores where other tools gave some (`measures`). Docent: one JSON
line an answer that said something, as its `AgentRun` reads it. `datasets`: Parquet files in a folder that
`load_dataset` opens, answers and pairs apart by split. Promises that a failed answer goes out as one that failed,
without what a provider wrote, and that no key, address or path of this machine goes with any. `python -m
tools.formats` reads the files with the tools themselves. Opens no encodings: what features say stands in a report.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from diffing.common import files, outfile
from diffing.common.columns import clean
from diffing.common.errors import UserError
from diffing.common.escape import tidied
from diffing.common.loose import items, record, words
from diffing.models.providers import Checkpoint
from diffing.study import prompts
from diffing.study.study import Study

STOPS = {"stop": "stop", "length": "max_tokens", "content_filter": "content_filter", "tool_calls": "tool_calls"}
"""Ends of an answer as providers say them, and as Inspect does; others are `unknown` there."""
EPOCH = "1970-01-01T00:00:00+00:00"
"""A date for what has none: Inspect asks for one."""
SPLITS = {"discovery": "discovery", "held-out": "heldout"}
"""Names of splits, of which `datasets` allows no hyphen."""
PLAIN = [
    *("prompt_id", "category", "tags", "split", "prompt", "messages", "checkpoint", "model", "draw", "text"),
    *("reasoning", "tools", "finish_reason", "flag", "error", "tokens_in", "tokens_out", "cost", "latency"),
]
"""Columns of the data set's answers."""


class Answered(NamedTuple):
    """One answer with what it was asked."""

    prompt: Mapping[str, Any]
    messages: list[dict[str, str]]
    row: Mapping[str, Any]
    scores: dict[str, float]

    @property
    def metadata(self) -> dict[str, Any]:
        names = ("category", "tags", "split")
        told = {name: clean(str(self.prompt[name])) for name in names}
        return told | {"draw": int(self.row["draw"]), "flag": str(self.row["flag"])}


def answers(study: Study, key: str = "") -> Iterator[Answered]:
    """All answers of a study, or of one checkpoint, in the order of the table."""
    table = study.responses()
    asked = {str(row["id"]): row for row in study.prompts().to_dict("records")}
    system = study.settings.sampling.system
    before = [{"role": "system", "content": system}] if system else []
    scores: dict[tuple[str, str, int], dict[str, float]] = {}
    for line in study.measures().itertuples():
        where = (str(line.prompt_id), str(line.checkpoint), int(line.draw))
        scores.setdefault(where, {})[clean(str(line.name))] = float(line.value)
    for row in table.to_dict("records"):
        prompt = asked.get(str(row["prompt_id"]))
        if prompt is None or key not in ("", row["checkpoint"]):
            continue
        turns = before + prompts.conversation(str(prompt["text"]), str(prompt["messages"]))
        where = (str(row["prompt_id"]), str(row["checkpoint"]), int(row["draw"]))
        yield Answered(prompt, tidied(turns), row, scores.get(where, {}))


# Inspect.


def inspect(study: Study, out: Path) -> list[Path]:
    """A log for each checkpoint that has answers."""
    written = []
    for checkpoint in study.checkpoints:
        samples = [_sample(each, checkpoint) for each in answers(study, checkpoint.key)]
        if samples:
            path = outfile.check(out / f"{study.name}-{checkpoint.key}.json")
            files.write_json(path, _log(study, checkpoint, samples))
            written.append(path)
    return written


def _log(study: Study, checkpoint: Checkpoint, samples: list[dict[str, Any]]) -> dict[str, Any]:
    """In the order of fields that Inspect's reader counts on."""
    ids = list(dict.fromkeys(sample["id"] for sample in samples))
    sampling = study.settings.sampling
    spec = {
        "eval_id": files.content_hash(["eval", study.name, checkpoint.key]),
        "run_id": files.content_hash(["run", study.name]),
        "created": study.settings.created or EPOCH,
        "task": study.name,
        "task_id": files.content_hash(["task", study.name]),
        "dataset": {"name": study.name, "samples": len(ids), "sample_ids": ids},
        "model": clean(checkpoint.name),
        "model_generate_config": {"temperature": sampling.temperature, "max_tokens": sampling.max_tokens},
        "config": {"epochs": max(sample["epoch"] for sample in samples)},
        "metadata": {"written_by": "Checkpoint Diffing", "checkpoint": checkpoint.key},
    }
    names = sorted({name for sample in samples for name in sample["scores"]})
    results = {
        "total_samples": len(samples),
        "completed_samples": sum("error" not in sample for sample in samples),
        "scores": [_mean(name, samples) for name in names],
    }
    head = {"version": 2, "status": "success", "eval": spec, "plan": {"name": "plan", "steps": []}}
    return head | {"results": results, "stats": _stats(samples), "samples": samples}


def _mean(name: str, samples: list[dict[str, Any]]) -> dict[str, Any]:
    values = [sample["scores"][name]["value"] for sample in samples if name in sample["scores"]]
    mean = {"name": "mean", "value": sum(values) / len(values), "params": {}}
    return {"name": name, "scorer": name, "params": {}, "metrics": {"mean": mean}}


def _stats(samples: list[dict[str, Any]]) -> dict[str, Any]:
    dates = sorted(sample["completed_at"] for sample in samples if "completed_at" in sample)
    return {"started_at": dates[0], "completed_at": dates[-1], "model_usage": {}} if dates else {}


def _sample(each: Answered, checkpoint: Checkpoint) -> dict[str, Any]:
    row, model = each.row, clean(str(each.row["model_served"]) or checkpoint.name)
    message = {"role": "assistant", "source": "generate", "model": model, "content": _content(row)}
    # By their source a reader tells an earlier turn of the prompt from the answer.
    asked = [{**turn, "source": "input"} for turn in each.messages]
    usage = {"input_tokens": _whole(row["tokens_in"]), "output_tokens": _whole(row["tokens_out"])}
    usage |= {"total_tokens": usage["input_tokens"] + usage["output_tokens"]}
    failed = str(row["flag"]) == "failed"
    stop = STOPS.get(str(row["finish_reason"]), "unknown")
    sample: dict[str, Any] = {
        "id": str(row["prompt_id"]),
        "epoch": int(row["draw"]) + 1,
        "input": asked,
        "target": "",
        "messages": asked + ([] if failed else [*_steps(row), message]),
        "output": {
            "model": model,
            "choices": [] if failed else [{"message": message, "stop_reason": stop}],
            "completion": "" if failed else clean(str(row["text"])),
            "usage": usage,
        },
        "scores": {name: {"value": value} for name, value in each.scores.items()},
        "metadata": each.metadata,
    }
    if row["created"]:
        sample["completed_at"] = str(row["created"])
    if failed:
        # What a provider complains of names addresses and, once in a while, a part of a key.
        sample["error"] = {"message": "the request failed", "traceback": "", "traceback_ansi": ""}
    return sample


def _steps(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The tools that were called before the text, as messages: each call, then its result."""
    found: list[dict[str, Any]] = []
    for place, step in enumerate(map(record, items(json.loads(str(row["tools"]) or "[]")))):
        if "text" in step:
            found.append({"role": "assistant", "source": "generate", "content": words(step["text"])})
            continue
        name, told = words(step.get("name")), step.get("arguments")
        call: dict[str, Any] = {"id": f"call-{place}", "function": name, "type": "function"}
        # Inspect has arguments by name alone.
        call["arguments"] = told if isinstance(told, dict) else {} if told is None else {"value": told}
        found.append({"role": "assistant", "source": "generate", "content": "", "tool_calls": [call]})
        if "result" in step:
            result = {"tool_call_id": f"call-{place}", "function": name, "content": words(step["result"])}
            found.append({"role": "tool", **result})
    return found


def _content(row: Mapping[str, Any]) -> Any:
    """The text alone, or behind the reasoning where there was some."""
    text, thought = clean(str(row["text"])), clean(str(row["reasoning"]))
    if not thought:
        return text
    return [{"type": "reasoning", "reasoning": thought}, {"type": "text", "text": text}]


def _whole(value: Any) -> int:
    return 0 if pd.isna(value) else int(value)


# Docent.


def docent(study: Study, out: Path) -> list[Path]:
    """All answers, one JSON line each."""
    names = {checkpoint.key: clean(checkpoint.name) for checkpoint in study.checkpoints}
    path = out / f"{study.name}-docent.jsonl"
    with outfile.replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for each in answers(study):
            if str(each.row["flag"]) in ("failed", "empty"):
                # An agent run needs something that was said.
                continue
            file.write(json.dumps(_run(study, each, names), ensure_ascii=True, allow_nan=False) + "\n")
    return [path]


def _run(study: Study, each: Answered, names: Mapping[str, str]) -> dict[str, Any]:
    row, key = each.row, str(each.row["checkpoint"])
    told = {
        "checkpoint": key,
        "model": names.get(key, key),
        "prompt_id": str(row["prompt_id"]),
        "study": study.name,
    }
    said = {"role": "assistant", "content": _content(row), "model": clean(str(row["model_served"])) or None}
    return {
        "name": f"{key} {row['prompt_id']} {row['draw']}",
        "transcripts": [{"messages": [*each.messages, said]}],
        "metadata": told | each.metadata | {"scores": each.scores},
    }


# Data sets.


def data_set(study: Study, out: Path, a: str = "", b: str = "") -> list[Path]:
    """A folder that `datasets.load_dataset` opens: `answers`, and `pairs` of two checkpoints."""
    a, b = study.sides(a, b)
    folder = outfile.folder(out / f"{study.name}-dataset")
    tables = {"answers": _answers(study), "pairs": _pairs(study, a, b)}
    written, configs = [], []
    for name, table in tables.items():
        parts = {split: table[table["split"] == split] for split in SPLITS}
        there = {SPLITS[split]: part.reset_index(drop=True) for split, part in parts.items() if len(part)}
        for split, part in there.items():
            path = folder / f"{name}-{split}.parquet"
            with outfile.replacing(path) as temporary:
                part.to_parquet(temporary, index=False)
            written.append(path)
        configs.append((name, list(there)))
    path = folder / "README.md"
    with outfile.replacing(path) as temporary:
        temporary.write_text(_card(configs), encoding="utf-8")
    return [*written, path]


def _answers(study: Study) -> pd.DataFrame:
    asked = study.prompts().rename(columns={"id": "prompt_id", "text": "prompt"})
    names = {checkpoint.key: checkpoint.name for checkpoint in study.checkpoints}
    table = study.responses().merge(asked[["prompt_id", "category", "tags", "split", "prompt", "messages"]])
    table = table.assign(model=table["checkpoint"].map(names).fillna(table["checkpoint"]))
    # The study's first checkpoint first: who reads the rows in their order has the same A.
    place = table["checkpoint"].map({key: number for number, key in enumerate(names)})
    table = table.assign(place=place).sort_values(["prompt_id", "place", "draw"], kind="stable")
    # As in a log: that it failed, and nothing of what a provider wrote.
    return _cleaned(table.assign(error=table["error"].where(table["error"] == "", "the request failed"))[PLAIN])


def _pairs(study: Study, a: str, b: str) -> pd.DataFrame:
    asked = study.prompts().rename(columns={"id": "prompt_id", "text": "prompt"})
    pairs = study.pairs(a, b).merge(asked[["prompt_id", "category", "tags", "split", "prompt", "messages"]])
    kept = ["prompt_id", "category", "tags", "split", "prompt", "messages", "draw", "text_a", "text_b"]
    named = pairs[[*kept, "flag_a", "flag_b", "excluded"]]
    return _cleaned(named.assign(checkpoint_a=a, checkpoint_b=b))


def _cleaned(table: pd.DataFrame) -> pd.DataFrame:
    """Without halves of characters, which no Parquet file can hold."""
    texts = [
        name for name in table if isinstance(table[name].dtype, pd.StringDtype) or table[name].dtype == object
    ]
    return table.assign(**{name: [clean(str(text)) for text in table[name]] for name in texts})


def _card(configs: list[tuple[str, list[str]]]) -> str:
    lines = ["---", "configs:"]
    for name, splits in configs:
        lines += [f"- config_name: {name}", f"  default: {str(name == 'answers').lower()}", "  data_files:"]
        lines += [f"  - split: {split}\n    path: {name}-{split}.parquet" for split in splits]
    lines += [
        "---",
        "",
        "Answers of two or more checkpoints to the same prompts, written by Checkpoint Diffing.",
        "",
    ]
    return "\n".join(lines)


def comparator(study: Study, out: Path, a: str = "", b: str = "") -> list[Path]:
    """What LLM Comparator opens, with the features that differ most; needs the study's diff."""
    from diffing.report import comparator as form
    from diffing.report import facts

    path = outfile.check(out / f"{study.name}-llm-comparator.json")
    files.write_json(path, form.build(facts.gather(study, *study.sides(a, b))))
    return [path]


TOOLS: Mapping[str, Callable[[Study, Path, str, str], list[Path]]] = {
    "inspect": lambda study, out, _a, _b: inspect(study, out),
    "docent": lambda study, out, _a, _b: docent(study, out),
    "hf": data_set,
    "comparator": comparator,
}
"""Whom files are written for; what is of two checkpoints is of these."""


def write(study: Study, tool: str, out: Path, a: str = "", b: str = "") -> list[Path]:
    """The files for a tool, in a folder."""
    if not len(study.responses()):
        raise UserError(f"Study '{study.name}' has no answers to export; collect or import some first.")
    return TOOLS[tool](study, outfile.folder(out), a, b)
