"""A comparison held against a rule, with what was expected and what was there before.

Promises that what the rule holds true of makes the comparison fail unless it is expected or was there before, both
said beside it; that nothing passes for want of prompts: where a change of the size asked for would have gone
unseen, that is said; and that the rule, the size and the reader stand beside the outcome. Computes the diff where
it is missing. Words and files are `written`'s.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, NamedTuple

from pydantic import Field

from diffing.common.errors import UserError
from diffing.common.paths import expanded
from diffing.common.step import Settings
from diffing.common.words import between_commas, points
from diffing.diff import compute, timeline
from diffing.gate import alike, allowed, earlier, expression, power, series
from diffing.gate.allowed import Absent, Change
from diffing.gate.earlier import Excess
from diffing.gate.expression import SIZE, USUAL, Expression, Type
from diffing.gate.items import NAMES, Item
from diffing.gate.items import of as items_of
from diffing.gate.power import Power
from diffing.reader import presets
from diffing.study.channels import Channel
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
    series: bool = False
    """Whether the checkpoints are held against the rule in order, and not two of them."""
    checkpoints: str = ""
    """Keys of a series, with commas; all of the study's in order unless named."""
    channel: Channel | None = None
    """What of the answers is held against the rule, those of the baseline too; None is the study's, their text."""


class Judged(NamedTuple):
    """One thing and what came of it."""

    item: Item
    outcome: Outcome
    why: str = ""
    """Beside a failing one, why what was expected or known does not cover it; beside others, what does."""
    change: Change | None = None
    """By which it is expected."""
    part_of: str = ""
    """Of what failed or was expected, the thing that it is part of, which has the same outcome."""
    beyond: Excess | None = None


@dataclass(frozen=True)
class Checked:
    """What came of a comparison."""

    study: str
    a: str
    b: str
    names: tuple[str, ...]
    """Of the checkpoints, as people call them."""
    options: Options
    size: float
    judged: Sequence[Judged]
    powers: Sequence[Power]
    absent: Sequence[Absent]
    expired: Sequence[Change]
    prompts: int
    reader: str
    seed: int
    series: tuple[str, ...] = ()
    """Keys of a series; of two checkpoints empty."""

    def called(self, key: str) -> str:
        """What people call one of a series."""
        return self.names[self.series.index(key)]

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


class Looked(NamedTuple):
    """What there is to hold against a rule."""

    keys: tuple[str, ...]
    found: list[Item]
    beyond: dict[str, Excess]
    powers: Callable[[Sequence[Item], float], list[Power]]
    """Of what the rule can fail on, for a change of this size."""
    wholes: Callable[[Sequence[Item]], dict[str, str]]
    """Of what fails, what only tells another thing again."""
    prompts: int
    reader: str


def of(
    study: Study, options: Options, today: date | None = None, changes: Sequence[Change] | None = None
) -> Checked:
    """A study's comparison held against a rule; a `UserError` where that cannot be done.

    `changes` are expected ones in place of those of the file that `options.allow` names.
    """
    study = study.through(options.channel or study.channel)
    options = options.model_copy(update={"channel": study.channel})
    rule = rule_of(options)
    if changes is None:
        changes = allowed.read(expanded(options.allow)) if options.allow else []
    today = today or allowed.today()
    in_series = options.series or bool(options.checkpoints)
    here = _series(study, options) if in_series else _pair(study, options)
    size = options.size or rule.size(SIZES) or SIZE
    gated = [item for item in here.found if can_fail(rule, item, size, here.keys)]
    if not gated:
        raise UserError(
            f"Nothing could fail on '{rule.text}' by a change of {100 * size:g} points; change the rule, or name "
            "another --size."
        )
    failing = [item for item in here.found if rule.holds(item.figures)]
    judged = [_judged(rule, item, item in failing, changes, here.beyond, size, today) for item in here.found]
    return Checked(
        study=study.name,
        a=here.keys[0],
        b=here.keys[-1],
        names=tuple(study.checkpoint(key).name for key in here.keys),
        options=options,
        size=size,
        judged=_together(judged, here.wholes(failing)),
        powers=here.powers(gated, size),
        absent=allowed.absent([each for each in changes if not _over(each, today)], here.found, failing),
        expired=[each for each in changes if _over(each, today)],
        prompts=here.prompts,
        reader=here.reader,
        seed=study.settings.seed,
        series=here.keys if in_series else (),
    )


