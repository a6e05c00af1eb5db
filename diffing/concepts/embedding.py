"""Texts as vectors of a Sentence-Transformers model, where that package is installed.

The package is an extra of its own, since it is asked for beside features and never in their place. Promises a
sentence that says how to install it where it is missing.
"""

from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from diffing.common.arrays import Floats
from diffing.common.errors import UserError

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
"""The smallest one that is widely used: 90 MB, 384 numbers a text."""


def installed() -> bool:
    return find_spec("sentence_transformers") is not None


@lru_cache(maxsize=2)
def _loaded(model: str) -> Any:
    if not installed():
        raise UserError("Sentence embeddings need another package; run `pip install sentence-transformers`.")
    # An extra that most installations do without.
    from sentence_transformers import SentenceTransformer  # type: ignore[import-not-found]

    try:
        return SentenceTransformer(model)
    except (OSError, ValueError) as error:
        raise UserError(
            f"'{model}' cannot be loaded: {' '.join(str(error).split())[:200]}; name another model or its folder."
        ) from error


def vectors(texts: Sequence[str], model: str = MODEL) -> Floats:
    """A row a text, of length 1."""
    found = _loaded(model).encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
    return np.asarray(found, np.float64)


def likeness(sentence: str, texts: Sequence[str], model: str = MODEL) -> Floats:
    """The cosine of each text with a sentence."""
    both = vectors([sentence, *texts], model)
    return np.asarray(both[1:] @ both[0], np.float64)
