"""What changed between two checkpoints of a model, feature by feature, with figures that hold."""

from diffing.errors import UserError
from diffing.study import Checkpoint, Study

__all__ = ["Checkpoint", "Study", "UserError"]
