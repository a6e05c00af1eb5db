"""Several processes that do something at the same moment, as people and runs on one machine do.

Each is a fork, which begins at once with everything imported: a fresh interpreter would spend a second on that,
and by then the others would be done. They wait at a gate and are let go together.
"""

import os
import pickle
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from diffing.common.errors import UserError


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """What each act gives in a process of its own, or the sentence that it ends with."""
    gate, opened = os.pipe()
    started = [_started(act, gate, opened) for act in acts]
    os.close(gate)
    # The gate is a pipe that nobody writes to: it opens when its last writer lets go of it.
    os.close(opened)
    return [_ended(process, pipe) for process, pipe in started]


def repeated(act: Callable[[int], Any], numbers: Sequence[int]) -> Callable[[], list[Any]]:
    """One act for each number, one after the other."""
    return lambda: [act(number) for number in numbers]


def _started(act: Callable[[], Any], gate: int, opened: int) -> tuple[int, int]:
    answers, answer = os.pipe()
    process = os.fork()
    if process:
        os.close(answer)
        return process, answers
    try:
        os.close(opened)
        os.read(gate, 1)
        try:
            given: Any = (True, act())
        except UserError as error:
            given = (True, str(error))
        except BaseException:
            given = (False, traceback.format_exc())
        with os.fdopen(answer, "wb") as pipe:
            pickle.dump(given, pipe)
    finally:
        # Not `sys.exit`: that would end the tests once more in each child.
        os._exit(0)


def _ended(process: int, answers: int) -> Any:
    with os.fdopen(answers, "rb") as pipe:
        data = pipe.read()
    os.waitpid(process, 0)
    fine, given = pickle.loads(data)
    assert fine, given
    return given
