"""What a study holds, as files that other tools open: tables, labels, records and encodings.

Labels go out twice: as CSV, the one that stands for each feature, and as JSON with all that was ever said of it.
Promises that either, brought into a study of the same SAE by `label STUDY --import FILE`, gives each feature the
name that it has here, where that study has none of its own. Records (the JSON lines of labels, judgements,
findings, verdicts of judges and of people, blind votes, lists and ratings, own probes and what a judge said to
them) are copied as they stand. Cells of CSV that a spreadsheet would run begin with an apostrophe, which reading
prompts and labels here takes away again. Writes only: a pickle is for the one who made it, and this module opens
none.
"""

from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from diffing import labels
from diffing.common import files, outfile
from diffing.common.errors import UserError
from diffing.labels.history import EXPORTED, Dossier, Label
from diffing.reader.encodings import Encodings
from diffing.reader.records import Kinds
from diffing.study import responses
from diffing.study.study import Study

DOCUMENTS = 2000
"""Documents whose rows are made at a time."""
RECORDS = (
    "labels",
    "judgements",
    "findings",
    "verdicts",
    "people",
    "votes",
    "differences",
    "ratings",
    "own_probes",
    "own_answers",
)
"""Files of JSON lines in a study's folder: what was said, by whom and when."""


def write_study(study: Study, out: Path) -> list[Path]:
    """Everything but encodings; returns the files, each named after the study."""
    outfile.folder(out)
    known = labels.dossiers(study)
    written = []
    tables = {"prompts": study.prompts(), "labels": label_table(known)}
    measured = study.measures()
    # Few studies have any.
    tables |= {"measures": measured} if len(measured) else {}
    for stem, table in tables.items():
        path = out / f"{study.name}-{stem}.csv"
        outfile.write_csv(path, table)
        written.append(path)
    path = out / f"{study.name}-responses.csv"
    outfile.write_parts(path, study.responses_in_parts())
    written.insert(1, path)
    path = outfile.check(out / f"{study.name}-labels.json")
    files.write_json(path, label_records(known))
    written.append(path)
    for stem in RECORDS:
        source, path = study.folder / f"{stem}.jsonl", out / f"{study.name}-{stem}.jsonl"
        if source.exists():
            with outfile.replacing(path) as temporary:
                # Byte by byte: a record is what was said, and not what this version makes of it.
                temporary.write_bytes(source.read_bytes())
            written.append(path)
    return written


def label_table(known: dict[int, Dossier]) -> pd.DataFrame:
    """The label that stands for each feature, whoever gave it; features without one are absent."""
    rows = [
        {"feature": feature, **dossier.current.model_dump(mode="json")}
        for feature, dossier in sorted(known.items())
        if dossier.current
    ]
    return pd.DataFrame(rows, columns=EXPORTED)


def label_records(known: dict[int, Dossier], only: Collection[int] | None = None) -> dict[str, Any]:
    """By feature the label that stands, then all labels it had, what people said of them, and who said it."""
    return {
        str(feature): {
            **(_plain(dossier.current) if dossier.current else {"label": ""}),
            "starred": dossier.starred,
            "labels": [
                {**_plain(label), "key": label.key, "status": dossier.status.get(label.key, "")}
                for label in dossier.labels
            ],
            "comments": [event.model_dump(mode="json", exclude_none=True) for event in dossier.comments],
        }
        for feature, dossier in sorted(known.items())
        if only is None or feature in only
    }


def _plain(label: Label) -> dict[str, Any]:
    plain = label.model_dump(mode="json")
    return {name: plain[name] for name in (*EXPORTED[1:], "prompt_version", "cost")}


def write_encodings(encodings: Encodings, path: Path) -> None:
    """Documents × features for other tools; the file's ending says how.

    `.npz`: what `scipy.sparse.load_npz` opens, with the document table's columns as further arrays. `.pkl`: a
    dictionary of the matrix and the table. `.parquet`: a row for each document and feature.
    """
    documents = encodings.documents.copy()
    # They name the reader's folders on this machine, which is nobody's business.
    documents.attrs = {}
    if path.suffix == ".parquet":
        with outfile.replacing(path) as temporary:
            _put_rows(encodings, documents[responses.KEY], temporary)
        return
    if path.suffix not in (".npz", ".pkl"):
        raise UserError(f"'{path.name}' has no ending that can be exported to; use .npz, .pkl or .parquet.")
    matrix = encodings.matrix()
    if path.suffix == ".npz":
        extra = {name: documents[name].to_numpy() for name in ("draw", "tokens")}
        extra |= {name: documents[name].to_numpy(dtype=str) for name in ("prompt_id", "checkpoint", "error")}
        with outfile.replacing(path) as temporary, temporary.open("wb") as file:
            # `sparse.save_npz` written out: it takes no further arrays.
            np.savez_compressed(
                file,
                format=np.array(b"csr"),
                shape=np.array(matrix.shape),
                data=matrix.data,
                indices=matrix.indices,
                indptr=matrix.indptr,
                _is_array=np.array(True),
                **extra,
            )
    else:
        with outfile.replacing(path) as temporary:
            pd.to_pickle({"matrix": matrix, "documents": documents, "reader": encodings.reader_key}, temporary)


def _put_rows(encodings: Encodings, keys: pd.DataFrame, path: Path) -> None:
    """A row for each document and feature, some documents at a time."""
    # One type for the whole column, as short as all of it allows.
    kinds = Kinds.of(encodings.n_features, int(encodings.documents["tokens"].max() if len(keys) else 0))
    with ExitStack() as stack:
        writer: pq.ParquetWriter | None = None
        for start in range(0, max(len(keys), 1), DOCUMENTS):
            some = keys.iloc[start : start + DOCUMENTS]
            shows = [encodings.summary(start + place) for place in range(len(some))]
            rows = some.iloc[np.repeat(np.arange(len(some)), [len(each.feature) for each in shows])]
            table = rows.reset_index(drop=True).assign(
                feature=np.concatenate([np.empty(0, kinds.feature), *(each.feature for each in shows)]),
                peak=np.concatenate([np.empty(0, np.float32), *(each.peak for each in shows)]),
                count=np.concatenate([np.empty(0, kinds.place), *(each.counts for each in shows)]),
            )
            part = pa.Table.from_pandas(table, preserve_index=False)
            writer = writer or stack.enter_context(pq.ParquetWriter(path, part.schema))
            writer.write_table(part)
