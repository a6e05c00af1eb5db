"""A comparison held against a rule, with what was expected and what was there before.

Promises that what the rule holds true of makes the comparison fail unless it is expected or was there before, both
said beside it; that nothing passes for want of prompts: where a change of the size asked for would have gone
unseen, that is said; and that the rule, the size and the reader stand beside the outcome. Computes the diff where
it is missing. Words and files are `written`'s.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import Field

from diffing.common.errors import UserError
from diffing.common.step import Settings
from diffing.common.words import points
from diffing.diff import compute
from diffing.gate import allowed, earlier, expression, power
from diffing.gate.allowed import Absent, Change
from diffing.gate.earlier import Excess
from diffing.gate.expression import SIZE, USUAL, Expression, Type
from diffing.gate.items import NAMES, Item
from diffing.gate.items import of as items_of
from diffing.gate.power import Power
from diffing.reader import presets
from diffing.study.study import Study

TYPES: dict[str, Type] = {name: kind for name, (kind, _) in NAMES.items()}
SIZES = ("delta", "heldout_delta", "least")
"""Names whose limits in a rule say how large a change it asks for."""

Outcome = Literal["changed", "expected", "as before", "unsure", "passed"]
"""Of one thing; `unsure`: it changed, and whether more than before cannot be told."""
Verdict = Literal["passed", "changed", "cannot tell"]
CODES: dict[Verdict, int] = {"passed": 0, "changed": 1, "cannot tell": 2}
"""Exit codes of the command."""


class Options(Settings):
    """What a gate is told."""

    a: str = ""
    b: str = ""
    fail_on: str = USUAL
    size: float | None = Field(default=None, gt=0, le=1)
    allow: str = ""
    """A file of expected changes."""
    strict: bool = False
    """Whether an expected change that did not come fails too."""
    baseline: str = ""
    """A study whose changes are no news."""
    baseline_a: str = ""
    baseline_b: str = ""


class Judged(NamedTuple):
    """One thing and what came of it."""

    item: Item
    outcome: Outcome
    why: str = ""
    """Beside a failing one, why what was expected or known does not cover it; beside others, what does."""
    change: Change | None = None
    """By which it is expected."""
    part_of: str = ""
    """Of what failed or was expected, the behaviour that it is part of, which has the same outcome."""
    beyond: Excess | None = None


@dataclass(frozen=True)
class Checked:
    """What came of a comparison."""

    study: str
    a: str
    b: str
    names: tuple[str, str]
    """Of the two checkpoints, as people call them."""
    options: Options
    size: float
    judged: Sequence[Judged]
    powers: Sequence[Power]
    absent: Sequence[Absent]
    expired: Sequence[Change]
    prompts: int
    reader: str
    seed: int

    def by(self, outcome: Outcome) -> list[Judged]:
        """What had this outcome, and is no part of another thing that had it."""
        return [each for each in self.judged if each.outcome == outcome and not each.part_of]

    def parts(self, whole: Judged) -> list[Judged]:
        """What is part of a behaviour and had its outcome."""
        return [each for each in self.judged if each.part_of == whole.item.id and each.outcome == whole.outcome]

    @property
    def changed(self) -> list[Judged]:
        """What makes it fail."""
        return self.by("changed")

    @property
    def enough(self) -> bool:
        """Whether a change of the size asked for would have been seen."""
        return power.enough(self.powers) and not self.by("unsure")

    @property
    def verdict(self) -> Verdict:
        if self.changed or (self.options.strict and self.absent):
            return "changed"
        return "passed" if self.enough else "cannot tell"

    @property
    def code(self) -> int:
        return CODES[self.verdict]


def of(study: Study, options: Options, today: date | None = None) -> Checked:
    """A study's comparison held against a rule; a `UserError` where that cannot be done."""
    rule = rule_of(options)
    changes = allowed.read(Path(options.allow).expanduser()) if options.allow else []
    today = today or allowed.today()
    sides = study.sides(options.a, options.b)
    stored = compute.current(study, *sides)
    found = items_of(study, stored)
    size = options.size or rule.size(SIZES) or SIZE
    gated = [item for item in found if can_fail(rule, item, size)]
    if not gated:
        raise UserError(
            f"Nothing could fail on '{rule.text}' by a change of {100 * size:g} points; change the rule, or name "
            "another --size."
        )
    beyond = _beyond(study, sides, options, found)
    failing = [item for item in found if rule.holds(item.figures)]
    judged = [_judged(rule, item, item in failing, changes, beyond, size, today) for item in found]
    return Checked(
        study=study.name,
        a=stored.a,
        b=stored.b,
        names=(study.checkpoint(stored.a).name, study.checkpoint(stored.b).name),
        options=options,
        size=size,
        judged=_together(judged),
        powers=power.of(stored, found, gated, size),
        absent=allowed.absent([each for each in changes if not _over(each, today)], found, failing),
        expired=[each for each in changes if _over(each, today)],
        prompts=int(stored.summary["prompts"]),
        reader=presets.written(study.settings.reader),
        seed=study.settings.seed,
    )


