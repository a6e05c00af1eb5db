"""A behaviour's head as HTML: what it is, A's and B's figures as bars, the difference, and badges."""

from diffing.common.colours import A, B
from diffing.common.escape import esc
from diffing.common.words import count, listed, points, shares, small, whole_number
from diffing.diff.answer import Behaviour
from diffing.findings.rulings import Ruling
from pages.parts.highlight import letter
from pages.parts.loaded import Loaded

STYLE = """<style>
.bhead{display:grid;grid-template-columns:minmax(14rem,1fr) minmax(14rem,20rem);gap:.1rem 2rem;align-items:center}
.bname{font-size:1.08rem;line-height:1.35}.bname b{font-weight:650}
.bwith{font-size:.85rem;opacity:.72;line-height:1.35}
.bnum{opacity:.55;margin-right:.5em;font-variant-numeric:tabular-nums}
.bars{display:grid;grid-template-columns:1rem 1fr 3.2rem;gap:.05rem .5rem;align-items:center;font-size:.85rem;
 line-height:1.25}
.bars .track{height:.55rem;border-radius:3px;background:rgba(128,132,149,.18)}
.bars .bar{height:100%;border-radius:3px;min-width:2px}
.bars span{text-align:right;font-variant-numeric:tabular-nums}
.badges{font-size:.8rem;opacity:.95;margin-top:.2rem}
.badges span{padding:.05rem .45rem;border-radius:.6rem;margin-right:.3rem;background:rgba(128,132,149,.16);
 white-space:nowrap;display:inline-block}
.badges .good{background:rgba(20,140,100,.16)}.badges .warn{background:rgba(230,140,0,.18)}
.badges i{font-style:normal;opacity:.8;margin-right:.6rem}
.lines{display:grid;grid-template-columns:1rem 1fr 4.6rem;gap:.1rem .5rem;margin-top:.35rem;font-size:.88rem}
.lines .answer{font-size:.88rem;line-height:1.45;white-space:normal;display:-webkit-box;-webkit-line-clamp:2;
 -webkit-box-orient:vertical;overflow:hidden}
.lines small{opacity:.65;text-align:right;white-space:nowrap}
[class*=st-key-behaviour-]{gap:.15rem;padding:.6rem .9rem .3rem}
[class*=st-key-behaviour-] button,[class*=st-key-behaviour-] a{min-height:1.7rem;padding-top:0;padding-bottom:0}
[class*=st-key-behaviour-] button p,[class*=st-key-behaviour-] a p{font-size:.82rem;opacity:.8}
@media(max-width:760px){.bhead{grid-template-columns:1fr}}
</style>"""


def head(found: Loaded, each: Behaviour, place: int, ruling: Ruling | None = None) -> str:
    """All but the pair; `ruling` is what a judge made of it."""
    name = f'<div class="bname"><span class="bnum">{place}</span>{title(each)}</div>{beside(each)}'
    said = f'<div class="badges">{difference(each)}{"".join(badges(found, each, ruling))}</div>'
    return f'<div class="bhead"><div>{name}{said}</div>{bars(each)}</div>'


def title(each: Behaviour) -> str:
    """What changed, as a clause whose subject is a side."""
    # The side's letter in its colour, what it does in bold.
    begun = f"{letter(each.subject[0].lower())}{esc(each.subject[1:])}"
    return f"{begun} <b>{esc(each.rest)}</b>"


def beside(each: Behaviour) -> str:
    """What else goes with it, small: shares of all answers."""
    if not each.beside:
        return ""
    told = (
        "Counted for themselves, over all prompts. They mostly change where this does, and count something else. "
        "The line above is the one that is surest on the prompts it was chosen by, and not always the largest."
    )
    return (
        f'<div class="bwith" title="{told}">with it: {esc("; ".join(other.told for other in each.beside))}</div>'
    )


def bars(each: Behaviour) -> str:
    """Both sides' figures on one scale: shares of all answers, amounts of the larger one."""
    whole = max(each.share_a, each.share_b, 1e-9) if each.kind == "amount" else 1.0
    values = each.share_a, each.share_b
    written = [f"{value:,.0f}" for value in values] if each.kind == "amount" else shares(*values)
    parts = []
    for side, value, colour, text in zip("AB", values, (A, B), written, strict=True):
        parts.append(
            f'{letter(side.lower())}<div class="track"><div class="bar" '
            f'style="width:{100 * min(value / whole, 1):.1f}%;background:{colour}"></div></div><span>{text}</span>'
        )
    return f'<div class="bars">{"".join(parts)}</div>'


def difference(each: Behaviour) -> str:
    """The difference with its interval."""
    told = f"On {each.prompts:,} new prompts, with its 95 % interval"
    return f'<i title="{told}; exact test, q = {small(each.q)} over all behaviours">{by(each)}</i>'


def by(each: Behaviour) -> str:
    """How much more, seen from the side that the words name: there it is never less."""
    ends = each.spread
    if ends[0] < 0:
        ends = (-ends[0], -ends[2], -ends[1])
    form, unit = (whole_number, "words") if each.kind == "amount" else (points, "points")
    middle, low, high = (form(end).removeprefix("+") for end in ends)
    return f"by {middle} {unit} [{low} to {high}]"


def badges(found: Loaded, each: Behaviour, ruling: Ruling | None = None) -> list[str]:
    """What the behaviour has stood up to."""
    out = [
        _badge(
            "confirmed on new prompts",
            f"Found on some of the prompts, then tested on {count(each.prompts, 'new one')}: "
            f"q = {small(each.q)} by an exact test.",
            "good",
        )
    ]
    if ruling is not None:
        out.append(_badge(ruling.word, ruling.told, "good" if ruling.verified else "warn"))
    if each.survives_length:
        told = "It is there too where as many random tokens of both answers are looked at."
        out.append(_badge("not explained by length", told, "good"))
    if found.beyond_noise(each):
        told = "Larger than what 95 in 100 features of its frequency differ by between two draws of a checkpoint."
        out.append(_badge("larger than chance between two draws", told, "good"))
    if len(each.readers) > 1:
        told = f"On the same pairs of answers features of each reader move with it: {listed(list(each.readers))}."
        out.append(_badge("both readers" if len(each.readers) == 2 else "several readers", told, "good"))
    if each.author:
        out.append(_badge(f"named by {each.author}", "Somebody's words for it: nobody has counted them.", ""))
    if each.category:
        out.append(_badge(f"only “{each.category}”", "Other prompts show next to no difference.", ""))
    return out


def _badge(text: str, told: str, kind: str) -> str:
    return f'<span class="{kind}" title="{esc(told)}">{esc(text)}</span>'
