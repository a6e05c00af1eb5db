"""What changed beyond an earlier comparison: the difference of two differences, on the same prompts.

For each prompt, B less A here, less B less A there, of what can be counted in answers: surface probes, phrases, a
study's own rules, and the behaviours that these count. If the release now changes a thing just as the last one
did, the two differences of a prompt can be exchanged, and their difference turned round: the signed-rank test of
the diff. Where the two share a checkpoint's very answers (the last B is this A) that does not hold for rare
things, so p is the larger of it and Student's t. Behaviours and phrases were chosen on discovery prompts of this
study and are compared on its held-out ones. What only features or a judge tell of, and where things stand, is not
compared.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from diffing.common import stats
from diffing.common.arrays import Floats
from diffing.common.errors import UserError
from diffing.diff import measure
from diffing.gate import paired
from diffing.gate.items import Item
from diffing.probes import own_probes, scan
from diffing.probes.phrases import Phrase, shown_by
from diffing.study import responses
from diffing.study.study import Study

Key = tuple[str, str]
"""What counts a thing, and its name there."""


class Sides(NamedTuple):
    """A study's pairs of answers to the prompts that both studies have, and what each shows of each thing."""

    rows: pd.DataFrame
    """By prompt: `split` and `category`, in the order of the prompts' ids."""
    a: dict[Key, Floats]
    """By thing and prompt: how many of it an answer has on average, of draws; of a share 1 where it shows it."""
    b: dict[Key, Floats]


class Excess(NamedTuple):
    """What is left of an item beyond the earlier comparison."""

    item: Item
    """The item with the difference of both differences, and its interval and q."""
    before: float
    """B less A there."""


def shared(study: Study, sides: tuple[str, str], other: Study, theirs: tuple[str, str]) -> list[str]:
    """Prompts with a pair of answers in both, by id; a `UserError` where hardly any is."""
    ids = [
        {str(each) for each in responses.kept(each.pairs(*keys))["prompt_id"]}
        for each, keys in ((study, sides), (other, theirs))
    ]
    both = sorted(ids[0] & ids[1])
    if len(both) < measure.LEAST:
        raise UserError(
            f"Study '{other.name}' has {len(both)} of the prompts of '{study.name}', and at least {measure.LEAST} "
            "are needed to compare their changes; ask both the same prompts."
        )
    return both


def excess(
    study: Study,
    sides: tuple[str, str],
    other: Study,
    theirs: tuple[str, str],
    found: Sequence[Item],
) -> dict[str, Excess]:
    """What each item that can be counted shows beyond the earlier comparison, by its id."""
    ids = shared(study, sides, other, theirs)
    wanted = {item.id: (item.by, item.source) for item in found if _countable(study, item)}
    amounts = {(item.by, item.source) for item in found if item.kind == "amount"}
    now, before = (
        _counted(each, keys, ids, study, [*dict.fromkeys(wanted.values())], amounts)
        for each, keys in ((study, sides), (other, theirs))
    )
    compared = {item.id: _beyond(item, now, before) for item in found if item.id in wanted}
    # Corrected over all that was compared, and not over what looked changed: that was chosen by its size here.
    q = stats.benjamini_hochberg(np.array([each.item.q for each in compared.values()], dtype=np.float64))
    return {
        each: Excess(one.item._replace(q=float(value), q_gate=float(value), heldout_q=float(value)), one.before)
        for (each, one), value in zip(compared.items(), q, strict=True)
    }


def _countable(study: Study, item: Item) -> bool:
    rules = {probe.name for probe in own_probes.load(study) if probe.rule} if item.by == "own" else ()
    return item.kind != "place" and (item.by in ("probe", "phrase") or item.source in rules)


def _counted(
    study: Study,
    sides: tuple[str, str],
    ids: Sequence[str],
    owner: Study,
    wanted: Sequence[Key],
    amounts: set[Key],
) -> Sides:
    pairs = responses.kept(study.pairs(*sides))
    pairs = pairs[pairs["prompt_id"].isin(list(ids))]
    prompts = study.prompts().set_index("id").loc[list(ids), ["split", "category"]]
    row = prompts.index.get_indexer(pairs["prompt_id"])
    draws = np.bincount(row, minlength=len(ids))
    means = []
    for side in "ab":
        found = counts([str(text) for text in pairs[f"text_{side}"]], owner, wanted)
        shown = {key: amount if key in amounts else (amount > 0).astype(float) for key, amount in found.items()}
        means.append({key: np.bincount(row, values, len(ids)) / draws for key, values in shown.items()})
    return Sides(prompts, *means)


def counts(texts: Sequence[str], owner: Study, wanted: Sequence[Key]) -> Mapping[Key, Floats]:
    """How often each text has each thing."""
    table = scan.table(texts)
    forms = [name for by, name in wanted if by == "phrase"]
    shown = shown_by(texts, [Phrase.of(json.loads(form)) for form in forms]).astype(np.float64)
    said = dict(zip(forms, shown.T, strict=True))
    rules = {probe.name: probe for probe in own_probes.load(owner)}
    found: dict[Key, Floats] = {}
    for by, name in wanted:
        if by == "probe":
            found[by, name] = table[name].to_numpy(np.float64)
        elif by == "phrase":
            found[by, name] = said[name]
        else:
            found[by, name] = np.array([len(rules[name].spans(text)) for text in texts], dtype=np.float64)
    return found


def _beyond(item: Item, now: Sides, before: Sides) -> Excess:
    key = (item.by, item.source)
    kept = np.ones(len(now.rows), bool)
    if item.what in ("behaviour", "phrase"):
        kept &= (now.rows["split"] == "held-out").to_numpy()
    if item.category:
        kept &= (now.rows["category"] == item.category).to_numpy()
    changes = [_change(each, key, kept, item.kind == "amount") for each in (now, before)]
    told = paired.of(changes[0] - changes[1])
    # The larger: Student's holds where the two comparisons share answers, ranks where few prompts differ.
    p = max(told.p, told.student) if told.p == told.p else math.nan
    left = item._replace(
        share_a=math.nan,
        share_b=math.nan,
        delta=told.mean,
        ci_low=told.mean - told.half,
        ci_high=told.mean + told.half,
        q=p,
        heldout_delta=told.mean,
        prompts=int(kept.sum()),
    )
    return Excess(left, float(changes[1].mean()) if kept.any() else math.nan)


def _change(sides: Sides, key: Key, kept: np.ndarray, amount: bool) -> Floats:
    """By prompt, B less A; of an amount as a share of the mean of both."""
    a, b = sides.a[key][kept], sides.b[key][kept]
    mean = (a.mean() + b.mean()) / 2 if amount and kept.any() else 1.0
    return np.asarray((b - a) / mean if mean else b - a)
