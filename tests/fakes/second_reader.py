"""A second reader without any training: the starter's model at an earlier block, features that are its own states.

Each feature is the direction in which one token of the texts stands apart from the mean, so it is active where a
token is alike: coarser than what a trained SAE has, and of another dictionary than the starter's.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from sae_lens import SAE

from diffing.reader.presets import STARTER
from diffing.reader.reader import Reader
from diffing.study.settings import ReaderChoice

FEATURES, ACTIVE, WIDTH = 1024, 18, 320


def make(folder: Path, texts: Sequence[str], hook: str = "blocks.2.hook_resid_post") -> ReaderChoice:
    """The reader, its SAE saved in the folder; its features come from the texts."""
    metadata = {"hook_name": hook, "prepend_bos": True, "context_size": 1024}
    config: dict[str, Any] = {"architecture": "topk", "d_in": WIDTH, "d_sae": FEATURES, "k": ACTIVE}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        made: Any = SAE.from_dict({**config, "dtype": "float32", "device": "cpu", "metadata": metadata})
    made.save_model(folder)
    choice = ReaderChoice(preset="", model=str(STARTER / "reader"), sae=str(folder))
    reader = Reader.load(choice, "cpu")
    windows = [window for text in texts for window in reader.read([], text).windows]
    with torch.inference_mode():
        states = torch.cat([reader.hidden([w.ids])[w.start : w.stop] for w in windows])
    random = torch.Generator().manual_seed(0)
    mean = states.mean(dim=0)
    apart = states[torch.randperm(len(states), generator=random)[:FEATURES]] - mean
    unit = apart / apart.norm(dim=1, keepdim=True)
    values, which = ((states - mean) @ unit.T).topk(ACTIVE, dim=1)
    rebuilt = torch.zeros(len(states), FEATURES).scatter(1, which, values.relu()) @ unit
    # The features overlap, and would give more than there is: so much of them leaves the least unexplained.
    scale = float((rebuilt * (states - mean)).sum() / rebuilt.square().sum())
    made.W_enc.data, made.W_dec.data = unit.T.contiguous(), (scale * unit).contiguous()
    made.b_enc.data, made.b_dec.data = torch.zeros(FEATURES), mean.clone()
    made.save_model(folder)
    return choice
