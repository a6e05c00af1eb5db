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
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from diffing import labels
from diffing.common import files, outfile
from diffing.common.errors import UserError
from diffing.labels.history import EXPORTED, Dossier, Label
from diffing.reader.encodings import Encodings
from diffing.study import responses
from diffing.study.study import Study

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
    tables = {"prompts": study.prompts(), "responses": study.responses(), "labels": label_table(known)}
    measured = study.measures()
    # Few studies have any.
    tables |= {"measures": measured} if len(measured) else {}
    for stem, table in tables.items():
        path = out / f"{study.name}-{stem}.csv"
        outfile.write_csv(path, table)
        written.append(path)
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
    matrix, documents = encodings.matrix(), encodings.documents.copy()
    # They name the reader's folders on this machine, which is nobody's business.
    documents.attrs = {}
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
    elif path.suffix == ".pkl":
        with outfile.replacing(path) as temporary:
            pd.to_pickle({"matrix": matrix, "documents": documents, "reader": encodings.reader_key}, temporary)
    elif path.suffix == ".parquet":
        rows = np.repeat(np.arange(len(documents)), np.diff(encodings.indptr))
        table = documents.iloc[rows][responses.KEY].reset_index(drop=True)
        table = table.assign(feature=encodings.feature, peak=encodings.peak, count=encodings.count)
        with outfile.replacing(path) as temporary:
            table.to_parquet(temporary, index=False)
    else:
        raise UserError(f"'{path.name}' has no ending that can be exported to; use .npz, .pkl or .parquet.")
