"""What training a dictionary comes down to before anything is learnt: the pair, the texts, the sizes, the cost.

Promises that texts which were held out are never learnt from, that what does not fit the memory or the disk is
told before anything is read, and that the key of a plan holds all that changes a number. Trains nothing: `job`
does.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from pydantic import Field, model_validator

from diffing.common import files, words
from diffing.common.errors import UserError
from diffing.study.study import Study
from diffing.whitebox import texts
from diffing.whitebox.activations import kept
from diffing.whitebox.activations.corpus import Corpus
from diffing.whitebox.activations.source import Block, Check, Passes
from diffing.whitebox.activations.stream import Options as StreamOptions
from diffing.whitebox.activations.stream import Stream
from diffing.whitebox.dictionaries import described, shelf, training
from diffing.whitebox.dictionaries.shape import Shape
from diffing.whitebox.dictionaries.shelf import Facts
from diffing.whitebox.dictionaries.training import Place
from diffing.whitebox.pairs import opening, room
from diffing.whitebox.pairs.pair import Pair
from diffing.whitebox.plan import sources
from diffing.whitebox.sight import seen
from diffing.whitebox.texts import Choice, Document

KEPT = 2**31
"""Bytes of activations that are put down where texts are read more than once. Above that the models read them
again: what they take from the disk would not fit its cache, and 8B models fill this with 130,000 tokens."""
STATE_PACE = 2**30
"""Bytes of a state for every minute between two: a small one costs nothing, one of 8 GB is written in seconds."""
ADAM, COPY, PULL = 12, 2, 4
"""Bytes a weight: itself and Adam's two means in float32, its copy in 16 bits on a GPU, its gradient."""


class Options(training.Options):
    """Which dictionary, of what."""

    base: str = ""
    """Key of the checkpoint before; the study's first unless named."""
    variant: str = ""
    name: str = ""
    """Its own kind unless named."""
    layer: float = Field(default=0.5, ge=0, le=1)
    """Depth, from the first layer to the last."""
    texts: Choice = Choice(count=1024, length=128)
    tokens: int = Field(default=2_000_000, ge=1)
    """To train on, each counted as often as it is read."""
    batch: int = Field(default=2048, ge=1)
    buffer: int = Field(default=262_144, ge=2)
    """Rows among which a batch is drawn."""
    device: str = "auto"
    dtype: str = "auto"

    @model_validator(mode="after")
    def _named(self) -> Self:
        # Before weights are opened.
        shelf.checked(self.called)
        return self

    @property
    def called(self) -> str:
        return self.name or self.kind


class Watched(Passes):
    """Passes that tell how many tokens they have read."""

    told: Callable[[int], None] = staticmethod(lambda _: None)

    def read(self, documents: Sequence[int], check: Check) -> Iterator[Block]:
        for block in super().read(documents, check):
            self.told(len(block.values))
            yield block


class Cost(NamedTuple):
    """What a training takes."""

    read: int
    """Tokens that both models read, counted once for the two."""
    memory: int
    """Bytes where it learns, beside the models."""
    disk: int
    """Bytes in the study, its state while it lasts among them, and of activations in the cache."""


