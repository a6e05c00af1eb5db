"""Trained dictionaries as readers that a study may name: how one is written, which there are, what each takes.

`whitebox:NAME` is a dictionary of the study itself, `whitebox:STUDY/NAME` one of another study. A choice also says
which training of that name is meant, so that labels and figures of one are never shown of another: number 7 of a
dictionary that was removed and trained again is another latent. Loads no weights: `reading` does.
"""

import logging
from typing import NamedTuple

from diffing.common.damage import Damaged
from diffing.common.errors import UserError
from diffing.common.words import count
from diffing.reader import presets
from diffing.study.settings import TRAINED, ReaderChoice
from diffing.study.study import Study
from diffing.whitebox.dictionaries import shelf
from diffing.whitebox.dictionaries.shelf import Facts, Shelved

logger = logging.getLogger(__name__)


class Listed(NamedTuple):
    """A dictionary that can read."""

    choice: ReaderChoice
    title: str


def is_trained(text: str) -> bool:
    """Whether a reader is written as a trained dictionary."""
    return text.startswith(TRAINED)


def choice(text: str, study: Study | None = None, context: str = "") -> ReaderChoice:
    """The reader that a text names, as its study is told of it; `study` is the one whose answers it reads."""
    found = shelf.find(text.removeprefix(TRAINED), study)
    own = study is not None and found.study.name == study.name
    told = {"preset": TRAINED + (found.name if own else found.written), "sae_id": shelf.mark(found.facts)}
    return ReaderChoice.model_validate(told | ({"context": context} if context else {}))


def meant(choice: ReaderChoice) -> Shelved:
    """The dictionary that a choice (`presets.within`) names; raises where another stands in its place by now."""
    found = shelf.find(presets.trained(choice))
    if choice.sae_id and choice.sae_id != shelf.mark(found.facts):
        raise UserError(
            f"Dictionary '{found.written}' was trained anew since it was chosen, and its features are others; "
            f"choose it again with --reader {TRAINED}{found.written}."
        )
    return found


def of(study: Study) -> list[Listed]:
    """Those of a study, each as this study names it."""
    return _listed(study, study)


def everywhere() -> list[Listed]:
    """Those of all studies, each as another study names it."""
    return [one for study in Study.list() for one in _listed(study, None)]


def _listed(study: Study, reads: Study | None) -> list[Listed]:
    found = []
    for name in shelf.names(study):
        try:
            found.append(Listed(choice(f"{study.name}/{name}", reads), title(shelf.facts(study, name))))
        except Damaged as error:
            # The others can read, and whoever names this one is told.
            logger.warning("%s", error)
    return found


def title(facts: Facts) -> str:
    """What a dictionary is, in a few words."""
    kind = "Crosscoder of" if facts.kind == "crosscoder" else "SAE on the difference of"
    latents = count(facts.latents, "latent")
    return f"{kind} {facts.base} and {facts.variant}, layer {facts.layer} of {facts.layers}, {latents}"


def features(choice: ReaderChoice) -> int | None:
    """How many latents the dictionary of a choice (`presets.within`) has; None where it is gone."""
    try:
        return meant(choice).facts.latents
    except UserError:
        # Whoever asks tells what a diff would take, and does so without.
        return None
