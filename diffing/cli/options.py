"""The options that several commands share, each worded once."""

import math
from typing import Annotated, Literal

import typer

from diffing.common.errors import UserError

# Figures and words that the help names and that the engine holds: once more here, as their modules are heavy and
# help is to come quickly. A test holds them equal.
EQUIVALENT = 0.05
GPU_HOUR = 2.50
LEAST_JUDGED, USUALLY_JUDGED, MOST_JUDGED = 30, 40, 60
ORDERED = "ordered by the end of the 95 % interval that is nearer to 0"


def finite(value: float | None) -> float | None:
    """A number as it is typed, which may be "nan" or "inf" and would then limit nothing."""
    if value is not None and not math.isfinite(value):
        raise UserError(f"'{value}' is no finite number; write one, or leave the option out.")
    return value


Name = Annotated[str, typer.Argument(help="Name of the study.", metavar="STUDY")]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for another program.")]

Before = Annotated[
    str, typer.Option("--a", help="Checkpoint before; the study's first unless named.", metavar="KEY")
]

After = Annotated[
    str, typer.Option("--b", help="Checkpoint after; the study's second unless named.", metavar="KEY")
]

Checkpoints = Annotated[
    str,
    typer.Option(
        "--checkpoints", help="Three or more in order; all of the study's unless named.", metavar="KEY,KEY,KEY"
    ),
]

Reader = Annotated[
    str,
    typer.Option(
        "--reader",
        help="A preset ('readers' lists them), RELEASE/SAE_ID, MODEL_FOLDER::SAE_FOLDER, or whitebox:NAME, a "
        "trained dictionary.",
    ),
]

Context = Annotated[
    Literal["", "answer", "prompt+answer"],
    typer.Option(help="Whether the reader sees the prompt too; only the answer's tokens count."),
]

Channels = Literal["text", "reasoning", "tools"]

Channel = Annotated[
    Channels,
    typer.Option(help="What of an answer is looked at: its text, its reasoning, or its calls of tools."),
]

KeyEnv = Annotated[str, typer.Option(help="Variable that holds the key of a model written as URL#MODEL.")]

MaxDollars = Annotated[float | None, typer.Option(help="Stop before this much is spent.", min=0, callback=finite)]

MaxRequests = Annotated[int | None, typer.Option(help="Stop after this many requests.", min=0)]

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say calls, tokens and dollars; spend nothing.")]

Detach = Annotated[bool, typer.Option("--detach", help="Run as a job of its own and return at once.")]

Part = Annotated[
    str,
    typer.Option(
        "--share", help="One of N shares of the work, beside other machines: docs/scale.md.", metavar="K/N"
    ),
]

Join = Annotated[bool, typer.Option("--join", help="Bring together what shares have made.")]

On = Annotated[
    str,
    typer.Option(
        "--on", help="Have a Ray cluster work: ray, or ray://HOST:PORT of one (docs/scale.md).", metavar="RAY"
    ),
]

GpusEach = Annotated[
    float, typer.Option("--gpus-each", help="What each worker of a cluster takes of a GPU.", min=0.01, max=1.0)
]

Columns = Annotated[
    list[str] | None,
    typer.Option("--column", help="Which of the file's columns is ours, as OURS=THEIRS.", metavar="OURS=THEIRS"),
]
