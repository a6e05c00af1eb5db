"""What changed between two checkpoints of a model, feature by feature, with figures that hold.

What is handed on here is loaded when it is first asked for: a command whose help is wanted needs none of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from diffing.common.threads import wait_asleep as _wait_asleep

if TYPE_CHECKING:
    from diffing.api import Study
    from diffing.common.errors import UserError
    from diffing.models.providers import Checkpoint

# Before anything here can load torch, which reads the setting once.
_wait_asleep()

__all__ = ["Checkpoint", "Study", "UserError"]

_FROM = {"Checkpoint": "diffing.models.providers", "Study": "diffing.api", "UserError": "diffing.common.errors"}


def __getattr__(name: str) -> Any:
    if name not in _FROM:
        raise AttributeError(f"module 'diffing' has no attribute '{name}'")
    value = globals()[name] = getattr(import_module(_FROM[name]), name)
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