def rule_of(options: Options) -> Expression:
    """The rule read; a `UserError` says what is wrong with it."""
    return expression.parse(options.fail_on, TYPES)


def can_fail(rule: Expression, item: Item, size: float) -> bool:
    """Whether the rule would hold of a thing that had changed, for sure and everywhere, by this size."""
    # A hair more, as rules mostly ask for more than a size.
    clear = {"q": 0.0, "q_gate": 0.0, "heldout_q": 0.0, "confirmed": "yes", "survives_length": "yes"}
    for delta in (size * (1 + 1e-9), -size * (1 + 1e-9)):
        ends = {"delta": delta, "ci_low": delta, "ci_high": delta, "heldout_delta": delta, "least": abs(delta)}
        changed = item._replace(delta=delta)
        way = {"direction": changed.direction, "better": changed.better}
        if rule.holds(item.figures | clear | ends | way):
            return True
    return False


def _beyond(study: Study, sides: tuple[str, str], options: Options, found: Sequence[Item]) -> dict[str, Excess]:
    if not options.baseline:
        return {}
    other = Study.open(options.baseline)
    theirs = other.sides(options.baseline_a, options.baseline_b)
    if other.name == study.name and theirs == sides:
        raise UserError(
            f"'{study.name}' cannot be its own baseline; name another study or other checkpoints of it."
        )
    return earlier.excess(study, sides, other, theirs, found)


def _over(change: Change, today: date) -> bool:
    return change.expires is not None and today > change.expires


def _judged(
    rule: Expression,
    item: Item,
    fails: bool,
    changes: Sequence[Change],
    beyond: dict[str, Excess],
    size: float,
    today: date,
) -> Judged:
    left = beyond.get(item.id)
    if not fails:
        return Judged(item, "passed", beyond=left)
    mine = [change for change in changes if change.means(item)]
    against = [change.against(item, today) for change in mine]
    for change, fault in zip(mine, against, strict=True):
        if not fault:
            return Judged(item, "expected", change.note, change, beyond=left)
    outcome, why = _before(rule, item, left, size) if beyond else ("changed", "")
    return Judged(item, outcome, "; ".join([part for part in (*against, why) if part]), beyond=left)


def _before(rule: Expression, item: Item, left: Excess | None, size: float) -> tuple[Outcome, str]:
    """What the baseline says of a thing that changed."""
    if left is None or left.before != left.before:
        return "changed", "cannot be held against the baseline, which has no count of it"
    way = -1 if item.delta < 0 else 1
    unit = "% of the mean of both sides" if item.kind == "amount" else "points"
    more, there = left.item, f"B-A was {points(left.before)} {unit} there"
    if way * more.delta > 0 and rule.holds(more.figures | _kept(item)):
        return "changed", there
    # The most that it may have changed beyond what was there: where that is no more than asked for, it is no news.
    if max(way * more.ci_low, way * more.ci_high) <= size:
        return "as before", there
    return "unsure", f"{there}; on {more.prompts:,} prompts it cannot be told whether this is more"


def _kept(item: Item) -> dict[str, Any]:
    """What stays true of a thing when its figures are those of a difference of differences."""
    kept = {"share_a": item.share_a, "share_b": item.share_b}
    return kept | {"direction": item.direction, "better": item.better}


def _together(judged: Sequence[Judged]) -> list[Judged]:
    """The same, parts of a behaviour said to be of it, and let pass where it is expected."""
    whole = {
        member: each
        for each in reversed(judged)
        if each.item.what == "behaviour" and each.outcome != "passed"
        for member in each.item.members
    }
    out = []
    for each in judged:
        of_it = whole.get(each.item.id) if each.outcome != "passed" else None
        if of_it is not None and (of_it.outcome == "expected" or of_it.outcome == each.outcome):
            why = each.why if of_it.outcome == each.outcome else f"part of '{of_it.item.name}', which is expected"
            each = each._replace(outcome=of_it.outcome, part_of=of_it.item.id, why=why)
        out.append(each)
    return out
