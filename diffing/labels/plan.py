"""What a run of the labelling step will ask: which features, of whom, from which passages.

Holds the step's options, the choice of what is missing and the questions themselves; `behaviours` has the same for
what is no single feature, `expected` the price. Spends nothing and writes nothing.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from diffing import diff, labels
from diffing.common import files
from diffing.common.errors import UserError
from diffing.labels import against, prompt, rewriting, scoring
from diffing.labels.history import Dossier, Label
from diffing.labels.passages import Finder
from diffing.labels.prompt import Material
from diffing.labels.scoring import Batch
from diffing.models import providers
from diffing.models.ask import Messages
from diffing.models.providers import Endpoint
from diffing.probes import near
from diffing.probes.scan import scan
from diffing.reader import lens
from diffing.reader.encodings import Encodings
from diffing.study.study import Study

AUTHOR = "openrouter:openai/gpt-4o-mini"
"""A cheap one: what its labels are worth, their scores say."""
JUDGES = ("openrouter:google/gemini-2.5-flash", "openrouter:openai/gpt-4o-mini")
"""The first one of another family than the author judges, unless one is named: a model may favour its own words.
Of two makers, so that there always is one."""


class Options(BaseModel):
    """What one run of `label` is told."""

    model_config = ConfigDict(extra="forbid")

    behaviours: bool = False
    """First the behaviours that held-out prompts confirmed and that have no good words of their own."""
    behaviour: int | None = None
    """Only this one, by its number in the diff, whatever its words."""
    features: list[int] | None = None
    """Which features; None takes the `top` ones of the diff."""
    top: int = Field(default=50, ge=0)
    """Leads of families that differ, in the order of `ranking`."""
    a: str = ""
    b: str = ""
    """Checkpoints whose answers are shown; the study's first two unless named."""
    write: bool = True
    rewrite: bool = False
    """Also where a machine's label stands already."""
    score: bool = False
    refresh: bool = False
    """Download again what was downloaded before."""
    import_from: str = ""
    """`neuronpedia`, `neuronpedia:MODEL/SOURCE`, `hf:OWNER/REPO/FILE` or a file; empty imports nothing."""
    model: str = AUTHOR
    """The author, written as a checkpoint is."""
    judge: str = ""
    key_env: str = ""
    """Variable that holds the key of models written as URL#MODEL."""
    concurrency: int = Field(default=16, gt=0)
    """Calls at once; chosen by eye, to stay below what most providers allow."""
    timeout: float = Field(default=120.0, gt=0, allow_inf_nan=False)
    """Seconds for one reply, which is short: ample for a slow provider."""
    attempts: int = Field(default=6, gt=0)
    """Tries for one reply that the network or the server fails."""
    max_dollars: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    max_requests: int | None = Field(default=None, ge=0)


class Question(NamedTuple):
    """What the author is asked."""

    number: int
    """Of the feature, or of the behaviour in its history."""
    messages: Messages
    shape: type[BaseModel]
    """Of the reply: it has `label`, `description`, `not_about`, `confidence` and `observations`."""
    fault: Callable[[Any], str]
    evidence: dict[str, JsonValue]
    version: str


