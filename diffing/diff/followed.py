"""What a timeline follows, counted in the answers to prompts that every checkpoint answered.

Probes, phrases, measures and own probes, each as an array of prompts × checkpoints × items. Promises that
phrases are chosen by discovery prompts alone and counted on the others. Tests nothing.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import ndtr

from diffing.common.arrays import Array, Bools, Floats
from diffing.common.errors import UserError
from diffing.diff import measure, own, steps
from diffing.diff import measures as compared
from diffing.diff.like_length import Words
from diffing.diff.phrases import of_some
from diffing.probes import learned, own_probes, scan
from diffing.probes.learned import Pairs
from diffing.probes.phrases import Phrase
from diffing.probes.probes import PROBES
from diffing.probes.sayings import SAYINGS
from diffing.study import responses
from diffing.study.study import Study

SHARE, MEAN = "share", "mean"


class Answers(NamedTuple):
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
    words: Words

    def by_prompt(self, values: Array, checkpoints: int) -> Floats:
        """Texts × items as prompts × checkpoints × items, the mean over draws."""
        shaped = values.reshape(len(self.prompt), checkpoints, -1)
        sums = np.zeros((len(self.held_out), *shaped.shape[1:]))
        np.add.at(sums, self.prompt, shaped)
        draws = np.bincount(self.prompt, minlength=len(self.held_out))
        return np.asarray(sums / np.maximum(draws, 1)[:, None, None], np.float64)

    def lengths(self, checkpoints: int) -> Floats:
        """Prompts × checkpoints: the mean logarithm of the answers' words."""
        return self.by_prompt(np.log(np.maximum(self.words.length, 1)), checkpoints)[:, :, 0]


class Group(NamedTuple):
    """Items that are counted on the same prompts."""

    kind: str
    names: list[str]
    says: list[str]
    units: list[str]
    values: Floats
    """Prompts × checkpoints × items."""
    level: Floats | None = None
    """The same at equal length: the chance that as many words as the shortest of a prompt's answers has show it.
    None where that is not asked, as of measures; of a mean it says nothing."""
    lengths: Floats | None = None
    """Prompts × checkpoints: the mean logarithm of the answers' words."""
    draws: int = 1
    """Of measures: the most that a prompt has at every checkpoint."""


class Followed(NamedTuple):
    """All that is counted along the checkpoints."""

    answers: Answers
    groups: list[Group]
    """Probes, phrases and measures: one family of tests."""
    own: Group
    """The study's own rules, a family of their own."""
    faults: list[str]
    """Own probes without figures, and why."""


def of(study: Study, keys: Sequence[str]) -> Followed:
    """Everything in the answers that all these checkpoints gave."""
    answers = answers_of(study, keys)
    counted = probes(answers, len(keys))
    # Learned by the line along the checkpoints: some of what only one in the middle says is not looked for.
    groups = [counted, phrases(answers, len(keys), counted), *measures(study, keys)]
    mine, faults = own_rules(study, answers, len(keys))
    return Followed(answers, groups, mine, faults)


def answers_of(study: Study, keys: Sequence[str]) -> Answers:
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
    words = Words.of(texts, len(keys))
    return Answers(wide.index, number, held_out, texts, len(active) - len(ids), words)


def probes(answers: Answers, checkpoints: int) -> Group:
    scanned = scan.scan(answers.texts)
    counts = scanned.counts().to_numpy(dtype=np.float64)
    amounts = np.array([PROBES[name].counted_only for name in scan.NAMES])
    values = np.where(amounts, counts, counts > 0)
    units = [MEAN if amount else SHARE for amount in amounts]
    says = [SAYINGS[name] for name in scan.NAMES]
    level = answers.by_prompt(answers.words.chances(scanned), checkpoints)
    shown = answers.by_prompt(values, checkpoints)
    return Group("probe", list(scan.NAMES), says, units, shown, level, answers.lengths(checkpoints))


