"""An organism as two checkpoints of a study, and whether what was planted shows in what they answered.

A model that is told to do something may not do it, and a filter may find nothing to change: until `shows` has
counted it, an organism is a wish. Promises that no checkpoint's name tells what was planted and that the first is
asked just as it would be without any organism.
"""

from collections.abc import Mapping
from typing import NamedTuple

from diffing.agents.benchmark import truth
from diffing.agents.benchmark.truth import Chosen, Item, Organism
from diffing.common.errors import UserError
from diffing.findings import counting
from diffing.findings.counting import Counted
from diffing.models import providers
from diffing.models.planted import Planted
from diffing.models.providers import Checkpoint
from diffing.study import prompts, responses
from diffing.study.study import Study
from diffing.whitebox import organisms


def checkpoints(chosen: Chosen, model: str = "", key_env: str = "") -> list[Checkpoint]:
    """The pair: `model` is who answers, written as a checkpoint is; weights bring their own."""
    by = chosen.organism.made.by
    if by == "answers" or (by == "nothing" and chosen.organism.made.source):
        raise UserError(
            f"The answers of '{chosen.name}' are stored and asked of nobody; 'sample' makes that study."
        )
    if by == "weights":
        return _weights(chosen)
    if not model:
        raise UserError(f"'{chosen.name}' is planted in a model; name one that answers, with --model.")
    base = providers.parse(model, "a", key_env)
    # Of nothing too: it is the second one that belongs to an organism.
    planted = chosen.planted or Planted(organism=chosen.name)
    return [
        _named(base, "a", "before"),
        # Validated, not copied: nothing can be planted in answers that are stored.
        Checkpoint.model_validate(_named(base, "b", "after").model_dump() | {"planted": planted}),
    ]


def _named(base: Checkpoint, key: str, when: str) -> Checkpoint:
    return base.model_copy(update={"key": key, "name": f"{base.name}, {when}"})


def _weights(chosen: Chosen) -> list[Checkpoint]:
    source = chosen.organism.made.source
    if source.startswith(("starter+", "hf:")):
        base = providers.parse(source.partition("+")[0], "a")
        own = providers.parse(source, "b").model_copy(update={"planted": Planted(organism=chosen.name)})
        # The folder's name would tell.
        return [base, own.model_copy(update={"name": f"{base.name}, changed"})]
    a, b = organisms.checkpoints(organisms.find(source))
    return [a, b.model_copy(update={"planted": Planted(organism=chosen.name)})]


def of(study: Study, known: Mapping[str, Organism] | None = None) -> Chosen:
    """The organism that a study's second checkpoint is."""
    names = [each.planted.organism for each in study.checkpoints if each.planted and each.planted.organism]
    if not names:
        raise UserError(f"Nothing was planted in study '{study.name}'; make one with 'new --organism'.")
    return truth.chosen(truth.known() if known is None else known, [names[0]])[0]


class Shown(NamedTuple):
    """One change in the answers that there are."""

    item: Item
    counted: Counted | None
    """None where only a reader can tell."""

    @property
    def there(self) -> bool | None:
        """Whether it shows on the side where it belongs, and surely; None where nothing counts it."""
        if self.counted is None:
            return None
        return self.counted.holds(1 if self.item.more == "b" else -1)


def shows(study: Study, chosen: Chosen) -> list[Shown]:
    """Each item counted on all prompts, whatever is held out: this is for whoever knows the truth."""
    pairs = responses.kept(study.pairs(*study.sides()))
    table = study.prompts().assign(split="held-out")
    items = [(item, item.predicate) for item in chosen.items]
    counts = iter(counting.from_pairs(pairs, table, [each for _, each in items if each is not None]))
    return [Shown(item, next(counts) if predicate is not None else None) for item, predicate in items]


def meant(study: Study) -> tuple[int, int]:
    """On how many of the active prompts something is planted, and how many there are."""
    table = study.prompts()
    table = table[table["active"]]
    planted = next((each.planted for each in study.checkpoints if each.planted), None)
    turns = [prompts.conversation(t, m) for t, m in zip(table["text"], table["messages"], strict=True)]
    return sum(planted.meant(each) for each in turns) if planted else 0, len(turns)
