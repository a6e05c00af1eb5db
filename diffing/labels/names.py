"""What a study's features are called: the labels that stand, and what a rule says of those without one.

A label belongs to a feature of one SAE: those that ship with the starter, then those that were imported, then
those of the study's own history. Holds a diff's features with their names, too. Promises that a feature without a
label is shown by the tokens it fires on, marked as a rule's work, and that no figure changes with a name. A label
is a hypothesis; nothing here says that it is right. What a feature does in these answers stands before what its
label says of all texts. What a rule says is `diffing.reader.firing`'s.
"""

from collections.abc import Mapping
from itertools import chain
from typing import Any

import pandas as pd

from diffing.common import files
from diffing.common.words import share
from diffing.labels import contradictions, history
from diffing.labels.history import Dossier, Label
from diffing.probes import near
from diffing.reader import presets
from diffing.study.settings import ReaderChoice
from diffing.study.study import Study

TOKENS = 3
"""Tokens in a feature's title: what fits a line."""
RARELY = 0.1
"""Of the commonest token's number, from which share on another is named beside it."""
BUNDLED = presets.STARTER / "labels.json"


def sae_of(choice: ReaderChoice) -> str:
    """The name under which labels of a reader's SAE are kept: a feature's number means nothing in another SAE."""
    if presets.trained(choice):
        # Trained anew under its name, its features are others.
        return f"{choice.preset}@{choice.sae_id}" if choice.sae_id else choice.preset
    source = presets.resolve(choice)
    # The starter lies in another folder on each machine, and its labels must be found on all.
    if source.sae and source.sae == presets.get("starter").sae:
        return "starter"
    return source.sae or f"{source.release}/{source.sae_id}"


def bundled(sae: str) -> dict[int, Label]:
    """The labels that ship with an SAE; only the starter has some."""
    if sae != "starter" or not BUNDLED.exists():
        return {}
    return {int(feature): Label.model_validate(entry) for feature, entry in files.read_json(BUNDLED).items()}


def dossiers(study: Study, reader: ReaderChoice | None = None) -> dict[int, Dossier]:
    """What is known of each feature's name: what ships with the SAE, what was imported, the study's history.

    Of the study's reader, unless another is named.
    """
    sae = sae_of(reader or study.settings.reader)
    return history.dossiers(history.read(study, sae), chain(bundled(sae).items(), history.imported(study, sae)))


def ever(study: Study) -> dict[int, list[Label]]:
    """All labels that each feature ever had, oldest first, those that ship with the SAE before all others."""
    return {feature: dossier.labels for feature, dossier in dossiers(study).items()}


def current(study: Study) -> dict[int, Label]:
    """The label that stands for each feature; features without one are absent."""
    return {feature: dossier.current for feature, dossier in dossiers(study).items() if dossier.current}


def named(
    study: Study, features: pd.DataFrame, a: str, b: str, probes: pd.DataFrame | None = None
) -> pd.DataFrame:
    """A diff's features table with what each feature is called, after the feature's number.

    `title` is what the feature does in these answers (`here`), `label` the label that stands or what a rule says,
    `named_by` who gave that label and `general` whether it was given for all texts rather than in this study,
    `score` how it did when detected blind on the checkpoint that shows the feature more, and `refuted` why it may
    not stand (`contradictions.refuted`). `probes` are the diff's; without them no label is held against counts.
    """
    known = current(study)
    standing = [known.get(feature) for feature in features["feature"].tolist()]
    # Diffs kept from before there was such a column are named too.
    rule = features["tokens"] if "tokens" in features else pd.Series("", index=features.index)
    words = [label.label if label else tokens or "no label" for label, tokens in zip(standing, rule, strict=True)]
    more = [b if delta > 0 else a for delta in features["delta"].tolist()]
    scores = [label.detection(side) if label else None for label, side in zip(standing, more, strict=True)]
    # A copy: whoever holds the diff may be showing it to others without names.
    table = features.copy()
    table.insert(1, "label", words)
    table.insert(2, "named_by", [label.author_kind if label else "rule" for label in standing])
    table.insert(3, "score", [float("nan") if score is None else score[0] for score in scores])
    table.insert(4, "general", [label is not None and not label.id for label in standing])
    table.insert(5, "refuted", _refuted(table, probes))
    table.insert(6, "title", [here(row) for row in _records(table)])
    return table


def here(row: Mapping[str, Any]) -> str:
    """What a feature is called first: a person's words, else what it stands at and fires on in these answers."""
    if row["named_by"] == "person" and not row["refuted"]:
        return str(row["label"])
    fired = contradictions.fired(row)
    often = [token for token, number in fired if number >= RARELY * fired[0][1]]
    tokens = ", ".join(f"“{token}”" for token in often[:TOKENS])
    ties = near.read_column(str(row.get("probes", "")))
    place = f"{ties[0].probe} ({share(ties[0].share)})" if ties and ties[0].share >= contradictions.BELONGS else ""
    if place and fired and fired[0][1] < TYPICAL * sum(number for _, number in fired):
        # Whatever happens to stand there: of “first word of an item” the words tell nothing.
        tokens = ""
    if place or tokens:
        return ": ".join(part for part in (place, tokens) if part)
    # Of what hardly differs no diff keeps where it fires.
    known = row["named_by"] != "rule" and not row["refuted"]
    return str(row["label"]) if known else f"feature {row['feature']}"


TYPICAL = 0.5
"""Of the named tokens, the share of the commonest from which they tell something of a feature whose place is
known. Chosen by eye."""
ASKED = ("feature", "label", "named_by", "probes", "tokens", "delta", "frequency_a", "frequency_b", "q")
"""Columns that names hang on; a diff has some sixty."""


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    columns = [name for name in (*ASKED, "refuted") if name in table]
    return [{str(name): value for name, value in row.items()} for row in table[columns].to_dict("records")]


def _refuted(table: pd.DataFrame, probes: pd.DataFrame | None) -> list[str]:
    if probes is None or "probes" not in table:
        return [""] * len(table)
    by_name = probes.set_index("probe")
    return [
        # A rule says which tokens a feature fires on, and so is right by what it says.
        "" if row["named_by"] == "rule" else contradictions.refuted(row["label"], row, by_name)
        for row in _records(table)
    ]
