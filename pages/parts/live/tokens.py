"""Answers token by token as HTML: what both wrote alike is grey, the first token in which they part is marked.

Each token of a finished answer says on hover, touch or focus what both models thought there. Holds no outside
markup.
"""

from collections.abc import Sequence

from diffing.common.colours import TICKS, A, B, css, rgb
from diffing.common.escape import esc
from diffing.common.words import share
from diffing.whitebox.writing.live import Said, Token
from pages.parts import highlight

SHOWN = 5
"""Tokens of a distribution: what lies behind them is rarely worth a line."""
STYLE = (
    highlight.STYLE + "<style>"
    ".live{position:relative;min-height:3.2em}"
    ".live span[tabindex]:hover,.live span[tabindex]:focus{outline:2px solid currentColor;border-radius:3px}"
    f".live .same{{color:{css(TICKS)}}}"
    + "".join(
        f".live .{side}first{{background:rgba({rgb(colour)},.55);border-radius:3px;font-weight:600}}"
        for side, colour in (("a", A), ("b", B))
    )
    # Below its token's line and as wide as the column, wherever in the line the token stands.
    + ".live .tip{display:none;position:absolute;left:0;right:0;margin-top:1.7em;z-index:9;padding:.5em .7em;"
    "background:light-dark(#fff,#1b1e26);color:light-dark(#222,#eee);border:1px solid rgba(128,128,128,.5);"
    "border-radius:6px;font-size:.8rem;font-weight:400;line-height:1.5;white-space:normal;pointer-events:none}"
    ".live span[tabindex]:hover>.tip,.live span[tabindex]:focus>.tip{display:block}"
    ".live .tip span{display:block}"
    ".live code,.two code{background:rgba(128,128,128,.16);border-radius:3px;padding:0 .25em;white-space:pre-wrap}"
    ".two{display:grid;grid-template-columns:minmax(4rem,auto) 1fr 1fr;gap:.15rem 1rem;max-width:46rem;"
    "font-size:.9rem;align-items:center;line-height:1.5}"
    ".two i{display:inline-block;height:.7em;border-radius:2px;margin-right:.4em;vertical-align:-.05em}"
    ".two i.ba{background:" + A + "}.two i.bb{background:" + B + "}"
    ".end{font-size:.75em;opacity:.8}"
    "</style>"
)


def growing(tokens: Sequence[Token], parts: int | None, side: str) -> str:
    """An answer while it is being written."""
    return _body(tokens, parts, side, tips=False)


def whole(tokens: Sequence[Token], parts: int | None, side: str, own: str = "") -> str:
    """An answer that is there; `own` names the model that wrote it, where it is neither of the two."""
    return _body(tokens, parts, side, tips=True, own=own)


def _body(tokens: Sequence[Token], parts: int | None, side: str, tips: bool, own: str = "") -> str:
    out = ['<div class="answer live" dir="auto">']
    alike = len(tokens) if parts is None else parts
    for place, token in enumerate(tokens):
        kind = "same" if place < alike else f"{side}first" if place == alike else ""
        text = '<span class="end">■ end</span>' if token.ended else _piece(token, place == alike)
        tip = f'<span class="tip">{_tip(token, own)}</span>' if tips else ""
        reached = ' tabindex="0"' if tips else ""
        out.append(f'<span class="{kind}"{reached}>{text}{tip}</span>')
    return "".join([*out, "</div>"])


def _piece(token: Token, marked: bool) -> str:
    return highlight.marked(token.text) if marked else esc(token.text)


def _tip(token: Token, own: str) -> str:
    lines = [("A", token.base), ("B", token.variant)]
    if own:
        lines.append((own, token.own))
    return "".join(
        f"<span><b>{esc(name)}</b> {_listed(said)} · this one {_chance(said.chosen)}</span>"
        for name, said in lines
    )


def _listed(said: Said) -> str:
    return " ".join(f"{word(text)} {_chance(chance)}" for text, chance in said.top[:SHOWN])


def word(text: str) -> str:
    """A token by itself, its blanks visible."""
    return f"<code>{esc(text.replace(' ', '·').replace(chr(10), '⏎')) or '∅'}</code>"


def _chance(chance: float) -> str:
    return "under 1 %" if 0 < chance < 0.01 else share(chance)


def beside(a: Token, b: Token) -> str:
    """Both distributions where the two part: each token that either finds likely, with a bar a model."""
    sides = [dict(one.own.top) | {one.word: one.own.chosen} for one in (a, b)]
    first = [text for one in (a, b) for text, _ in one.own.top[:SHOWN]]
    texts = sorted(
        dict.fromkeys([a.word, b.word, *first]), key=lambda text: -max(side.get(text, 0) for side in sides)
    )
    cells = ["<b>token</b>", f"<span>{highlight.letter('a')}</span>", f"<span>{highlight.letter('b')}</span>"]
    for text in texts:
        cells.append(f"<span>{word(text)}</span>")
        for side, chances, one in zip("ab", sides, (a, b), strict=True):
            wrote = " ← wrote this" if text == one.word else ""
            if text not in chances:
                cells.append('<span title="not among its ten likeliest">–</span>')
                continue
            width = 60 * chances[text]
            cells.append(
                f'<span><i class="b{side}" style="width:{width:.1f}%"></i>{_chance(chances[text])}{wrote}</span>'
            )
    return f'<div class="two">{"".join(cells)}</div>'
