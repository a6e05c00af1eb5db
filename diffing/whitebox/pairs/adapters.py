"""Low-rank adapters on a model: read, put on beside others, switched, taken off; never merged into the weights.

Merging into 16-bit weights loses most of a small change. Promises that each of an adapter's modules found its
place in the model, or a sentence that says which did not; that a model whose adapters are off computes to the bit
what it did before any was put on. Adapters that change the base itself (biases, a start from its singular vectors)
are refused, as no switch would bring the base back.
"""

import copy
import json
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from peft import LoraConfig, inject_adapter_in_model, set_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from diffing.common import hub
from diffing.common.errors import UserError
from diffing.models import weights
from diffing.models.local import Weights
from diffing.models.whole import NAMES, Whole
from diffing.whitebox.pairs.doses import Dose

CONFIG, FILE = "adapter_config.json", "adapter_model.safetensors"
STARTS = (True, False, None, "gaussian", "orthogonal", "eva")
"""Ways to start an adapter that leave the base's weights alone."""


class Adapter(NamedTuple):
    """An adapter as its files hold it."""

    name: str
    """As it was written, for people."""
    config: LoraConfig
    tensors: dict[str, Tensor]
    """By their names in the text model."""
    hashes: tuple[str, ...]
    folder: Path

    @property
    def modules(self) -> list[str]:
        """Paths of the modules that have a low-rank part."""
        return sorted({name.rsplit(".lora_", 1)[0] for name in self.tensors if ".lora_" in name})

    @property
    def linear(self) -> bool:
        """Whether the change grows with α: not where a length is learnt beside it, or a module as a whole."""
        return not self.config.use_dora and all(".lora_" in name for name in self.tensors)

    def with_tensors(self, name: str, tensors: Mapping[str, Tensor]) -> "Adapter":
        """The same places with other numbers in them."""
        return self._replace(name=name, tensors=dict(tensors), hashes=())


def read(source: Weights) -> Adapter:
    """An adapter's files, downloaded where they are missing."""
    what = source.written
    found = weights.locate(source.model, CONFIG, source.revision, source.subfolder)
    config_file, file = found.get(CONFIG), found.get(FILE)
    for name in weights.TOKENIZER_FILES if found.commit else ():
        # Some adapters come with tokens or a template of their own, which the pair looks at.
        found.get(name)
    if config_file is None:
        raise UserError(f"'{what}' has no {CONFIG}; give a folder as peft's `save_pretrained` writes it.")
    if file is None:
        raise UserError(f"Adapter '{what}' has no {FILE}; fetch it whole, or save it as safetensors.")
    try:
        told: dict[str, Any] = json.loads(config_file.read_text(encoding="utf-8"))
        kind = told.get("peft_type")
        with warnings.catch_warnings():
            # Fields of a newer release: what matters is checked below.
            warnings.simplefilter("ignore")
            config = LoraConfig.from_pretrained(str(found.folder)) if kind == "LORA" else None
    except (ValueError, TypeError, OSError, KeyError, AttributeError) as error:
        raise UserError(f"The {CONFIG} of adapter '{what}' cannot be read ({error}); fetch it again.") from error
    if not isinstance(config, LoraConfig):
        raise UserError(f"Adapter '{what}' is of the kind {kind}; only LoRA is read, so choose another one.")
    if config.bias != "none" or config.init_lora_weights not in STARTS:
        raise UserError(f"Adapter '{what}' changes the base's own weights too; merge it and give the whole model.")
    try:
        tensors = {named(key): tensor for key, tensor in load_file(file).items()}
    except SafetensorError as error:
        raise UserError(f"The weights of adapter '{what}' are broken ({error}); fetch them again.") from error
    return Adapter(what, config, tensors, (hub.file_hash(config_file), hub.file_hash(file)), found.folder)


def named(key: str) -> str:
    """A tensor's name as the text model alone has it, without what peft and multimodal models put before it."""
    name = key.removeprefix("base_model.model.")
    for pattern, plain in NAMES.items():
        name = re.sub(pattern, plain, name)
    return name


