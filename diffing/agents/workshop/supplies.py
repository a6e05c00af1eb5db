"""What a workspace asks for, brought into the workshop once: repositories, files and packages.

Each goes where the notebook's code can read it and not change it. Promises that what is there is whole, that it is
brought again only when the workspace asks for something else, that no code of a package or repository runs on the
way (packages come built, repositories without hooks), and that the programs that bring it have no key of this
program's. What is fetched is asked for with the rights of who runs the server.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from diffing.agents.workshop.folders import Workshop
from diffing.agents.workshop.workspace import Repository, Workspace
from diffing.common import damage, files
from diffing.common.errors import UserError
from diffing.common.keys import without_keys

Tell = Callable[[str], None]
Check = Callable[[], None]

PATIENCE = 1800.0
"""Seconds for one thing to be brought: a large repository or package over a slow line."""
LOOK = 0.2
"""Seconds after which a wish to end it is heard."""
QUOTED = 400
"""Characters of what a program said that are quoted where it failed."""
GIT = (
    "git",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "protocol.ext.allow=never",
    "-c",
    "advice.detachedHead=false",
)


def python_of(workspace: Workspace, shop: Workshop) -> Path:
    """The Python that a kernel on this machine is: its own environment where the workspace has packages."""
    if workspace.packages:
        return _environment(workspace, shop) / "bin" / "python"
    return Path(sys.prefix).resolve() / "bin" / "python"


def bring(workspace: Workspace, shop: Workshop, tell: Tell, check: Check, packages: bool = True) -> None:
    """Bring what is not there yet; `packages` only where the kernel runs on this machine."""
    for number, each in enumerate(workspace.repositories, 1):
        target = shop.shared / "repos" / each.folder
        if there(target, each.model_dump()):
            continue
        tell(f"Fetching repository {number} of {len(workspace.repositories)}: {each.url}.")
        with files.fresh_folder(target.parent, ".new-") as fresh:
            _clone(each, fresh, check)
            put(fresh, target, each.model_dump())
    _copy(workspace, shop, tell)
    if packages and workspace.packages:
        _install(workspace, shop, tell, check)


def there(target: Path, what: object) -> bool:
    """Whether what lies there is what was asked for."""
    mark = target.with_name(f".{target.name}.txt")
    return target.exists() and mark.exists() and mark.read_text(encoding="utf-8") == files.content_hash(what)


def put(fresh: Path, target: Path, what: object) -> None:
    files.put_folder(fresh, target)
    # Last: one that was killed before this is brought again.
    files.write_text(target.with_name(f".{target.name}.txt"), files.content_hash(what))


def _clone(each: Repository, folder: Path, check: Check) -> None:
    at = ("-C", str(folder))
    run((*GIT, "init", "--quiet", str(folder)), check, "git")
    run((*GIT, *at, "remote", "add", "origin", "--", each.url), check, "git")
    wanted = f"{each.commit}:refs/heads/wanted"
    try:
        run((*GIT, *at, "fetch", "--quiet", "--depth", "1", "origin", wanted), check, each.url)
    except UserError:
        # Some servers hand out whole branches alone.
        run(
            (*GIT, *at, "fetch", "--quiet", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*"),
            check,
            each.url,
        )
    run(
        (*GIT, *at, "checkout", "--quiet", "--detach", each.commit),
        check,
        f"commit {each.commit[:12]} of {each.url}",
    )


def _copy(workspace: Workspace, shop: Workshop, tell: Tell) -> None:
    if not workspace.files:
        return
    places = [workspace.place(name) for name in workspace.files]
    inside = [sorted(place.rglob("*")) if place.is_dir() else [place] for place in places]
    state = [[str(path), files.identity(path)] for paths in inside for path in paths]
    target = shop.shared / "files"
    if there(target, state):
        return
    tell("Copying files.")
    with files.fresh_folder(target.parent, ".new-") as fresh:
        for place in places:
            try:
                if place.is_dir():
                    # What a link leads to may be anything of this machine's.
                    shutil.copytree(place, fresh / place.name, ignore=_links)
                else:
                    shutil.copy2(place, fresh / place.name)
            except (OSError, shutil.Error) as error:
                raise UserError(
                    f"'{place}' could not be copied in: {damage.reason(error)}; look after it."
                ) from error
        put(fresh, target, state)


def _links(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if Path(folder, name).is_symlink()]


def _environment(workspace: Workspace, shop: Workshop) -> Path:
    asked = [list(workspace.packages), sys.version, str(Path(sys.prefix).resolve())]
    return shop.shared / f"python-{files.content_hash(asked, 8)}"


def _install(workspace: Workspace, shop: Workshop, tell: Tell, check: Check) -> None:
    folder = _environment(workspace, shop)
    what = list(workspace.packages)
    if there(folder, what):
        return
    tell(f"Installing {len(what)} packages: {', '.join(what)}.")
    # Not beside and then moved: its programs know where they lie.
    shutil.rmtree(folder, ignore_errors=True)
    run((sys.executable, "-m", "venv", "--without-pip", str(folder)), check, "a Python for the workspace")
    python = folder / "bin" / "python"
    # Behind its own packages those of this program, which so need not be brought again.
    library = sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
    Path(library, "behind.pth").write_text(f"{Path(sysconfig.get_path('purelib')).resolve()}\n", encoding="utf-8")
    pip = (sys.executable, "-m", "pip", "--python", str(python))
    run((*pip, *install(workspace)), check, f"the packages {', '.join(what)}")
    files.write_text(folder.with_name(f".{folder.name}.txt"), files.content_hash(what))


def install(workspace: Workspace) -> list[str]:
    """What pip is told to bring the workspace's packages, wherever it runs."""
    where = ["--no-index", "--find-links", str(workspace.place(workspace.wheels))] if workspace.wheels else []
    # Built ones alone: others run their own code to be built, with all that this server may do.
    usual = ["--quiet", "--disable-pip-version-check", "--no-input", "--only-binary", ":all:"]
    return ["install", *usual, *where, *workspace.packages]


def run(line: Sequence[str], check: Check, what: str) -> None:
    """Run a program to its end, or until `check` raises; a `UserError` says what it could not bring."""
    env = without_keys(os.environ) | {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "PYTHONSAFEPATH": "1",
    }
    try:
        process = subprocess.Popen(
            line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env, text=True
        )
    except OSError as error:
        raise UserError(f"'{line[0]}' cannot be run: {damage.reason(error)}; install it.") from error
    end = time.monotonic() + PATIENCE
    try:
        while True:
            try:
                said = process.communicate(timeout=LOOK)[1]
                break
            except subprocess.TimeoutExpired:
                check()
                if time.monotonic() > end:
                    raise UserError(
                        f"Bringing {what} took more than {PATIENCE / 60:.0f} minutes; try it by hand."
                    ) from None
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode:
        last = " ".join(said.split())[-QUOTED:] or f"it ended with code {process.returncode}"
        raise UserError(f"{what} could not be brought: {last}; mend the workspace's file, or the way there.")
