"""What changed between two checkpoints of a model, feature by feature, with figures that hold."""

from diffing.common.errors import UserError
from diffing.study.study import Checkpoint, Study

__all__ = ["Checkpoint", "Study", "UserError"]
