"""How weights on this machine or on the Hub are written: `hf:MODEL`, `hf:BASE+ADAPTER`, `starter`, `starter+NAME`.

Each of the two after `hf:` is an id or a folder, then perhaps `@revision` and `#subfolder`; NAME is one of the
adapters that ship with the starter. Promises that a folder whose own name holds one of these marks is found as it
is. Loads nothing and looks at no file but to see that it is there.
"""

from pathlib import Path
from typing import NamedTuple

from diffing.common import files
from diffing.common.errors import UserError
from diffing.common.paths import expanded

STARTER = "starter"
"""The bundled reader's own model."""
READER = files.PROJECT / "diffing" / "starter" / "reader"
ORGANISMS = files.PROJECT / "diffing" / "starter" / "organisms"
"""Adapters of the starter, which ship with the project."""


class Weights(NamedTuple):
    """One set of files."""

    model: str
    """Hugging Face id or local folder."""
    revision: str = ""
    subfolder: str = ""

    @property
    def written(self) -> str:
        return f"{self.model}{self._part}"

    @property
    def short(self) -> str:
        """The same without where a folder lies, which is nobody's business."""
        return f"{Path(self.model).name if Path(self.model).is_absolute() else self.model}{self._part}"

    @property
    def _part(self) -> str:
        at = f"@{self.revision}" if self.revision else ""
        return at + (f"#{self.subfolder}" if self.subfolder else "")

    @property
    def ships(self) -> bool:
        """Whether it comes with the project, where it is known by name."""
        return Path(self.model) == READER or Path(self.model).parent == ORGANISMS


class Source(NamedTuple):
    """What a checkpoint's weights come from."""

    weights: Weights
    adapter: Weights | None = None
    """A low-rank adapter that stands on the weights."""

    @property
    def written(self) -> str:
        return self._spelled(self.weights.written, self.adapter.written if self.adapter else "")

    @property
    def short(self) -> str:
        """As people read it."""
        return self._spelled(self.weights.short, self.adapter.short if self.adapter else "")

    def _spelled(self, weights: str, adapter: str) -> str:
        base = STARTER if self.weights == Weights(str(READER)) else f"hf:{weights}"
        if self.adapter is None:
            return base
        return f"{base}+{self.adapter.short if self.adapter.ships else adapter}"


def is_weights(text: str) -> bool:
    """Whether a text is meant as weights that can be loaded."""
    return text.startswith(("hf:", f"{STARTER}+")) or text == STARTER


def parse(text: str) -> Source:
    """The source that a text stands for; the `hf:` before it may be left out."""
    rest = text.removeprefix("hf:")
    # A folder may have a plus in its name.
    base, plus, adapter = (rest, "", "") if _folder(rest) else rest.partition("+")
    if not base or (plus and not adapter):
        raise UserError(f"'{text}' names no weights; write hf:MODEL or hf:BASE+ADAPTER.")
    weights = _weights(base)
    return Source(weights, _adapter(adapter, weights) if adapter else None)


def _adapter(text: str, base: Weights) -> Weights:
    if base.model != str(READER) or "/" in text or _folder(text):
        return _weights(text)
    if not (ORGANISMS / text / "adapter_config.json").is_file():
        # No id of the Hub is one word.
        raise UserError(f"No adapter '{text}' ships with the starter; `python -m diffing organisms` lists them.")
    return Weights(str(ORGANISMS / text))


def _weights(text: str) -> Weights:
    if text == STARTER:
        return Weights(str(READER))
    if _folder(text):
        # A job runs in another folder.
        return Weights(str(expanded(text).resolve()))
    rest, _, subfolder = text.partition("#")
    # Anything that leaves the folder is no folder inside it.
    if subfolder.startswith("/") or ".." in Path(subfolder).parts:
        raise UserError(f"'{subfolder}' is no folder inside '{rest}'; write its path from there.")
    model, _, revision = (rest, "", "") if _folder(rest) else rest.partition("@")
    if _folder(model):
        model = str(expanded(model).resolve())
    return Weights(model, revision, subfolder.strip("/"))


def _folder(name: str) -> bool:
    try:
        return expanded(name).is_dir()
    except (OSError, ValueError, RuntimeError):
        # Too long for a path, a NUL in it, or the home of nobody: an id at most.
        return False