def sides(study: Study, a: str = "", b: str = "") -> tuple[str, str]:
    """The two to compare: unless named the newest checkpoint, which is a study's last, and the one before it."""
    newest = [checkpoint.key for checkpoint in study.checkpoints][-2:]
    return study.sides(a, b) if a or b else study.sides(*newest)


def _pair(study: Study, options: Options) -> Looked:
    both = sides(study, options.a, options.b)
    stored = compute.current(study, *both)
    found = items_of(study, stored)
    return Looked(
        keys=both,
        found=found,
        beyond=_beyond(study, both, options, found),
        powers=lambda gated, size: power.of(stored, found, gated, size),
        wholes=lambda failing: alike.wholes(study, both, failing),
        prompts=int(stored.summary["prompts"]),
        reader=presets.written(study.settings.reader),
    )


def _series(study: Study, options: Options) -> Looked:
    for name, given in (("baseline", options.baseline), ("a or --b", options.a or options.b)):
        if given:
            raise UserError(f"A series has its own past in it and takes no --{name}; leave that or --series out.")
    along = timeline.of(study, between_commas(options.checkpoints))
    found = series.of(study, along)
    return Looked(
        keys=tuple(along.keys),
        found=found,
        beyond={},
        powers=lambda gated, size: power.along(along.prompts, found, gated, size),
        wholes=lambda _failing: {},
        prompts=along.prompts,
        reader="none, as answers alone are counted",
    )


def rule_of(options: Options) -> Expression:
    """The rule read; a `UserError` says what is wrong with it."""
    return expression.parse(options.fail_on, TYPES)


def can_fail(rule: Expression, item: Item, size: float, keys: Sequence[str] = ()) -> bool:
    """Whether the rule would hold of a thing that had changed, for sure and everywhere, by this size.

    In a series at any of its checkpoints.
    """
    # A hair more, as rules mostly ask for more than a size.
    clear = {"q": 0.0, "q_gate": 0.0, "heldout_q": 0.0, "confirmed": "yes", "survives_length": "yes"}
    for delta in (size * (1 + 1e-9), -size * (1 + 1e-9)):
        ends = {"delta": delta, "ci_low": delta, "ci_high": delta, "heldout_delta": delta, "least": abs(delta)}
        changed = item._replace(delta=delta)
        way = {"direction": changed.direction, "better": changed.better}
        if any(rule.holds(item.figures | clear | ends | way | {"at": key}) for key in ("", *keys)):
            return True
    return False


def _beyond(study: Study, both: tuple[str, str], options: Options, found: Sequence[Item]) -> dict[str, Excess]:
    if not options.baseline:
        return {}
    other = Study.open(options.baseline).through(study.channel)
    theirs = sides(other, options.baseline_a, options.baseline_b)
    if other.name == study.name and theirs == both:
        raise UserError(
            f"'{study.name}' cannot be its own baseline; name another study or other checkpoints of it."
        )
    return earlier.excess(study, both, other, theirs, found)


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


def _together(judged: Sequence[Judged], wholes: Mapping[str, str]) -> list[Judged]:
    """The same, parts said to be of what they are part of, and let pass where that is expected."""
    by_id = {each.item.id: each for each in judged}
    whole = {part: by_id[head] for part, head in wholes.items()}
    whole |= {
        member: each
        for each in reversed(judged)
        if each.item.members and each.outcome != "passed"
        for member in each.item.members
    }
    out = []
    for each in judged:
        of_it = whole.get(each.item.id) if each.outcome != "passed" else None
        if of_it is not None and (of_it.outcome == "expected" or of_it.outcome == each.outcome):
            # One that is itself a part stands for nothing.
            of_it = whole.get(of_it.item.id, of_it)
            why = each.why if of_it.outcome == each.outcome else f"part of '{of_it.item.name}', which is expected"
            each = each._replace(outcome=of_it.outcome, part_of=of_it.item.id, why=why)
        out.append(each)
    return out
