"""Small dictionaries on a study's shelf: with random numbers, or trained for a moment on the study's answers."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from diffing.common import files as disk
from diffing.study.study import Study
from diffing.whitebox import texts
from diffing.whitebox.activations.corpus import Corpus
from diffing.whitebox.activations.source import Passes
from diffing.whitebox.activations.stream import Options as StreamOptions
from diffing.whitebox.activations.stream import Stream
from diffing.whitebox.dictionaries import files, shelf
from diffing.whitebox.dictionaries.dictionary import Dictionary
from diffing.whitebox.dictionaries.shape import Shape, scale_of
from diffing.whitebox.dictionaries.sparse import Entries
from diffing.whitebox.dictionaries.training import Options, Place, train
from diffing.whitebox.pairs.opening import open_pair
from diffing.whitebox.pairs.pair import Pair

Kind = Literal["crosscoder", "difference"]
LAYER = 2


class Sources(NamedTuple):
    base: str
    variant: str


def facts(pair: Pair, sources: Sources, kind: Kind, dictionary: Dictionary, date: str) -> dict[str, Any]:
    return {
        "base": "a",
        "variant": "b",
        "sources": list(sources),
        "pair": pair.key,
        "identity": [pair.identity, pair.change.identity],
        "layer": LAYER,
        "layers": pair.layers,
        "texts": texts.Choice(source="study").model_dump(mode="json"),
        "kind": kind,
        "width": dictionary.shape.width,
        "latents": dictionary.shape.latents,
        "k": dictionary.active,
        "options": {},
        "stream": {},
        "tokens": 1,
        "documents": 1,
        "held_out": 0,
        "rounds": 1,
        "state": {"weights": [], "read": ""},
        "date": date,
        "key": disk.content_hash([list(sources), kind]),
    }


def put(
    study: Study, name: str, pair: Pair, sources: Sources, kind: Kind, dictionary: Dictionary, date: str = "2026"
) -> None:
    """A dictionary on a study's shelf."""
    told = facts(pair, sources, kind, dictionary, date)
    files.save(
        shelf.folder(study, name), dictionary, told, hook=f"blocks.{LAYER}.hook_resid_post", model="some/model"
    )


def at_random(kind: Kind, seen: Tensor, latents: int = 80, seed: int = 5) -> Dictionary:
    """Random numbers everywhere, in the scale of some paired activations, a tenth of the latents on a token."""
    torch.manual_seed(seed)
    shape = Shape(seen.shape[2], latents, 1 + (kind == "crosscoder"))
    scale = scale_of(seen, shape)
    return Dictionary(
        shape,
        scale.to(torch.device("cpu"), torch.float32),
        torch.randn(latents, shape.inputs) / shape.inputs**0.5,
        0.1 * torch.randn(latents),
        torch.randn(latents, shape.inputs) / shape.inputs**0.5,
        0.1 * torch.randn(shape.inputs),
        0.8 + 0.8 * torch.rand(latents),
        active=latents / 10,
    )


def trained(
    study: Study, name: str, sources: Sources, kind: Kind = "crosscoder", latents: int = 64, date: str = "2026"
) -> Dictionary:
    """A dictionary that has learnt from the study's answers for a few hundred steps."""
    pair = open_pair(*sources)
    maker = texts.Maker(pair.tokenizer, texts.Choice(length=128))
    documents = [document for document in texts.of_study(study, maker) if document is not None]
    source = Passes(pair, Corpus(documents), [LAYER])
    seen = torch.cat([block.values[:, 0] for block in source.read(range(len(documents)), lambda: None)])
    options = Options(kind=kind, latents=latents, k=6, rate=5e-3, minutes=100)
    flow = Stream(source, StreamOptions(batch=128, buffer=4096, rounds=40))
    place = Place(shelf.folder(study, "trained-in-passing"))
    learnt = train(
        flow, -(-flow.rows // 128), scale_of(seen, options.shape(seen.shape[2])), options, place, pair.device
    )
    put(study, name, pair, sources, kind, learnt, date)
    shelf.remove(study, "trained-in-passing")
    return learnt


def dense(found: Entries | tuple[Tensor, Tensor, Tensor], rows: int, latents: int) -> Tensor:
    """Active entries spread out; they must come by row, then latent."""
    row, latent, value = found
    assert (row * latents + latent).diff().gt(0).all()
    values = torch.zeros(rows, latents)
    values[row, latent] = value
    return values


def margin(dictionary: Dictionary, seen: Tensor) -> Tensor:
    """How far each activation lies from its bar, in float64."""
    exact = dictionary.to(torch.device("cpu"), torch.float64)
    before = exact.inputs(seen.double()) @ exact.encoder.T + exact.encoder_bias
    return (before - exact.threshold).abs()


def paired(models: Sequence[Any], ids: list[list[int]]) -> Tensor:
    """Both models' outputs of the layer by hooks on the plain models, one sequence at a time."""
    from tests.fakes.pairs import seen

    return torch.stack([seen(model, ids)[0][LAYER] for model in models], 1)
