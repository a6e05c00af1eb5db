"""Readers by name: which model and SAE each one is, and what it needs of the machine.

Sizes are computed from the shapes of the tensors and the bytes that a number takes. Nothing here imports a tensor
library or touches the network.
"""

import logging
from pathlib import Path
from typing import NamedTuple

from diffing.errors import UserError
from diffing.study import ReaderChoice

log = logging.getLogger(__name__)

STARTER = Path(__file__).resolve().parent / "starter"


class Preset(NamedTuple):
    """A named reader."""

    name: str
    title: str
    model: str
    """Hugging Face id or local folder."""
    release: str = ""
    sae_id: str = ""
    sae: str = ""
    """Local folder of the SAE, instead of release and id."""
    sae_repo: str = ""
    sae_path: str = ""
    """Where the SAE's files lie on the Hub: a file, or the folder that holds them."""
    download_gb: float = 0.0
    """Model files with the layers needed, and the SAE."""
    gpu_gb: float = 0.0
    """Weights on a GPU in bfloat16; a batch of 32,768 tokens takes about 5 GB on top."""
    gated: bool = False
    """Whether the model's licence must be accepted on the Hub first."""
    note: str = ""


PRESETS: tuple[Preset, ...] = (
    Preset(
        name="starter",
        title="Bundled small reader",
        model=str(STARTER / "reader"),
        sae=str(STARTER / "sae"),
    ),
)


class Source(NamedTuple):
    """What a choice comes down to."""

    model: str
    """Empty: the one that the SAE names."""
    release: str
    sae_id: str
    sae: str


def resolve(choice: ReaderChoice) -> Source:
    """The parts that a choice names; its own fields stand over its preset's."""
    if choice.sae and (choice.release or choice.sae_id):
        raise UserError("The reader names a local SAE and a release; leave one of them out.")
    if choice.sae:
        return Source(choice.model, "", "", choice.sae)
    if choice.release or choice.sae_id:
        if not (choice.release and choice.sae_id):
            raise UserError("A reader of SAELens's registry needs both its release and its SAE id.")
        return Source(choice.model, choice.release, choice.sae_id, "")
    preset = get(choice.preset)
    return Source(choice.model or preset.model, preset.release, preset.sae_id, preset.sae)


def get(name: str) -> Preset:
    for preset in PRESETS:
        if preset.name == name:
            return preset
    raise UserError(f"There is no reader '{name}'; named readers: {', '.join(p.name for p in PRESETS)}.")
