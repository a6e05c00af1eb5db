"""What a claim says in a form that can be counted: a probe, a phrase, or a rule of one's own.

A claim in words alone cannot be checked without a judge; with a predicate anybody can count the answers that show
it, in any text and in any other study. Promises that a predicate is read back as it was written down, and that one
of a probe that this version does not know is told and never counted as zero.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from diffing.common.errors import UserError
from diffing.common.step import first_fault
from diffing.probes import own_probes
from diffing.probes.own import Rule
from diffing.probes.own_probes import OwnProbe
from diffing.probes.phrases import Phrase, spans
from diffing.probes.probes import PROBES
from diffing.probes.rules import Span
from diffing.probes.sayings import SAYINGS

Kind = Literal["probe", "phrase", "own"]


class Predicate(BaseModel):
    """Something that an answer shows or does not show, or shows so much of."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    form: JsonValue
    """A probe's name, a phrase's form or a rule's fields."""

    @classmethod
    def of_probe(cls, name: str) -> "Predicate":
        if name not in PROBES:
            raise UserError(f"There is no probe '{name}'; 'python -m diffing probe list' lists them.")
        return cls(kind="probe", form=name)

    @classmethod
    def of_phrase(cls, phrase: Phrase) -> "Predicate":
        return cls(kind="phrase", form=phrase.form)

    @classmethod
    def of_rule(cls, rule: Rule) -> "Predicate":
        return cls(kind="own", form=rule.model_dump(mode="json", exclude_defaults=True))

    @classmethod
    def of_behaviour(cls, kind: str, by: str, source: str) -> "Predicate | None":
        """What a claim of a behaviour can be counted by; None where that would count something else.

        That a thing stands elsewhere is not how often it is there, and nothing here counts places.
        """
        return None if kind == "place" else cls.of_source(by, source)

    @classmethod
    def of_source(cls, by: str, source: str) -> "Predicate | None":
        """What shows a behaviour of a diff in a text; None of one that only a feature shows."""
        if by == "probe":
            return cls.of_probe(source)
        return cls.of_phrase(Phrase.of(json.loads(source))) if by == "phrase" else None

    @property
    def known(self) -> bool:
        """Whether this version can count it."""
        return self.kind != "probe" or self.form in PROBES

    @property
    def amount(self) -> bool:
        """Whether every answer has some, so that only how much can differ."""
        return self.kind == "probe" and self.known and PROBES[str(self.form)].counted_only

    @property
    def shown(self) -> str:
        """As the end of a sentence whose subject is an answer: a claim in these words says what is counted."""
        if self.kind == "probe":
            return SAYINGS.get(str(self.form), f"has {self.form}")
        return self._phrase().shown if self.kind == "phrase" else self._rule().shown

    def spans(self, text: str) -> list[Span]:
        """Where a text shows it."""
        if self.kind == "probe":
            return PROBES[str(self.form)].spans(text) if self.known else []
        return spans(text, self._phrase()) if self.kind == "phrase" else self._rule().spans(text)

    def count(self, text: str) -> int:
        """How often, or how much where an amount is measured in characters."""
        if self.kind == "probe":
            return PROBES[str(self.form)].count(text) if self.known else 0
        return len(self.spans(text))

    def _phrase(self) -> Phrase:
        return Phrase.of(self.form)

    def _rule(self) -> Rule:
        return rule_of(self.form)


def typed(text: str, own: Sequence[OwnProbe] = ()) -> Predicate:
    """A predicate as a person types it: `probe:bold`, `words:sorry,apologies`, `phrase:I am`, `regex:^Sure`.

    `own`: a study's own probes, which are named as `own:NAME`.
    """
    kind, mark, told = text.partition(":")
    if kind == "probe" and mark:
        return Predicate.of_probe(told.strip())
    if kind == "own" and mark:
        return _of_own(told.strip(), own)
    if kind not in ("words", "phrase", "regex") or not mark:
        raise UserError(
            f"'{text}' names nothing to count; write probe:NAME, own:NAME, words:ONE,OTHER, phrase:TEXT or "
            "regex:EXPRESSION."
        )
    rule = own_probes.rule_of(**{kind: told})
    if rule is None:
        raise UserError(f"'{text}' names nothing to look for; write it behind the colon.")
    return Predicate.of_rule(rule)


def _of_own(name: str, own: Sequence[OwnProbe]) -> Predicate:
    """What an own probe of that name counts."""
    for probe in own:
        if probe.name.casefold() == name.casefold():
            if probe.features is not None:
                raise UserError(f"Own probe '{probe.name}' rests on features, and a claim is counted in words.")
            if probe.rule is None:
                raise UserError(f"Own probe '{probe.name}' is a question, and a claim in words; verify a finding.")
            return Predicate.of_rule(probe.rule)
    raise UserError(f"There is no own probe '{name}' in this study; 'probe list STUDY' lists them.")


def rule_of(form: Any) -> Rule:
    """A rule from its fields, or a `UserError` that says what is wrong with them."""
    try:
        return Rule.model_validate(dict(form) if isinstance(form, Mapping) else {})
    except ValidationError as error:
        raise UserError(f"This is no rule: {first_fault(error)}.") from error
