"""Dictionaries that others trained: crosscoders of crosscoder_learning and SAEs of dictionary_learning.

Known are the layouts that both projects' `BatchTopKCrossCoder`, `CrossCoder` and `BatchTopKSAE` save: a state dict
as `.pt` or `.safetensors`, alone or in a folder with `config.json`, with or without the normaliser that later ones
keep, or the prefix that a compiled model leaves. Promises the same activations and reconstruction as theirs give
with their threshold; that no code in a file is run; and that what is not understood is refused with its reason.
"""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from diffing.common import damage, files
from diffing.common.errors import UserError
from diffing.whitebox.dictionaries.dictionary import Dictionary
from diffing.whitebox.dictionaries.shape import Scale, Shape

NAMES = ("model.safetensors", "ae.pt", "pytorch_model.bin", "model.pt", "model_final.pt", "ae.safetensors")
"""Names under which weights lie in a folder."""
COMPILED = "_orig_mod."
CODES = {1: "CROSSCODER", 2: "SAE", 3: "MIXED", 4: "NONE", 5: "DECOUPLED"}
"""What crosscoder_learning ranks activations by, as it numbers it: the sum of the two decoders' lengths, the
length of both together, a mixture, nothing, or each side by itself."""
MIXTURE = (1.0, 0.1)
"""Weights of the mixture's two lengths where the configuration names none."""


