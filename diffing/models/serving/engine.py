"""vLLM on this machine: where its executable is, which versions it is of, and the GPUs that it could have.

It lives in an environment of its own, since it needs another torch than this project. Promises that nothing of it
is imported here. Starts nothing but programs that tell of themselves and end.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from diffing.common.errors import UserError
from diffing.common.paths import expanded

VARIABLE = "DIFFING_VLLM"
"""Environment variable that names the executable."""
USUAL = "~/.diffing/vllm"
"""Where the environment is looked for, and where the line that installs it puts it."""
INSTALL = f"uv venv --python 3.12 {USUAL} && uv pip install --python {USUAL}/bin/python vllm"
TELLING = """
import json
from importlib import metadata
told = {}
for name in ("vllm", "torch", "transformers"):
    try:
        told[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        pass
print(json.dumps(told))
"""
PATIENCE = 60
"""Seconds for a program that only tells of itself: on a busy machine with a slow disk Python takes some."""


class Gpu(NamedTuple):
    """One of this machine."""

    number: str
    """As `CUDA_VISIBLE_DEVICES` names it."""
    name: str = ""
    gigabytes: float = 0.0

    @property
    def told(self) -> str:
        return f"GPU {self.number}" + (f" ({self.name}, {self.gigabytes:.0f} GB)" if self.name else "")


def executable() -> Path:
    """vLLM's command; a `UserError` says how to install it."""
    named = os.environ.get(VARIABLE)
    if named:
        path = expanded(named)
        if not (path.is_file() and os.access(path, os.X_OK)):
            raise UserError(f"{VARIABLE} is '{named}', which is no program; set it to vLLM's, …/bin/vllm.")
        return path
    found = [expanded(f"{USUAL}/bin/vllm"), *map(Path, filter(None, [shutil.which("vllm")]))]
    for path in found:
        if path.is_file() and os.access(path, os.X_OK):
            return path
    raise UserError(
        f"vLLM is not here; install it in an environment of its own ('{INSTALL}'), name another one's program in "
        f"{VARIABLE}, or leave out --serve: answers then come from this process, slowly."
    )


def there() -> bool:
    """Whether vLLM can be started."""
    try:
        executable()
    except UserError:
        return False
    return True


def versions(program: Path) -> dict[str, str]:
    """Of vLLM and what it stands on, as its own environment says; empty where that cannot be asked."""
    python = program.parent / "python"
    if not python.exists():
        return {}
    told = _told([str(python), "-c", TELLING])
    try:
        found = json.loads(told)
        return {str(name): str(version) for name, version in found.items()}
    except (ValueError, AttributeError):
        return {}


def gpus() -> list[Gpu]:
    """Those that this process may use; none where there are none, or where nobody can tell."""
    listed = _told(["nvidia-smi", "--query-gpu=index,name,memory.total", "--format=csv,noheader,nounits"])
    found = []
    for line in listed.splitlines():
        index, name, memory = (f"{line},,".split(",") + [""])[:3]
        megabytes = memory.strip()
        found.append(Gpu(index.strip(), name.strip(), int(megabytes) / 1024 if megabytes.isdecimal() else 0.0))
    seen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if seen is None:
        return found
    known = {gpu.number: gpu for gpu in found}
    # A name that is no number is a GPU's long one, or part of one.
    names = [name.strip() for name in seen.split(",") if name.strip() not in ("", "-1")]
    return [known.get(name, Gpu(name)) for name in names]


def _told(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE).stdout
    except (OSError, subprocess.SubprocessError):
        # It is not there or does not work: then there is nothing to tell.
        return ""
