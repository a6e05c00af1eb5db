"""A kernel in a container, by docker or podman: which one is there, and what it is told.

The image is the person's, with Python and ipykernel in it. Promises that the container has no network unless
asked, no rights, a root that is not written to, and of this machine the workshop's folders alone; that a secret's
value stands in no command line; and that it is gone when its kernel is. Sockets in a shared folder need the engine
to run on this very machine.
"""

import os
import shutil
import subprocess
from pathlib import Path

from diffing.agents.workshop import kernel, supplies
from diffing.agents.workshop.folders import Workshop
from diffing.agents.workshop.kernel import Kernel
from diffing.agents.workshop.supplies import Check, Tell
from diffing.agents.workshop.workspace import Container, Workspace
from diffing.common import files
from diffing.common.errors import UserError

ENGINES = ("docker", "podman")
PROCESSES = 512
"""In a container: far more than computing needs, and few enough that a bomb of them stays in it."""
ASKED = 20.0
"""Seconds for an engine to say that it is there."""
PACKAGES = "packages"
WATCHED = """import os, runpy, sys, threading
def watch():
    while os.read(0, 4096):
        pass
    os._exit(0)
threading.Thread(target=watch, daemon=True).start()
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""
"""A kernel that ends when nobody holds the other end of its input any more: the engine, which started it, lives
on."""
ENGINE_OWN = (
    "PATH",
    "HOME",
    "XDG_RUNTIME_DIR",
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_CONFIG",
    "CONTAINER_HOST",
)
"""Variables by which an engine's own program finds its engine; the container has none of them."""


def _told(workspace: Workspace) -> Container:
    assert workspace.container is not None
    return workspace.container


def engine(workspace: Workspace) -> str:
    """The engine's program, after it has answered; a `UserError` where there is none."""
    wanted = _told(workspace).engine
    faults = []
    for name in (wanted,) if wanted else ENGINES:
        found = shutil.which(name)
        if found is None:
            faults.append(f"{name} is not installed")
            continue
        try:
            told = subprocess.run([found, "info"], capture_output=True, text=True, timeout=ASKED, check=False)
        except subprocess.TimeoutExpired:
            faults.append(f"{name} did not answer within {ASKED:.0f} s")
            continue
        if told.returncode == 0:
            return found
        said = (told.stderr.strip() or "it failed without a word").splitlines()[-1]
        faults.append(f"{name}: {said}")
    raise UserError(
        f"The workspace asks for a container, and no engine answers ({'; '.join(faults)}); start one, "
        'or let the kernel run here (where = "here").'
    )


def command(program: str, workspace: Workspace, shop: Workshop, scratch: Path) -> list[str]:
    """The command line of a container that runs a kernel."""
    told = _told(workspace)
    connection = scratch / kernel.CONNECTION
    written = (shop.work, shop.own, connection.parent)
    packages = {"PYTHONPATH": str(shop.shared / PACKAGES)} if workspace.packages else {}
    return [
        *_walled(program, workspace, scratch.name, "bridge" if workspace.network else "none"),
        "--interactive",
        *(["--gpus=all"] if told.gpus else []),
        _mount(shop.shared, False),
        *(_mount(place, True) for place in written),
        f"--workdir={shop.work}",
        *(f"--env={name}={value}" for name, value in (kernel.own(shop.own) | packages).items()),
        # Without their values: the engine's program takes these from its own environment.
        *(f"--env={name}" for name in sorted(workspace.exposed())),
        told.image,
        told.python,
        "-c",
        WATCHED,
        *kernel.program("", str(connection))[2:],
    ]


def _walled(program: str, workspace: Workspace, name: str, network: str) -> list[str]:
    # podman gives a person's files another owner inside, unless told; to an administrator it may not be said.
    keep = ["--userns=keep-id"] if "podman" in Path(program).name and os.geteuid() else []
    return [
        program,
        "run",
        "--rm",
        "--init",
        "--pull=never",
        f"--name={name}",
        f"--network={network}",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        "--read-only",
        "--tmpfs=/tmp",
        f"--pids-limit={PROCESSES}",
        f"--memory={_told(workspace).memory}",
        f"--user={os.geteuid()}:{os.getegid()}",
        *keep,
    ]


def _mount(place: Path, written: bool) -> str:
    if "," in str(place) or '"' in str(place):
        raise UserError(
            f"A container cannot be given '{place}', for its comma; set DIFFING_HOME to another folder."
        )
    return f"--mount=type=bind,source={place},target={place}" + ("" if written else ",readonly")


def start(workspace: Workspace, shop: Workshop) -> Kernel:
    """Start a kernel in a container."""
    program = engine(workspace)
    kernel.make(shop.own)

    def line(scratch: Path, _: Path) -> list[str]:
        return command(program, workspace, shop, scratch)

    def gone(scratch: Path) -> None:
        # The engine runs it, so it does not end with the program that asked for it.
        subprocess.run([program, "rm", "--force", scratch.name], capture_output=True, timeout=ASKED, check=False)

    return kernel.spawn("container", line, {**_outside(), **workspace.exposed()}, gone)


def _outside() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name in ENGINE_OWN}


def install(workspace: Workspace, shop: Workshop, tell: Tell, check: Check) -> None:
    """Install the workspace's packages with the image's own Python, once."""
    told, target = _told(workspace), shop.shared / PACKAGES
    what = [list(workspace.packages), told.image, workspace.wheels]
    if not workspace.packages or supplies.there(target, what):
        return
    tell(f"Installing {len(workspace.packages)} packages in the container: {', '.join(workspace.packages)}.")
    with files.fresh_folder(shop.shared, ".packages-") as fresh:
        wheels = [_mount(workspace.place(workspace.wheels), False)] if workspace.wheels else []
        network = "none" if workspace.wheels else "bridge"
        line = [
            *_walled(engine(workspace), workspace, f"diffing-packages-{fresh.name[-8:]}", network),
            *wheels,
            _mount(fresh, True),
            "--env=HOME=/tmp",
            told.image,
            *(told.python, "-m", "pip", *supplies.install(workspace), "--target", str(fresh)),
        ]
        supplies.run(line, check, f"the packages {', '.join(workspace.packages)}")
        supplies.put(fresh, target, what)
