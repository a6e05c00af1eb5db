"""Behaviours that want a name: which of a diff's they are, how the history keeps theirs, what a run asks of them.

What is counted has words of its own. What only features tell of, or a phrase that tells little, is called by the
tokens that it stands on until a model or a person says what an answer does there. Promises that a name stays with
its behaviour when the diff is made anew and behaviours have other numbers, as long as the same thing counts it.
"""

from collections.abc import Sequence
from typing import Any

from pydantic import JsonValue

from diffing import diff, labels
from diffing.common import files
from diffing.common.errors import UserError
from diffing.diff import answer
from diffing.diff.answer import Behaviour
from diffing.diff.stored import Diff
from diffing.labels import contradictions, history, mentions, scoring, sentences
from diffing.labels.contradictions import Contradiction
from diffing.labels.history import Dossier, Label, Record
from diffing.labels.plan import Options, Plan, Question, rejected
from diffing.labels.scoring import Batch
from diffing.probes.sayings import little
from diffing.reader.encodings import Encodings
from diffing.study.study import Study


def history_of(study: Study) -> str:
    """The name under which the history keeps them: apart from features, whose numbers they could have."""
    return f"behaviours/{labels.sae_of(study.settings.reader)}"


def number_of(stored: Diff, each: Behaviour) -> int:
    """Its number in the history: by what counts it, as its place in the list changes with the answers."""
    content = [sorted([stored.a, stored.b]), each.by, each.source, each.category]
    if "channel" in stored.summary:
        # In another channel the same phrase may do something else.
        content.append(stored.summary["channel"]["channel"])
    return int(files.content_hash(content, 12), 16)


def known(study: Study) -> dict[int, Dossier]:
    """All that is known of the names of each, by its number in the history."""
    return history.dossiers(history.read(study, history_of(study)))


def wordless(each: Behaviour) -> bool:
    """Whether it has no words that tell a reader something."""
    return each.by == "feature" or (each.by == "phrase" and little(each.name))


def members(stored: Diff, each: Behaviour) -> list[int]:
    """Its features, the one that counts it first, then those that move most as it does."""
    habits = stored.habits
    rows = habits[(habits["habit"] == row_of(stored, each)["habit"]) & (habits["kind"] == "feature")]
    features = [int(name) for name in rows.sort_values(["correlation", "p"], ascending=[False, True])["name"]]
    lead = [int(each.source)] if each.by == "feature" else []
    return list(dict.fromkeys([*lead, *features]))


def row_of(stored: Diff, each: Behaviour) -> dict[str, Any]:
    rows = stored.behaviours[stored.behaviours["behaviour"] == each.number]
    return {str(name): value for name, value in rows.iloc[0].items()}


def find(stored: Diff, number: int) -> Behaviour:
    """The behaviour of that number in the diff."""
    for each in answer.behaviours(stored):
        if each.number == number and each.kind != "amount":
            return each
    raise UserError(
        f"There is no behaviour {number} to name between '{stored.a}' and '{stored.b}'; `answer --all` lists them."
    )


def name(study: Study, stored: Diff, number: int, words: str, author: str) -> Record:
    """A person's own words for a behaviour, which stand from now on."""
    if mentions.unclear(words):
        raise UserError(f"'{words}' says nothing of behaviour {number}; write what an answer does that shows it.")
    told = sentences.tidied(words)
    return history.edit(study, history_of(study), number_of(stored, find(stored, number)), told, author)


def against(stored: Diff, each: Behaviour, label: Label, encodings: Encodings | None) -> list[Contradiction]:
    """What counting says against a name: that it moves the other way, or that the lead fires elsewhere."""
    features = members(stored, each)
    rows = stored.features[stored.features["feature"].isin(features[:1])]
    if rows.empty or not contradictions.named(label.label):
        return []
    near = contradictions.share_near(encodings, features[0]) if encodings is not None else None
    probes = stored.probes.set_index("probe")
    return contradictions.check(features[0], label.label, rows.iloc[0], probes, near)


class Naming(Plan):
    """One run's behaviours, with what is asked of each."""

    noun = "behaviour"
    version = sentences.VERSION

    def __init__(self, study: Study, options: Options) -> None:
        self._stored = diff.load(study, *study.sides(options.a, options.b))
        self._asked: dict[int, Behaviour] = {}
        super().__init__(study, options)

    def history_of(self) -> str:
        return history_of(self.study)

    def known(self) -> dict[int, Dossier]:
        return known(self.study)

    def _features(self) -> list[int]:
        if self.options.behaviour is not None:
            wanted = [find(self._stored, self.options.behaviour)]
        else:
            every = answer.behaviours(self._stored)
            wanted = [each for each in every if each.confirmed == "yes" and wordless(each)]
        # Passages are found by features: what has none keeps the words of its phrase.
        self._asked = {number_of(self._stored, each): each for each in wanted if members(self._stored, each)}
        return list(self._asked)

    def place(self, number: int) -> int:
        return self._asked[number].number

    def described(self, label: Label) -> str:
        return f"an answer that {label.label}"

    def unscored(self) -> list[tuple[int, Label]]:
        # What is no name is not tried as one.
        return [(number, label) for number, label in super().unscored() if not mentions.unclear(label.label)]

    def _lead(self, number: int) -> int:
        return members(self._stored, self._asked[number])[0]

    def batches(self, number: int) -> list[Batch]:
        """Of its lead's passages: a passage in which only other members show it counts as one without."""
        of_lead = scoring.batches(self.scorer, self._lead(number), self.sides)
        return [batch._replace(feature=number) for batch in of_lead]

    def prepare(self, numbers: Sequence[int]) -> None:
        self.scorer.prepare([self._lead(number) for number in numbers])

    def flags(self) -> list[dict[str, Any]]:
        told = []
        for number, each in self._asked.items():
            label = self.dossier(number).current
            if label is not None and label.author_kind == "llm":
                found = against(self._stored, each, label, self.encodings)
                told += [flag._asdict() | {"behaviour": each.number} for flag in found]
        return told

    def questions(self, numbers: Sequence[int]) -> list[Question]:
        self.writer.prepare([self._lead(number) for number in numbers])
        asked = []
        for number in numbers:
            features = members(self._stored, self._asked[number])
            shown = sentences.gather(self.writer, number, features, self.sides, rejected(self.dossier(number)))
            if shown.firing:
                told = (sentences.messages(shown), sentences.Said, sentences.fault)
                evidence: dict[str, JsonValue] = {**shown.evidence, "features": [*features[: sentences.MEMBERS]]}
                asked.append(Question(number, *told, evidence, self.version))
        return asked
