"""A study of which some answers are kept as summaries: made from one whose answers have their positions."""

from collections.abc import Sequence

import numpy as np

from diffing.common.arrays import Bools
from diffing.reader import floors
from diffing.reader.cache import Cache
from diffing.reader.encodings import Encodings, encodable, save_table
from diffing.study.study import Study


def summed_up(study: Study, keep: Bools | Sequence[bool]) -> Encodings:
    """The study's encodings, with positions of those documents alone that are to keep them."""
    whole, kept = Encodings.open(study), np.asarray(keep)
    sides = sorted(set(whole.documents["checkpoint"]))
    strongest = np.zeros((len(sides), whole.n_features), np.float32)
    for document in np.flatnonzero(kept).tolist():
        record = whole.encoding(document)
        line = strongest[sides.index(whole.documents["checkpoint"].iloc[document])]
        line[record.feature] = np.maximum(line[record.feature], np.abs(record.peak))
    cache = Cache(whole.reader_key, whole.n_features)
    with cache.summaries.writer(floors.chosen(strongest)) as writer:
        for document in np.flatnonzero(~kept).tolist():
            writer.add([(str(document), 1, whole.encoding(document))])
    summaries = cache.summaries.find(str(document) for document in range(len(whole)))
    places = [summaries.get(str(document), place) for document, place in enumerate(whole._places)]
    answers = encodable(study).assign(error=whole.documents["error"].to_numpy())
    save_table(study, answers, places, whole.reader_key, whole.n_features, (~kept).tolist())
    return Encodings.open(study)
