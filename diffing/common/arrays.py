"""Names for the arrays that the engine passes around, so that signatures say what kind they take."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def ranges(starts: Array, widths: Array) -> Array:
    """All numbers of several ranges, one range after another."""
    behind = np.cumsum(widths)
    # One running number, moved for each range to its own start: a loop over ranges would take most of the time.
    numbers: Array = np.arange(behind[-1] if len(behind) else 0)
    numbers += np.repeat(starts - behind + widths, widths)
    return numbers
