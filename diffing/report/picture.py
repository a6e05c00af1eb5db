"""The page to share as a picture of 1,200 × 1,500 pixels, drawn by matplotlib: no browser is needed.

Promises that all of the page is on it, in smaller letters where it would not fit, and that an excerpt keeps to its
line. Letters that matplotlib's own font lacks, as of Chinese, are boxes; the page of HTML has them.
"""

import re
from typing import NamedTuple

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle

from diffing.common import colours
from diffing.common.escape import visible
from diffing.probes.excerpts import Excerpt
from diffing.report import drawing
from diffing.report.behaviours import Line
from diffing.report.drawing import INK
from diffing.report.one_page import Sheet

DPI = 150
WIDTH, HEIGHT = 576, 720
"""Points: 8 by 10 inches, as 1,200 × 1,500 pixels at 150 to the inch."""
MARGIN = 30
QUIET = "#5c636b"
SCALES = (1.16, 1.08, 1.0, 0.92, 0.84, 0.76, 0.68)
"""Of the letters' sizes, tried until all fits; the last one takes whatever comes."""


class Run(NamedTuple):
    """A run of text of one look."""

    text: str
    weight: str = "normal"
    colour: str = INK
    mark: str = ""
    """Colour behind it."""


class Canvas:
    """A page that is written from top to bottom; places are points from its upper left corner."""

    def __init__(self, scale: float) -> None:
        self.figure = Figure(figsize=(WIDTH / 72, HEIGHT / 72), dpi=DPI)
        self.renderer = FigureCanvasAgg(self.figure).get_renderer()  # type: ignore[no-untyped-call]
        self.scale = scale
        self.y = float(MARGIN)

    def width(self, text: str, size: float, weight: str) -> float:
        font = FontProperties(family="DejaVu Sans", size=size * self.scale, weight=weight)
        wide, _, _ = self.renderer.get_text_width_height_descent(text, font, False)
        return float(wide) * 72 / DPI

    def put(self, x: float, y: float, run: Run, size: float) -> float:
        """A run on one line, `y` being its baseline; gives back where it ends."""
        end = x + self.width(run.text, size, run.weight)
        if run.mark:
            self.box(x, y - 0.85 * size * self.scale, end - x, 1.15 * size * self.scale, run.mark, 0.4)
        self.figure.text(
            x / WIDTH,
            1 - y / HEIGHT,
            run.text,
            fontsize=size * self.scale,
            fontweight=run.weight,
            color=run.colour,
            parse_math=False,
        )
        return end

    def box(self, x: float, y: float, width: float, height: float, colour: str, alpha: float = 1.0) -> None:
        place = (x / WIDTH, 1 - (y + height) / HEIGHT)
        patch = Rectangle(place, width / WIDTH, height / HEIGHT, color=colour, alpha=alpha, linewidth=0)
        self.figure.add_artist(patch)

    def write(self, runs: list[Run], size: float, x: float = MARGIN, most: int = 0, leading: float = 1.4) -> None:
        """Runs broken into lines, at most so many; what does not fit on the last is left out with a sign."""
        step, at, number = leading * size * self.scale, x, 1
        self.y += step
        for run in runs:
            for word in re.findall(r"[ \n]+|[^ \n]+", run.text):
                wide = self.width(word, size, run.weight)
                if at + wide > WIDTH - MARGIN and word.strip():
                    if number == most:
                        self.put(at, self.y, Run("…", colour=QUIET), size)
                        return
                    at, number, self.y = x, number + 1, self.y + step
                    if not word.strip():
                        continue
                at = self.put(at, self.y, run._replace(text=word), size)

    def gap(self, points: float) -> None:
        self.y += points * self.scale


def png(sheet: Sheet) -> bytes:
    """The picture."""
    with drawing.look():
        for scale in SCALES:
            canvas = _drawn(sheet, scale)
            if canvas.y <= HEIGHT - MARGIN / 2:
                break
        return drawing.pixels(canvas.figure)


def _drawn(sheet: Sheet, scale: float) -> Canvas:
    canvas = Canvas(scale)
    head = [Run("What changed from ", "bold"), _letter("A"), Run(f" {sheet.a} to ", "bold")]
    canvas.write([*head, _letter("B"), Run(f" {sheet.b}", "bold")], 15, most=2)
    canvas.gap(6)
    canvas.write([Run(sheet.sentence)], 10.5)
    canvas.gap(14)
    for line in sheet.lines:
        _row(canvas, line)
    if sheet.more:
        canvas.write([Run(sheet.more, colour=QUIET)], 7.5)
    canvas.gap(8)
    for shown in sheet.pairs:
        canvas.gap(5)
        canvas.write([_letter(shown.side), Run(shown.title[1:], "bold")], 9, most=1)
        for side, excerpt in shown.excerpts:
            canvas.write([_letter(side), Run(" "), *_runs(side, excerpt)], 8.2, most=1, leading=1.6)
    canvas.gap(12)
    canvas.write([Run(sheet.limits)], 8)
    canvas.gap(5)
    canvas.write([Run(sheet.source, colour=QUIET)], 7.5)
    return canvas


def _letter(side: str) -> Run:
    # The page is white.
    colour = (colours.A_WORDS if side == "A" else colours.B_WORDS)[0]
    return Run(side, "bold", colour)


def _runs(side: str, excerpt: Excerpt) -> list[Run]:
    mark = colours.A if side == "A" else colours.B
    before, after = [Run("… ")] * excerpt.before, [Run(" …")] * excerpt.after
    runs = [Run(visible(piece.flat), mark=mark if piece.marked else "") for piece in excerpt.pieces]
    return [*before, *runs, *after]


def _row(canvas: Canvas, line: Line) -> None:
    """A name, a bar for each side, both figures and the difference."""
    size, bar = 8.5, 5 * canvas.scale
    left, right, end = 268.0, 392.0, 484.0
    top, canvas.y = canvas.y, canvas.y + 18.5 * canvas.scale
    base = top + 10 * canvas.scale
    canvas.put(MARGIN, base, Run(_fit(canvas, line.title, left - MARGIN - 8, size)), size)
    # Amounts have a scale of their own, as long as the larger one.
    whole = max(line.a, line.b, 1e-9) if line.amount else 1.0
    for place, (value, colour) in enumerate(((line.a, colours.A), (line.b, colours.B))):
        y = top + place * (bar + 1.5)
        canvas.box(left, y, right - left, bar, colours.GREY, 0.15)
        canvas.box(left, y, max(1.0, (right - left) * min(1.0, value / whole)), bar, colour)
    canvas.put(right + 8, base, Run(line.figures.removesuffix(" words")), size)
    difference = line.told.split(" [")[0]
    canvas.put(end, base, Run(difference, colour=QUIET), 8)


def _fit(canvas: Canvas, text: str, width: float, size: float) -> str:
    """A name that keeps to its column."""
    name = drawing.short(text, 80)
    while len(name) > 2 and canvas.width(name, size, "normal") > width:
        name = f"{name[:-2].rstrip()}…"
    return name
