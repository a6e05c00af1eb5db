"""Of a set of checkpoints without an order: which one stands apart from the mean of the others, and in what.

Follows what a timeline follows, on the same prompts. Promises p-values that hold for the largest of all
checkpoints' differences, so that nobody has to say beforehand which one is meant, and that a difference which may
be length alone is in the table and in no sentence. Says nothing of features: `series` does.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from diffing.common import stats
from diffing.common.words import count, listed
from diffing.diff import along, followed, measure, steps, told
from diffing.diff.along import Series
from diffing.diff.followed import SHARE, Group
from diffing.study.study import Study

COLUMNS = (
    *("item", "kind", "says", "unit", "n_prompts", "differing", "changed", "one", "from", "value", "others"),
    *("change", "change_low", "change_high", "z", "p", "q"),
    *("change_rarefied", "q_rarefied", "adjusted_low", "adjusted_high", "survives_equal_length"),
)
"""Of the table of items."""


class Apart(Series):
    """What came of checkpoints without an order."""


def of(study: Study, keys: Sequence[str] = ()) -> Apart:
    """Which checkpoint stands apart in what."""
    chosen = along.order(study, keys)
    here = followed.of(study, chosen)
    everything = [*here.groups, here.own]
    tested = [_tested(group, chosen, study.settings.seed) for group in everything]
    # Own probes are a family of their own, here as everywhere.
    families = [pd.concat(tested[:-1], ignore_index=True), tested[-1]]
    table = pd.concat(families, ignore_index=True)
    for q, p in (("q", "p"), ("q_rarefied", "p_rarefied")):
        found = [stats.benjamini_hochberg(each[p].to_numpy(np.float64)) for each in families]
        table[q] = np.concatenate(found)
    table = table.assign(changed=table["q"] < measure.LEVEL)
    table = table.assign(survives_equal_length=along.survives(table))
    surest = np.lexsort([-table["z"].abs().fillna(0.0), ~table["changed"]])
    points = pd.concat([along.points(group, chosen) for group in everything], ignore_index=True)
    return Apart(
        chosen,
        [study.checkpoint(key).name for key in chosen],
        table.iloc[surest][list(COLUMNS)].reset_index(drop=True),
        points,
        len(here.answers.held_out),
        here.answers.left_out,
        here.faults,
    )


def _tested(group: Group, keys: Sequence[str], seed: int) -> pd.DataFrame:
    found = steps.apart(group.values, seed)
    weights = steps.against_others(found.which, len(keys))
    ends = (found.low, found.high) if group.kind != "measure" else along.as_compared(group, weights)
    columns: dict[str, Any] = {
        "item": np.array(group.names, object),
        "kind": np.full(len(group.names), group.kind, object),
        "says": np.array(group.says, object),
        "unit": np.array(group.units, object),
        "n_prompts": len(group.values),
        "differing": found.differing,
        "one": np.array([keys[number] for number in found.which.tolist()], object),
        "from": np.array(_furthest(group, found.which.tolist(), keys), object),
        "value": found.one,
        "others": found.others,
        "change": found.one - found.others,
        "change_low": ends[0],
        "change_high": ends[1],
        "z": found.z,
        "p": found.p,
    }
    p = None if group.level is None else steps.apart(group.level, seed).p
    return pd.DataFrame(columns | along.at_equal_length(group, weights, p))


def _furthest(group: Group, which: Sequence[int], keys: Sequence[str]) -> list[str]:
    """Of each item, the checkpoint that is furthest from the one that stands apart: the two to look at."""
    if not len(group.values):
        return [""] * len(which)
    means = group.values.mean(axis=0)
    return [keys[int(np.abs(means[:, n] - means[one, n]).argmax())] for n, one in enumerate(which)]


# In words.

DIFFERS = told.Rest(
    "more difference",
    "can be told",
    "Nothing else sets one apart for sure",
    "may be length alone",
)


def said(found: Apart) -> told.Said:
    """Which checkpoint stands apart, in what: length first, then measures, then what its answers do."""
    if not found.items["changed"].any():
        asked, every = count(found.prompts, "prompt"), listed(found.called)
        nothing = f"None of {every} was confirmed to stand apart on {asked}; that does not prove that none does."
        return told.Said(nothing, [], nothing)
    rows, parts, named = told.notable(found), list[tuple[str, str]](), 0
    # Who stands apart in most comes first.
    for key in rows["one"].value_counts().index:
        what, number = _said(rows[rows["one"] == key])
        named += number
        parts += [(f"{_called(found, key)} stands apart:", f"{what}.")] if what else []
    more = told.rest(found, named, DIFFERS if parts else DIFFERS._replace(more="difference"))
    return told.Said(_headline(found), parts, more)


def _headline(found: Apart) -> str:
    most = told.sure(found)["one"].value_counts()
    if most.empty:
        return "Some stand apart, and all of it may be length alone."
    named = listed([f"{_called(found, key)} in {count(number, 'thing')}" for key, number in most.items()])
    return f"Of {len(found.keys)} checkpoints {'one stands' if len(most) == 1 else 'these stand'} apart: {named}."


def _called(found: Apart, key: Any) -> str:
    return found.called[found.keys.index(key)]


def _said(rows: pd.DataFrame) -> tuple[str, int]:
    """What one checkpoint's answers do, against the others', and how many things that names."""
    parts, named = list[str](), 0
    amounts = rows[(rows["item"] == told.LENGTH) & (rows["kind"] == "probe")]
    for _, row in amounts.iterrows():
        way = "longer" if row["change"] > 0 else "shorter"
        parts.append(f"its answers are {way} ({row['value']:,.0f} words, the others {row['others']:,.0f})")
        named += 1
    for _, row in rows[rows["kind"] == "measure"].head(told.SAID).iterrows():
        parts.append(f"“{row['item']}” is {'higher' if row['change'] > 0 else 'lower'} ({_figures(row)})")
        named += 1
    shares = rows[(rows["unit"] == SHARE) & (rows["kind"] != "measure")]
    for often, some in (("more often", shares["change"] > 0), ("more rarely", shares["change"] < 0)):
        mine = [f"{row['says']} ({_figures(row)})" for _, row in shares[some].head(told.SAID).iterrows()]
        parts += [f"it {often} {listed(mine)}"] if mine else []
        named += len(mine)
    return "; ".join(parts), named


def _figures(row: "pd.Series[Any]") -> str:
    unit = row["unit"]
    return f"{told.figure(unit, row['value'])}, the others {told.figure(unit, row['others'])}"
