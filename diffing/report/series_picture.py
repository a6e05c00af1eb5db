"""The report along a series as a picture of one page: the words, six small charts, what may be length, the source.

Promises what `report.picture` does of its page.
"""

from diffing.diff import told
from diffing.diff.timeline import Timeline
from diffing.report import drawing, series_charts
from diffing.report.picture import HEIGHT, MARGIN, QUIET, SCALES, WIDTH, Canvas, Run
from diffing.report.series import Sheet

SHOWN, ACROSS = 6, 3
"""Charts, and how many stand side by side."""
HIGH, GAP = 84.0, 46.0
"""Points of a chart, and between two rows of them: a title and the names under the points."""


def png(sheet: Sheet, found: Timeline) -> bytes:
    """The picture."""
    with drawing.look():
        for scale in SCALES:
            canvas = _drawn(sheet, found, scale)
            if canvas.y <= HEIGHT - MARGIN / 2:
                break
        return drawing.pixels(canvas.figure)


def _drawn(sheet: Sheet, found: Timeline, scale: float) -> Canvas:
    canvas = Canvas(scale)
    canvas.write([Run(f"What changed from {sheet.names[0]} to {sheet.names[-1]}", "bold")], 15, most=2)
    canvas.gap(3)
    canvas.write([Run(" → ".join(sheet.names), colour=QUIET)], 8, most=2)
    canvas.gap(6)
    canvas.write([Run(sheet.said.headline, "bold")], 10.5)
    for where, what in sheet.said.parts:
        canvas.gap(4)
        canvas.write([Run(f"{where} ", "bold"), Run(what)], 8.6)
    if sheet.said.parts:
        canvas.gap(3)
        canvas.write([Run(sheet.said.rest, colour=QUIET)], 8)
    _charts(canvas, found)
    canvas.gap(6)
    for line in (*sheet.measures, sheet.caution, sheet.unchanged):
        if line:
            canvas.gap(3)
            canvas.write([Run(line)], 8)
    canvas.gap(4)
    canvas.write([Run(f"{sheet.compared} {sheet.source}", colour=QUIET)], 7.5)
    return canvas


def _charts(canvas: Canvas, found: Timeline) -> None:
    rows = told.notable(found).head(SHOWN)
    width = (WIDTH - 2 * MARGIN) / ACROSS
    for place, (_, row) in enumerate(rows.iterrows()):
        down, along = divmod(place, ACROSS)
        top = canvas.y + 34 * canvas.scale + down * (HIGH + GAP) * canvas.scale
        high = HIGH * canvas.scale
        left = MARGIN + along * width + 24
        box = (left / WIDTH, 1 - (top + high) / HEIGHT, (width - 34) / WIDTH, high / HEIGHT)
        series_charts.panel(canvas.figure.add_axes(box), found, row, 7.6 * canvas.scale)
    lines = -(-len(rows) // ACROSS)
    canvas.y += lines * (HIGH + GAP) * canvas.scale
