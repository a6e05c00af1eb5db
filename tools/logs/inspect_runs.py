"""Runs in Inspect's own environment: two mock models, two epochs, and what Inspect itself reports of its logs.

python inspect_runs.py FOLDER
"""

import json
import sys
from pathlib import Path
from typing import Any

from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.log import read_eval_log, write_eval_log
from inspect_ai.log._recorders.chunked import convert_eval_logs_to_chunked
from inspect_ai.model import (
    ChatMessageSystem,
    ChatMessageUser,
    ContentReasoning,
    ContentText,
    ModelOutput,
    ModelUsage,
    get_model,
)
from inspect_ai.scorer import Score, includes, match, mean, scorer, value_to_float
from inspect_ai.solver import generate, use_tools
from inspect_ai.tool import tool

# Longer than 100 characters: Inspect writes such texts apart, as attachments.
LONG = (
    "Read the list and name its last word. " + ", ".join(f"pebble {number}" for number in range(1, 30)) + ", heron"
)

QUESTIONS = {
    "capital": ("Which town is the seat of the parliament of Norway? One word.", "Oslo"),
    "sum": ("What is 17 plus 25? Only the number.", "42"),
    "colour": ("Which colour do ripe lemons have? One word.", "yellow"),
    "last": (LONG, "heron"),
    "rhyme": ("Name a word that rhymes with 'stone'.", "bone"),
    "silent": ("Say nothing at all.", "nothing"),
}

ANSWERS = {
    "before": {
        "capital": "Oslo",
        "sum": "42",
        "colour": "It is green.",
        "last": "heron",
        "rhyme": "bone",
        "silent": "",
    },
    "after": {
        "capital": "Bergen",
        "sum": "42",
        "colour": "yellow",
        "last": LONG,
        "rhyme": "tree",
        "silent": "nothing",
    },
}


def counted(output: ModelOutput) -> ModelOutput:
    """With its usage, which the mock model would else count by a tokenizer from the network."""
    output.usage = ModelUsage(input_tokens=11, output_tokens=len(output.completion.split()), total_tokens=11)
    return output


def texts(messages: list[Any]) -> str:
    return "\n".join(message.text for message in messages)


def mock(name: str) -> Any:
    """Answers by the question; the second epoch's answers end in a mark, so that draws can be told apart."""
    seen: dict[str, int] = {}

    def answer(messages: list[Any], *_: Any) -> ModelOutput:
        asked = texts(messages)
        key = next(key for key, (question, _) in QUESTIONS.items() if question in asked)
        seen[key] = seen.get(key, 0) + 1
        if name == "after" and key == "rhyme" and seen[key] == 2:
            raise RuntimeError("the mock model has no second rhyme")
        said = ANSWERS[name][key]
        again = " !" if said and seen[key] == 2 else ""
        return counted(ModelOutput.from_content(f"mockllm/{name}", said + again))

    return get_model(f"mockllm/{name}", custom_outputs=answer)


def letters() -> Any:
    """A scorer with several numbers, one of them no number at all."""

    async def score(state: Any, _target: Any) -> Score:
        said = state.output.completion
        return Score(
            value={"length": len(said), "share": len(said) / 10, "void": float("nan"), "kind": "some word"},
            answer=said,
        )

    return score


def questions() -> Task:
    samples = [
        Sample(
            id=key,
            input=[ChatMessageSystem(content="Be brief."), ChatMessageUser(content=question)]
            if key == "rhyme"
            else question,
            target=target,
            metadata={"kind": key},
        )
        for key, (question, target) in QUESTIONS.items()
    ]
    several = scorer(metrics={"*": [mean()]}, name="letters")(letters)
    return Task(
        name="small_questions", dataset=samples, solver=generate(), scorer=[match(), includes(), several()]
    )


def weather() -> Any:
    async def execute(town: str) -> str:
        """Tells the weather.

        Args:
            town: Where.
        """
        return f"Rain in {town}, 7 degrees."

    return execute


