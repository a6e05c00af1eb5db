"""Three or more checkpoints in order: probes, phrases, measures and own probes along them, and where each changed.

Counts texts alone, so that nothing has to be encoded. Only prompts and draws that every checkpoint answered count.
Phrases are learned from discovery prompts and tested on held-out ones; the rest is tested on all. Promises that
the tests hold whatever an item's distribution (`steps`), and that all items are corrected for together but own
probes, which are a family of their own. Says nothing of features and habits: those are a diff's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import ndtr

from diffing.common import stats
from diffing.common.arrays import Array, Bools, Floats
from diffing.common.errors import UserError
from diffing.diff import measure, own, steps
from diffing.probes import learned, own_probes, scan
from diffing.probes.learned import Pairs
from diffing.probes.phrases import Phrase
from diffing.probes.probes import PROBES
from diffing.probes.sayings import SAYINGS
from diffing.study import responses
from diffing.study.study import Study

SHARE, MEAN = "share", "mean"
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


@dataclass(frozen=True)
class Timeline:
    """What came of a series."""

    keys: list[str]
    names: list[str]
    """Of the checkpoints, as people call them."""
    items: pd.DataFrame
    """A row an item, the surest changes first."""
    points: pd.DataFrame
    """A row for each item and checkpoint: share or mean, with its 95 % interval."""
    prompts: int
    """Prompts that every checkpoint answered."""
    left_out: int
    """Active prompts that some checkpoint did not answer."""
    faults: list[str]
    """Own probes without figures, and why."""

    def points_of(self, kind: str, item: str) -> pd.DataFrame:
        """An item's checkpoints, in order."""
        return self.points[(self.points["kind"] == kind) & (self.points["item"] == item)]

    def table(self) -> pd.DataFrame:
        """The items with what each checkpoint has beside them: one table for a file."""
        wide = self.points.pivot(index=["kind", "item"], columns="checkpoint", values=["value", "low", "high"])
        wide.columns = pd.Index([f"{name}_{key}" for name, key in wide.columns])
        ordered = [f"{name}_{key}" for key in self.keys for name in ("value", "low", "high")]
        return self.items.join(wide[ordered], on=["kind", "item"])


class _Answers(NamedTuple):
    """Answers to the same prompts and draws, checkpoint by checkpoint."""

    index: pd.MultiIndex
    """Prompt and draw, by prompt."""
    prompt: Array
    """The number of each of them's prompt, ascending."""
    held_out: Bools
    """By prompt."""
    texts: list[str]
    """Of each prompt and draw those of all checkpoints, in order."""
    left_out: int

    def by_prompt(self, values: Array, checkpoints: int) -> Floats:
        """Texts × items as prompts × checkpoints × items, the mean over draws."""
        shaped = values.reshape(len(self.prompt), checkpoints, -1)
        sums = np.zeros((len(self.held_out), *shaped.shape[1:]))
        np.add.at(sums, self.prompt, shaped)
        draws = np.bincount(self.prompt, minlength=len(self.held_out))
        return np.asarray(sums / np.maximum(draws, 1)[:, None, None], np.float64)


class _Group(NamedTuple):
    """Items that are counted on the same prompts."""

    kind: str
    names: list[str]
    says: list[str]
    units: list[str]
    values: Floats
    """Prompts × checkpoints × items."""


def of(study: Study, keys: Sequence[str] = (), permutations: int = steps.PERMUTATIONS) -> Timeline:
    """The timeline of checkpoints in the order given, all of the study's unless some are named."""
    chosen = order(study, keys)
    answers = _answers(study, chosen)
    probes = _probes(answers, len(chosen))
    groups = [probes, _phrases(answers, len(chosen), probes), *_measures(study, answers, chosen)]
    mine, faults = _own(study, answers, len(chosen))
    tested = [_tested(group, chosen, study.settings.seed, permutations) for group in [*groups, mine]]
    items = pd.concat([_corrected(tested[:-1]), _corrected(tested[-1:])], ignore_index=True)
    items = items.assign(q=items[["q_step", "q_trend"]].min(axis=1))
    items = items.assign(changed=items["q"] < measure.LEVEL)
    gradual = items["z_trend"].abs() >= items["z_step"].abs()
    items["shape"] = np.where(items["changed"], np.where(gradual, "steady", "step"), "")
    surest = np.lexsort([-items[["z_step", "z_trend"]].abs().max(axis=1).fillna(0.0), ~items["changed"]])
    points = pd.concat([_points(group, chosen) for group in [*groups, mine]], ignore_index=True)
    return Timeline(
        chosen,
        [study.checkpoint(key).name for key in chosen],
        items.iloc[surest][list(COLUMNS)].astype(COLUMNS).reset_index(drop=True),
        points.astype(POINTS),
        len(answers.held_out),
        answers.left_out,
        faults,
    )


