"""The command that lets a release pass or stops it, by what changed between two checkpoints.

Promises exit codes that cannot be mistaken for one another: 0 passed, 1 changed, 2 cannot tell, and 3 wherever
nothing was compared, be it a slip, a missing file or a defect of this program. Computes nothing itself.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from diffing.cli.options import After, AsJson, Before, Channel, Checkpoints, Name
from diffing.common.errors import UserError
from diffing.common.paths import expanded
from diffing.gate.expression import SIZE, USUAL

if TYPE_CHECKING:
    from diffing.gate.check import Checked

app = typer.Typer()

NOT_CHECKED = 3
"""Exit code where nothing was compared."""


class Gate(TyperCommand):
    """A command whose faults of every kind end with a code of their own: others end with 1 and 2, which here are
    verdicts."""

    def make_context(self, *args: Any, **more: Any) -> Any:
        try:
            return super().make_context(*args, **more)
        except typer.Exit:
            raise
        except Exception as error:
            # Of a wrong option: the code that it is shown with.
            vars(error)["exit_code"] = NOT_CHECKED
            raise

    def invoke(self, ctx: Any) -> Any:
        from diffing.cli import app as program

        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, BrokenPipeError):
            raise
        except Exception as error:
            program.ended(error, NOT_CHECKED)


def _limited(value: float | None) -> float | None:
    if value is not None and not 0 < value <= 1:
        raise UserError(f"'{value}' is no size of a change; write a share such as 0.1, above 0 and at most 1.")
    return value


@app.command("check", cls=Gate)
def check_command(
    name: Name,
    a: Before = "",
    b: After = "",
    fail_on: Annotated[
        str, typer.Option("--fail-on", help="What must not be true of anything compared.", metavar="RULE")
    ] = USUAL,
    size: Annotated[
        float | None,
        typer.Option(
            help=f"Change that must not go unseen; the rule's own unless named, else {SIZE}.", metavar="X"
        ),
    ] = None,
    allow: Annotated[
        str, typer.Option("--allow", help="File of expected changes, which pass.", metavar="FILE")
    ] = "",
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail as well where an expected change did not come.")
    ] = False,
    baseline: Annotated[
        str,
        typer.Option(
            "--baseline", help="Study of the last release: only what changed beyond it.", metavar="STUDY"
        ),
    ] = "",
    baseline_a: Annotated[str, typer.Option(help="Its checkpoint before.", metavar="KEY")] = "",
    baseline_b: Annotated[str, typer.Option(help="Its checkpoint after.", metavar="KEY")] = "",
    in_series: Annotated[
        bool, typer.Option("--series", help="Hold all checkpoints in order against the rule, and say where.")
    ] = False,
    checkpoints: Checkpoints = "",
    channel: Channel = "text",
    form: Annotated[
        Literal["text", "json", "junit", "sarif", "markdown"], typer.Option("--format", help="What is printed.")
    ] = "text",
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output", help="Also write FILE: .txt, .json, .xml (JUnit), .sarif or .md.", metavar="FILE"
        ),
    ] = None,
    write_allow: Annotated[
        Path | None,
        typer.Option("--write-allow", help="Write what changed as expected, and pass.", metavar="FILE"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Gate a release: exit code 0 passed, 1 changed, 2 cannot tell for want of prompts, 3 not compared.

    Of three or more checkpoints the last is compared with the one before it; --series asks all in order.

    Example: `python -m diffing check sample --fail-on 'q < 0.05 and abs(delta) > 0.2' --output gate.sarif`
    """
    from diffing.cli.diff import current
    from diffing.gate import check, forms
    from diffing.study.study import Study

    for path in output or []:
        # Before anything is computed, and so that a slip in one leaves none of them half done.
        forms.form_of(path)
    study = Study.open(name).through(channel)
    given = dict(a=a, b=b, fail_on=fail_on, size=_limited(size), allow=allow, strict=strict)
    given |= dict(baseline=baseline, baseline_a=baseline_a, baseline_b=baseline_b)
    options = check.Options(**given, series=in_series, checkpoints=checkpoints, channel=channel)  # type: ignore[arg-type]
    check.rule_of(options)
    if not (in_series or checkpoints):
        current(study, *check.sides(study, a, b))
    found = check.of(study, options)
    for path in output or []:
        forms.write(found, expanded(path))
    sys.stdout.write(forms.FORMS["json" if as_json else form](found))
    if write_allow is not None:
        _allow(found, expanded(write_allow))
        return
    raise typer.Exit(found.code)


def _allow(found: "Checked", path: Path) -> None:
    """What changed and what was expected before and came, as a file for the next time."""
    from diffing.cli.terminal import warn
    from diffing.common.words import count
    from diffing.gate import allowed

    came = [each.change for each in found.by("expected") if each.change is not None]
    kept = [*{change.called: change for change in came}.values()]
    allowed.write(path, kept, [each.item for each in found.changed])
    warn(f"Wrote {count(len(kept) + len(found.changed), 'expected change')} to {path}; say why in each note.")