def attach(whole: Whole, adapter: Adapter, handle: str) -> None:
    """Put an adapter on the model under a handle, switched off."""
    there = {name for name, _ in whole.causal.named_modules()}
    if astray := [path for path in adapter.modules if path not in there]:
        raise UserError(
            f"{len(astray)} of the {len(adapter.modules)} modules of adapter '{adapter.name}' are not in the "
            f"base, '{astray[0]}' among them; choose the base that it was trained on."
        )
    if not adapter.modules:
        raise UserError(f"Adapter '{adapter.name}' has no low-rank parts; choose another one.")
    config = copy.deepcopy(adapter.config)
    # The very modules that the file holds, whatever pattern once chose them.
    config.target_modules, config.exclude_modules = adapter.modules, None
    config.layers_to_transform, config.layers_pattern = None, None
    config.init_lora_weights, config.inference_mode = True, True
    before = getattr(whole.causal, "peft_config", {})
    try:
        with warnings.catch_warnings(), torch.random.fork_rng():
            # Of tied embeddings and of a second adapter on a model, both of which are meant.
            warnings.simplefilter("ignore")
            inject_adapter_in_model(config, whole.causal, handle)
            given: Any = set_peft_model_state_dict(whole.causal, adapter.tensors, handle)
        fault = f"'{given.unexpected_keys[0]}' has no place" if given.unexpected_keys else ""
    except (RuntimeError, ValueError, KeyError, TypeError) as error:
        fault = " ".join(str(error).split())[:160]
    whole.causal.peft_config = {**before, handle: config}
    whole.causal.eval().requires_grad_(False)
    whole.changed()
    off(whole)
    if fault:
        detach(whole, handle)
        raise UserError(f"Adapter '{adapter.name}' does not fit the base ({fault}); choose another base.")


def detach(whole: Whole, handle: str) -> None:
    """Take an adapter off; what it stood on computes as before."""
    for _, module in _parts(whole):
        if handle in getattr(module, "lora_A", {}) or handle in getattr(module, "lora_embedding_A", {}):
            with warnings.catch_warnings():
                # Of another adapter that takes its place: `off` follows.
                warnings.simplefilter("ignore")
                module.delete_adapter(handle)
        elif handle in getattr(module, "modules_to_save", {}):
            module.modules_to_save.pop(handle)
    whole.causal.peft_config.pop(handle, None)
    whole.changed()
    off(whole)


def off(whole: Whole) -> None:
    """Switch every adapter off."""
    for _, module in _parts(whole):
        module.enable_adapters(False)


@contextmanager
def on(whole: Whole, handle: str, dose: Dose) -> Iterator[None]:
    """The model with one adapter at a strength, for the block; all adapters are off behind it."""
    if whole.lit:
        raise RuntimeError(f"'{whole.lit}' is switched on already")
    usual: list[tuple[Any, float]] = []
    whole.lit = handle
    try:
        for path, module in _parts(whole):
            has = handle in getattr(module, "scaling", getattr(module, "modules_to_save", {}))
            strength = dose.of(path)
            # What was trained as a whole knows no strength but all or nothing, which the caller has seen to.
            if not has or (not hasattr(module, "scaling") and not strength):
                continue
            module.enable_adapters(True)
            module.set_adapter([handle], inference_mode=True)
            if hasattr(module, "scaling"):
                usual.append((module, module.scaling[handle]))
                module.scaling[handle] = module.scaling[handle] * strength
        yield
    finally:
        for module, scaling in usual:
            module.scaling[handle] = scaling
        off(whole)
        whole.lit = ""


def parts(whole: Whole, handle: str) -> dict[str, Any]:
    """The modules that an adapter stands on, by path."""
    return {path: module for path, module in _parts(whole) if handle in getattr(module, "scaling", {})}


def _parts(whole: Whole) -> list[tuple[str, Any]]:
    """Every module that carries adapters: low-rank ones, and those that were trained as a whole."""
    if whole.carriers is None:
        named = whole.causal.named_modules()
        whole.carriers = [m for m in named if hasattr(m[1], "lora_A") or hasattr(m[1], "original_module")]
    return whole.carriers
