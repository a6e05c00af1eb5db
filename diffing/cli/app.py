"""`python -m diffing …`: a thin face on the engine, one command a step.

Promises exit code 0 for done, 2 with one sentence for anything the user can put right, 1 with one for a defect of
this program (`check` has codes of its own), and `--json` where another program would read the answer. Computes
nothing itself; the commands stand in `study`, `run` and the like, and load what they need when they run, so that
help comes at once.
"""

import os
import sys
import traceback
from typing import NoReturn

import typer

from diffing.cli import agents as cli_agents
from diffing.cli import answer as cli_answer
from diffing.cli import bench as cli_bench
from diffing.cli import bring as cli_bring
from diffing.cli import check as cli_check
from diffing.cli import dictionary as cli_dictionary
from diffing.cli import diff as cli_diff
from diffing.cli import findings as cli_findings
from diffing.cli import inside as cli_inside
from diffing.cli import judge_check as cli_judge_check
from diffing.cli import keys as cli_keys
from diffing.cli import label as cli_label
from diffing.cli import measures as cli_measures
from diffing.cli import mend as cli_mend
from diffing.cli import organism as cli_organism
from diffing.cli import organisms as cli_organisms
from diffing.cli import probe as cli_probe
from diffing.cli import read as cli_read
from diffing.cli import relevance as cli_relevance
from diffing.cli import report as cli_report
from diffing.cli import run as cli_run
from diffing.cli import search as cli_search
from diffing.cli import study as cli_study
from diffing.cli import sweep as cli_sweep
from diffing.cli import timeline as cli_timeline
from diffing.cli import upkeep as cli_upkeep
from diffing.cli import votes as cli_votes
from diffing.cli.terminal import warn
from diffing.common.errors import UserError

DEBUG = "DIFFING_DEBUG"
"""Variable that, set to anything, shows the traceback behind a sentence."""

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="What changed between two checkpoints of a model?",
)
PARTS = (
    cli_study,
    cli_bring,
    cli_keys,
    cli_run,
    cli_read,
    cli_search,
    cli_diff,
    cli_answer,
    cli_measures,
    cli_timeline,
    cli_label,
    cli_findings,
    cli_judge_check,
    cli_check,
    cli_votes,
    cli_report,
    cli_mend,
    cli_organisms,
    cli_inside,
    cli_sweep,
    cli_relevance,
    cli_dictionary,
    cli_agents,
)
for part in PARTS:
    app.registered_commands += part.app.registered_commands
cli_bench.app.registered_commands += cli_organism.app.registered_commands
app.add_typer(cli_bench.app, name="bench")
app.add_typer(cli_probe.app, name="probe")
app.add_typer(cli_upkeep.app, name="study")


def main() -> None:
    try:
        app()
    except BrokenPipeError:
        # Whoever read along has seen enough, as `head` has; Python would complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        ended(error)


def ended(error: Exception, code: int | None = None) -> NoReturn:
    """A sentence for what ended a command, and its exit code, where none is given that of the kind of fault."""
    from diffing.common import damage

    said = str(error) if isinstance(error, UserError) else damage.in_words(error)
    if said is not None:
        fail(said, error, code or 2)
    kind = f"{type(error).__name__}: {damage.reason(error)}"
    fail(f"This program failed ({kind}); set {DEBUG}=1 to see where, and report it.", error, code or 1)


def fail(sentence: str, error: Exception, code: int) -> NoReturn:
    """One sentence and an exit code; the traceback only for who asks for it."""
    if os.environ.get(DEBUG):
        traceback.print_exception(error)
    warn(sentence)
    sys.exit(code)
