"""The command that compares two checkpoints.

Computes the diff where it is missing or older than the answers, and prints or writes what is stored. Figures are
shares, not per cent, wherever another program would read them.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diffing.cli import glance
from diffing.cli.options import ORDERED, After, AsJson, Before, Channel, Context, Name, Reader
from diffing.cli.read import choice
from diffing.cli.terminal import do, paragraph, say, show, tell
from diffing.common.errors import UserError
from diffing.common.paths import expanded

if TYPE_CHECKING:
    import pandas as pd

    from diffing.diff.stored import Diff
    from diffing.study.study import Study

app = typer.Typer()


@app.command()
def diff(
    name: Name,
    a: Before = "",
    b: After = "",
    reader: Reader = "",
    context: Context = "",
    channel: Channel = "text",
    by: Annotated[str, typer.Option(help="'category' shows differences within each category and tag.")] = "",
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Write the whole table here; - prints it.", metavar="F")
    ] = None,
    features: Annotated[bool, typer.Option("--features", help="A table of the features that differ.")] = False,
    probes: Annotated[bool, typer.Option("--probes", help="A table of the surface probes.")] = False,
    phrases: Annotated[bool, typer.Option("--phrases", help="A table of the phrases that were learned.")] = False,
    top: Annotated[int, typer.Option(help=f"Rows of a table, {ORDERED}.", min=0)] = 20,
    memory: Annotated[
        float | None, typer.Option(help="Gigabytes it may take; above them words are of a sample.", metavar="GB")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare two checkpoints and say what changed; --features, --probes and --phrases show what is behind it.

    Example: `python -m diffing diff sample --a before --b after --csv diff.csv`
    """
    from diffing.common import outfile
    from diffing.diff import summary
    from diffing.study.study import Study

    if by not in ("", "category"):
        raise UserError(f"'{by}' is nothing to group by; use --by category.")
    tables = [f"--{table}" for table, asked in _asked(features, probes, phrases).items() if asked]
    if len(tables) > 1:
        raise UserError(f"{' and '.join(tables)} are two tables; ask for one of them.")
    opened = Study.open(name)
    seen = opened.read_by(choice(reader, context, opened.settings.reader, opened)).through(channel)
    found = current(seen, *opened.sides(a, b), memory)
    counted = "probes" if probes else "phrases" if phrases else ""
    table = getattr(found, counted) if counted else _table(seen, found, by)
    if csv is not None:
        outfile.write_csv(expanded(csv), table)
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
    glance.answer(seen, found)
    if tables or by:
        _behind(found, table, counted, by, top)
    else:
        say(f"What is behind it: 'diff {name} --features', '--probes' or '--phrases'.")
    if csv is not None:
        say(f"Wrote {len(table):,} rows to {csv}.")


def _asked(features: bool, probes: bool, phrases: bool) -> dict[str, bool]:
    return {"features": features, "probes": probes, "phrases": phrases}


def _behind(found: "Diff", table: "pd.DataFrame", counted: str, by: str, top: int) -> None:
    """What the diff found in all, and a table of features, probes or phrases."""
    from diffing.diff import ranking, selection, summary

    say()
    paragraph(f"{summary.answer(found.summary)} {summary.identical(found.summary)}".rstrip())
    if counted == "phrases":
        # As they are stored, the best founded on discovery prompts first.
        rows = table.head(top or len(table))
        tested = found.summary.get("tested_phrases")
        say("This diff is older than phrases." if tested is None else f"{tested:,} phrases were tested.")
    elif by or counted:
        rows = (selection.judged(table) if counted else ranking.ordered(table)).head(top or len(table))
    else:
        order = found.top(top)["feature"].tolist()
        rows = table.set_index("feature", drop=False).loc[order]
    show([_brief(row) for row in rows.to_dict("records")])
    if len(rows):
        paragraph(
            f"Rows are {ranking.WORDS}. Each row's q is of its own view alone; the first words are of all views."
        )


def current(study: "Study", a: str, b: str, memory: float | None = None) -> "Diff":
    """The diff with the usual settings, computed first where it is missing or older than what it is made from.

    So it is where it was computed in another memory than the one that is asked for.
    """
    from diffing.diff.sampling import MEMORY
    from diffing.diff.stored import load, up_to_date
    from diffing.reader.places import for_step

    found = up_to_date(study, a, b)
    if found is None or memory not in (None, found.summary["settings"].get("memory", MEMORY)):
        asked = {"a": a, "b": b, **for_step(study)} | ({} if memory is None else {"memory": memory})
        do(study, "diff", asked, detach=False, as_json=False)
        return load(study, a, b)
    return found


def _table(study: "Study", found: "Diff", by: str) -> "pd.DataFrame":
    from diffing import labels

    named = labels.named(study, found.features, found.a, found.b, found.probes)
    if by:
        return found.categories.merge(named[["feature", "label"]], on="feature")
    return named


def _brief(row: dict[str, Any]) -> dict[str, Any]:
    """A row as the terminal shows it."""
    from diffing.common import words

    change = _within(words.points, row, "delta", "ci")
    if "group" in row:
        named = {"feature": row["feature"], "label": row["label"], row["kind"]: row["group"]}
        return named | {"prompts": row["n"], "B-A points": change}
    shares = dict(zip("AB", words.shares(row["frequency_a"], row["frequency_b"]), strict=True))
    held = {"equal length": words.yes(row["survives_equal_length"]), "replicated": words.replicated(row)}
    if "probe" not in row:
        phrase = "phrase" in row
        head = {"phrase": row["phrase"]} if phrase else {"feature": row["feature"], "label": row["label"]}
        near = {} if phrase else {"near": row["probes"]}
        # Absent in a diff of an older version.
        told = {
            "B-A points": change,
            "shrunk": words.points(row.get("delta_shrunk", math.nan)),
            "q": words.small(row["q"]),
        }
        return head | shares | told | held | near
    if row.get("judged_by") == "amount":
        shares = {side: f"{row[f'mean_{side.lower()}']:,.1f} each" for side in "AB"}
        change = _within(words.change, row, "change", "change")
    told = {"B-A": change, "q": words.small(row["q_judged"]), "verdict": row["verdict"]}
    return {"probe": row["probe"]} | shares | told | held


def _within(say: Callable[[float], str], row: dict[str, Any], name: str, ends: str) -> str:
    return f"{say(row[name])} [{say(row[f'{ends}_low'])}, {say(row[f'{ends}_high'])}]"
