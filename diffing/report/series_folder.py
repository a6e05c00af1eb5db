"""The `report` job of a series: its page, one to share and as a picture, charts and the table; a folder and a zip.

Counts the answers where that has not been done, then only writes. Promises what `report.folder` does of its files:
the same bytes from the same answers but for the date in `manifest.json`, no key and no path of this machine, and
that files of others in the folder are left alone. Marks no finding: a series has none.
"""

from pathlib import Path

from diffing.common.step import Progress, Result
from diffing.diff import timeline, told
from diffing.report import last, placing, render, series, series_charts, series_picture
from diffing.report.bundle import Bundle
from diffing.report.tables import versions
from diffing.study.study import Study

STEPS = 3
"""Calls of `step` in a run, which its progress is counted in."""


def run(study: Study, keys: list[str], out: Path | None, progress: Progress) -> Result:
    """The job: write everything about these checkpoints, all of the study's in order where none are named."""

    def step(number: int, note: str) -> None:
        progress.check()
        progress.update(number, STEPS, "steps", note=note)

    step(0, "counting along the checkpoints")
    found = timeline.of(study, keys)
    usual = last.folder_of_series(study, found.keys)
    name, place = f"{study.name}-{usual.name}", out or usual
    before = placing.before(place)
    answers = study.responses()
    date = str(answers.loc[answers["checkpoint"].isin(found.keys), "created"].max() or study.settings.created)
    sheet = series.sheet(study, found, date)

    def fill(bundle: Bundle) -> None:
        step(1, "drawing charts")
        chart = series_charts.draw(found)
        if chart is not None:
            bundle.text(f"charts/{chart.name}.svg", chart.svg.decode())
            bundle.data(f"charts/{chart.name}.png", chart.png)
        few = series_charts.draw(found, series_picture.SHOWN, "in the whole report")
        bundle.text("one-page.html", render.series_one_page(sheet, few))
        # A picture cannot be searched afterwards.
        bundle.data("one-page.png", series_picture.png(bundle.clean(sheet), found))
        step(2, "writing the report")
        bundle.csv("timeline.csv", found.table())
        bundle.text("report.html", render.series(sheet, chart))
        state = last.state_of_series(study)
        made_from = {"study": study.name, "series": found.keys, "versions": dict(versions()), "state": state}
        bundle.json("manifest.json", placing.described(bundle, made_from))

    placing.put_together(study, place, before, name, date, fill)
    progress.update(STEPS, STEPS, "steps")
    return {"out": str(place), "zip": f"{name}.zip", "changed": len(told.sure(found))}
