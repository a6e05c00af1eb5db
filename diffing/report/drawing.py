"""How the report draws: by matplotlib, as SVG and PNG, from the same figures the same bytes on one machine.

A is always blue and B always orange, with the letter beside the colour. Promises that no outside text is read as
markup or formula. Needs no browser and keeps no state between drawings.
"""

import base64
import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.typing import RcKeyType

from diffing.common.colours import GREY
from diffing.common.escape import visible
from diffing.common.words import points

INK, PAPER = "#24292f", "#ffffff"
NIGHT = {INK: "#e6e8eb", PAPER: "#14171c"}
"""What ink and paper become where the reader's system is dark."""
FIXED: dict[RcKeyType, Any] = {
    # Names inside an SVG are drawn at random unless salted.
    "svg.hashsalt": "checkpoint-diffing",
    # Letters stay text: they can be searched, read aloud, and shown in a font that has what ours lacks.
    "svg.fonttype": "none",
    # Comes with matplotlib, and so is the same on every machine.
    "font.family": "DejaVu Sans",
    # A dollar sign in a label begins no formula.
    "text.parse_math": False,
    "axes.unicode_minus": True,
}
LOOK: dict[RcKeyType, Any] = {
    **{"font.size": 9, "axes.titlesize": 10, "axes.titlelocation": "left", "legend.frameon": False},
    **{"axes.spines.top": False, "axes.spines.right": False},
    **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), PAPER),
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
    "axes.edgecolor": GREY,
}
WIDTH = 8.2
"""Inches of every chart; chosen by eye."""


class Chart(NamedTuple):
    """One drawing."""

    name: str
    """Of its files."""
    title: str
    told: str
    """What it shows, for those who cannot see it."""
    svg: bytes
    png: bytes

    @property
    def uri(self) -> str:
        return "data:image/svg+xml;base64," + base64.b64encode(self.svg).decode()


@contextmanager
def look() -> Iterator[None]:
    """Ours alone, whatever was set before."""
    with matplotlib.rc_context(FIXED | LOOK), warnings.catch_warnings():
        # Labels may hold signs that the font lacks; the SVG shows them in the reader's own font.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def chart(name: str, title: str, told: str, on: Callable[[Axes], None], height: float) -> Chart:
    """A chart of one panel."""

    def whole(figure: Figure) -> None:
        axes = figure.add_subplot()
        on(axes)
        axes.set_title(title)

    return panels(name, title, told, whole, height)


def panels(name: str, title: str, told: str, on: Callable[[Figure], None], height: float) -> Chart:
    """A chart of several."""
    # A figure of its own rather than pyplot's, which keeps every figure and asks for a screen.
    with look():
        figure = Figure(figsize=(WIDTH, height), layout="constrained", dpi=130)
        on(figure)
        # Without dates and names of programs: the same figures give the same bytes.
        svg = io.BytesIO()
        png = pixels(figure)
        FigureCanvasSVG(figure)
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    return Chart(name, title, told, _both_lights(svg.getvalue()), png)


def pixels(figure: Figure) -> bytes:
    """A figure as PNG."""
    png = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(png, format="png", metadata={"Software": None})
    return png.getvalue()


def short(text: str, width: int = 46) -> str:
    """Outside text that fits an axis, without what XML cannot hold; 46 letters leave more than half of it."""
    plain = " ".join(visible(text).split())
    return plain if len(plain) <= width else plain[: width - 1].rstrip() + "…"


def shares(axes: Axes, label: str) -> None:
    """The x-axis of shares."""
    # A little beyond both ends, so that marks at 0 and 100 % are whole.
    axes.set_xlim(-0.02, 1.02)
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    axes.set_xlabel(label)
    axes.grid(axis="x", color=GREY, alpha=0.25, linewidth=0.6)


def differences(axes: Axes, label: str) -> None:
    """The x-axis of differences in points."""
    axes.xaxis.set_major_formatter(lambda value, _: points(value) if value else "0")
    axes.set_xlabel(label)
    axes.grid(axis="x", color=GREY, alpha=0.25, linewidth=0.6)


def diagonal(axes: Axes) -> None:
    """Where both axes say the same."""
    axes.axline((0, 0), slope=1, color=GREY, linewidth=0.8, linestyle=":")
    axes.axhline(0, color=GREY, linewidth=0.6)
    axes.axvline(0, color=GREY, linewidth=0.6)


def _both_lights(svg: bytes) -> bytes:
    """The drawing with ink and paper exchanged where the reader's system is dark."""
    # By what each shape states for itself, hence the !important: a style sheet's word is weaker than that.
    rules = "".join(
        f'[style*="{what}: {day}"]{{{what}:{night}!important}}'
        for day, night in NIGHT.items()
        for what in ("fill", "stroke")
    )
    style = f"<style>@media (prefers-color-scheme: dark){{{rules}}}</style>"
    at = svg.index(b">", svg.index(b"<svg ")) + 1
    return svg[:at] + style.encode() + svg[at:]
