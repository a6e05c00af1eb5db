"""A small finetune of the base by an adapter, for nulls: what training as such does, whatever it is on.

Promises the same adapter for the same base, texts, recipe and seed on the same machine, kept once made, and that
the base's own weights are never written to. Each text is used once, and only its tokens that count have a loss.
Meant for models that a CPU trains in a minute; it is no training library.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from peft import LoraConfig
from pydantic import Field
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from diffing.common import files
from diffing.common.step import Settings
from diffing.models.whole import Whole
from diffing.whitebox.pairs import adapters
from diffing.whitebox.pairs.adapters import Adapter
from diffing.whitebox.pairs.doses import Dose, block_of
from diffing.whitebox.texts import Document

VERSION = 1
"""Raised when the same recipe would give another adapter."""


class Recipe(Settings):
    """How an adapter is trained."""

    rank: int = Field(default=8, ge=1)
    alpha: float = Field(default=16.0, gt=0)
    rate: float = Field(default=1e-3, gt=0)
    """Of AdamW, falling to nothing in a straight line."""
    batch: int = Field(default=8, ge=1)
    """Texts of a step."""
    modules: tuple[str, ...] = ()
    """Paths of the modules; every product inside the blocks where there is none."""


def like(adapter: Adapter | None) -> Recipe:
    """The recipe of another adapter, as far as its files tell it."""
    if adapter is None:
        return Recipe()
    return Recipe(rank=adapter.config.r, alpha=adapter.config.lora_alpha, modules=tuple(adapter.modules))


def tuned(
    whole: Whole,
    identity: Any,
    documents: Sequence[Document],
    recipe: Recipe,
    seed: int,
    handle: str,
    check: Callable[[], None] = lambda: None,
) -> Adapter:
    """The base with a trained adapter on it, switched off, under the handle."""
    texts = [[list(d.ids), d.start, d.stop] for d in documents]
    asked = [VERSION, identity, texts, recipe.model_dump(mode="json"), seed, str(whole.dtype)]
    name = f"tuned-{files.content_hash(asked)}"
    kept = files.cache_dir("whitebox") / f"{name}.safetensors"
    start = fresh(whole, recipe, seed, name)
    if kept.exists():
        start = start.with_tensors(name, load_file(kept))
        adapters.attach(whole, start, handle)
        return start
    adapters.attach(whole, start, handle)
    try:
        _train(whole, documents, recipe, seed, handle, check)
    except BaseException:
        adapters.detach(whole, handle)
        raise
    trained = start.with_tensors(name, _tensors(whole, handle))
    with files.replacing(kept) as temporary:
        save_file(trained.tensors, temporary)
    return trained


def fresh(whole: Whole, recipe: Recipe, seed: int, name: str) -> Adapter:
    """An adapter that has learnt nothing yet."""
    named = dict(whole.causal.named_modules())
    paths = recipe.modules or tuple(path for path, module in named.items() if _is_product(path, module))
    made: dict[str, Tensor] = {}
    generator = torch.Generator().manual_seed(seed)
    for path in paths:
        wide, high = _sides(named[path])
        # As peft starts one: small numbers below, nothing above.
        low = torch.empty(recipe.rank, wide)
        nn.init.kaiming_uniform_(low, math.sqrt(5), generator=generator)
        made[f"{path}.lora_A.weight"] = low
        made[f"{path}.lora_B.weight"] = torch.zeros(high, recipe.rank)
    config = LoraConfig(r=recipe.rank, lora_alpha=recipe.alpha, target_modules=list(paths))  # type: ignore[arg-type]
    return Adapter(name, config, made, (), files.cache_dir("whitebox"))


def _is_product(path: str, module: nn.Module) -> bool:
    # Under an adapter the product itself goes by another name.
    inside = block_of(path) is not None and ".lora_" not in path and not path.endswith(".base_layer")
    return inside and (isinstance(module, (nn.Linear, Conv1D)) or hasattr(module, "lora_A"))


def _sides(module: Any) -> tuple[int, int]:
    """Numbers that go in and come out."""
    inner = module.get_base_layer() if hasattr(module, "lora_A") else module
    first, second = inner.weight.shape
    # GPT-2's own kind of layer holds its weights the other way round.
    return (int(first), int(second)) if isinstance(inner, Conv1D) else (int(second), int(first))


def _train(
    whole: Whole,
    documents: Sequence[Document],
    recipe: Recipe,
    seed: int,
    handle: str,
    check: Callable[[], None],
) -> None:
    order = torch.randperm(len(documents), generator=torch.Generator().manual_seed(seed)).tolist()
    with adapters.on(whole, handle, Dose()):
        learnt = [
            tensor.requires_grad_() for name, tensor in whole.causal.named_parameters() if f".{handle}." in name
        ]
        steps = math.ceil(len(order) / recipe.batch)
        adam = torch.optim.AdamW(learnt, lr=recipe.rate, weight_decay=0.0)
        falling = torch.optim.lr_scheduler.LambdaLR(adam, lambda step: 1 - step / steps)
        for begin in range(0, len(order), recipe.batch):
            check()
            _loss(whole, [documents[n] for n in order[begin : begin + recipe.batch]]).backward()  # type: ignore[no-untyped-call]
            adam.step()
            adam.zero_grad()
            falling.step()
    for tensor in learnt:
        tensor.requires_grad_(False)


def _loss(whole: Whole, documents: Sequence[Document]) -> Tensor:
    """Mean surprise over the tokens that count."""
    longest = max(len(document.ids) for document in documents)
    ids = torch.zeros(len(documents), longest, dtype=torch.long)
    counts = torch.zeros(len(documents), longest, dtype=torch.bool)
    for row, document in enumerate(documents):
        ids[row, : len(document.ids)] = torch.tensor(document.ids)
        counts[row, document.start : document.stop] = True
    ids, counts = ids.to(whole.device), counts.to(whole.device)
    # Padding stands on the right, where no token can see it.
    logits = whole.causal(input_ids=ids, use_cache=False).logits[:, :-1].float()
    return F.cross_entropy(logits[counts[:, 1:]], ids[:, 1:][counts[:, 1:]])


def _tensors(whole: Whole, handle: str) -> dict[str, Tensor]:
    found = whole.causal.named_parameters()
    return {
        name.replace(f".{handle}.", "."): tensor.detach().cpu().clone().contiguous()
        for name, tensor in found
        if f".{handle}." in name
    }
