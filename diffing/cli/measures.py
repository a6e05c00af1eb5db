"""The command that compares scores and other numbers by answer, as other tools gave them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diffing.cli.options import After, AsJson, Before, Name
from diffing.cli.terminal import paragraph, say, show, tell
from diffing.common.paths import expanded

if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer()


@app.command("measures")
def measures_command(
    name: Name,
    a: Before = "",
    b: After = "",
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Write the table with all its columns; - prints it.", metavar="F")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare measures: accuracy, grades and other numbers by answer that came with a log.

    Paired by prompt, with exact tests corrected over all measures, and the unpaired z of a harness beside. Needs
    no reader and no diff.

    Example: `python -m diffing measures towns --csv measures.csv`
    """
    from diffing.common import outfile
    from diffing.diff import measure, measured, measures, summary
    from diffing.study.study import Study

    study = Study.open(name)
    a, b = study.sides(a, b)
    table, parts = (measures.table(study, a, b, by_category=by) for by in (False, True))
    if csv is not None:
        outfile.write_csv(expanded(csv), measures.both(table, parts))
        if csv == outfile.STDOUT:
            return
    if as_json:
        told = {"measures": _records(table), "by_category": _records(parts)}
        tell(summary.plain({"a": a, "b": b, **told}))
        return
    if table.empty:
        say(f"'{name}' has no measures; a log of another tool brings them ('import {name} FILE').")
        return
    say(f"A is {study.checkpoint(a).name}, B is {study.checkpoint(b).name}.")
    for row in table.to_dict("records"):
        say(measured.told(row))
        if row["n_prompts"]:
            paragraph(f"    {measured.more(row)}")
    # Of fewer prompts no test can say anything; programs get all.
    shown = parts[parts["n_prompts"] >= measure.LEAST].to_dict("records")
    show([_of_category(row) for row in shown], "By category, corrected over these rows")


def _records(table: "pd.DataFrame") -> list[dict[Any, Any]]:
    return [dict(row) for _, row in table.iterrows()]


def _of_category(row: dict[Any, Any]) -> dict[str, object]:
    from diffing.common.words import small
    from diffing.diff import measured

    return {
        "measure": row["measure"],
        "category": row["category"] or "none",
        "A": measured.figure(row["mean_a"], row["kind"]),
        "B": measured.figure(row["mean_b"], row["kind"]),
        "B − A": measured.spread(row),
        "prompts": f"{row['n_prompts']:,}",
        "q": small(row["q"]),
        "verdict": row["verdict"],
    }
