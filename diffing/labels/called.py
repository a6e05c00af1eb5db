"""What a diff's behaviours are called by now, and which readers see each: what pages and commands show.

A diff's files stay as they are when a name is written, so names are put beside them here. A person's words come
first; then those of the probe or phrase that counts a behaviour. What has no good words of its own has a model's
sentence, where one was asked for, and else the tokens that it stands on here; the label that a feature has for all
texts comes last. Promises that a sentence which counting contradicts, or which says that it cannot tell, is shown
by nobody, that a name says whose it is, and that no figure changes with it.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from diffing import labels
from diffing.common.errors import UserError
from diffing.diff import agreement, answer
from diffing.diff.answer import Behaviour
from diffing.diff.stored import Diff
from diffing.labels import behaviours as naming
from diffing.labels import mentions
from diffing.labels.history import Dossier, Label
from diffing.reader.encodings import Encodings
from diffing.study import plain
from diffing.study.study import Study

logger = logging.getLogger(__name__)


def behaviours(study: Study, stored: Diff) -> list[Behaviour]:
    """A diff's behaviours in order, with names and readers as they are now."""
    seen = agreement.between(stored, agreement.beside(study, stored))
    return [
        each._replace(readers=seen.get(each.number, ()))
        for each in named(study, stored, answer.behaviours(stored))
    ]


def named(study: Study, stored: Diff, given: Sequence[Behaviour]) -> list[Behaviour]:
    """Behaviours of a diff with the names that they have by now."""
    known = naming.known(study)
    encodings = _encodings(study) if known else None
    general = labels.current(study) if any(_bare(each) for each in given) else {}
    return [_named(stored, each, known, general, encodings) for each in given]


def whole(study: Study, stored: Diff) -> dict[str, Any]:
    """Sentence and lists as plain data; `all_readers` have looked, `made` is of made checkpoints."""
    others = agreement.beside(study, stored)
    readers = [agreement.name(each) for each in (stored, *others)] if others else []
    beside = {"all_readers": readers, "made": plain.note(study, stored.a, stored.b)}
    return answer.whole(stored, behaviours(study, stored)) | beside


def _named(
    stored: Diff,
    each: Behaviour,
    known: Mapping[int, Dossier],
    general: Mapping[int, Label],
    encodings: Encodings | None,
) -> Behaviour:
    dossier = known.get(naming.number_of(stored, each))
    label = dossier.current if dossier else None
    if label is not None and usable(stored, each, label, encodings):
        return each._replace(name=label.label, named_by=label.author_kind, author=label.author)
    if _bare(each) and int(each.source) in general and not mentions.unclear(general[int(each.source)].label):
        label = general[int(each.source)]
        name = f"shows “{label.label}” (feature {each.source})"
        return each._replace(name=name, named_by=label.author_kind, author=label.author)
    return each


def usable(stored: Diff, each: Behaviour, label: Label, encodings: Encodings | None) -> bool:
    """Whether a name that was written may stand for a behaviour."""
    if label.author_kind == "person":
        return True
    return (
        naming.wordless(each)
        and not mentions.unclear(label.label)
        and not naming.against(stored, each, label, encodings)
    )


def _bare(each: Behaviour) -> bool:
    """Whether not even its tokens are known."""
    return each.by == "feature" and each.name.startswith("shows feature")


def _encodings(study: Study) -> Encodings | None:
    try:
        return Encodings.open(study)
    except UserError as error:
        # Names are looked at where the encodings are gone, too; what place says against one is not known then.
        logger.info("No name is held against where its feature fires: %s", error)
        return None
