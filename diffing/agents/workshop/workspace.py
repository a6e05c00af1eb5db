"""The file that says what an agent's notebook has and where it runs: `agents --workspace FILE.toml`.

Promises that a slip in it is one sentence that names the place, and that no key stands in it: secrets are named,
and their values come from the environment or `.env`. Reads the file and nothing else; `supplies` brings what it
asks for.
"""

import re
import tomllib
import urllib.parse
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from diffing.common import damage, files
from diffing.common.errors import UserError
from diffing.common.paths import expanded
from diffing.common.step import Settings, first_fault
from diffing.models import providers

COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9._,-]+\])?==[A-Za-z0-9][A-Za-z0-9.!+_-]*")
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
SCHEMES = ("https", "ssh", "file", "http", "git")
REMOTE = re.compile(r"[\w.-]+@[\w.-]+:[\w./~-]+")
"""How SSH's addresses are also written."""
OWN = ("PATH", "HOME", "TMPDIR", "PYTHONPATH", "LD_PRELOAD", "LD_LIBRARY_PATH", "PYTHONSTARTUP")
"""Variables that are the kernel's own: a secret of that name would change what runs."""


class Repository(Settings):
    """Somebody's code, at one commit."""

    url: str
    commit: str
    name: str = ""
    """Of its folder below `repos/`; empty takes the address's last part."""

    @field_validator("url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        told = urllib.parse.urlsplit(url)
        if REMOTE.fullmatch(url):
            return url
        if told.scheme not in SCHEMES or not told.path.strip("/"):
            raise ValueError(f"'{url}' is no address of a repository; write https://…, ssh://… or file://…")
        if told.password:
            raise ValueError("the address holds a password; let git's own credential helper know it instead")
        return url

    @field_validator("commit")
    @classmethod
    def _is_commit(cls, commit: str) -> str:
        if not COMMIT.fullmatch(commit):
            raise ValueError(f"'{commit}' is no full commit; write all 40 digits, as a branch or tag may move")
        return commit

    @property
    def folder(self) -> str:
        return self.name or re.split(r"[/:]", self.url.rstrip("/"))[-1].removesuffix(".git")

    @model_validator(mode="after")
    def _is_folder(self) -> Self:
        if not NAME.fullmatch(self.folder):
            raise ValueError(f"'{self.folder}' is no name of a folder; give the repository another 'name'")
        return self


class Secret(Settings):
    """A key by its variable's name."""

    expose: bool = False
    """Whether the code in the notebook has it; else only this program's own tools do."""


class Container(Settings):
    """In which container a kernel runs."""

    image: str = Field(min_length=1)
    """With Python and ipykernel in it."""
    engine: Literal["", "docker", "podman"] = ""
    """Empty takes the one that is there."""
    python: str = "python"
    memory: str = Field(default="4g", pattern=r"^[0-9]+[kmg]$")
    gpus: bool = False

    @field_validator("image")
    @classmethod
    def _is_image(cls, image: str) -> str:
        # The engine would read it as one of its options.
        if image.startswith("-") or any(letter.isspace() for letter in image):
            raise ValueError(f"'{image}' is no name of an image")
        return image


class Jupyter(Settings):
    """On which Jupyter server a kernel runs."""

    address: str
    token: str = ""
    """The name of the secret that is its token."""
    kernel: str = "python3"

    @field_validator("address")
    @classmethod
    def _is_address(cls, address: str) -> str:
        told = urllib.parse.urlsplit(address)
        if told.scheme not in ("http", "https") or not told.hostname:
            raise ValueError(f"'{address}' is no address of a Jupyter server; write https://host:8888")
        if told.query or told.password:
            raise ValueError("the address holds the token; name the secret that has it as 'token' instead")
        local = told.hostname in ("localhost", "127.0.0.1", "::1")
        if told.scheme == "http" and not local:
            raise ValueError(
                "over plain http others on the way could read the token and run code; use https, or a tunnel "
                "to localhost"
            )
        return address.rstrip("/")


class Workspace(Settings):
    """What a notebook has beside the study's tables, and where it runs."""

    where: Literal["here", "container", "jupyter"] = "here"
    network: bool = False
    """Whether the code may reach other machines."""
    cell_seconds: float = Field(default=600, gt=0, allow_inf_nan=False)
    """For one cell: ten minutes, in which much is computed and a loop that never ends is not paid for long."""
    seconds: float = Field(default=4 * 3600, gt=0, allow_inf_nan=False)
    """For all cells of a notebook together: half a working day."""
    packages: tuple[str, ...] = ()
    """Each at its version, `name==1.2.3`."""
    wheels: str = ""
    """A folder of package files to take them from; empty takes them from the usual index."""
    files: tuple[str, ...] = ()
    """Files and folders that are copied in."""
    repositories: tuple[Repository, ...] = ()
    secrets: dict[str, Secret] = Field(default_factory=dict)
    container: Container | None = None
    jupyter: Jupyter | None = None
    base: str = Field(default="", exclude=True)
    """The folder from which relative places are meant."""

    @field_validator("packages")
    @classmethod
    def _are_pinned(cls, packages: tuple[str, ...]) -> tuple[str, ...]:
        for each in packages:
            if not PACKAGE.fullmatch(each):
                raise ValueError(f"'{each}' names no version; write it as name==1.2.3")
        return packages

    @field_validator("secrets")
    @classmethod
    def _are_variables(cls, secrets: dict[str, Secret]) -> dict[str, Secret]:
        for name in secrets:
            if not VARIABLE.fullmatch(name) or name.upper() in OWN:
                raise ValueError(f"'{name}' is no name for a secret; take the variable that holds it, as HF_TOKEN")
        return secrets

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.where == "container" and self.container is None:
            raise ValueError("where is 'container'; add [container] with its image")
        if self.where == "jupyter" and self.jupyter is None:
            raise ValueError("where is 'jupyter'; add [jupyter] with its address")
        if self.jupyter and self.jupyter.token and self.jupyter.token not in self.secrets:
            raise ValueError(f"jupyter.token names '{self.jupyter.token}'; add [secrets.{self.jupyter.token}]")
        folders = [each.folder for each in self.repositories]
        if twice := next((name for name in folders if folders.count(name) > 1), ""):
            raise ValueError(f"two repositories would lie in '{twice}'; give one another 'name'")
        return self

    def place(self, name: str) -> Path:
        """A place that the file names, from where the file lies."""
        return expanded(Path(self.base, name)).resolve()

    def exposed(self) -> dict[str, str]:
        """What of the secrets the code in the notebook has."""
        return {name: _value(name) for name, secret in self.secrets.items() if secret.expose}

    def secret_values(self) -> list[str]:
        """The values of all that are named."""
        return [_value(name) for name in self.secrets]

    def token(self) -> str:
        """The Jupyter server's."""
        return _value(self.jupyter.token) if self.jupyter and self.jupyter.token else ""


def _value(name: str) -> str:
    value = providers.key_of(name)
    if value is None:
        raise UserError(
            f"The workspace names the secret '{name}', which has no value; set it in the environment or in .env, "
            "or take it out of the file."
        )
    return value


def load(path: Path) -> Workspace:
    """A workspace's file, read and checked; what it names on this machine is there."""
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
        found = Workspace.model_validate({**told, "base": str(path.resolve().parent)})
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"The workspace '{path}' cannot be read: {damage.reason(error)}; name another file."
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"The workspace '{path}' is no TOML: {error}; mend that line.") from error
    except ValidationError as error:
        raise UserError(f"The workspace '{path}' cannot be used: {first_fault(error)}; change it.") from error
    for name in (*found.files, *([found.wheels] if found.wheels else [])):
        place = found.place(name)
        if not place.exists():
            raise UserError(f"The workspace names '{name}', and '{place}' is not there; mend the name.")
        if files.studies_dir().resolve().is_relative_to(place) or place.is_relative_to(
            files.studies_dir().resolve()
        ):
            raise UserError(
                f"The workspace names '{name}', where studies lie; their held-out answers stay closed."
            )
    found.secret_values()
    return found
