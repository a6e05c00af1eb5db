"""Tiny pairs on disk: a random base, a low-rank adapter on it, and the same change as a whole model."""

from pathlib import Path
from typing import Any, NamedTuple

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor
from transformers import AutoModelForCausalLM

from diffing.models.hooks import layers_of
from tests.fakes import tiny

IDS = [[0, *range(20, 60)], [0, 7], [0, *range(300, 317)], [0, *range(399, 340, -1)]]


class Folders(NamedTuple):
    """Where a base and its two variants lie."""

    base: Path
    adapter: Path
    whole: Path

    @property
    def low_rank(self) -> str:
        return f"hf:{self.base}+{self.adapter}"


def make(root: Path, name: str) -> Folders:
    """A base of the architecture with variants of one change."""
    found = Folders(root / name, root / f"{name}-adapter", root / f"{name}-whole")
    tiny.model(found.base, tiny.configs()[name])
    adapter(found.base, found.adapter)
    merged: Any = PeftModel.from_pretrained(plain(found.base), str(found.adapter))
    merged.merge_and_unload().save_pretrained(found.whole)
    tiny.tokenizer().save_pretrained(found.whole)
    return found


def plain(folder: Path) -> Any:
    """The model as `transformers` alone loads it."""
    made: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return made.eval()


def adapter(base: Path, folder: Path, size: float = 0.1, seed: int = 3, **options: Any) -> None:
    """An adapter with random numbers; `size` 0 is one that does nothing."""
    torch.manual_seed(seed)
    settings: dict[str, Any] = {"r": 4, "target_modules": "all-linear"} | options
    made: Any = get_peft_model(plain(base), LoraConfig(**settings))
    for key, parameter in made.named_parameters():
        if "lora_B" in key or ("modules_to_save" in key and "weight" in key):
            parameter.data += size * torch.randn_like(parameter)
    made.save_pretrained(folder)


@torch.inference_mode()
def seen(model: Any, ids: list[list[int]]) -> tuple[dict[int, Tensor], Tensor]:
    """Every layer's output and the log-probabilities, by hooks on the plain model, one sequence at a time."""
    inner: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    found: dict[int, list[Tensor]] = {}
    handles = [
        layer.register_forward_hook(
            lambda _, __, output, number=number: found.setdefault(number, []).append(
                (output[0] if isinstance(output, tuple) else output)[0]
            )
        )
        for number, layer in enumerate(layers_of(inner.base_model))
    ]
    logits = [model(torch.tensor([row])).logits[0].float() for row in ids]
    for handle in handles:
        handle.remove()
    return {number: torch.cat(rows) for number, rows in found.items()}, torch.cat(logits).log_softmax(-1)
