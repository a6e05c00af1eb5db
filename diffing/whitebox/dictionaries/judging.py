"""The step `latents`: which latents of a study's dictionary are real, told beside nulls and kept with it.

A second dictionary is trained on the pair with another seed, and two on each null, all in the way of the first;
then all are judged (`judge`) on texts that none of them learnt from. Promises that what it takes is told first,
that nothing is trained twice however often it is killed, and that what it needed on the way is put away at its
end. What was judged is read in `judged`.
"""

import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import torch
from pydantic import Field

from diffing.common import damage, files, words
from diffing.common.errors import UserError
from diffing.common.step import Progress, Result, Settings
from diffing.study.study import Study, held
from diffing.whitebox import beside, texts
from diffing.whitebox.activations import corpus, kept
from diffing.whitebox.activations.corpus import Corpus
from diffing.whitebox.activations.source import Passes, Source
from diffing.whitebox.activations.stream import Options as StreamOptions
from diffing.whitebox.activations.stream import Stream
from diffing.whitebox.dictionaries import about, causal, job, judge, judged, plan, shelf
from diffing.whitebox.dictionaries import files as weights
from diffing.whitebox.dictionaries.dictionary import Dictionary
from diffing.whitebox.dictionaries.judge import PAIR, Trained
from diffing.whitebox.dictionaries.step import Learner
from diffing.whitebox.dictionaries.training import Place, train
from diffing.whitebox.pairs.pair import Pair
from diffing.whitebox.plan import TRIES
from diffing.whitebox.run import Null
from diffing.whitebox.sight import evidence
from diffing.whitebox.texts import Document

MOST_TOKENS = 2**18
"""Of texts that latents are judged on, as many as tables of latents are made of."""
MATCHED = 128
"""Texts on which a turned change is made as strong as the pair: its mean KL over eight thousand tokens is known to
a few per cent, which is how near it is brought."""
PROBED = 3
"""Steps that are tried before it is said how long training takes: the first one is slower and does not count."""
SWAY = 1.5
"""How much longer than the probe says: in the first steps k is higher, and other work slows a machine."""


class Options(Settings):
    """Which dictionary, and how much is tried."""

    name: str
    nulls: tuple[str, ...] = (beside.FEW,)
    """As `beside` reads them."""
    most: int = Field(default=10, ge=1)
    """Latents of each dictionary that are tried in the models."""
    trial: causal.Options = causal.Options(texts=6)
    """Fewer texts than usual: with ten latents and their controls a million tokens of the bundled models, which
    two cores read in some minutes."""
    device: str = "auto"
    dtype: str = "auto"


class Cost(NamedTuple):
    """What judging takes."""

    trained: int
    """Dictionaries."""
    learnt: int
    """Tokens that these learn from together."""
    read: int
    """Tokens that both models read, counted once for the two, in what is tried too."""