class Plan:
    """One run's study, opened once."""

    noun = "feature"
    version = prompt.VERSION

    def __init__(self, study: Study, options: Options) -> None:
        self.study = study
        self.options = options
        self.sides = study.looked_at(options.a, options.b)
        self.sae = self.history_of()
        self.encodings = Encodings.open(study)
        self.author = providers.endpoint(providers.parse(options.model, "author", options.key_env))
        self.judge = judge_for(self.author, options)
        self.dossiers = self.known()
        self.features = self._features()
        self.rewrite = files.content_hash([self.author.model, self.version, self.sides, self.sae, self.features])
        """Names what a rewrite sets out to do: told the same again, it goes on where it was ended."""
        self.replaced = rewriting.begun(study, self.rewrite) if options.rewrite else {}
        self.writer = Finder(study, self.encodings, "write")
        self.scorer = Finder(study, self.encodings, "score")

    def history_of(self) -> str:
        """The name under which the history keeps these labels."""
        return labels.sae_of(self.study.settings.reader)

    def known(self) -> dict[int, Dossier]:
        """What there is by now."""
        return labels.dossiers(self.study)

    def place(self, number: int) -> int:
        """The number by which a person knows what is asked about."""
        return number

    def described(self, label: Label) -> str:
        """What a judge is to look for."""
        return label.label

    def batches(self, number: int) -> list[Batch]:
        """The calls that one label's scores take."""
        return scoring.batches(self.scorer, number, self.sides)

    def prepare(self, numbers: Sequence[int]) -> None:
        """Look for what scoring needs of all of them at once."""
        self.scorer.prepare(numbers)

    def flags(self) -> list[dict[str, Any]]:
        """What counting says against the labels; nothing where there is no diff to count in."""
        try:
            flagged = against.of(self.study, self.options.a, self.options.b, features=self.features)
        except UserError:
            return []
        return [flag._asdict() for of_label in flagged.values() for flag in of_label]

    def questions(self, numbers: Sequence[int]) -> list[Question]:
        """What the author is asked; what no passage of the half shows is left out."""
        asked = []
        for made in self.materials(numbers):
            told = (prompt.messages(made), prompt.Written, prompt.fault)
            asked.append(Question(made.feature, *told, made.evidence, self.version))
        return asked

    def _features(self) -> list[int]:
        if self.options.features is None and self.study.one_sided:
            return self._varying(self.options.top)
        if self.options.features is None:
            top = diff.load(self.study, *self.study.sides(self.options.a, self.options.b)).top(self.options.top)
            return [int(feature) for feature in top["feature"]]
        for feature in self.options.features:
            if not 0 <= feature < self.encodings.n_features:
                raise UserError(
                    f"There is no feature {feature}; the reader has 0 to {self.encodings.n_features - 1}."
                )
        return list(dict.fromkeys(self.options.features))

    def _varying(self, most: int) -> list[int]:
        """Of a collection those features that tell its texts apart: shown by nearest to half of them."""
        shown = np.bincount(self.encodings.feature, minlength=self.encodings.n_features)
        number = int((self.encodings.documents["error"] == "").sum())
        part = np.minimum(shown, number - shown)
        order = np.argsort(-part, kind="stable")[:most]
        return [int(feature) for feature in order if part[feature] > 0]

    def dossier(self, feature: int) -> Dossier:
        return self.dossiers.get(feature, Dossier())

    def unwritten(self) -> list[int]:
        """Features whose label is still to be written."""
        if not self.options.write:
            return []
        # A rule's label never counts as one: it only says which tokens there are.
        kept = {"person"} if self.options.rewrite else {"person", "llm"}
        # What a rewrite that was ended had written already is not written again.
        features = [f for f in self.features if self.replaces(f) == self.replaced.get(f, self.replaces(f))]
        standing = {feature: self.dossier(feature).current for feature in features}
        return [f for f, label in standing.items() if label is None or label.author_kind not in kept]

    def unscored(self) -> list[tuple[int, Label]]:
        """Labels that stand and that this judge has not scored yet."""
        if not self.options.score:
            return []
        # All that makes two scores comparable: by another judge, question or pair, it is scored anew.
        known = {"judge": self.judge.model, "version": scoring.VERSION, "sides": list(self.sides)}
        unscored = []
        for feature in self.features:
            label = self.dossier(feature).current
            if (
                label is not None
                and label.author_kind != "rule"
                and not known.items() <= (label.score or {}).items()
            ):
                unscored.append((feature, label))
        return unscored

    def materials(self, features: Sequence[int]) -> list[Material]:
        """What the author is shown; features that no passage of the half shows are left out."""
        documents = np.concatenate([self.writer.side(side) for side in self.sides])
        # In the table's order, in which most of their records lie in the cache.
        documents.sort()
        texts = [self.encodings.texts[document] for document in documents.tolist()]
        nearest = near.nearest(self.encodings, features, documents.tolist(), scan(texts))
        promoted = lens.stored(self.encodings.reader_key, features)
        self.writer.prepare(features)
        materials = []
        for feature in features:
            dossier = self.dossier(feature)
            tokens = [token for token, _ in promoted[feature].promoted] if feature in promoted else []
            # As many as the diff's own column has.
            probes = dict([*nearest.telling(feature).items()][:3])
            made = prompt.gather(self.writer, feature, self.sides, probes, tokens, rejected(dossier))
            if made.firing:
                materials.append(made)
        return materials

    def replaces(self, feature: int) -> str:
        """Names the label that a new one is to take the place of, so that it is asked afresh; else empty."""
        own = [label.key for label in self.dossier(feature).labels if label.prompt_version]
        return own[-1] if own else ""


def judge_for(author: Endpoint, options: Options) -> Endpoint:
    """The judge that was named, else the first one of another family than the author."""
    if options.judge:
        return providers.endpoint(providers.parse(options.judge, "judge", options.key_env))
    points = [providers.endpoint(providers.parse(text, "judge")) for text in JUDGES]
    own = scoring.family(author.model)
    return next(point for point in points if scoring.family(point.model) != own)


def rejected(dossier: Dossier) -> list[str]:
    """What people rejected, with their reasons."""
    reasons = {event.about: event.text for event in dossier.comments if event.event == "reject"}
    in_words = []
    for label in dossier.labels:
        if dossier.status.get(label.key) == "rejected":
            reason = reasons.get(label.key)
            in_words.append(f"{label.label} ({reason})" if reason else label.label)
    return in_words