def phrases(answers: Answers, checkpoints: int, beside: Group) -> Group:
    """Learned on discovery prompts, by the line along the checkpoints, and counted on held-out ones.

    Those that come and go with a probe are left to it.
    """
    held_out = np.repeat(answers.held_out[answers.prompt], checkpoints)
    prompt = np.repeat(answers.prompt, checkpoints)
    line = np.tile(2 * np.arange(checkpoints) - (checkpoints - 1), len(answers.prompt))
    here = np.flatnonzero(~held_out)
    chosen = list[Phrase]()
    shows = chances = np.zeros((len(answers.texts), 0))
    # Nothing is learned without prompts to learn from, and nothing said of it without some to count it on.
    if len(here) and held_out.any():
        pairs = Pairs(here, np.unique(prompt[here], return_inverse=True)[1], line[here])
        found = learned.learn(answers.texts, pairs, measure.LEVEL)
        whole = np.zeros((len(answers.texts), len(found.phrases)), bool)
        whole[found.spans.document, found.spans.probe] = True
        by_prompt = answers.by_prompt(whole, checkpoints)[~answers.held_out]
        largest = np.abs(steps.statistics(by_prompt)).max(axis=0, initial=0.0)
        kept = [choice.candidate for choice in learned.kept(found, 2 * ndtr(-largest))]
        with_probe = _alike(by_prompt[:, :, kept], beside.values[~answers.held_out])
        kept = [number for number, other in zip(kept, with_probe, strict=True) if not other]
        chosen = [learned.written(found.phrases[n], n, found, answers.texts, ~held_out) for n in kept]
        shows = whole[:, kept]
        spans = of_some(found.spans, np.array(kept, np.int64))
        chances = answers.words.chances(spans, np.zeros(len(kept), bool))
    values, level = (answers.by_prompt(each, checkpoints)[answers.held_out] for each in (shows, chances))
    names = [phrase.shown for phrase in chosen]
    lengths = answers.lengths(checkpoints)[answers.held_out]
    return Group("phrase", names, names, [SHARE] * len(names), values, level, lengths)


def _alike(some: Floats, others: Floats) -> Bools:
    """Which of some items one of others goes with, prompt by prompt along the checkpoints."""
    if not some.size:
        return np.zeros(some.shape[2], bool)
    centred = [(each - each.mean(axis=1, keepdims=True)).reshape(-1, each.shape[2]) for each in (some, others)]
    spread = [np.sqrt((each**2).sum(axis=0)) for each in centred]
    scaled = [each / np.where(width > 0, width, 1.0) for each, width in zip(centred, spread, strict=True)]
    return np.asarray((scaled[0].T @ scaled[1] >= learned.ALIKE).any(axis=1), bool)


def measures(study: Study, keys: Sequence[str]) -> list[Group]:
    """Each by itself, on the prompts that have it at every checkpoint: a measure may be of some answers only."""
    groups = []
    for name, rows in compared.numbers_of(study, keys).groupby("name", sort=True):
        wide = rows.pivot(index=["prompt_id", "draw"], columns="checkpoint", values="value")
        wide = wide.reindex(columns=list(keys)).dropna()
        if wide.empty:
            continue
        by_prompt = wide.groupby(level="prompt_id")
        values = by_prompt.mean().to_numpy(dtype=np.float64)[:, :, None]
        unit = SHARE if rows["kind"].eq("yes/no").all() else MEAN
        draws = int(by_prompt.size().max())
        groups.append(Group("measure", [str(name)], [f"has “{name}”"], [unit], values, draws=draws))
    return groups


def own_rules(study: Study, answers: Answers, checkpoints: int) -> tuple[Group, list[str]]:
    """The study's own rules; questions and properties were made of two checkpoints and are left out."""
    names, says, faults, found = list[str](), list[str](), list[str](), list[own.Places]()
    for probe in own_probes.load(study):
        if probe.rule is None:
            continue
        try:
            found.append(own.places(probe.rule, answers.texts))
        except UserError as error:
            faults.append(f"{probe.name}: {error}")
            continue
        names.append(probe.name)
        says.append(probe.saying)
    shows = np.array([[bool(spans) for spans in each] for each in found], np.float64)
    shows = shows.reshape(len(found), len(answers.texts)).T
    chances = answers.words.chances(own.scanned(answers.texts, found), np.zeros(len(found), bool))
    values, level = (answers.by_prompt(each, checkpoints) for each in (shows, chances))
    units = [SHARE] * len(names)
    return Group("own", names, says, units, values, level, answers.lengths(checkpoints)), faults
