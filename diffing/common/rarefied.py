"""The chance that a number of random tokens of an answer show something: presence at any length, in closed form.

An answer of T tokens that shows it on k of them shows it on L of them, drawn without replacement, with the chance
1 - C(T - k, L) / C(T, L): 1 where fewer than L tokens are without it. Draws nothing.
"""

import numpy as np

from diffing.common.arrays import Array, Floats


class Chance:
    """The chance for answers of up to so many tokens."""

    def __init__(self, longest: int) -> None:
        # Logarithms of factorials, once for all: there are as many chances as runs in all documents.
        self._factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, longest + 1)))])

    def __call__(self, shown: Array, tokens: Array, drawn: Array) -> Floats:
        """Of answers with so many `tokens`, of which so many are `shown`, when so many are `drawn` at random."""
        without = tokens - np.minimum(shown, tokens)
        enough = without >= drawn
        left = np.where(enough, without - drawn, 0)
        log = self._factorial[without] - self._factorial[left]
        log -= self._factorial[tokens] - self._factorial[tokens - drawn]
        return np.where(enough, -np.expm1(log), 1.0)
