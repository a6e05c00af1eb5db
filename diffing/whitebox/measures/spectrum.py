"""The singular values and first directions of a change of one matrix, from its factors or from the whole of it.

Promises the values that a full decomposition in float64 would give: from factors to its rounding, at the cost of
the rank's size; from a whole matrix by the eigenvalues of its smaller square, where values below a ten-millionth
of the largest are noise. Directions have no sign of their own: a left and a right one may both be turned round.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from diffing.common.arrays import Floats
from diffing.whitebox.pairs.changes import Delta, Factors

LEAST = 1e-4
"""Of the largest singular value: what is smaller has no rank. Adapters in 16 bits keep their numbers to a
thousandth, and one of rank 8 read back as rank 8 in all of 56 matrices."""


class Spectrum(NamedTuple):
    """Of one matrix, as it multiplies a column: [what comes out, what goes in]."""

    values: Floats
    """Singular values, largest first."""
    left: Tensor
    """The first directions that come out: a column each, in float64."""
    right: Tensor
    """The first directions that go in."""

    @property
    def norm(self) -> float:
        return float(np.sqrt((self.values**2).sum()))

    @property
    def rank(self) -> int:
        """How many directions there are that are not next to nothing."""
        return int((self.values > LEAST * self.values[0]).sum()) if self.norm else 0

    @property
    def stable_rank(self) -> float:
        """The squared norm in units of its largest direction's: 1 where one direction is all."""
        return float((self.values**2).sum() / self.values[0] ** 2) if self.norm else 0.0

    @property
    def entropy_rank(self) -> float:
        """How many directions of equal strength are as mixed as these."""
        if not self.norm:
            return 0.0
        shares = self.values**2 / (self.values**2).sum()
        shares = shares[shares > 0]
        return float(np.exp(-(shares * np.log(shares)).sum()))


def of(delta: Delta, directions: int) -> Spectrum:
    """A change's singular values, and so many of its directions."""
    return _of_factors(delta, directions) if isinstance(delta, Factors) else _of_matrix(delta, directions)


def norm(delta: Delta) -> float:
    """The root of all its squared numbers, without more of its singular values."""
    if isinstance(delta, Factors):
        high, low = (torch.linalg.qr(side.double()).R for side in (delta.high, delta.low.T))
        return float(torch.linalg.norm(high @ low.T) * abs(delta.scale))
    return float(delta.double().norm())


def _of_factors(delta: Factors, directions: int) -> Spectrum:
    # Between two orthonormal frames lies a matrix of the rank's size, which has all singular values.
    high, low = (torch.linalg.qr(side.double()) for side in (delta.high, delta.low.T))
    left, values, right = torch.linalg.svd(high.R @ low.R.T * delta.scale, full_matrices=False)
    kept = min(directions, len(values))
    return Spectrum(values.cpu().numpy(), high.Q @ left[:, :kept], low.Q @ right[:kept].T)


def _of_matrix(delta: Tensor, directions: int) -> Spectrum:
    wide = delta.double()
    tall = wide.shape[0] > wide.shape[1]
    if tall:
        wide = wide.T
    squares, frame = torch.linalg.eigh(wide @ wide.T)
    # Largest first; below nothing is rounding.
    values, near = squares.flip(0).clamp_min(0).sqrt(), frame.flip(1)[:, :directions]
    far = wide.T @ near
    far = far / far.norm(dim=0).clamp_min(torch.finfo(far.dtype).tiny)
    left, right = (far, near) if tall else (near, far)
    return Spectrum(values.cpu().numpy(), left, right)