def load(path: Path) -> Dictionary:
    """A published dictionary, in float32 on the CPU; an SAE is taken for one on differences."""
    weights, config = _read(path)
    encoder = weights.get("encoder.weight")
    if encoder is None or not {"encoder.bias"} <= weights.keys():
        raise UserError(
            f"'{damage.shown(path)}' holds no dictionary of a known layout: it has no encoder.weight and "
            "encoder.bias; name a crosscoder or a BatchTopK SAE of dictionary_learning."
        )
    if encoder.dim() == 3:
        return _crosscoder(path, weights, config)
    return _sae(path, weights, config)


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The state dict, its numbers in float32, and the configuration beside it, if any."""
    folder = path if path.is_dir() else path.parent
    file = path
    if path.is_dir():
        there = [path / name for name in NAMES if (path / name).is_file()]
        if not there:
            raise UserError(f"'{damage.shown(path)}' holds none of {', '.join(NAMES)}; name the file itself.")
        file = there[0]
    try:
        if file.suffix == ".safetensors":
            found: Any = load_file(file)
        else:
            # Tensors and plain containers alone: anything else in a pickle is code that somebody else wrote.
            found = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise UserError(
            f"'{damage.shown(file)}' cannot be read as weights ({damage.reason(error)}); fetch it again, or name "
            "another one."
        ) from error
    if not isinstance(found, Mapping):
        raise UserError(f"'{damage.shown(file)}' is no state dict; save the dictionary's `state_dict()`.")
    weights = {str(name).removeprefix(COMPILED): value for name, value in found.items()}
    plain = {name: value.float() for name, value in weights.items() if isinstance(value, Tensor)}
    config = folder / "config.json"
    return plain, dict(files.read_json(config)) if config.is_file() else {}


def _scale(path: Path, weights: Mapping[str, Tensor], sides: int, width: int) -> Scale:
    """The normaliser, where there is one; numbers are taken as they are where there is none."""
    mean, spread = weights.get("activation_mean"), weights.get("activation_std")
    if mean is None or spread is None or bool(mean.isnan().any()) or bool(spread.isnan().any()):
        return Scale(torch.zeros(sides, width), torch.ones(sides))
    mean, spread = mean.reshape(sides, width), spread.reshape(sides, width)
    factor = weights.get("activation_global_scale")
    if factor is None:
        factor = weights.get("target_rms", torch.ones(())) / (spread.square().sum(1) + 1e-8).sqrt()
    factor = factor.reshape(sides)
    if bool((factor == 1).all()):
        raise UserError(
            f"'{damage.shown(path)}' brings each number to a spread of its own, which is not understood here; "
            "choose another dictionary."
        )
    return Scale(mean, factor)


def _threshold(weights: Mapping[str, Tensor]) -> Tensor:
    """Below 0 none was learnt, and then all that is above 0 counts."""
    return weights.get("threshold", torch.zeros(())).clamp(min=0)


def _crosscoder(path: Path, weights: Mapping[str, Tensor], config: Mapping[str, Any]) -> Dictionary:
    encoder = weights["encoder.weight"]
    sides, width, latents = encoder.shape
    decoder = weights.get("decoder.weight")
    if decoder is None and "decoder.layers.0.weight" in weights:
        # One embedding a side.
        decoder = torch.stack([weights[f"decoder.layers.{side}.weight"] for side in range(sides)])
    out = weights.get("decoder.bias")
    if sides != 2 or decoder is None or decoder.shape != (2, latents, width) or out is None:
        raise UserError(
            f"'{damage.shown(path)}' is no crosscoder of two models of one width; choose one that reads and "
            "writes the same two."
        )
    lengths = _ranked(path, decoder, weights, config)
    shape = Shape(width, latents)
    flat = encoder.permute(2, 0, 1).reshape(latents, 2 * width)
    rows = decoder.transpose(0, 1).reshape(latents, 2 * width)
    return Dictionary(
        shape,
        _scale(path, weights, 2, width),
        flat.contiguous(),
        weights["encoder.bias"],
        rows.contiguous(),
        out.reshape(-1),
        _threshold(weights) / lengths.clamp(min=1e-8),
        float(weights.get("k", torch.zeros(()))),
    )


def _ranked(path: Path, decoder: Tensor, weights: Mapping[str, Tensor], config: Mapping[str, Any]) -> Tensor:
    """What each latent's activation is multiplied by before it is held against the threshold."""
    named = str(config.get("code_normalization", "CROSSCODER")).upper()
    if "code_normalization_id" in weights:
        named = CODES.get(int(weights["code_normalization_id"]), "unknown")
    by_side: Tensor = torch.linalg.vector_norm(decoder, dim=2).sum(0)
    together: Tensor = torch.linalg.vector_norm(decoder, dim=(0, 2))
    if named == "CROSSCODER":
        return by_side
    if named == "SAE":
        return together
    if named == "NONE":
        return torch.ones_like(together)
    if named == "MIXED":
        shares = [config.get(f"code_normalization_alpha_{kind}") for kind in ("sae", "cc")]
        one, two = (MIXTURE[n] if share is None else float(share) for n, share in enumerate(shares))
        return one * together + two * by_side
    raise UserError(
        f"'{damage.shown(path)}' chooses its activations in a way that is not understood here ({named}: each side "
        "has activations of its own); choose another crosscoder."
    )


def _sae(path: Path, weights: Mapping[str, Tensor], config: Mapping[str, Any]) -> Dictionary:
    encoder = weights["encoder.weight"]
    latents, width = encoder.shape
    decoder, out = weights.get("decoder.weight"), weights.get("b_dec")
    # A linear layer's weights lie the other way round than an embedding's.
    embedded = config.get("decoder_type") == "embedding_bag" or (
        latents != width and decoder is not None and decoder.shape == encoder.shape
    )
    rows = decoder if embedded or decoder is None else decoder.T
    if rows is None or out is None or rows.shape != (latents, width):
        raise UserError(
            f"'{damage.shown(path)}' is no BatchTopK SAE: decoder and b_dec do not fit its encoder; choose "
            "another one."
        )
    return Dictionary(
        Shape(width, latents, 1),
        _scale(path, weights, 1, width),
        encoder,
        # The encoder reads what is left without the decoder's bias.
        weights["encoder.bias"] - encoder @ out,
        rows.contiguous(),
        out,
        _threshold(weights).expand(latents).clone(),
        float(weights.get("k", torch.zeros(()))),
    )
