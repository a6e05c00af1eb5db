"""What people hold: a study with the verbs of every step, as `from diffing import Study` gives it.

Adds nothing of its own: each verb opens the room that does the work, and only then loads what that room needs, so
that `import diffing` stays quick.
"""

from typing import TYPE_CHECKING

from diffing.study import study

if TYPE_CHECKING:
    import pandas as pd


class Study(study.Study):
    """One study's folder, with its verbs. Cheap to make; every call reads the files as they are now."""

    def diff(self, a: str = "", b: str = "") -> "pd.DataFrame":
        """Two checkpoints' features table with labels, computed where needed; the first two unless named."""
        from diffing.diff import compute
        from diffing.labels import names

        found = compute.current(self, *self.sides(a, b))
        return names.named(self, found.features, found.a, found.b)
