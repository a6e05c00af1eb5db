"""Stand-ins for packages that a machine with a GPU may lack and no bench of dictionaries calls.

Imported before the engine, which names them at its head for readers, studies' settings and a person's keys.
"""

import sys
from importlib.util import find_spec
from unittest.mock import MagicMock

UNUSED = ("sae_lens", "tomli_w", "dotenv", "rapidfuzz")
INNER = {"sae_lens": ("sae_lens.loading", "sae_lens.loading.pretrained_saes_directory")}
"""Modules of theirs that are named too."""

for package in UNUSED:
    if find_spec(package) is None:
        for name in (package, *INNER.get(package, ())):
            sys.modules[name] = MagicMock()
