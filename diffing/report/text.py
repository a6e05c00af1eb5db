"""The report's sentences: what was compared, how much differs by features, what became of the judge's claims.

Plain text made from figures by templates; no model writes here. Promises that a claim is only repeated as far as
it got. Escapes nothing: what lays it out does. What changed in one sentence is `diffing.diff.answer`'s.
"""

import pandas as pd

from diffing.common.words import count, listed, share
from diffing.diff import anything, measure, ranking
from diffing.diff.summary import cannot_tell, identical
from diffing.report.facts import Facts


def compared(facts: Facts) -> str:
    """On what all of it rests."""
    told = facts.diff.summary
    left, held = sum(told["excluded"].values()), told["prompts"] - told["discovery"]
    out = f"{count(told['prompts'], 'prompt')} with {count(told['pairs'], 'pair')} of answers"
    out += f" ({count(left, 'pair')} had to be left out)" if left else ""
    out += (
        f". What to look for was found on {told['discovery']:,} of the prompts; the figures of changes and "
        f"findings are of the other {held:,}, which played no part in finding them."
    )
    return " ".join(part for part in (out, identical(told), facts.made) if part)


def amount(facts: Facts) -> list[str]:
    """How much differs by the reader's features, and how well they tell the sides apart."""
    told = facts.diff.summary
    apart, whole = told["separability"], anything.in_words(told.get("anything"))
    out = [whole] if whole else []
    if not told["families"]:
        out.append(
            f"Of {count(told['tested'], 'feature')} tested none differs after correction, which does not prove "
            "that nothing changed."
        )
    else:
        out.append(
            f"Of {count(told['tested'], 'feature')} tested {told['differing']:,} differ after correction, in "
            f"{count(told['families'], 'family', 'families')}; {share(told['share_surviving'])} of these survive "
            "at equal length."
        )
    if apart["auc"] is None:
        out.append(f"One cannot tell the sides apart by all features together: {cannot_tell(told)}.")
    else:
        out.append(
            "By all features together a classifier tells the sides apart with an accuracy (AUC) of "
            f"{apart['auc']:.2f} on {count(apart['prompts'], 'prompt')} (0.5 is chance, shuffled sides stay below "
            f"{apart['null_high']:.2f} in 95 of 100 runs)."
        )
    leads = facts.table.loc[facts.top]
    if len(leads):
        again = int((leads["replicated"] == "yes").sum())
        out.append(f"Of the {len(leads)} families that come first {again} came again on new prompts.")
    return out


def moving(facts: Facts, side: str) -> list["pd.Series[float]"]:
    """Probes that one side shows more, in the order of `ranking`."""
    table = facts.probes[facts.probes["q"] < measure.LEVEL]
    table = table[table["delta"] > 0] if side == "B" else table[table["delta"] < 0]
    return [row for _, row in ranking.ordered(table).iterrows()]


def judged(facts: Facts) -> str:
    """What became of all claims that the judge saw, each counted once."""
    # Taken out step by step, so that no claim is counted twice and all of them are.
    seen = [one for one in facts.standings if one.check is not None and one.check.prompts]
    held = facts.verified()
    left = [one for one in seen if one not in held]
    contrary = [one for one in left if one.check is not None and one.check.opposite]
    left = [one for one in left if one not in contrary]
    again = [one for one in left if one.check is not None and one.check.verified]
    same = [one for one in again if one.same_as]
    parts = [
        f"{count(len(seen), 'claim')} put before a judge ({facts.verification.judge}) {len(held)} were verified",
        *[f"{len(same)} more say one of these in other words"] * bool(same),
        *[f"{len(again) - len(same)} more are blocked or were rejected"] * (len(again) > len(same)),
        *[f"{len(contrary)} turned out the other way round"] * bool(contrary),
        *[f"{len(left) - len(again)} were not confirmed"] * (len(left) > len(again)),
    ]
    return listed(parts)


def unbroken(text: str) -> str:
    """With numbers and their per cent signs on one line."""
    return text.replace(" %", "\u00a0%")
