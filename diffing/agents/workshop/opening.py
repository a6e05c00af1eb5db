"""Where a notebook's kernel runs, made ready: on this machine behind walls, in a container, on a Jupyter server.

Promises that a kernel without walls is started only where that was said, and that a workspace is brought before
its first kernel. Everything after that is the same for a notebook, which holds a `Line`.
"""

from collections.abc import Callable
from typing import NamedTuple

from diffing.agents.workshop import containers, kernel, supplies, walls
from diffing.agents.workshop.folders import Workshop
from diffing.agents.workshop.jupyter import Remote
from diffing.agents.workshop.kernel import Line, Place
from diffing.agents.workshop.supplies import Check, Tell
from diffing.agents.workshop.walls import Protection
from diffing.agents.workshop.workspace import Workspace
from diffing.common.errors import UserError


class Opened(NamedTuple):
    """A place that is ready for kernels."""

    start: Callable[[Check], Line]
    """Start one, and wait until it answers."""
    renew: Callable[[], None]
    """The study's tables were made anew while a kernel runs."""


def protection(workspace: Workspace, plain: bool) -> Protection:
    """What a kernel of this workspace will have; a `UserError` where that is nothing and was not allowed."""
    if workspace.where == "jupyter":
        return "elsewhere"
    if workspace.where == "container":
        containers.engine(workspace)
        return "container"
    found, why = walls.best(workspace.network)
    if found == "plain" and not plain:
        reasons = "; ".join(f"{name}: {fault}" for name, fault in why.items())
        raise UserError(
            f"No wall can be put up around a notebook's code on this machine ({reasons}); run it in a container "
            "or on a Jupyter server by a workspace's file, or say --plain to let the code read whatever you can."
        )
    return found


def open_place(workspace: Workspace, shop: Workshop, kept: Protection, tell: Tell, check: Check) -> Opened:
    """Bring what the workspace asks for, and make the place ready."""
    if kept == "elsewhere":
        supplies.bring(workspace, shop, tell, check, packages=False)
        remote = Remote(workspace, shop, tell)
        return Opened(remote.start, remote.renew)
    if kept == "container":
        supplies.bring(workspace, shop, tell, check, packages=False)
        containers.install(workspace, shop, tell, check)
        return Opened(lambda check: _ready(containers.start(workspace, shop), check), _nothing)
    supplies.bring(workspace, shop, tell, check)
    if kept == "plain":
        walls.close_memory()
    python = supplies.python_of(workspace, shop)
    place = Place(python, shop.work, (shop.shared,), (shop.work,), shop.own, workspace.network)
    return Opened(lambda check: _ready(kernel.start(place, kept, workspace.exposed()), check), _nothing)


def _ready(found: kernel.Kernel, check: Check) -> Line:
    try:
        found.ready(check)
    except BaseException:
        found.close()
        raise
    return found


def _nothing() -> None:
    """Folders on this machine are seen as they are."""
