"""Where a dictionary lies: safetensors with a JSON file beside, and SAELens's own files where they fit.

A difference SAE has both in one folder, so that SAELens loads it, and says there that it reads a difference: no
reader of one model takes it. A crosscoder's decoder has two sides, for which SAELens has no format. Promises that
what is read is what was written, that a folder is written whole or not at all, and that nothing is unpickled. What
is told of it is read in `about`, what others published in `published`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from diffing.common import damage, files
from diffing.reader import presets
from diffing.whitebox.dictionaries import about
from diffing.whitebox.dictionaries.about import CURVES, TOLD, VERSION, WEIGHTS
from diffing.whitebox.dictionaries.dictionary import TENSORS, Dictionary
from diffing.whitebox.dictionaries.shape import Scale, Shape

SAELENS = ("cfg.json", "sae_weights.safetensors")
"""SAELens's names for the same two."""
SAELENS_VERSION = "6.54.12"
"""Whose layout it is."""


def save(
    folder: Path,
    dictionary: Dictionary,
    facts: Mapping[str, Any],
    curves: pd.DataFrame | None = None,
    hook: str = "",
    model: str = "",
) -> None:
    """Put a dictionary in a folder's place at one stroke, with what is known of it and how it learnt.

    A difference SAE for which `hook` is named, as SAELens names hooks, can also be loaded by SAELens.
    """
    plain = dictionary.to(torch.device("cpu"), torch.float32)
    tensors = {name: getattr(plain, name).contiguous() for name in TENSORS}
    tensors |= {"mean": plain.scale.mean.contiguous(), "factor": plain.scale.factor.contiguous()}
    with files.fresh_folder(folder.parent, f".new-{folder.name}-") as fresh:
        save_file(tensors, fresh / WEIGHTS)
        if hook and dictionary.shape.sides == 1:
            config, weights = saelens(plain, hook, model)
            save_file(weights, fresh / SAELENS[1])
            files.write_json(fresh / SAELENS[0], config)
        if curves is not None:
            files.write_parquet(fresh / CURVES, curves)
        known = {"version": VERSION, "shape": plain.shape._asdict(), "active": plain.active, "facts": dict(facts)}
        # Last, so that a folder with it is whole whatever moved it here.
        files.write_json(fresh / TOLD, known)
        files.put_folder(fresh, folder)


def load(folder: Path) -> Dictionary:
    """What `save` wrote, in float32 on the CPU."""
    known = about.of(folder)
    shape = Shape(**known["shape"] | {"groups": tuple(known["shape"]["groups"])})
    path = folder / WEIGHTS
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise damage.Damaged(path, damage.reason(error), "train it again") from error
    scale = Scale(tensors["mean"], tensors["factor"])
    parts = {name: tensors[name] for name in TENSORS}
    return Dictionary(shape=shape, scale=scale, active=float(known["active"]), **parts)


def saelens(dictionary: Dictionary, hook: str, model: str) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """A difference SAE as SAELens's JumpReLU SAE on raw differences: scale and decoder's lengths folded in."""
    factor, mean = dictionary.scale.factor[0].double(), dictionary.scale.mean[0].double()
    encoder = dictionary.encoder.double() * factor
    bias = dictionary.encoder_bias.double() - encoder @ mean
    decoder = dictionary.decoder.double() / factor
    lengths = decoder.norm(dim=1)
    # A latent that writes nothing stays as it is: it has no direction that could be made one long.
    lengths = torch.where(lengths > 0, lengths, 1)
    weights = {
        "W_enc": (encoder * lengths[:, None]).T,
        "b_enc": bias * lengths,
        "W_dec": decoder / lengths[:, None],
        "b_dec": dictionary.decoder_bias.double() / factor + mean,
        "threshold": dictionary.threshold.double() * lengths,
    }
    config = {
        "architecture": "jumprelu",
        "d_in": dictionary.shape.width,
        "d_sae": dictionary.shape.latents,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": False,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {
            # Without one SAELens takes the layout for one of its older ones, and drops all this.
            "sae_lens_version": SAELENS_VERSION,
            "hook_name": hook,
            "model_name": model,
            # Differences are of all tokens but the first, and no text has another first token for being short.
            "prepend_bos": True,
            "reads": presets.READS,
            "training_architecture_details": {"k": dictionary.active},
        },
    }
    return config, {k: v.float().contiguous() for k, v in weights.items()}
