"""Files that a person brings to a page."""

from pathlib import Path

from streamlit.runtime.uploaded_file_manager import UploadedFile


def saved(upload: UploadedFile, folder: str) -> Path:
    """The file in a folder, under its own name without any folders that the browser sent along."""
    path = Path(folder) / Path(upload.name).name
    path.write_bytes(upload.getvalue())
    return path
