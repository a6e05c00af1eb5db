"""The step `inside`: two checkpoints of a study compared by their weights, method by method, beside nulls.

Options say which of the study's checkpoints, methods with their own settings, texts and nulls. Promises that
what it will take is told before it is done, that it can be stopped between two batches, and that a killed run
goes on to the same results. What was found is looked at in `seen`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field

from diffing.common import words
from diffing.common.errors import UserError
from diffing.common.step import Progress, Result, Settings, checked
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
        places = runs.places_of(self.folder, self.pair, self.documents, self.methods)
        cells = [("", places), *((null.name, runs.inside(places, null.name)) for null in self.nulls)]
        lacking = [(name, [each for each in inner if not results.exists(inner[each])]) for name, inner in cells]
        return [(name, lacks) for name, lacks in lacking if lacks]

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
        without = f" Left out: {_named(self.refused)}" if self.refused else ""
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


def run(study: Study, options: Options, progress: Progress) -> Result:
    """Do what is missing of it."""
    base, variant = study.sides(options.base, options.variant)
    progress.update(0, 0, note="opening the pair")
    # Before they are read: an answer that comes in meanwhile makes the result an older one.
    state = seen.state(study, base, variant, options.texts.source)
    plan = planned(study, options, progress.check, progress.log)
    progress.log(plan.told)
    refused = dict(plan.refused)
    alone = len(plan.methods) + len(refused) == 1
    read, total = 0, plan.readings * len(plan.documents)
    note = ""

    def told(number: int) -> None:
        nonlocal read
        read += number
        progress.update(read, total, "texts", note=note)

    def tell(line: str) -> None:
        nonlocal note
        note = line.rstrip(".")
        progress.log(line)
        told(0)

    def refuse(name: str, error: UserError) -> None:
        # A null that fits was to be chosen here; one that somebody named cannot be left out for another.
        if alone if name in plan.methods else beside.AUTO not in options.nulls:
            raise error
        refused[name] = str(error)
        progress.log(seen.Refused(name, str(error)).said)

    def go(names: Iterable[str], beside_it: Sequence[Null]) -> dict[str, Path]:
        methods = {name: plan.methods[name] for name in names}
        return runs.run(
            *(plan.folder, plan.pair, plan.documents, methods, beside_it), progress.check, tell, told, refuse
        )

    def noted() -> None:
        names = [null.name for null in plan.nulls if null.name not in refused]
        asked = {"nulls": names, "texts": options.texts.model_dump(mode="json"), **state}
        seen.note(study, base, variant, places, asked, refused)

    told(0)
    # The pair first: once it is there, what was asked is noted, and nulls join it one by one.
    places = go(plan.methods, ())
    if not places:
        raise UserError(" ".join(dict.fromkeys(refused.values())))
    noted()
    go(places, plan.nulls)
    # Again, as a null may have turned out not to fit.
    noted()
    found = seen.of(study, base, variant)
    return {
        "texts": len(plan.documents),
        "methods": len(places),
        "nulls": len(plan.nulls),
        "above": sum(clue.above for clue in found.clues),
        "sentence": found.sentence,
    } | ({"left_out": _named(refused)} if refused else {})


def _named(refused: Mapping[str, str]) -> str:
    return " ".join(seen.Refused(*each).named for each in refused.items())
