"""Files that a person brings to a page."""

import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from streamlit.runtime.uploaded_file_manager import UploadedFile

LARGEST_MB = 50
"""`server.maxUploadSize`: the server holds uploads in memory for as long as their page is open. Packed, as much
text fits as a file may have; the command line takes larger ones."""

PREFIX = "diffing-"
"""Of the folders that files are put into: a name that says nothing of what is in them."""

_reading = threading.Lock()


@contextmanager
def all_saved(uploads: Sequence[UploadedFile]) -> Iterator[list[Path]]:
    """Several files at once, each in a folder of its own: two may have one name."""
    with _reading, tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        paths = []
        for number, upload in enumerate(uploads):
            path = Path(folder) / f"{PREFIX}{number}" / Path(upload.name).name
            path.parent.mkdir()
            path.write_bytes(upload.getbuffer())
            paths.append(path)
        yield paths


@contextmanager
def saved(upload: UploadedFile) -> Iterator[Path]:
    """The file on the disk, under its own name without any folders that the browser sent along.

    One after the other: ten sessions that read a large file at once would take ten times its memory.
    """
    with _reading, tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        path = Path(folder) / Path(upload.name).name
        path.write_bytes(upload.getbuffer())
        yield path
