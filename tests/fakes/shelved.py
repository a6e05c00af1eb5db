"""A dictionary on a study's shelf, with random numbers instead of a training."""

from typing import Any, Literal

import torch

from diffing.common import files as disk
from diffing.study.study import Study
from diffing.whitebox.dictionaries import files, shelf
from diffing.whitebox.dictionaries.dictionary import Dictionary
from diffing.whitebox.dictionaries.shape import Scale, Shape
from diffing.whitebox.dictionaries.shelf import Facts, Shelved
from diffing.whitebox.sight import seen
from tests.fakes import tiny


def random(sides: int, width: int = tiny.WIDTH, latents: int = 64, seed: int = 0) -> Dictionary:
    """A dictionary that fires on some tokens; the same direction in encoder and decoder, as trained ones begin."""
    draws = torch.Generator().manual_seed(seed)
    inputs = width * sides
    rows = torch.nn.functional.normalize(torch.randn(latents, inputs, generator=draws), dim=1)
    scale = Scale(torch.zeros(sides, width), torch.ones(sides))
    zeros = torch.zeros(latents)
    return Dictionary(
        Shape(width, latents, sides), scale, rows, zeros, rows.clone(), torch.zeros(inputs), zeros + 0.5, 8.0
    )


def put(
    study: Study, name: str, dictionary: Dictionary, layer: int = 2, texts: str = "own", **changed: Any
) -> Shelved:
    """A dictionary of the study's two checkpoints under a name; `changed` are facts."""
    base, variant = study.sides()
    kind: Literal["crosscoder", "difference"] = "crosscoder" if dictionary.shape.sides == 2 else "difference"
    facts = Facts(
        base=base,
        variant=variant,
        sources=(study.checkpoint(base).source, study.checkpoint(variant).source),
        pair="pair",
        identity=("base", "change"),
        layer=layer,
        layers=tiny.LAYERS,
        texts={"source": texts},
        kind=kind,
        width=dictionary.shape.width,
        latents=dictionary.shape.latents,
        k=dictionary.active,
        options={"kind": kind},
        stream={},
        tokens=1000,
        documents=20,
        held_out=5,
        rounds=1,
        state=seen.state(study, base, variant, texts),
        date=disk.now(),
        key=disk.content_hash([name, dictionary.shape]),
    )
    told = facts.model_copy(update=changed).model_dump(mode="json")
    files.save(shelf.folder(study, name), dictionary, told)
    return Shelved(study, name)
