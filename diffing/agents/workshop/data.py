"""What the code in a notebook has of a study: a folder of tables, made of what the agent may read.

Promises that no answer, measure, row of features or id of a prompt that `sight` keeps closed stands in a file,
that the folder is there whole or as it was before, and that it is made anew when what it is made of has changed.
Figures that tests counted over held-out prompts stand in it, as the tools tell them too.
"""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from diffing import diff, labels
from diffing.agents.sight import Sight
from diffing.common import files, tables
from diffing.common.errors import UserError
from diffing.diff.stored import Diff
from diffing.labels import called
from diffing.reader.encodings import Encodings
from diffing.study import responses
from diffing.study.study import Study

MADE_OF = (
    "prompts.csv",
    *responses.FILES,
    "measures.parquet",
    "labels.jsonl",
    "encodings.parquet",
    "study.toml",
)
"""Files of a study from which the tables are made, beside its diffs."""
CSV_TOO = 20_000
"""Rows of a table up to which it is also written as CSV: larger ones are slow to read so, and Parquet has all."""
HEAD = """What code in this notebook has of the study “{name}”: {what}.

Each table is there as Parquet and, where it is not large, as CSV. `import pandas as pd;
pd.read_parquet("data/answers.parquet")`.

"""


def state(study: Study, sight: Sight) -> str:
    """What the folder would be made from now."""
    summaries = sorted(study.folder.glob("diffs/*/summary.json"))
    paths = [*(study.folder / name for name in MADE_OF), *summaries]
    return files.content_hash([sight.held_out, study.name, *([path.name, files.identity(path)] for path in paths)])


def fill(study: Study, sight: Sight, folder: Path) -> None:
    """Make the folder anew."""
    folder.parent.mkdir(mode=files.PRIVATE_FOLDER, parents=True, exist_ok=True)
    with files.fresh_folder(folder.parent, ".data-") as fresh:
        lines = []
        for name, what, make in _tables(study, sight):
            try:
                table = make()
            except UserError as error:
                lines.append(f"- {name}: not there. {sight.without_ids(study, str(error))}")
                continue
            _write(fresh / name, table)
            lines.append(f"- {name} ({len(table):,} rows): {what} Columns: {', '.join(map(str, table.columns))}.")
        what = "all prompts and answers" if sight.held_out else "discovery prompts and the answers to them alone"
        head = HEAD.format(name=study.name, what=what)
        files.write_text(fresh / "README.md", head + "\n".join(lines) + "\n")
        files.put_folder(fresh, folder)


Made = tuple[str, str, Callable[[], pd.DataFrame]]


def _tables(study: Study, sight: Sight) -> list[Made]:
    made: list[Made] = [
        ("prompts", "a row a prompt.", lambda: sight.prompts(study)),
        ("answers", "a row an answer, by prompt, checkpoint and draw.", lambda: sight.answers(study)),
        ("measures", "scores that came with a log.", lambda: sight.measures(study)),
        ("encodings", "a row for each feature that an answer shows.", lambda: encodings(study, sight)),
    ]
    for a, b in itertools.permutations([each.key for each in study.checkpoints], 2):
        try:
            stored = diff.load(study, a, b)
        except UserError:
            # No fault: most pairs of several checkpoints were never compared, and each way round is one.
            continue
        made += _compared(study, sight, stored)
    return made


def _compared(study: Study, sight: Sight, stored: Diff) -> list[Made]:
    a, b = stored.a, stored.b
    pair = f"{a}-{b}"
    return [
        (
            f"features-{pair}",
            "what differs, a row a feature with its label (docs/method.md explains the columns).",
            lambda: labels.named(study, stored.features, a, b, stored.probes),
        ),
        (f"probes-{pair}", "the same for what can be counted.", lambda: stored.probes),
        (f"phrases-{pair}", "the same for openings, closings and n-grams.", lambda: stored.phrases),
        (
            f"behaviours-{pair}",
            "what changed, with figures on held-out prompts.",
            lambda: behaviours(study, stored),
        ),
        (
            f"changes-{pair}",
            "how much both answers of a pair show of each behaviour.",
            lambda: _changes(study, sight, stored),
        ),
    ]


def _changes(study: Study, sight: Sight, stored: Diff) -> pd.DataFrame:
    return sight.rows(study, stored.changes)


def behaviours(study: Study, stored: Diff) -> pd.DataFrame:
    """A row a behaviour, without its examples: the tables have the answers."""
    rows = [_plain(each._asdict()) for each in called.behaviours(study, stored)]
    return pd.DataFrame(rows)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    lists = {name: "; ".join(map(str, row[name])) for name in ("probes", "phrases", "features", "readers")}
    return {name: value for name, value in row.items() if name not in ("examples", "against", "beside")} | lists


def encodings(study: Study, sight: Sight) -> pd.DataFrame:
    """A row for each document that may be read and each feature that it shows."""
    read = Encodings.open(study)
    documents = sight.documents(read)
    counts = np.diff(read.indptr)[documents]
    entries = np.concatenate(
        [np.empty(0, np.int64), *(np.arange(read.indptr[d], read.indptr[d + 1]) for d in documents)]
    )
    entries = entries.astype(np.int64)
    table = read.documents.iloc[np.repeat(documents, counts)][responses.KEY].reset_index(drop=True)
    return table.assign(feature=read.feature[entries], peak=read.peak[entries], count=read.count[entries])


def _write(path: Path, table: pd.DataFrame) -> None:
    table = table.copy(deep=False)
    # They name folders of this machine.
    table.attrs = {}
    table.to_parquet(path.with_name(f"{path.name}.parquet"), index=False)
    if len(table) <= CSV_TOO:
        tables.write_csv(path.with_name(f"{path.name}.csv"), table)
