"""The `report` job: one comparison as a folder that can be handed over, and the same in one zip.

Computes the diff anew where it is older than the answers, then only reads. Promises the same bytes from the same
study, but for the date in `manifest.json` and for what was taken out as a key; that no key that this program knows
(those that it may use, and values of key-like variables that look like keys: `diffing.common.keys`) and none of
this machine's paths stand in any file; that nothing else is rewritten, and the manifest counts what was; and that
files of others in the folder are left alone. It holds answers, so it is for its owner only until it is handed
over. Findings that were verified are marked as reported.
"""

import errno
import hashlib
import shutil
import zipfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from diffing.common import files, outfile
from diffing.common.errors import UserError
from diffing.common.step import Progress, Result
from diffing.diff import compute
from diffing.findings import evidence
from diffing.reader.encodings import Encodings
from diffing.report import agent_notebook, contents, last, notebook, one_page, picture, render
from diffing.report import cards as report_cards
from diffing.report import charts as report_charts
from diffing.report import facts as report_facts
from diffing.report import tables as report_tables
from diffing.report.bundle import Bundle, secrets
from diffing.report.facts import Facts
from diffing.study.study import Study

FORMAT = 1
"""Of the folder; raised when a file in it means something else than before."""
STEPS = 6
"""Calls of `step` in a run, which its progress is counted in."""


class Options(BaseModel):
    """What one run of `report` is told."""

    model_config = ConfigDict(extra="forbid")

    out: str = ""
    """The folder to write; empty takes one in the study's own."""
    a: str = ""
    b: str = ""


def run(study: Study, options: Options, progress: Progress) -> Result:
    """The job: write everything into a fresh folder, run the notebook there, and put the files in place."""
    a, b = study.sides(options.a, options.b)
    name = f"{study.name}-{a}-{b}"
    out = Path(options.out).expanduser().resolve() if options.out else last.folder_of(study, a, b)
    before = _before(out)

    def step(number: int, note: str) -> None:
        progress.check()
        progress.update(number, STEPS, "steps", note=note)

    step(0, "bringing the diff up to date")
    _refresh(study, a, b)
    step(1, "reading the study")
    facts = report_facts.gather(study, a, b)
    # Beside the place where it goes: on one file system, so that it is moved whole.
    outfile.folder(out.parent)
    with files.fresh_folder(out.parent, ".report-") as fresh:
        bundle = Bundle(fresh, secrets(study.checkpoints))
        step(2, "drawing charts")
        charts = report_charts.draw(facts)
        for chart in charts:
            bundle.text(f"charts/{chart.name}.svg", chart.svg.decode())
            bundle.data(f"charts/{chart.name}.png", chart.png)
        step(3, "writing tables")
        shown = report_cards.of(facts)
        contents.write(facts, shown, bundle)
        step(4, "running the notebook")
        bundle.text("analysis.ipynb", notebook.executed(notebook.build(facts), fresh, progress.check))
        step(5, "writing the report")
        if (worked := agent_notebook.handed(study)) is not None:
            bundle.text(agent_notebook.FILE, worked)
        values = render.context(facts, charts, shown, contents.quick_list(facts))
        bundle.text("report.html", render.html(values))
        sheet = one_page.sheet(facts, shown)
        bundle.text("one-page.html", render.one_page(sheet))
        # A picture cannot be searched afterwards.
        bundle.data("one-page.png", picture.png(bundle.clean(sheet)))
        bundle.text("report.md", render.markdown(values))
        bundle.json("manifest.json", manifest(facts, fresh, bundle.scrubbed))
        pack(fresh, name, facts.diff.summary["created"])
        _put(fresh, out, before)
    # Last of all: nothing is called reported that stands in no report.
    for standing in facts.supported:
        if not standing.finding.reported:
            evidence.report(study, standing)
    progress.update(STEPS, STEPS, "steps")
    return {
        "out": str(out),
        "zip": f"{name}.zip",
        "findings": len(facts.claimed),
        "supported": len(facts.supported),
        "blocked": len(facts.blocked),
        "rejected": len(facts.rejected),
    }


def _refresh(study: Study, a: str, b: str) -> None:
    # Opened first: of a study that was never encoded it says so, and what to run.
    Encodings.open(study)
    compute.current(study, a, b)


def _before(out: Path) -> list[str]:
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


def manifest(facts: Facts, folder: Path, scrubbed: dict[str, int]) -> dict[str, Any]:
    """What is in the folder and what it was made from."""
    made = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        "report": FORMAT,
        "made": files.now(),
        "study": facts.study.name,
        "a": facts.a.key,
        "b": facts.b.key,
        "hashes": dict(report_tables.hashes(facts)),
        "settings": dict(report_tables.settings(facts)),
        "state": last.state(facts.study, facts.a.key, facts.b.key),
        "versions": dict(report_tables.versions()),
        "notes": [
            "Cells of the CSV files that a spreadsheet would run begin with an apostrophe; take one away.",
            "encodings.pkl is for those who made it: never open a pickle that came from elsewhere, take the npz.",
            "[key] stands where a key of the machine that wrote this was; keys_taken_out says how often.",
            "one-page.html and one-page.png say the same; the picture lacks letters that its font has not.",
            "Scores in llm_comparator.json are 0 because its format wants one; no preference was judged.",
        ],
        "keys_taken_out": {"total": sum(scrubbed.values()), "files": dict(sorted(scrubbed.items()))},
        "files": {
            path.relative_to(folder).as_posix(): {
                "bytes": path.stat().st_size,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            }
            for path in made
        },
    }


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
