"""A reader for workers on other machines, which a test can hold where it is, and which notes what it reads.

Not a fake of the cluster: it is loaded by real workers, in processes of their own.
"""

import os
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from diffing.common import files
from tests.fakes.reader import FakeReader

LOADS = "tests.fakes.away:load"


class Noting(FakeReader):
    """Notes its process, and how many texts each pass has, in a folder that a test can look into."""

    def hidden(self, ids: list[list[int]]) -> Tensor:
        mine = folder() / str(os.getpid())
        mine.touch()
        while _held():
            time.sleep(0.02)
        with mine.open("a") as file:
            file.write(f"{len(ids)}\n")
        return super().hidden(ids)


def folder() -> Path:
    made = files.home() / "notes"
    made.mkdir(exist_ok=True)
    return made


def hold(after: int) -> None:
    """Have all readers wait once so many texts went through them."""
    (files.home() / "hold").write_text(str(after))


def go() -> None:
    (files.home() / "hold").unlink()


def _held() -> bool:
    try:
        return passes() >= int((files.home() / "hold").read_text())
    except FileNotFoundError:
        return False


def workers() -> set[str]:
    """The processes that read, or wait to."""
    return {path.name for path in folder().iterdir()}


def passes() -> int:
    """How many texts went through readers by now."""
    return sum(int(line) for path in folder().iterdir() for line in path.read_text().split())


def load(_choice: Any, _device: str) -> Noting:
    torch.set_num_threads(1)
    return Noting()
