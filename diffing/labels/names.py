"""What a study's features are called: the labels that stand, and what a rule says of those without one.

A label belongs to a feature of one SAE: those that ship with the starter, then those that were imported, then
those of the study's own history. Holds a diff's features with their names, too. Promises that a feature without a
label is shown by the tokens it fires on, marked as a rule's work, and that no figure changes with a name. A label
is a hypothesis; nothing here says that it is right. What a rule says is `diffing.reader.firing`'s.
"""

from itertools import chain

import pandas as pd

from diffing.common import files
from diffing.labels import history
from diffing.labels.history import Dossier, Label
from diffing.reader import presets
from diffing.study.settings import ReaderChoice
from diffing.study.study import Study

BUNDLED = presets.STARTER / "labels.json"


def sae_of(choice: ReaderChoice) -> str:
    """The name under which labels of a reader's SAE are kept: a feature's number means nothing in another SAE."""
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


def dossiers(study: Study) -> dict[int, Dossier]:
    """What is known of each feature's name: what ships with the SAE, what was imported, the study's history."""
    sae = sae_of(study.settings.reader)
    return history.dossiers(history.read(study, sae), chain(bundled(sae).items(), history.imported(study, sae)))


def ever(study: Study) -> dict[int, list[Label]]:
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
    return table
