"""Three or more checkpoints in order: probes, phrases, measures and own probes along them, and where each changed.

Counts texts alone, so that nothing has to be encoded. Only prompts and draws that every checkpoint answered count.
Phrases are learned from discovery prompts and tested on held-out ones; the rest is tested on all. Promises that
the tests hold whatever an item's distribution (`steps`), and that all items are corrected for together but own
probes, which are a family of their own. Says nothing of features and habits: those are a diff's.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from diffing.common import files, stats
from diffing.common.arrays import Array, Floats
from diffing.common.damage import Damaged, in_words
from diffing.diff import along, followed, measure, steps
from diffing.diff.along import Series
from diffing.diff.followed import SHARE, Group
from diffing.probes import own_probes
from diffing.study import measures, responses
from diffing.study.study import Study

logger = logging.getLogger(__name__)

METHOD = 3
"""Raised when the same answers would give another timeline than before."""
COLUMNS = {
    "item": "object",
    "kind": "object",
    "says": "object",
    "unit": "object",
    "n_prompts": "int64",
    "differing": "int64",
    "first": "float64",
    "last": "float64",
    "changed": "bool",
    "shape": "object",
    "from": "object",
    "from_low": "object",
    "from_high": "object",
    "before": "float64",
    "after": "float64",
    "change": "float64",
    "change_low": "float64",
    "change_high": "float64",
    "z_step": "float64",
    "p_step": "float64",
    "q_step": "float64",
    "z_trend": "float64",
    "p_trend": "float64",
    "q_trend": "float64",
    "q": "float64",
    "change_rarefied": "float64",
    "q_rarefied": "float64",
    "adjusted_low": "float64",
    "adjusted_high": "float64",
    "survives_equal_length": "boolean",
    "discordance": "float64",
}
"""Of the table of items, and their types."""
POINTS = {
    "kind": "object",
    "item": "object",
    "checkpoint": "object",
    "value": "float64",
    "low": "float64",
    "high": "float64",
}


class Timeline(Series):
    """What came of checkpoints in order."""


def of(study: Study, keys: Sequence[str] = ()) -> Timeline:
    """The timeline of checkpoints in the order given, all of the study's unless some are named.

    Kept in the study and made anew once a file that it rests on was replaced.
    """
    chosen = along.order(study, keys)
    # The text is not named, as in a diff's folder.
    named = files.content_hash([*chosen, {"channel": study.channel}] if study.channel != "text" else chosen)
    path = study.folder / "diffs" / f"timeline-{named}.json"
    # Before the work: what changes meanwhile has it made again.
    state = [METHOD, study.settings.seed, *(list(files.identity(each) or []) for each in _rests(study))]
    try:
        record = files.read_json(path)
        if record["state"] == state:
            return _read(study, chosen, record["fact"])
    except (Damaged, LookupError, TypeError, ValueError) as error:
        if path.exists():
            logger.warning("The timeline is computed anew: %s", error)
    found = made(study, chosen)
    try:
        files.write_json(path, {"state": state, "fact": _written(found)}, seal=True)
    except OSError as error:
        # Looking works on a full or read-only disk too.
        logger.info("The timeline was not kept: %s", in_words(error))
    return found


def _rests(study: Study) -> list[Path]:
    names = ("prompts.csv", *responses.FILES, measures.FILE)
    return [*(study.folder / name for name in names), own_probes.path_of(study)]


def _written(found: Timeline) -> dict[str, Any]:
    told = {"prompts": found.prompts, "left_out": found.left_out, "faults": found.faults}
    frames = {"items": found.items, "points": found.points}
    # As JSON has no NaN.
    plain = {name: table.astype(object).where(table.notna(), None) for name, table in frames.items()}
    return told | {name: table.to_dict("list") for name, table in plain.items()}


def _read(study: Study, keys: list[str], fact: dict[str, Any]) -> Timeline:
    items = pd.DataFrame(fact["items"])[list(COLUMNS)].astype(COLUMNS)
    points = pd.DataFrame(fact["points"])[list(POINTS)].astype(POINTS)
    names = [study.checkpoint(key).name for key in keys]
    return Timeline(keys, names, items, points, int(fact["prompts"]), int(fact["left_out"]), list(fact["faults"]))


def made(study: Study, chosen: Sequence[str]) -> Timeline:
    """The timeline, computed."""
    here = followed.of(study, chosen)
    everything = [*here.groups, here.own]
    tested = [_tested(group, chosen, study.settings.seed) for group in everything]
    items = pd.concat([_corrected(tested[:-1]), _corrected(tested[-1:])], ignore_index=True)
    items = items.assign(q=items[["q_step", "q_trend"]].min(axis=1))
    items = items.assign(changed=items["q"] < measure.LEVEL)
    items["shape"] = np.where(items["changed"], np.where(items["gradual"], "steady", "step"), "")
    items["survives_equal_length"] = along.survives(items)
    surest = np.lexsort([-items[["z_step", "z_trend"]].abs().max(axis=1).fillna(0.0), ~items["changed"]])
    points = pd.concat([along.points(group, chosen) for group in everything], ignore_index=True)
    return Timeline(
        list(chosen),
        [study.checkpoint(key).name for key in chosen],
        items.iloc[surest][list(COLUMNS)].astype(COLUMNS).reset_index(drop=True),
        points.astype(POINTS),
        len(here.answers.held_out),
        here.answers.left_out,
        here.faults,
    )


def _tested(group: Group, keys: Sequence[str], seed: int) -> pd.DataFrame:
    found = steps.test(group.values, seed)
    # A split of 0 is that of what was not tested.
    weights = steps.weights(np.maximum(found.split, 1), found.gradual, len(keys))
    ends = (found.low, found.high) if group.kind != "measure" else along.as_compared(group, weights)
    means = group.values.mean(axis=0) if len(group.values) else np.full(group.values.shape[1:], np.nan)

    def named(split: Array) -> list[str]:
        """The checkpoint that a step leads to."""
        return ["" if number == 0 else keys[number] for number in split.tolist()]

    columns: dict[str, Any] = {
        "item": group.names,
        "kind": group.kind,
        "says": group.says,
        "unit": group.units,
        "n_prompts": len(group.values),
        "differing": found.differing,
        "first": means[0],
        "last": means[-1],
        "from": named(found.split),
        "from_low": named(found.split_low),
        "from_high": named(found.split_high),
        "before": found.before,
        "after": found.after,
        "change": found.after - found.before,
        "change_low": ends[0],
        "change_high": ends[1],
        "z_step": found.z_step,
        "p_step": found.p_step,
        "z_trend": found.z_trend,
        "p_trend": found.p_trend,
        "gradual": found.gradual,
        "discordance": _discordance(group),
    }
    level = None if group.level is None else steps.test(group.level, seed)
    p = None if level is None else np.where(found.gradual, level.p_trend, level.p_step)
    return pd.DataFrame(columns | along.at_equal_length(group, weights, p))


def _discordance(group: Group) -> Floats:
    """Of shares: how many prompts differ by chance between neighbours, without what these differ by on average."""
    if not len(group.values):
        return np.full(len(group.names), np.nan)
    change = np.diff(group.values, axis=1)
    middle = change.mean(axis=0)
    chance = ((change**2).mean(axis=0) + middle**2 - np.abs(middle)).mean(axis=0)
    share = np.array([unit == SHARE for unit in group.units], bool)
    return np.where(share, np.clip(chance, 0.0, 1.0), np.nan)


def _corrected(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """With q of both tests, corrected as one family: an item is called where either finds it."""
    table = pd.concat(tables, ignore_index=True)
    p = np.concatenate([table["p_step"], table["p_trend"]]).astype(np.float64)
    q_step, q_trend = np.split(stats.benjamini_hochberg(p), 2)
    level = stats.benjamini_hochberg(table["p_rarefied"].to_numpy(np.float64))
    return table.assign(q_step=q_step, q_trend=q_trend, q_rarefied=level)
