"""What a study's features are called: the labels that stand, and what a rule says of those without one.

A label belongs to a feature of one SAE: those that ship with the starter, then those of the study's own history, a
line each. Promises that nothing in the history is lost from sight, that a machine never takes the place of a
person, and that a feature without a label is shown by the tokens it fires on, marked as a rule's work. A label is
a hypothesis; nothing here says that it is right.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from json import JSONDecodeError
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from diffing import files, presets, surface
from diffing.activations import TokenTable
from diffing.errors import UserError
from diffing.shards import Array, Encoding
from diffing.study import ReaderChoice, Study, first_fault

BUNDLED = presets.STARTER / "labels.json"

TOP_TOKENS = 5


class Label(BaseModel):
    """A feature's description with all that is needed to judge it."""

    model_config = ConfigDict(frozen=True)

    label: str
    """A few words; empty takes back the labels before it."""
    description: str = ""
    author: str
    """A person's name, a model's, or the rule's."""
    author_kind: Literal["rule", "llm", "person"]
    evidence: JsonValue = None
    """What it was written from."""
    date: str = ""
    """Empty where it is made anew each time."""
    score: dict[str, JsonValue] | None = None
    """How it did when scored blind; None where it has not been."""


class Record(Label):
    """A line of a study's label history."""

    feature: int
    sae: str
    """Which SAE's feature it is, as `sae_of` names it."""


def path_of(study: Study) -> Path:
    return study.folder / "labels.jsonl"


def sae_of(choice: ReaderChoice) -> str:
    """The name under which labels of a reader's SAE are kept: a feature's number means nothing in another SAE."""
    source = presets.resolve(choice)
    if source.sae and source.sae == presets.get("starter").sae:
        return "starter"
    return source.sae or f"{source.release}/{source.sae_id}"


def bundled(sae: str) -> dict[int, Label]:
    """The labels that ship with an SAE; only the starter has some."""
    if sae != "starter" or not BUNDLED.exists():
        return {}
    return {int(feature): Label.model_validate(entry) for feature, entry in files.read_json(BUNDLED).items()}


def recorded(study: Study) -> list[Record]:
    """The study's own labels of its reader's SAE, oldest first."""
    path, sae = path_of(study), sae_of(study.settings.reader)
    try:
        records = [Record.model_validate(line) for line in files.read_jsonl(path)]
    except JSONDecodeError as error:
        raise UserError(f"'{path.name}' of study '{study.name}' has a line that is not JSON; mend it.") from error
    except ValidationError as error:
        raise UserError(
            f"'{path.name}' of study '{study.name}' has a line that is no label: {first_fault(error)}; mend it."
        ) from error
    return [record for record in records if record.sae == sae]


def history(study: Study) -> dict[int, list[Label]]:
    """All labels that each feature ever had, oldest first, those that ship with the SAE before all others."""
    found = {feature: [label] for feature, label in bundled(sae_of(study.settings.reader)).items()}
    for record in recorded(study):
        found.setdefault(record.feature, []).append(record)
    return found


def current(study: Study) -> dict[int, Label]:
    """The label that stands for each feature; features without one are absent."""
    chosen = {feature: standing(labels) for feature, labels in history(study).items()}
    return {feature: label for feature, label in chosen.items() if label is not None}


def standing(labels: Sequence[Label]) -> Label | None:
    """Of one feature's labels the last, but a person's before any machine's; an empty one clears all before it."""
    chosen: Label | None = None
    for label in labels:
        if not label.label:
            chosen = None
        elif chosen is None or label.author_kind == "person" or chosen.author_kind != "person":
            chosen = label
    return chosen


class Store(Protocol):
    """What is needed of a study's encodings."""

    n_features: int
    documents: pd.DataFrame

    def encoding(self, document: int) -> Encoding: ...

    def tokens(self, document: int) -> TokenTable: ...


def readable(study: Study, store: Store) -> Array:
    """Documents that labels may be made from: encoded answers to discovery prompts."""
    prompts = study.prompts()
    discovery = prompts.loc[prompts["split"] == "discovery", "id"]
    table = store.documents
    return np.flatnonzero(table["prompt_id"].isin(discovery) & (table["error"] == ""))


def describe(
    store: Store,
    features: Sequence[int],
    documents: Sequence[int] | Array,
    probes: Mapping[int, str] | None = None,
) -> dict[int, Label]:
    """Lexical descriptions of features: the tokens they fire on most, and their nearest probes.

    `documents`: those that may be read, `readable` ones as a rule. `probes`: by feature, as `Nearest.words` says.
    """
    firing = surface.active(store, features, list(documents))
    own = firing.by_feature(len(features))
    found = {}
    for place, feature in enumerate(features):
        runs = firing.runs[own.indices[own.indptr[place] : own.indptr[place + 1]]]
        tops = top_tokens(store, firing.tokens, runs.indices)
        found[feature] = lexical(tops, len(runs.indices), runs.shape[0], (probes or {}).get(feature, ""))
    return found


def top_tokens(store: Store, tokens: surface.Tokens, active: Array) -> list[tuple[str, int]]:
    """The commonest of some tokens as people read them, with their numbers."""
    _, examples, counts = np.unique(tokens.ids[active], return_index=True, return_counts=True)
    # Several tokens may read the same: with and without a space, or parts of one character.
    common = np.argsort(-counts, kind="stable")[: 4 * TOP_TOKENS]
    sums: Counter[str] = Counter()
    for i in common.tolist():
        token = int(active[examples[i]])
        start, end = tokens.spans[token].tolist()
        sums[shown(store.tokens(tokens.of(token)[0]).text[start:end])] += int(counts[i])
    return sums.most_common(TOP_TOKENS)


def shown(piece: str) -> str:
    """A token as it can be read in a line: signs for white space, codes for what cannot be printed."""
    if piece[1:].strip() and piece[0] == " ":
        piece = piece[1:]
    signs = {" ": "␣", "\n": "↵", "\t": "⇥"}
    return "".join(signs.get(c) or (c if c.isprintable() else c.encode("unicode_escape").decode()) for c in piece)


def lexical(tops: Sequence[tuple[str, int]], tokens: int, answers: int, probes: str) -> Label:
    words = ", ".join(f"“{piece}” ×{count}" for piece, count in tops)
    evidence: dict[str, Any] = {"tokens": tokens, "answers": answers, "top_tokens": dict(tops), "probes": probes}
    if not tokens:
        return rule_label(
            "not active in these answers", "No token of the answers read here activates it.", evidence
        )
    near = f"; near {probes}" if probes else ""
    return rule_label(
        f"fires on {words}{near}",
        f"No one has labelled this feature. It is active on {tokens:,} tokens of {answers:,} answers; shown are "
        f"the commonest{' and the countable things they fall on' if probes else ''}.",
        evidence,
    )


def rule_label(label: str, description: str, evidence: JsonValue) -> Label:
    return Label(label=label, description=description, author="top tokens", author_kind="rule", evidence=evidence)