class Plan(NamedTuple):
    """What judging comes down to."""

    study: Study
    options: Options
    training: plan.Plan
    """Of the dictionary, as it was trained."""
    documents: Sequence[Document]
    """That no dictionary learns from."""
    nulls: Sequence[Null]

    @property
    def key(self) -> str:
        asked = self.options.model_dump(mode="json", exclude={"device", "dtype"})
        names = [null.name for null in self.nulls]
        return files.content_hash([judged.VERSION, self.mark, texts.key(self.documents), names, asked])

    @property
    def mark(self) -> str:
        return shelf.mark(shelf.facts(self.study, self.options.name))

    @property
    def folder(self) -> Path:
        """Where dictionaries lie while it lasts."""
        return shelf.judging_of(self.study, self.options.name)

    def place(self, name: str, seed: int) -> Path:
        return self.folder / f"{self.mark}-{name}-{seed}"

    @property
    def cost(self) -> Cost:
        training, trial = self.training, self.options.trial
        pairs = 1 + len(self.nulls)
        trained = 2 * pairs - 1
        each = training.corpus.tokens
        read = each * (pairs if training.keeps else training.stream.rounds * trained)
        read += pairs * sum(len(document.ids) for document in self.documents)
        turned = sum(null.name.startswith("rotated-") for null in self.nulls)
        read += turned * TRIES * sum(len(document.ids) for document in self.documents[:MATCHED])
        # Each is read twice by either model; of the pair's own, so are its controls.
        longest = max(len(document.ids) for document in self.documents)
        tries = 2 * pairs + 2 * (trial.controls + trial.controls // 4) + trial.controls
        read += self.options.most * tries * trial.texts * longest
        return Cost(trained, trained * training.facts.tokens, read)

    @property
    def told(self) -> str:
        """What it will take, in some sentences; tries a few steps to say how long."""
        cost = self.cost
        learn, read = self._pace()
        seconds = cost.learnt * learn + cost.read * read
        nulls = words.listed(null.told or null.name for null in self.nulls)
        return (
            f"Latents of dictionary '{self.options.name}' are judged on "
            f"{words.count(len(self.documents), 'text')} that it did not learn from, beside {nulls}. "
            f"{words.count(cost.trained, 'dictionary', 'dictionaries')} more are trained like it, on "
            f"{cost.learnt:,} tokens together, and both models read about {cost.read:,} tokens: "
            f"{words.duration(seconds)} to {words.duration(SWAY * seconds)} by some steps tried here."
        )

    def _pace(self) -> tuple[float, float]:
        """Seconds a token that is learnt from, and one that both models read."""
        training = self.training
        recipe = training.recipe.recipe(training.shape.latents, training.steps, training.rows)
        learner = Learner(training.shape, recipe, training.pair.device)
        inputs = torch.randn(training.options.batch, training.shape.inputs, device=training.pair.device)
        began = 0.0
        for _ in range(PROBED):
            # The loss is asked for, so that a GPU is done with the step.
            float(learner.learn(inputs).loss)
            began = began or time.perf_counter()
        learn = (time.perf_counter() - began) / ((PROBED - 1) * len(inputs))
        some = Corpus(self.documents[:8])
        source = Passes(training.pair, some, training.source.layers)
        began = time.perf_counter()
        for block in source.read(range(len(some)), lambda: None):
            float(block.values.flatten()[0])
        return learn, (time.perf_counter() - began) / some.tokens


def planned(study: Study, options: Options, progress: Progress | None = None) -> Plan:
    """Open the pair and find the texts and nulls; trains nothing."""
    check = progress.check if progress else lambda: None
    tell = progress.log if progress else lambda _: None
    name = options.name
    facts = shelf.facts(study, name)
    if why := shelf.outdated(study, name):
        raise UserError(f"{why} Dictionary '{name}' cannot be judged as it was trained; train it again.")
    flow = StreamOptions.model_validate(facts.stream)
    asked = plan.Options.model_validate(
        facts.options
        | {"base": facts.base, "variant": facts.variant, "name": name, "texts": facts.texts}
        | {"layer": facts.layer / max(1, facts.layers - 1), "batch": flow.batch, "buffer": flow.buffer}
        # The last batch may have been a short one.
        | {"tokens": -(-facts.tokens // flow.batch) * flow.batch}
        | {"device": options.device, "dtype": options.dtype}
    )
    training = plan.planned(study, asked, check, tell)._replace(stream=flow)
    if training.facts.key != facts.key:
        raise UserError(
            f"Dictionary '{name}' was trained in another number format, on another kind of device or on other "
            "texts than are here; judge it where it was trained, or train it again."
        )
    documents = corpus.held_out(training.documents, MOST_TOKENS)
    if len(documents) < 2:
        raise UserError(
            f"No texts were held out of dictionary '{name}' to judge it on; train one with texts that are "
            "(held_out above 0)."
        )
    sides = (facts.base, facts.variant)
    organism = study.settings.organism if sides == study.sides() else ""
    nulls = beside.chosen(options.nulls, training.pair, documents[:MATCHED], organism, check)
    others = [null for null in nulls if null.name != "same"]
    if len(others) < evidence.LEAST:
        raise UserError(
            f"Latents are judged beside {evidence.LEAST} nulls at least, and {len(others)} "
            f"{'was' if len(others) == 1 else 'were'} named; name more."
        )
    return Plan(study, options, training, documents, others)


def run(study: Study, options: Options, progress: Progress) -> Result:
    """Judge what is not judged yet."""
    progress.update(0, 0, note="opening the pair")
    found = planned(study, options, progress)
    there = judged.about(study, options.name)
    if there is not None and there.key == found.key:
        progress.log(f"Dictionary '{options.name}' is judged already.")
    else:
        found.training.check()
        progress.log(found.told)
        with held(study.folder):
            found.folder.mkdir(mode=files.PRIVATE_FOLDER, exist_ok=True)
        with damage.told():
            _judge(found, progress)
    progress.over()
    shutil.rmtree(found.folder, ignore_errors=True)
    told = judged.needed(study, options.name)
    own = told.counts.iloc[0]
    return {
        "name": options.name,
        "alive": int(own["alive"]),
        "exclusive_and_stable": int(own["own"]),
        "in_nulls": [int(number) for number in told.counts["own"][1:]],
        "real": told.real,
        "sentence": told.sentence,
    }


def _judge(found: Plan, progress: Progress) -> None:
    training, options = found.training, found.options
    said: dict[str, str] = {}
    trained: dict[str, Trained] = {}
    learning = Learning(found, progress)
    opened: Mapping[str, judge.Opened] = {PAIR: nullcontext, **{null.name: null.open for null in found.nulls}}
    for name, enter in opened.items():
        progress.check()
        with enter(training.pair) as pair:
            said[name] = pair.name
            trained[name] = learning.pair(name, pair)
    told = judge.judge(
        training.pair,
        {null.name: null.open for null in found.nulls},
        found.documents,
        training.layer,
        trained,
        judge.Options(most=options.most, trial=options.trial, seed=training.options.seed),
        progress.check,
        learning.tell,
    )
    # Whoever reads it knows which pair is meant.
    said[PAIR] = "this pair"
    counts = told.counts.assign(told=[said[name] for name in told.counts["name"]])
    told_of = judged.About(
        version=judged.VERSION,
        key=found.key,
        mark=found.mark,
        nulls=tuple(said[null.name] for null in found.nulls),
        texts=len(found.documents),
        tokens=sum(len(document.ids) for document in found.documents),
        answers=any(document.kind == "answer" for document in found.documents),
        options=options.model_dump(mode="json"),
        date=files.now(),
    )
    judged.save(shelf.folder(found.study, options.name), told_of, told.judged, counts)


class Learning:
    """Dictionaries of a pair and its nulls, one after another, with one bar for all."""

    def __init__(self, found: Plan, progress: Progress) -> None:
        self.found, self.progress = found, progress
        self.training = found.training
        self.each = self.training.facts.tokens
        self.total = found.cost.learnt
        self.done = 0

    def tell(self, line: str) -> None:
        self.progress.log(line)
        self.progress.update(self.total, self.total, "tokens", note=line.rstrip("."))

    def pair(self, name: str, pair: Pair) -> Trained:
        """Both dictionaries of a pair; of the study's own, the first is there."""
        seed = self.training.options.seed
        if name == PAIR:
            own = weights.load(shelf.folder(self.found.study, self.found.options.name))
            return Trained(own.to(pair.device, torch.float32), self._one(name, pair, seed + 1))
        return Trained(self._one(name, pair, seed), self._one(name, pair, seed + 1))

    def _one(self, name: str, pair: Pair, seed: int) -> Dictionary:
        training, place = self.training, Place(self.found.place(name, seed))
        options = training.recipe.model_copy(update={"seed": seed})
        where = "again, on this pair" if name == PAIR else f"on {pair.name}"
        self.progress.update(self.done, self.total, "tokens", note=f"training {where}, seed {seed}")

        def look(row: dict[str, float]) -> None:
            self.progress.update(self.done + int(row["tokens"]), self.total, "tokens")

        if about.exists(place.folder):
            made = weights.load(place.folder).to(pair.device, torch.float32)
        else:
            passes = Passes(pair, training.corpus, training.source.layers)
            source: Source = kept.keep(passes, check=self.progress.check) if training.keeps else passes
            flow = training.stream.model_copy(update={"seed": seed})
            stream = Stream(source, flow, pair.device, self.progress.check)
            scale = job.scale_of(stream.norms["text"], training.shape)
            made = train(stream, training.steps, scale, options, place, pair.device, self.progress.check, look)
        self.done += self.each
        return made