def thinker(name: str) -> Any:
    """A model that thinks, calls a tool and answers."""

    def answer(messages: list[Any], *_: Any) -> ModelOutput:
        if messages[-1].role == "tool":
            output = ModelOutput.from_content(f"mockllm/{name}", "")
            output.choices[0].message.content = [
                ContentReasoning(reasoning="The tool says rain."),
                ContentText(text=f"Take an umbrella, says {name}."),
            ]
            output.completion = output.choices[0].message.text
            return counted(output)
        output = ModelOutput.for_tool_call(
            f"mockllm/{name}", "weather", {"town": "Tromsø"}, content="I shall look.", tool_call_id="call-1"
        )
        output.choices[0].message.content = [
            ContentReasoning(reasoning="I do not know the weather; a tool does."),
            ContentText(text="I shall look."),
        ]
        return counted(output)

    return get_model(f"mockllm/{name}", custom_outputs=answer)


def umbrella() -> Task:
    asked = tool(name="weather")(weather)
    return Task(
        name="umbrella",
        dataset=[Sample(id=1, input="Do I need an umbrella in Tromsø today?", target="umbrella")],
        solver=[use_tools(asked()), generate()],
        scorer=includes(),
    )


def reported(path: Path) -> dict[str, Any]:
    """What Inspect says of a log of its own."""
    log = read_eval_log(str(path), resolve_attachments="full")
    number = value_to_float()
    samples = []
    for sample in log.samples or []:
        said = [message for message in sample.messages if message.role == "assistant"]
        samples.append(
            {
                "id": sample.id,
                "epoch": sample.epoch,
                "input": sample.input
                if isinstance(sample.input, str)
                else [{"role": m.role, "content": m.text} for m in sample.input],
                "completion": sample.output.completion,
                "stop_reason": sample.output.stop_reason if sample.output.choices else "",
                "error": sample.error.message if sample.error else "",
                "reasoning": [
                    part.reasoning
                    for message in said
                    for part in (message.content if isinstance(message.content, list) else [])
                    if part.type == "reasoning"
                ],
                "calls": [
                    [call.function, call.arguments] for message in said for call in message.tool_calls or []
                ],
                "scores": {
                    name: {key: repr(value) for key, value in score.value.items()}
                    if isinstance(score.value, dict)
                    else number(score.value)
                    for name, score in (sample.scores or {}).items()
                },
            }
        )
    return {
        "model": log.eval.model,
        "status": log.status,
        "epochs": log.eval.config.epochs,
        "total_samples": log.results.total_samples if log.results else None,
        "metrics": {
            score.name: {name: repr(metric.value) for name, metric in score.metrics.items()}
            for score in (log.results.scores if log.results else [])
        },
        "samples": samples,
    }


def main() -> None:
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    common: dict[str, Any] = {"display": "none", "log_dir": str(out / "runs"), "fail_on_error": False}
    made = {}
    for name in ("before", "after"):
        made[f"questions-{name}"] = eval(questions(), model=mock(name), epochs=2, **common)[0].location
        made[f"tools-{name}"] = eval(umbrella(), model=thinker(name), **common)[0].location
    for name, location in made.items():
        path = out / f"{name}.eval"
        Path(location).rename(path)
        (out / f"{name}.reported.json").write_text(json.dumps(reported(path), indent=1, ensure_ascii=False) + "\n")
    write_eval_log(read_eval_log(str(out / "questions-before.eval")), str(out / "questions-before.json"))
    convert_eval_logs_to_chunked(str(out / "tools-before.eval"), str(out / "chunked"), chunk_size=2)
    (out / "chunked" / "tools-before.eval").rename(out / "tools-before-chunked.eval")
    (out / "chunked").rmdir()
    (out / "runs").rmdir()


if __name__ == "__main__":
    main()
