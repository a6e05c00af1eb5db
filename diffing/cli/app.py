"""`python -m diffing …`: a thin face on the engine, one command a step.

Promises exit code 0 for done, 2 with one sentence for anything the user can put right, and `--json` where another
program would read the answer. Computes nothing itself; the commands stand in `study`, `run` and the like.
"""

import sys

import typer

from diffing.cli import diff as cli_diff
from diffing.cli import findings as cli_findings
from diffing.cli import keys as cli_keys
from diffing.cli import label as cli_label
from diffing.cli import read as cli_read
from diffing.cli import report as cli_report
from diffing.cli import run as cli_run
from diffing.cli import study as cli_study
from diffing.cli.terminal import warn
from diffing.common.errors import UserError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="What changed between two checkpoints of a model?",
)
for part in (cli_study, cli_keys, cli_run, cli_read, cli_diff, cli_label, cli_findings, cli_report):
    app.registered_commands += part.app.registered_commands


def main() -> None:
    try:
        app()
    except UserError as error:
        warn(str(error))
        sys.exit(2)
