"""A computation in a child process while this one goes on, so that two processors share the work.

On Linux the child is a fork: it starts at once with everything in memory, where a fresh interpreter would import
for a second. A fork keeps the thread that called it and no other, so a lock that another one held would stay held:
beside other Python threads, as in Streamlit's server, and elsewhere than on Linux the computation runs in this
process when its result is asked for. Threads of BLAS, OpenMP or torch do no harm if the computation calls none of
these. Promises that the child holds none of this process's files or locks, and that it ends with the block.
The computation must start no threads and needs a result that can be pickled.
"""

import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

Result = TypeVar("Result")


class Aside(Generic[Result]):
    """Runs `work` in a child where that is worth it; use as a context."""

    def __init__(self, work: Callable[[], Result], worth: bool = True) -> None:
        self._work = work
        self._child = 0
        # The caller is one of the threads counted.
        alone = threading.active_count() == 1
        if worth and alone and sys.platform == "linux" and (os.cpu_count() or 1) > 1:
            self._pipe, write = os.pipe()
            self._child = os.fork()
            if self._child == 0:
                _answer(work, write)
            os.close(write)

    def result(self) -> Result:
        """What the computation gave, or the error that it ended with. To be asked once: a pipe is read once."""
        if not self._child:
            return self._work()
        # A copy of the descriptor, because closing the file closes what it was given, and leaving the block closes
        # the pipe itself, whether the result was asked for or not.
        with os.fdopen(os.dup(self._pipe), "rb") as pipe:
            data = pipe.read()
        # The child writes something whatever happens, an error too: nothing at all means that it was killed.
        answer: tuple[bool, Any] = (
            pickle.loads(data) if data else (False, RuntimeError("a child process was killed"))
        )
        fine, value = answer
        if not fine:
            raise value
        result: Result = value
        return result

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None) -> None:
        if self._child:
            os.close(self._pipe)
            # Nobody waits for its result any more, and it holds nothing that it would have to put away.
            os.kill(self._child, signal.SIGKILL)
            os.waitpid(self._child, 0)
            self._child = 0


def _answer(work: Callable[[], Any], write: int) -> None:
    """The child's whole life; it leaves without running anything that the parent set up for its own end."""
    try:
        # A lock that this process inherited would outlive the parent. 0 to 2 stay: they are where it may complain.
        os.closerange(3, write)
        os.closerange(write + 1, os.sysconf("SC_OPEN_MAX"))
        try:
            answer = pickle.dumps((True, work()), protocol=pickle.HIGHEST_PROTOCOL)
        except Exception as error:
            answer = pickle.dumps((False, error))
        with os.fdopen(write, "wb") as pipe:
            pipe.write(answer)
    finally:
        # Not `sys.exit`: that would run the parent's exit handlers and write out its buffered files a second time.
        os._exit(0)
