"""What changed between two checkpoints of a model, feature by feature, with figures that hold."""

from diffing.api import Study
from diffing.common.errors import UserError
from diffing.models.providers import Checkpoint

__all__ = ["Checkpoint", "Study", "UserError"]
