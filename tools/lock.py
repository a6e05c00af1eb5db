"""The lock: every package that is installed, with its version and the sha256 of each of its files.

`python -m tools.lock` resolves the ranges of `pyproject.toml` for all Pythons it allows at once, keeps each
version that still fits, and writes `requirements.lock` (run time), `requirements-extras.lock` (what single wings
add), `requirements-dev.lock` (what tests and checks add to both) and `requirements-build.lock` (what builds the
packages that come as source only). The exact versions in the three `.txt` files follow; their reasons stay.
`--upgrade` takes the newest versions.

Not in the lock: torch, whose file differs by machine, and the CUDA packages that come with it. Its version stands
in `requirements.txt`, is changed there by hand, and is what all else is resolved against.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
RUN, EXTRAS = "requirements.lock", "requirements-extras.lock"
DEV, BUILD = "requirements-dev.lock", "requirements-build.lock"
DIRECT = ("requirements.txt", "requirements-extras.txt", "requirements-dev.txt")
WINGS = ["agents", "benchmark", "ray", "team"]
"""The extras of `pyproject.toml` that users may want; `make` does without them."""
BUILDERS = {"setuptools"}
"""What packages without a wheel are built with."""
COOLING = "7 days"
"""A release that somebody tampered with is mostly withdrawn within days; an upgrade does not take it before."""
HEADER = """\
# Made by `python -m tools.lock`, never by hand. Without torch: its file differs by machine (requirements.txt).
"""

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)")
_UNLOCKED = re.compile(r"^(torch|triton|nvidia-.*|cuda-.*)$")


def name(text: str) -> str:
    """A package's name as indexes compare it, from the start of a requirement."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^A-Za-z0-9._-]", text, maxsplit=1)[0]).lower()


def blocks(text: str) -> dict[str, str]:
    """The lines of each requirement of a lock (itself, its hashes, who wants it), by the requirement."""
    parts = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)
    return {part.split("\n")[0].removesuffix(" \\"): part for part in parts if part[:1].isalnum()}


def pins(text: str) -> dict[str, str]:
    """The version of each package that a requirements file or a lock names."""
    found = (_PIN.match(line) for line in text.splitlines())
    return {name(pin[1]): pin[2] for pin in found if pin}


def resolve(kept: str, extras: list[str], upgrade: bool) -> dict[str, str]:
    """The blocks of all packages wanted, with the versions in `kept` where they fit."""
    with tempfile.TemporaryDirectory() as folder:
        out, torch = Path(folder, "out.txt"), Path(folder, "torch.txt")
        out.write_text(kept, encoding="utf-8")
        torch.write_text(
            f"torch=={pins((ROOT / DIRECT[0]).read_text(encoding='utf-8'))['torch']}\n", encoding="utf-8"
        )
        command = ["uv", "pip", "compile", "pyproject.toml", "--constraint", str(torch), "--output-file", str(out)]
        command += ["--universal", "--python-version", "3.11", "--fork-strategy", "fewest", "--generate-hashes"]
        command += ["--no-header", "--no-emit-index-url", "--no-emit-find-links", "--annotation-style", "line"]
        command += ["--quiet"]
        command += [f"--extra={extra}" for extra in extras]
        command += ["--upgrade", "--exclude-newer", COOLING] if upgrade else []
        subprocess.run(command, cwd=ROOT, check=True)
        resolved = blocks(out.read_text(encoding="utf-8"))
    return {line: block for line, block in resolved.items() if not _UNLOCKED.match(name(line))}


def lock(upgrade: bool) -> None:
    """Writes the locks and brings the exact versions of the direct requirements in line."""
    before = "".join(
        (ROOT / path).read_text(encoding="utf-8") for path in (RUN, EXTRAS, DEV) if (ROOT / path).exists()
    )
    whole = resolve(before, [*WINGS, "test", "dev"], upgrade)
    # Resolved again from the whole, so that all hold the same versions.
    run = resolve("".join(whole.values()), [], upgrade=False)
    used = resolve("".join(whole.values()), WINGS, upgrade=False)
    _write(RUN, run)
    _write(EXTRAS, {line: block for line, block in used.items() if line not in run})
    _write(DEV, {line: block for line, block in whole.items() if line not in used})
    _write(BUILD, {line: block for line, block in whole.items() if name(line) in BUILDERS})
    versions = pins("".join(whole.values()))
    for path in DIRECT:
        text = (ROOT / path).read_text(encoding="utf-8")
        (ROOT / path).write_text(follow(text, versions), encoding="utf-8")


def follow(text: str, versions: dict[str, str]) -> str:
    """A requirements file with these versions; names, reasons and columns stay."""
    lines = []
    for line in text.splitlines():
        pin, hash_sign, reason = line.partition("#")
        if (match := _PIN.match(pin)) and name(match[1]) in versions:
            pin = f"{match[1]}=={versions[name(match[1])]} ".ljust(len(pin))
        lines.append(pin + hash_sign + reason)
    return "\n".join(lines) + "\n"


def _write(path: str, packages: dict[str, str]) -> None:
    (ROOT / path).write_text(HEADER + "".join(packages.values()), encoding="utf-8")
    print(f"{path}: {len(packages)} packages")


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the locks from pyproject.toml.")
    parser.add_argument("--upgrade", action="store_true", help=f"newest versions that are {COOLING} old or more")
    try:
        lock(parser.parse_args().upgrade)
    except FileNotFoundError as error:
        if error.filename != "uv":
            raise
        sys.exit("uv is not there; install it with `pip install uv` and run this again.")
    except subprocess.CalledProcessError as error:
        sys.exit(f"uv could not resolve the packages (exit code {error.returncode}); what it says is above.")


if __name__ == "__main__":
    main()