def order(study: Study, keys: Sequence[str] = ()) -> list[str]:
    """The checkpoints of a timeline; a `UserError` where they are no three different ones of the study."""
    chosen = list(keys) or [checkpoint.key for checkpoint in study.checkpoints]
    for key in chosen:
        study.checkpoint(key)
    if len(study.checkpoints) < 3:
        raise UserError(f"Study '{study.name}' has two checkpoints; a timeline takes three, so use `answer`.")
    if len(chosen) < 3 or len(set(chosen)) < len(chosen):
        raise UserError(
            f"A timeline takes three or more different checkpoints in order; {', '.join(chosen)} are none."
        )
    return chosen


def _answers(study: Study, keys: Sequence[str]) -> _Answers:
    prompts = study.prompts()
    active = prompts[prompts["active"]]
    table = study.responses()
    good = table["checkpoint"].isin(list(keys)) & table["prompt_id"].isin(active["id"])
    table = table[good & ~table["flag"].isin(responses.EXCLUDING)]
    wide = table.pivot(index=["prompt_id", "draw"], columns="checkpoint", values="text")
    wide = wide.reindex(columns=list(keys)).dropna().sort_index()
    number, ids = pd.factorize(wide.index.get_level_values("prompt_id"))
    if not len(ids):
        raise UserError(
            f"No prompt of study '{study.name}' is answered by all of {', '.join(keys)}; collect what is missing."
        )
    split = active.set_index("id")["split"].reindex(ids)
    held_out = (split == "held-out").to_numpy(dtype=bool)
    texts = [str(text) for text in wide.to_numpy().ravel()]
    return _Answers(wide.index, number, held_out, texts, len(active) - len(ids))


def _probes(answers: _Answers, checkpoints: int) -> _Group:
    counts = scan.scan(answers.texts).counts().to_numpy(dtype=np.float64)
    amounts = np.array([PROBES[name].counted_only for name in scan.NAMES])
    values = np.where(amounts, counts, counts > 0)
    units = [MEAN if amount else SHARE for amount in amounts]
    says = [SAYINGS[name] for name in scan.NAMES]
    return _Group("probe", list(scan.NAMES), says, units, answers.by_prompt(values, checkpoints))


def _phrases(answers: _Answers, checkpoints: int, probes: _Group) -> _Group:
    """Learned on discovery prompts, by the line along the checkpoints, and counted on held-out ones.

    Those that come and go with a probe are left to it.
    """
    held_out = np.repeat(answers.held_out[answers.prompt], checkpoints)
    prompt = np.repeat(answers.prompt, checkpoints)
    line = np.tile(2 * np.arange(checkpoints) - (checkpoints - 1), len(answers.prompt))
    here = np.flatnonzero(~held_out)
    chosen = list[Phrase]()
    shows = np.zeros((len(answers.texts), 0))
    # Nothing is learned without prompts to learn from, and nothing said of it without some to count it on.
    if len(here) and held_out.any():
        pairs = Pairs(here, np.unique(prompt[here], return_inverse=True)[1], line[here])
        found = learned.learn(answers.texts, pairs, measure.LEVEL)
        whole = np.zeros((len(answers.texts), len(found.phrases)), bool)
        whole[found.spans.document, found.spans.probe] = True
        by_prompt = answers.by_prompt(whole, checkpoints)[~answers.held_out]
        largest = np.abs(steps.statistics(by_prompt)).max(axis=0, initial=0.0)
        kept = [choice.candidate for choice in learned.kept(found, 2 * ndtr(-largest))]
        with_probe = _alike(by_prompt[:, :, kept], probes.values[~answers.held_out])
        kept = [number for number, other in zip(kept, with_probe, strict=True) if not other]
        chosen = [learned.written(found.phrases[n], n, found, answers.texts, ~held_out) for n in kept]
        shows = whole[:, kept]
    values = answers.by_prompt(shows, checkpoints)[answers.held_out]
    names = [phrase.shown for phrase in chosen]
    return _Group("phrase", names, names, [SHARE] * len(names), values)


