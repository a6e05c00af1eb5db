"""Files that a person brings to a page."""

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamlit.runtime.uploaded_file_manager import UploadedFile

LARGEST_MB = 50
"""`server.maxUploadSize`: the server holds uploads in memory for as long as their page is open. Packed, as much
text fits as a file may have; the command line takes larger ones."""

_reading = threading.Lock()


@contextmanager
def saved(upload: UploadedFile) -> Iterator[Path]:
    """The file on the disk, under its own name without any folders that the browser sent along.

    One after the other: ten sessions that read a large file at once would take ten times its memory.
    """
    with _reading, tempfile.TemporaryDirectory(prefix="diffing-") as folder:
        path = Path(folder) / Path(upload.name).name
        path.write_bytes(upload.getbuffer())
        yield path
