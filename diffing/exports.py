"""Encodings in the forms that other tools open: SciPy, pickle, Parquet.

Writes only. A pickle is for the one who made it: nothing here ever opens one.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from diffing import files, responses
from diffing.activations import Encodings
from diffing.errors import UserError


def export(encodings: Encodings, path: Path) -> None:
    """Documents × features for other tools; the file's ending says how.

    `.npz`: what `scipy.sparse.load_npz` opens, with the document table's columns as further arrays. `.pkl`: a
    dictionary of the matrix and the table. `.parquet`: a row for each document and feature.
    """
    matrix, documents = encodings.matrix(), encodings.documents.copy()
    # They name the reader's folders on this machine.
    documents.attrs = {}
    if path.suffix == ".npz":
        extra = {name: documents[name].to_numpy() for name in ("draw", "tokens")}
        extra |= {name: documents[name].to_numpy(dtype=str) for name in ("prompt_id", "checkpoint", "error")}
        with files.replacing(path) as temporary, temporary.open("wb") as file:
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
        with files.replacing(path) as temporary:
            pd.to_pickle({"matrix": matrix, "documents": documents, "reader": encodings.reader_key}, temporary)
    elif path.suffix == ".parquet":
        rows = np.repeat(np.arange(len(documents)), np.diff(encodings.indptr))
        table = documents.iloc[rows][responses.KEY].reset_index(drop=True)
        table = table.assign(feature=encodings.feature, peak=encodings.peak, count=encodings.count)
        files.write_parquet(path, table)
    else:
        raise UserError(f"'{path.name}' has no ending that can be exported to; use .npz, .pkl or .parquet.")
