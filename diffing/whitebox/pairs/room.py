"""How much memory two models take, told before anything is loaded, and whether they may be there together.

Read from the heads of the weight files. Promises no figure for what a pass takes beside the weights: a share of
the free memory is left for that.
"""

import os
from pathlib import Path
from typing import NamedTuple

import torch

from diffing.common.errors import UserError

WORK = 0.15
"""Share of the free memory that is left for the pass: batches are cut to a budget that keeps well within it."""
GIB = 2**30


class Room(NamedTuple):
    """What a pair takes and what there is, in bytes."""

    base: int
    variant: int
    """What the variant takes beside the base: an adapter's numbers, or a second model."""
    free: int
    device: str

    @property
    def together(self) -> bool:
        return self.base + self.variant <= self.free * (1 - WORK)

    @property
    def told(self) -> str:
        how = "both at once" if self.together else "in turns"
        return (
            f"The base takes {self.base / GIB:.2f} GiB and the variant {self.variant / GIB:.2f} GiB more; "
            f"{self.free / GIB:.1f} GiB are free on {self.device}: {how}."
        )

    def check(self) -> None:
        """Raise where not even one model has room, or two in the host's memory, where turns would help nobody."""
        needed = self.base + self.variant if self.device == "cpu" else max(self.base, self.variant)
        if needed > self.free * (1 - WORK):
            raise UserError(
                f"The pair needs {needed / GIB:.1f} GiB on {self.device}, where {self.free / GIB:.1f} GiB are "
                "free; choose smaller models or another machine."
            )


def free(device: torch.device) -> int:
    """Bytes that nobody has taken."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    told = Path("/proc/meminfo")
    if told.exists():
        lines = told.read_text(encoding="ascii").splitlines()
        # What the system would give up for it, files' copies in memory among that.
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