def _alike(some: Floats, others: Floats) -> Bools:
    """Which of some items one of others goes with, prompt by prompt along the checkpoints."""
    if not some.size:
        return np.zeros(some.shape[2], bool)
    centred = [(each - each.mean(axis=1, keepdims=True)).reshape(-1, each.shape[2]) for each in (some, others)]
    spread = [np.sqrt((each**2).sum(axis=0)) for each in centred]
    scaled = [each / np.where(width > 0, width, 1.0) for each, width in zip(centred, spread, strict=True)]
    return np.asarray((scaled[0].T @ scaled[1] >= learned.ALIKE).any(axis=1), bool)


def _measures(study: Study, answers: _Answers, keys: Sequence[str]) -> list[_Group]:
    """Each by itself: a measure may be of some answers only."""
    table = study.measures()
    table = table[table["checkpoint"].isin(list(keys))]
    groups = []
    for name, rows in table.groupby("name", sort=True):
        wide = rows.pivot(index=["prompt_id", "draw"], columns="checkpoint", values="value")
        wide = wide.reindex(columns=list(keys)).dropna()
        wide = wide[wide.index.isin(answers.index)]
        if wide.empty:
            continue
        values = wide.groupby(level="prompt_id").mean().to_numpy(dtype=np.float64)[:, :, None]
        unit = SHARE if rows["kind"].eq("yes/no").all() else MEAN
        groups.append(_Group("measure", [str(name)], [f"has “{name}”"], [unit], values))
    return groups


def _own(study: Study, answers: _Answers, checkpoints: int) -> tuple[_Group, list[str]]:
    """The study's own rules; questions are put to a judge about two checkpoints and are left out."""
    names, says, faults, columns = list[str](), list[str](), list[str](), list[Floats]()
    for probe in own_probes.load(study):
        if probe.rule is None:
            continue
        try:
            found = own.places(probe.rule, answers.texts)
        except UserError as error:
            faults.append(f"{probe.name}: {error}")
            continue
        names.append(probe.name)
        says.append(probe.saying)
        columns.append(np.array([bool(spans) for spans in found], np.float64))
    shows = np.column_stack(columns) if columns else np.zeros((len(answers.texts), 0))
    return _Group("own", names, says, [SHARE] * len(names), answers.by_prompt(shows, checkpoints)), faults


def _tested(group: _Group, keys: Sequence[str], seed: int, permutations: int) -> pd.DataFrame:
    found = steps.test(group.values, seed, permutations)
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
        "change_low": found.low,
        "change_high": found.high,
        "z_step": found.z_step,
        "p_step": found.p_step,
        "z_trend": found.z_trend,
        "p_trend": found.p_trend,
    }
    return pd.DataFrame(columns)


def _corrected(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """With q of both tests, corrected as one family: an item is called where either finds it."""
    table = pd.concat(tables, ignore_index=True)
    p = np.concatenate([table["p_step"], table["p_trend"]]).astype(np.float64)
    q_step, q_trend = np.split(stats.benjamini_hochberg(p), 2)
    return table.assign(q_step=q_step, q_trend=q_trend)


def _points(group: _Group, keys: Sequence[str]) -> pd.DataFrame:
    """Each checkpoint by itself: Wilson's interval of a share, Student's of a mean."""
    n = len(group.values)
    value = group.values.mean(axis=0) if n else np.full(group.values.shape[1:], np.nan)
    half = steps.half_width(group.values)
    share = np.array([unit == SHARE for unit in group.units], dtype=bool)
    low, high = stats.wilson(np.where(share, value, 0.0), max(n, 1))
    return pd.DataFrame(
        {
            "kind": group.kind,
            "item": np.repeat(np.array(group.names, object), len(keys)),
            "checkpoint": list(keys) * len(group.names),
            "value": value.T.ravel(),
            "low": np.where(share, low, value - half).T.ravel(),
            "high": np.where(share, high, value + half).T.ravel(),
        }
    )
