"""How this process's computing threads wait for each other.

Holds one setting, made before torch is loaded: libgomp reads it then and never again. What somebody has set in the
environment stays. Promises nothing to a process that had loaded torch before this package.
"""

import os

SETTING = "OMP_WAIT_POLICY"


def wait_asleep() -> None:
    """Have threads that wait give up their core.

    By default they spin, which is a little faster where every thread has a core of its own. Where other work keeps
    the cores busy, they burn what the working thread is waiting for: reading answers then took four times the CPU
    time (`docs/performance.md`). Processes that are started from here inherit it.
    """
    os.environ.setdefault(SETTING, "passive")
