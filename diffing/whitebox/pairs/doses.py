"""How much of a change is applied, module by module: W(α) = W of the base + Σ α of a group × ΔW of that group.

Promises that a group which names nothing, and two groups that name the same module, are errors: which α was meant
nobody could tell. Knows names of modules and nothing else of a model.
"""

from collections.abc import Iterable
from typing import NamedTuple

from diffing.common import hub
from diffing.common.errors import UserError


class Group(NamedTuple):
    """Modules that share an α of their own."""

    alpha: float
    modules: tuple[str, ...] = ()
    """Parts of a module's path, such as `mlp` or `q_proj`; all modules where there is none."""
    blocks: tuple[int, int] | None = None
    """First block and the one behind the last; what lies in no block (embedding, head) only where this is None."""

    def holds(self, path: str) -> bool:
        if self.modules and not set(self.modules) & set(path.split(".")):
            return False
        if self.blocks is None:
            return True
        block = block_of(path)
        return block is not None and self.blocks[0] <= block < self.blocks[1]


class Dose(NamedTuple):
    """The α of every module."""

    alpha: float = 1.0
    """Of what is in no group."""
    groups: tuple[Group, ...] = ()

    def of(self, path: str) -> float:
        return next((group.alpha for group in self.groups if group.holds(path)), self.alpha)

    def check(self, paths: Iterable[str]) -> None:
        """Raise where a group holds none of the modules that change, or two hold the same one."""
        held = {path: [group for group in self.groups if group.holds(path)] for path in paths}
        for group in self.groups:
            if not any(group in groups for groups in held.values()):
                what = " and ".join(group.modules) or "modules"
                where = f" in blocks {group.blocks[0]} to {group.blocks[1] - 1}" if group.blocks else ""
                raise UserError(f"The change has no {what}{where}; name modules that it touches.")
        if doubled := next((path for path, groups in held.items() if len(groups) > 1), None):
            raise UserError(f"Two groups hold '{doubled}'; part them, so that it has one strength.")


def block_of(path: str) -> int | None:
    """The number of the block that a module or a tensor is part of."""
    match = hub.LAYER_TENSOR.search(f"{path}.")
    return int(match[1]) if match else None