class Plan(NamedTuple):
    """What a training comes down to."""

    study: Study
    options: Options
    base: str
    variant: str
    pair: Pair
    documents: list[Document]
    corpus: Corpus
    """Of the documents that are learnt from."""
    source: Watched
    stream: StreamOptions
    rows: int
    """Tokens that count in one round."""
    shape: Shape
    state: dict[str, Any]

    @property
    def layer(self) -> int:
        return self.source.layers[0]

    @property
    def steps(self) -> int:
        wanted = max(1, round(self.options.tokens / self.options.batch))
        return min(wanted, -(-self.rows * self.stream.rounds // self.options.batch))

    @property
    def keeps(self) -> bool:
        """Whether activations are put down: both models would read the same texts again."""
        return self.stream.rounds > 1 and kept.Kept(self.source, Path()).bytes <= KEPT

    @property
    def recipe(self) -> training.Options:
        own = {name: getattr(self.options, name) for name in training.Options.model_fields}
        if "minutes" not in self.options.model_fields_set:
            state = ADAM * 2 * self.shape.latents * self.shape.inputs
            own["minutes"] = min(own["minutes"], max(0.5, state / STATE_PACE))
        return training.Options.model_validate(own)

    @property
    def place(self) -> Place:
        name = self.options.called
        hook = f"blocks.{self.layer}.hook_resid_post"
        return Place(shelf.folder(self.study, name), hook, self.pair.written, self.facts.model_dump(mode="json"))

    @property
    def facts(self) -> Facts:
        options, recipe = self.options, self.recipe
        told = recipe.model_dump(mode="json", exclude={"minutes"})
        stream = self.stream.model_dump(mode="json")
        learnt = recipe.recipe(self.shape.latents, self.steps, self.rows * self.stream.rounds)
        key = [training.VERSION, self.source.key, texts.key(self.documents), told, stream, self.steps]
        first, second = (self.study.checkpoint(name).source for name in (self.base, self.variant))
        return Facts(
            base=self.base,
            variant=self.variant,
            sources=(first, second),
            pair=self.pair.key,
            identity=(self.pair.identity, self.pair.change.identity),
            layer=self.layer,
            layers=self.pair.layers,
            texts=options.texts.model_dump(mode="json"),
            kind=options.kind,
            width=self.shape.width,
            latents=self.shape.latents,
            k=learnt.k,
            options=told,
            stream=stream,
            tokens=min(self.steps * options.batch, self.rows * self.stream.rounds),
            documents=len(self.corpus),
            held_out=len(self.documents) - len(self.corpus),
            rounds=self.stream.rounds,
            state=self.state,
            date=files.now(),
            key=files.content_hash(key),
        )

    @property
    def cost(self) -> Cost:
        learnt = 1 if self.keeps else self.stream.rounds
        told = described.chosen(self.documents)
        read = learnt * self.corpus.tokens + sum(len(self.documents[n].ids) for n in told)
        size = 2 * self.shape.latents * self.shape.inputs
        gpu = self.pair.device.type == "cuda"
        waiting = Stream(self.source, self.stream).memory.buffer
        # The old state goes only once the new one is whole.
        disk = size * (4 + 2 * ADAM) + (kept.Kept(self.source, Path()).bytes if self.keeps else 0)
        return Cost(read, size * (ADAM + PULL + COPY * gpu) + waiting, disk)

    @property
    def told(self) -> str:
        """What it will take, in some sentences."""
        facts, cost = self.facts, self.cost
        kind = "A crosscoder" if facts.kind == "crosscoder" else "An SAE on the difference"
        again = f", read {facts.rounds} times" if facts.rounds > 1 else ""
        apart = words.count(facts.held_out, "text") + " held out" if facts.held_out else "no text held out"
        keeps = " Activations are kept in the cache while it learns." if self.keeps else ""
        return (
            f"{kind} of {facts.latents:,} latents at layer {facts.layer} of {facts.layers}, on {facts.tokens:,} "
            f"tokens of {words.count(facts.documents, 'text')}{again}, with {apart}. Both models read about "
            f"{cost.read:,} tokens. Beside the models it takes {cost.memory / room.GIB:.2f} GiB of memory on "
            f"{self.pair.device.type}, and up to {cost.disk / room.GIB:.2f} GiB on disk.{keeps}"
        )

    def check(self) -> None:
        """Raise where it does not fit, before anything is read."""
        cost, free = self.cost, room.free(self.pair.device)
        if cost.memory > free * (1 - room.WORK):
            raise UserError(
                f"Training takes {cost.memory / room.GIB:.1f} GiB on {self.pair.device.type}, where "
                f"{free / room.GIB:.1f} GiB are free; choose fewer latents or a smaller buffer."
            )
        there = shutil.disk_usage(self.study.folder).free
        if cost.disk > there:
            raise UserError(
                f"Training takes up to {cost.disk / room.GIB:.1f} GiB on disk, where {there / room.GIB:.1f} GiB "
                "are free; free some space or choose fewer latents."
            )


def planned(
    study: Study, options: Options, check: Check = lambda: None, tell: Callable[[str], None] = lambda _: None
) -> Plan:
    """Open the pair and gather the texts; trains nothing."""
    base, variant = study.sides(options.base, options.variant)
    state = seen.state(study, base, variant, options.texts.source)
    pair = opening.open_pair(*sources(study, base, variant), options.device, options.dtype, tell)
    check()
    documents = texts.gather(options.texts, pair.tokenizer, pair.whole, pair.identity, study, check)
    learnt = [document for document in documents if not document.held_out]
    if not learnt:
        raise UserError("All texts are held out, so there is none to learn from; choose more texts.")
    corpus = Corpus(learnt)
    rows = int(corpus.wanted(["text"]).sum())
    stream = StreamOptions(
        batch=options.batch, buffer=options.buffer, rounds=max(1, -(-options.tokens // rows)), seed=options.seed
    )
    source = Watched(pair, corpus, [round(options.layer * (pair.layers - 1))])
    shape = options.shape(source.width)
    return Plan(study, options, base, variant, pair, documents, corpus, source, stream, rows, shape, state)
