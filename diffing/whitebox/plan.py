"""What looking inside comes down to: weights, texts, methods and nulls, what of it is missing, what it takes.

Promises that what it will take is told before it is done. Opens the pair and gathers the texts, which takes as
long as loading two models does; does nothing of the work itself (`inside`).
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field

from diffing.common import words
from diffing.common.errors import UserError
from diffing.common.step import Settings, checked
from diffing.models import local
from diffing.study.study import Study
from diffing.whitebox import beside, method, results, texts
from diffing.whitebox import run as runs
from diffing.whitebox.method import Check, Cost
from diffing.whitebox.pairs import nulls, opening
from diffing.whitebox.pairs.pair import Pair
from diffing.whitebox.run import Null
from diffing.whitebox.sight import seen
from diffing.whitebox.texts import Choice, Document

ALL = "all"
TRIES = 8
"""Readings of the texts until a turned change is as strong as the pair, about: its size is doubled, then halved
between."""


class Options(Settings):
    """What is compared, how, and beside what."""

    base: str = ""
    """Key of the checkpoint before; the study's first unless named."""
    variant: str = ""
    """Key of the checkpoint after; the study's second unless named."""
    methods: tuple[str, ...] = Field(default=(ALL,), min_length=1)
    settings: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict)
    """By method, what its own options are to be."""
    texts: Choice = Choice()
    nulls: tuple[str, ...] = (beside.AUTO,)
    """As `beside` reads them; none leaves a result that nothing can be said of."""
    device: str = "auto"
    dtype: str = "auto"
    join: bool = False
    """Take over what shares have done elsewhere, before what is missing is looked at."""
    on: str = ""
    """Who does it: `ray` for a Ray cluster of this machine, `ray://HOST:PORT` for another; else this process."""
    gpus_each: float = Field(default=1.0, gt=0, le=1)
    """What each worker of a cluster takes of a GPU."""


class Plan(NamedTuple):
    """What a run comes down to."""

    folder: Path
    pair: Pair
    documents: Sequence[Document]
    methods: Mapping[str, Settings]
    nulls: Sequence[Null]
    refused: Mapping[str, str] = {}  # noqa: RUF012 - never written to
    """Methods that were asked for and cannot be used on this pair, and why."""

    @property
    def missing(self) -> list[tuple[str, list[str]]]:
        """The pair (as '') and each null with the methods that have no result of it yet."""
        cells = [("", self.places), *((null.name, runs.inside(self.places, null.name)) for null in self.nulls)]
        lacking = [(name, [each for each in inner if not results.exists(inner[each])]) for name, inner in cells]
        return [(name, lacks) for name, lacks in lacking if lacks]

    @property
    def places(self) -> dict[str, Path]:
        """Where each method's results will lie, or do."""
        return runs.places_of(self.folder, self.pair, self.documents, self.methods)

    def without(self, refused: Mapping[str, str]) -> "Plan":
        """The same without these methods and nulls."""
        methods = {name: options for name, options in self.methods.items() if name not in refused}
        return self._replace(methods=methods, nulls=[null for null in self.nulls if null.name not in refused])

    @property
    def readings(self) -> int:
        """How often the texts are read, a method that works by itself counted as once."""
        return sum(
            any(map(_passes, lacks)) + sum(not _passes(each) for each in lacks) for _, lacks in self.missing
        )

    @property
    def cost(self) -> Cost:
        """Tokens that are still to be read, both models' counted, and written."""
        once = 2 * sum(len(document.ids) for document in self.documents)
        written = read = 0
        for name, lacks in self.missing:
            costs = [method.named(each).cost(self.pair, self.documents, self.methods[each]) for each in lacks]
            written += sum(cost.written for cost in costs)
            read += sum(cost.read for cost in costs) + once * any(map(_passes, lacks))
            if name.startswith("rotated-"):
                seed = int(name.removeprefix("rotated-"))
                found = nulls.strength_of(self.pair, self.documents, seed).exists()
                read += 0 if found else once * TRIES
        return Cost(written, read)

    @property
    def told(self) -> str:
        """What it will take, in two sentences."""
        names = words.listed([method.said(name).title.lower() for name in self.methods])
        beside_them = words.count(len(self.nulls), "null")
        what = f"{names} over {words.count(len(self.documents), 'text')}, on the pair and {beside_them}"
        without = f" Left out: {named(self.refused)}" if self.refused else ""
        if not self.readings:
            return f"Asked: {what}. All of it is there already.{without}"
        cost = self.cost
        writes = f" and write up to {cost.written:,}" if cost.written else ""
        trained = sum(name.startswith(("control-", "self-")) for name, _ in self.missing)
        learns = f" {words.count(trained, 'null')} are trained first, unless they were before." if trained else ""
        return f"Asked: {what}. Both models read about {cost.read:,} tokens together{writes}.{learns}{without}"


def _passes(name: str) -> bool:
    return method.passes(method.named(name))


def sources(study: Study, base: str, variant: str) -> tuple[str, str]:
    """Both checkpoints' weights; a sentence where one has none that can be loaded."""
    found = [study.checkpoint(key).source for key in (base, variant)]
    for key, source in zip((base, variant), found, strict=True):
        if not local.is_weights(source):
            raise UserError(
                f"Checkpoint '{key}' of study '{study.name}' is '{source}', which has no weights to look into; "
                "name two that are hf:MODEL, hf:BASE+ADAPTER or starter."
            )
    return found[0], found[1]


def chosen(options: Options) -> dict[str, Settings]:
    """Each method with its own options."""
    names = list(method.METHODS) if ALL in options.methods else list(dict.fromkeys(options.methods))
    if stray := [name for name in options.settings if name not in names]:
        raise UserError(f"Settings are given for '{stray[0]}', which is not asked for; add it to the methods.")
    return {
        name: checked(f"the method {name}", method.named(name).Options, options.settings.get(name, {}))
        for name in names
    }


def planned(
    study: Study, options: Options, check: Check = lambda: None, tell: Callable[[str], None] = lambda _: None
) -> Plan:
    """Open the pair, gather the texts and choose the nulls."""
    base, variant = study.sides(options.base, options.variant)
    methods = chosen(options)
    pair = opening.open_pair(*sources(study, base, variant), options.device, options.dtype, tell)
    check()
    documents = texts.gather(options.texts, pair.tokenizer, pair.whole, pair.identity, study, check)
    organism = study.settings.organism if (base, variant) == study.sides() else ""
    others = beside.chosen(options.nulls, pair, documents, organism, check)
    methods, refused = _usable(pair, documents, methods)
    return Plan(seen.folder_of(study, base, variant), pair, documents, methods, others, refused)


def _usable(
    pair: Pair, documents: Sequence[Document], methods: Mapping[str, Settings]
) -> tuple[dict[str, Settings], dict[str, str]]:
    """The methods that say what they take, and why others cannot; one that is asked for alone must."""
    usable, refused = {}, {}
    for name, options in methods.items():
        try:
            method.named(name).cost(pair, documents, options)
        except UserError as error:
            if len(methods) == 1:
                raise
            refused[name] = str(error)
        else:
            usable[name] = options
    return usable, refused


def named(refused: Mapping[str, str]) -> str:
    """What is left out, and why, in a sentence each."""
    return " ".join(seen.Refused(*each).named for each in refused.items())
