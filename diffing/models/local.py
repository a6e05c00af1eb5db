"""How weights on this machine or on the Hub are written: `hf:MODEL`, `hf:BASE+ADAPTER` and `starter`.

Each of the two is an id or a folder, then perhaps `@revision` and `#subfolder`. Promises that a folder whose own
name holds one of these marks is found as it is. Loads nothing and looks at no file but to see that it is there.
"""

from pathlib import Path
from typing import NamedTuple

from diffing.common import files
from diffing.common.errors import UserError

STARTER = "starter"
"""The bundled reader's own model."""


class Weights(NamedTuple):
    """One set of files."""

    model: str
    """Hugging Face id or local folder."""
    revision: str = ""
    subfolder: str = ""

    @property
    def written(self) -> str:
        at = f"@{self.revision}" if self.revision else ""
        inside = f"#{self.subfolder}" if self.subfolder else ""
        return f"{self.model}{at}{inside}"


class Source(NamedTuple):
    """What a checkpoint's weights come from."""

    weights: Weights
    adapter: Weights | None = None
    """A low-rank adapter that stands on the weights."""

    @property
    def written(self) -> str:
        return f"hf:{self.weights.written}" + (f"+{self.adapter.written}" if self.adapter else "")


def parse(text: str) -> Source:
    """The source that a text stands for; the `hf:` before it may be left out."""
    rest = text.removeprefix("hf:")
    # A folder may have a plus in its name.
    base, plus, adapter = (rest, "", "") if _folder(rest) else rest.partition("+")
    if not base or (plus and not adapter):
        raise UserError(f"'{text}' names no weights; write hf:MODEL or hf:BASE+ADAPTER.")
    return Source(_weights(base), _weights(adapter) if adapter else None)


def _weights(text: str) -> Weights:
    if text == STARTER:
        return Weights(str(files.PROJECT / "diffing" / "starter" / "reader"))
    if _folder(text):
        # A job runs in another folder.
        return Weights(str(Path(text).expanduser().resolve()))
    rest, _, subfolder = text.partition("#")
    # Anything that leaves the folder is no folder inside it.
    if subfolder.startswith("/") or ".." in Path(subfolder).parts:
        raise UserError(f"'{subfolder}' is no folder inside '{rest}'; write its path from there.")
    model, _, revision = (rest, "", "") if _folder(rest) else rest.partition("@")
    if _folder(model):
        model = str(Path(model).expanduser().resolve())
    return Weights(model, revision, subfolder.strip("/"))


def _folder(name: str) -> bool:
    try:
        return Path(name).expanduser().is_dir()
    except (OSError, ValueError, RuntimeError):
        # Too long for a path, a NUL in it, or the home of nobody: an id at most.
        return False
