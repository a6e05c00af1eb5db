"""What a study's features are called: the labels that stand, and what a rule says of those without one.

A label belongs to a feature of one SAE: those that ship with the starter, then those that were imported, then
those of the study's own history. Holds a diff's features with their names, too. Promises that a feature without a
label is shown by the tokens it fires on, marked as a rule's work, and that no figure changes with a name. A label
is a hypothesis; nothing here says that it is right.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Any, Protocol

import numpy as np
import pandas as pd
from pydantic import JsonValue

from diffing.common import files
from diffing.labels import history as label_history
from diffing.labels.history import Dossier, Label, path_of
from diffing.probes import near as surface
from diffing.reader import presets
from diffing.reader.cache import Array, Encoding
from diffing.reader.encodings import TokenTable
from diffing.study.settings import ReaderChoice
from diffing.study.study import Study

__all__ = ["Label", "current", "describe", "dossiers", "history", "named", "path_of", "readable", "sae_of"]

BUNDLED = presets.STARTER / "labels.json"

TOP_TOKENS = 5


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


def dossiers(study: Study) -> dict[int, Dossier]:
    """What is known of each feature's name: what ships with the SAE, what was imported, the study's history."""
    sae = sae_of(study.settings.reader)
    return label_history.dossiers(
        label_history.read(study, sae), chain(bundled(sae).items(), label_history.imported(study, sae))
    )


def history(study: Study) -> dict[int, list[Label]]:
    """All labels that each feature ever had, oldest first, those that ship with the SAE before all others."""
    return {feature: dossier.labels for feature, dossier in dossiers(study).items()}


def current(study: Study) -> dict[int, Label]:
    """The label that stands for each feature; features without one are absent."""
    return {feature: dossier.current for feature, dossier in dossiers(study).items() if dossier.current}


def named(study: Study, features: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    """A diff's features table with `label`, `named_by` and `score` after the feature's number.

    The score is how the label did when detected blind on the checkpoint that shows the feature more.
    """
    known = current(study)
    said = [known.get(feature) for feature in features["feature"].tolist()]
    rule = features["tokens"] if "tokens" in features else pd.Series("", index=features.index)
    table = features.copy()
    table.insert(
        1, "label", [one.label if one else other or "no label" for one, other in zip(said, rule, strict=True)]
    )
    table.insert(2, "named_by", [one.author_kind if one else "rule" for one in said])
    more = [b if delta > 0 else a for delta in table["delta"].tolist()]
    found = [one.detection(side) if one else None for one, side in zip(said, more, strict=True)]
    table.insert(3, "score", [float("nan") if score is None else score[0] for score in found])
    return table


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
    text = cache(lambda document: store.tokens(document).text)
    found = {}
    for place, feature in enumerate(features):
        runs = firing.runs[own.indices[own.indptr[place] : own.indptr[place + 1]]]
        tops = top_tokens(text, firing.tokens, runs.indices)
        found[feature] = lexical(tops, len(runs.indices), runs.shape[0], (probes or {}).get(feature, ""))
    return found


def top_tokens(text: Callable[[int], str], tokens: surface.Tokens, active: Array) -> list[tuple[str, int]]:
    """The commonest of some tokens as people read them, with their numbers; `text` gives a document's."""
    _, examples, counts = np.unique(tokens.ids[active], return_index=True, return_counts=True)
    # Several tokens may read the same: with and without a space, or parts of one character.
    common = np.argsort(-counts, kind="stable")[: 4 * TOP_TOKENS]
    sums: Counter[str] = Counter()
    for i in common.tolist():
        token = int(active[examples[i]])
        start, end = tokens.spans[token].tolist()
        sums[shown(text(tokens.of(token)[0])[start:end])] += int(counts[i])
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
