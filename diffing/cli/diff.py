"""The command that compares two checkpoints feature by feature.

Computes the diff where it is missing or older than the answers, and prints or writes what is stored. Figures are
shares, not per cent, wherever another program would read them.
"""

from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from diffing import labels
from diffing.cli.options import After, AsJson, Before, Name
from diffing.cli.terminal import do, say, show, tell
from diffing.common import outfile
from diffing.common.errors import UserError
from diffing.common.words import yes
from diffing.diff import summary
from diffing.diff.stored import Diff, load, up_to_date
from diffing.study.study import Study

app = typer.Typer()


@app.command()
def diff(
    name: Name,
    a: Before = "",
    b: After = "",
    by: Annotated[str, typer.Option(help="'category' shows differences within each category and tag.")] = "",
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Write the whole table here; - prints it.", metavar="F")
    ] = None,
    probes: Annotated[bool, typer.Option("--probes", help="Surface probes instead of features.")] = False,
    phrases: Annotated[bool, typer.Option("--phrases", help="Learned phrases instead of features.")] = False,
    top: Annotated[int, typer.Option(help="Families shown, the largest difference first.", min=0)] = 20,
    as_json: AsJson = False,
) -> None:
    """Compare two checkpoints: which features differ, by how much, and how sure that is.

    Example: `python -m diffing diff sample --a before --b after --csv diff.csv`
    """
    if by not in ("", "category"):
        raise UserError(f"'{by}' is nothing to group by; use --by category.")
    if probes and phrases:
        raise UserError("--probes and --phrases are two tables; ask for one of them.")
    opened = Study.open(name)
    found = current(opened, *opened.sides(a, b))
    counted = "probes" if probes else "phrases" if phrases else ""
    table = getattr(found, counted) if counted else _table(opened, found, by)
    if csv is not None:
        outfile.write_csv(csv.expanduser(), table)
        if csv == outfile.STDOUT:
            return
    if as_json:
        rows = table if by or counted else table[table["feature"].isin(found.top(top)["feature"])]
        tell(
            summary.plain(
                {**found.summary, "rows": rows.astype(object).where(rows.notna(), None).to_dict("records")}
            )
        )
        return
    say(f"{found.a} against {found.b}: {summary.answer(found.summary)}")
    if phrases:
        # As they are stored, the best founded on discovery prompts first.
        rows = table.head(top or len(table))
        tested = found.summary.get("tested_phrases")
        say("This diff is older than phrases." if tested is None else f"{tested:,} phrases were tested.")
    elif by or probes:
        rows = table.iloc[table["delta"].abs().argsort(kind="stable")[::-1]].head(top or len(table))
    else:
        order = found.top(top)["feature"].tolist()
        rows = table.set_index("feature", drop=False).loc[order]
    show([_brief(row) for row in rows.to_dict("records")])
    if csv is not None:
        say(f"Wrote {len(table):,} rows to {csv}.")


def current(study: Study, a: str, b: str) -> Diff:
    """The diff with the usual settings, computed first where it is missing or older than what it is made from."""
    found = up_to_date(study, a, b)
    if found is None:
        do(study, "diff", {"a": a, "b": b}, detach=False, as_json=False)
    return found or load(study, a, b)


def _table(study: Study, found: Diff, by: str) -> pd.DataFrame:
    named = labels.named(study, found.features, found.a, found.b)
    if by:
        return found.categories.merge(named[["feature", "label"]], on="feature")
    return named


def _brief(row: dict[str, Any]) -> dict[str, Any]:
    """A row as the terminal shows it."""
    low, high = (100 * row[end] for end in ("ci_low", "ci_high"))
    change = f"{100 * row['delta']:+.0f} [{low:+.0f}, {high:+.0f}]"
    if "group" in row:
        named = {"feature": row["feature"], "label": row["label"], row["kind"]: row["group"]}
        return named | {"prompts": row["n"], "B-A points": change}
    thing = next((name for name in ("probe", "phrase") if name in row), "")
    head = {thing: row[thing]} if thing else {"feature": row["feature"], "label": row["label"]}
    q = row["q"]
    near = {} if thing else {"near": row["probes"]}
    shares = {"A %": f"{100 * row['frequency_a']:.0f}", "B %": f"{100 * row['frequency_b']:.0f}"}
    tested = {"B-A points": change, "q": f"{q:.1e}" if pd.notna(q) else "not tested"}
    held = {"equal length": yes(row["survives_equal_length"]), "replicated": row["replicated"] or "–"}
    return head | shares | tested | held | near
