"""A report's folder put in its place: filled beside it, packed, and exchanged for an earlier one.

Promises that no reader meets half of a report, that files of others in the folder are left alone, and that a
folder which holds something else is refused.
"""

import errno
import hashlib
import shutil
import zipfile
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from diffing.common import files, outfile
from diffing.common.errors import UserError
from diffing.report.bundle import Bundle, secrets
from diffing.study.study import Study

FORMAT = 1
"""Of the folder; raised when a file in it means something else than before."""


def put_together(
    study: Study, out: Path, before: list[str], name: str, date: str, fill: Callable[[Bundle], None]
) -> None:
    """A folder filled, packed and put in place of an earlier report, whose files `before` names.

    Files in the zip are of this date.
    """
    # Beside the place where it goes: on one file system, so that it is moved whole.
    outfile.folder(out.parent)
    with files.fresh_folder(out.parent, ".report-") as fresh:
        fill(Bundle(fresh, secrets(study.checkpoints)))
        pack(fresh, name, date)
        _put(fresh, out, before)


def before(out: Path) -> list[str]:
    """The files of an earlier report in the folder; refuses a folder that holds something else."""
    manifest = out / "manifest.json"
    if manifest.exists():
        content = files.read_json(manifest, "move that folder away and write the report again")
        if isinstance(content, dict) and content.get("report") == FORMAT:
            return [*content["files"], "manifest.json"]
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"'{out}' exists and holds no report; choose another folder for --out.")
    return []


def _put(fresh: Path, out: Path, before: list[str]) -> None:
    """Put the new folder in the old one's place, with what others laid into that; no reader meets half of it."""
    made = sorted(path.relative_to(fresh) for path in fresh.rglob("*") if path.is_file())
    for path in made:
        # Before anything is moved: nothing is left half replaced.
        outfile.check(out / path)
        if (out / path).parent.is_symlink():
            raise UserError(f"'{(out / path).parent}' is a link; choose another folder for --out.")
        (fresh / path).chmod(files.PRIVATE_FILE)
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out)
        if not path.is_dir() and name.as_posix() not in before and not (fresh / name).exists():
            (fresh / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, fresh / name, follow_symlinks=False)
    try:
        files.put_folder(fresh, out)
    except OSError as error:
        if error.errno not in (errno.EBUSY, errno.EXDEV, errno.EACCES, errno.EPERM):
            raise
        _put_over(fresh, out, made, before)


def _put_over(fresh: Path, out: Path, made: Sequence[Path], before: list[str]) -> None:
    """Where the folder itself cannot be moved, as a mounted one: file by file, and old ones without successor."""
    for path in made:
        outfile.folder((out / path).parent)
        (fresh / path).replace(out / path)
    for name in before:
        # Names come from a file that others may have changed: nothing outside the folder is removed.
        stale = out / name
        if Path(name) not in made and out in stale.resolve().parents:
            stale.unlink(missing_ok=True)


def described(bundle: Bundle, told: dict[str, Any]) -> dict[str, Any]:
    """What is in the folder, with what is told of what it was made from."""
    made = sorted(path for path in bundle.folder.rglob("*") if path.is_file())
    scrubbed = bundle.scrubbed
    content = {
        "keys_taken_out": {"total": sum(scrubbed.values()), "files": dict(sorted(scrubbed.items()))},
        "files": {
            path.relative_to(bundle.folder).as_posix(): {
                "bytes": path.stat().st_size,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            }
            for path in made
        },
    }
    return {"report": FORMAT, "made": files.now()} | told | content


def pack(folder: Path, name: str, date: str) -> None:
    """Everything in one zip, each file dated as the diff is."""
    # Not as the clock says: the same files give the same zip.
    when = datetime.fromisoformat(date)
    stamp = (when.year, when.month, when.day, when.hour, when.minute, when.second)
    made = sorted(path for path in folder.rglob("*") if path.is_file())
    with zipfile.ZipFile(folder / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in made:
            entry = zipfile.ZipInfo(f"{name}/{path.relative_to(folder).as_posix()}", stamp)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, path.read_bytes())
