"""An answer with a feature's activations laid over its tokens, as HTML that holds no outside markup.

Hue says the side (`a`, `b`, or `n` for a text of neither), opacity the value on a scale that both sides share;
every active token carries its value as a hover text and can be reached by keyboard. Knows nothing of where tokens
and values come from.
"""

from collections.abc import Iterable

from diffing.common.colours import A_WORDS, B_WORDS, LEVELS, SECOND, A, B, css, level, rgb
from diffing.common.escape import esc
from diffing.probes.excerpts import Excerpt

STYLE = (
    "<style>"
    ".answer{white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.65;font-size:.95rem}"
    ".answer bdi{border-radius:3px}"
    ".answer bdi:focus,.answer bdi:hover{outline:2px solid currentColor}"
    # The browser shows a title to the mouse only.
    ".answer bdi:focus-visible::after{content:' ' attr(title);font-size:.75em}"
    + "".join(
        f".{side}{level}{{background:rgba({rgb(colour)},{0.12 + 0.78 * level / LEVELS:.2f})}}"
        for side, colour in (("a", A), ("b", B), ("n", SECOND))
        for level in range(1, LEVELS + 1)
    )
    + "".join(
        f".s{level}{{box-shadow:inset 0 -0.28em rgba({rgb(SECOND)},{0.25 + 0.7 * level / LEVELS:.2f})}}"
        for level in range(1, LEVELS + 1)
    )
    + ".scale{font-size:.8rem;opacity:.85}.scale i{display:inline-block;width:.8em;height:.8em;border-radius:2px;"
    "margin:0 1px;vertical-align:-.05em}" + "</style>"
)


def answer(
    pieces: Iterable[tuple[str, float]],
    side: str,
    largest: float,
    second: Iterable[float] | None = None,
    largest_second: float = 0.0,
) -> str:
    """An answer's pieces of text, the active ones marked; `second` lays another feature's values under them."""
    shown = list(pieces)
    others = list(second) if second is not None else [0.0] * len(shown)
    out = ['<div class="answer" dir="auto">']
    for (text, value), other in zip(shown, others, strict=True):
        classes = []
        if level(value, largest):
            classes.append(f"{side}{level(value, largest)}")
        if level(other, largest_second):
            classes.append(f"s{level(other, largest_second)}")
        if not classes:
            out.append(esc(text))
            continue
        told = f"{value:.2f}" + (f" · second feature {other:.2f}" if second is not None else "")
        out.append(f'<bdi class="{" ".join(classes)}" title="{told}" tabindex="0">{marked(text)}</bdi>')
    out.append("</div>")
    return "".join(out)


def marked(text: str) -> str:
    """White space that fires is the point of the mark, so it is made visible."""
    shown = esc(text)
    if text.strip(" ") == "":
        return shown.replace(" ", "·")
    return shown.replace("\n", "⏎\n")


def scale(largest: float, first: str, second: str = "", largest_second: float = 0.0) -> str:
    """What the colours mean: one scale for both sides, and the second feature's underline where there is one."""
    shades = [
        "".join(f'<i class="{side}{step}"></i>' for step in (1, 4, 7, LEVELS)) + f" {side.upper()}"
        for side in ("a", "b")
    ]
    parts = [f"<b>{esc(first)}</b>, weak to {largest:.1f}: {' &nbsp; '.join(shades)}"]
    if second:
        parts.append(f'<bdi class="s{LEVELS}">underlined</bdi> <b>{esc(second)}</b>, up to {largest_second:.1f}')
    return f'<div class="scale answer">{" &nbsp;·&nbsp; ".join(parts)}</div>'


def spans(text: str, found: Iterable[tuple[int, int]], side: str) -> str:
    """A text with some of its spans marked at full colour: what a surface probe counts in it."""
    out, done = ['<div class="answer" dir="auto">'], 0
    for start, end in found:
        out.append(
            f'{esc(text[done:start])}<bdi class="{side}{LEVELS}" tabindex="0">{marked(text[start:end])}</bdi>'
        )
        done = end
    return "".join([*out, esc(text[done:]), "</div>"])


def excerpt(cut: Excerpt, side: str) -> str:
    """A line of an answer, its marks at full colour."""
    body = "".join(
        f'<bdi class="{side}{LEVELS}">{esc(piece.flat)}</bdi>' if piece.marked else esc(piece.flat)
        for piece in cut.pieces
    )
    before, after = ("… " if cut.before else ""), (" …" if cut.after else "")
    return f'<div class="answer" dir="auto">{before}{body}{after}</div>'


def letter(side: str) -> str:
    """A or B in its colour."""
    return f'<b style="color:{css(A_WORDS if side == "a" else B_WORDS)}">{side.upper()}</b>'


def sides(name_a: str, name_b: str) -> str:
    """Both checkpoints' names with their letters."""
    return f'<div class="sides">{letter("a")} {esc(name_a)}<br>{letter("b")} {esc(name_b)}</div>'
