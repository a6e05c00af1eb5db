"""The `report` job: one comparison as a folder that can be handed over, and the same in one zip.

Computes the diff anew where it is older than the answers, then only reads. Promises the same bytes from the same
study, but for the date in `manifest.json` and for what was taken out as a key; that no key that this program knows
(those that it may use, and values of key-like variables that look like keys: `diffing.common.keys`) and none of
this machine's paths stand in any file; that nothing else is rewritten, and the manifest counts what was; and that
files of others in the folder are left alone. It holds answers, so it is for its owner only until it is handed
over. Findings that were verified are marked as reported.
"""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from diffing.common.paths import expanded
from diffing.common.step import Progress, Result
from diffing.common.words import between_commas
from diffing.diff import compute
from diffing.findings import evidence
from diffing.reader.encodings import Encodings
from diffing.report import (
    agent_notebook,
    contents,
    last,
    notebook,
    one_page,
    picture,
    placing,
    render,
    series_folder,
)
from diffing.report import cards as report_cards
from diffing.report import charts as report_charts
from diffing.report import facts as report_facts
from diffing.report import tables as report_tables
from diffing.report.bundle import Bundle
from diffing.report.facts import Facts
from diffing.study.study import Study

STEPS = 6
"""Calls of `step` in a run, which its progress is counted in."""


class Options(BaseModel):
    """What one run of `report` is told."""

    model_config = ConfigDict(extra="forbid")

    out: str = ""
    """The folder to write; empty takes one in the study's own."""
    a: str = ""
    b: str = ""
    series: bool = False
    """Whether it is of three or more checkpoints in order, and not of two."""
    checkpoints: str = ""
    """Keys of a series, with commas; all of the study's in order unless named."""


def run(study: Study, options: Options, progress: Progress) -> Result:
    """The job: write everything into a fresh folder, run the notebook there, and put the files in place."""
    out = expanded(options.out).resolve() if options.out else None
    if options.series or options.checkpoints:
        keys = between_commas(options.checkpoints)
        return series_folder.run(study, keys, out, progress)
    a, b = study.sides(options.a, options.b)
    return _pair(study, a, b, out or last.folder_of(study, a, b), progress)


def _pair(study: Study, a: str, b: str, out: Path, progress: Progress) -> Result:
    name = f"{study.name}-{a}-{b}"
    before = placing.before(out)

    def step(number: int, note: str) -> None:
        progress.check()
        progress.update(number, STEPS, "steps", note=note)

    step(0, "bringing the diff up to date")
    _refresh(study, a, b)
    step(1, "reading the study")
    facts = report_facts.gather(study, a, b)

    def fill(bundle: Bundle) -> None:
        step(2, "drawing charts")
        charts = report_charts.draw(facts)
        for chart in charts:
            bundle.text(f"charts/{chart.name}.svg", chart.svg.decode())
            bundle.data(f"charts/{chart.name}.png", chart.png)
        step(3, "writing tables")
        shown = report_cards.of(facts)
        contents.write(facts, shown, bundle)
        step(4, "running the notebook")
        bundle.text("analysis.ipynb", notebook.executed(notebook.build(facts), bundle.folder, progress.check))
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
        bundle.json("manifest.json", manifest(facts, bundle))

    placing.put_together(study, out, before, name, facts.diff.summary["created"], fill)
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


def manifest(facts: Facts, bundle: Bundle) -> dict[str, Any]:
    """What is in the folder and what it was made from."""
    told = {
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
    }
    return placing.described(bundle, told)
