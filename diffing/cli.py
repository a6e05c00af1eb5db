"""`python -m diffing …`: a thin face on the engine, one command a step.

Promises exit code 0 for done, 2 with one sentence for anything the user can put right, and `--json` where another
program would read the answer. Computes nothing itself; the commands stand in `cli_study`, `cli_run` and the like.
"""

import sys

import typer

from diffing import cli_diff, cli_findings, cli_label, cli_read, cli_report, cli_run, cli_study
from diffing.errors import UserError
from diffing.terminal import warn

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="What changed between two checkpoints of a model?",
)
for part in (cli_study, cli_run, cli_read, cli_diff, cli_label, cli_findings, cli_report):
    app.registered_commands += part.app.registered_commands


def main() -> None:
    try:
        app()
    except UserError as error:
        warn(str(error))
        sys.exit(2)
