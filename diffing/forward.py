"""The language model up to the hook: loading no layer above it, and what the hook sees for a batch of windows.

Holds the meaning of hook names, the choice of files and tensors to load, and the plain forward pass: sequences
padded to the right, where a causal model cannot see the padding. Promises the values that a forward hook on the
whole model would give. Does not promise speed: that is for a packed pass beside this one.
"""

import json
import logging
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PretrainedConfig
from transformers.utils import logging as transformers_logging

from diffing import hub
from diffing.errors import UserError

log = logging.getLogger(__name__)

Kind = Literal["resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out", "z"]

HOOK = re.compile(r"blocks\.(\d+)\.(?:attn\.)?hook_(resid_pre|resid_mid|resid_post|attn_out|mlp_out|z)")
MODULE_HOOK = re.compile(r"(?:\w+\.)*?(?:layers|h)\.(\d+)")
LAYER_TENSOR = re.compile(r"(?:^|\.)(?:layers|h)\.(\d+)\.")
TEXT_PREFIX = re.compile(r"^(?:model\.)?language_model\.(?:model\.)?")

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
)

SANDWICH = {"gemma2", "gemma3_text"}
"""Models that normalise what attention and MLP give before adding it: their outputs are taken after that."""
PLAIN = {"llama", "mistral", "gemma", "qwen2", "qwen3", "gpt2", "gpt_neox"}


class Hook(NamedTuple):
    """A place in the model."""

    layer: int
    kind: Kind

    @property
    def layers(self) -> int:
        """How many layers must be kept to compute it."""
        return self.layer + 1


def parse_hook(name: str) -> Hook:
    """The place that a hook name of TransformerLens, or a layer's path in `transformers`, stands for."""
    if match := HOOK.fullmatch(name):
        layer, kind = int(match[1]), match[2]
        # The same tensor, one layer less to load.
        if kind == "resid_pre" and layer > 0:
            return Hook(layer - 1, "resid_post")
        return Hook(layer, kind)  # type: ignore[arg-type]
    if match := MODULE_HOOK.fullmatch(name):
        return Hook(int(match[1]), "resid_post")
    raise UserError(
        f"Hook '{name}' is no residual stream, attention output or MLP output of a layer; choose another SAE."
    )


class Checkpoint(NamedTuple):
    """Where a model's tensors lie: the files that hold the layers wanted."""

    folder: Path
    """The model's folder; of a Hub model, its snapshot in the cache with what was fetched of it."""
    config: PretrainedConfig
    """The text model's own, still with all its layers."""
    files: list[Path]
    weight_map: dict[str, str]
    """Tensor → file name, of the tensors that will be loaded and of the unembedding."""
    revision: str = ""
    """Commit of a Hub model; empty for a local folder."""


def find(model: str, hook: Hook, revision: str = "") -> Checkpoint:
    """The checkpoint's files that the hook needs, downloaded where they are missing."""
    folder = Path(model).expanduser()
    if folder.is_dir():
        return _find(model, folder, hook, lambda name: folder / name if (folder / name).exists() else None)
    if model.startswith((".", "/", "~")):
        raise UserError(f"There is no model folder '{model}'; check the path.")
    snapshot = hub.fetch(model, "config.json", revision or None).parent
    # From here on by commit, so that the files fit each other whatever is pushed meanwhile.
    commit = snapshot.name
    for name in TOKENIZER_FILES:
        hub.fetch_if_any(model, name, commit)
    found = _find(model, snapshot, hook, lambda name: hub.fetch_if_any(model, name, commit))
    return found._replace(revision=commit)


def _find(model: str, folder: Path, hook: Hook, get: Callable[[str], Path | None]) -> Checkpoint:
    if get("config.json") is None:
        raise UserError(f"'{model}' has no config.json; give a model folder as `save_pretrained` writes it.")
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True).get_text_config()
    except (ValueError, OSError, KeyError) as error:
        raise UserError(f"`transformers` cannot read the configuration of '{model}': {error}") from error
    total = config.num_hidden_layers
    if hook.layer >= total:
        raise UserError(
            f"The SAE reads layer {hook.layer}, but '{model}' has layers 0 to {total - 1}; "
            "choose the model that the SAE was trained on."
        )
    index = get("model.safetensors.index.json")
    if index is None:
        single = get("model.safetensors")
        if single is None:
            raise UserError(f"'{model}' has no safetensors weights; convert it with `save_pretrained`.")
        return Checkpoint(folder, config, [single], dict.fromkeys(tensor_names(single), single.name))
    everything: dict[str, str] = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
    wanted = {name: file for name, file in everything.items() if not _above(name, hook)}
    paths = {name: get(name) for name in sorted(set(wanted.values()))}
    if missing := [name for name, path in paths.items() if path is None]:
        raise UserError(f"'{model}' lacks its weight file '{missing[0]}'; fetch it whole.")
    return Checkpoint(folder, config, [path for path in paths.values() if path], wanted)


def _above(tensor: str, hook: Hook) -> bool:
    match = LAYER_TENSOR.search(tensor)
    return match is not None and int(match[1]) >= hook.layers


def tensor_names(file: Path) -> list[str]:
    try:
        with safe_open(file, framework="pt") as opened:
            return list(opened.keys())
    except SafetensorError as error:
        raise UserError(f"Weight file '{file.name}' is broken ({error}); fetch it again.") from error


def load(checkpoint: Checkpoint, hook: Hook, device: torch.device, dtype: torch.dtype) -> "Forward":
    """The model without what lies above the hook."""
    config = truncated(checkpoint.config, hook.layers)
    with quiet(), tempfile.TemporaryDirectory(prefix="diffing-reader-") as name:
        folder = Path(name)
        config.save_pretrained(folder)
        for file in checkpoint.files:
            (folder / file.name).symlink_to(file.resolve())
        if len(checkpoint.files) > 1 or checkpoint.files[0].name != "model.safetensors":
            index = {"metadata": {}, "weight_map": checkpoint.weight_map}
            (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
        model, info = AutoModel.from_pretrained(
            folder,
            config=config,
            dtype=dtype,
            device_map={"": device} if device.type == "cuda" else None,
            key_mapping={TEXT_PREFIX.pattern: ""},
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    if missing := sorted(info["missing_keys"]):
        raise UserError(
            f"The model's files lack {len(missing)} of its tensors, '{missing[0]}' among them; fetch it again."
        )
    return Forward(model.eval().requires_grad_(False).to(device), hook)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence `transformers` about tensors left unread: that is what is wanted here."""
    before = transformers_logging.get_verbosity()
    bar = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity(logging.ERROR)
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        transformers_logging.set_verbosity(before)
        if bar:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def truncated(config: PretrainedConfig, layers: int) -> PretrainedConfig:
    """The configuration of the first layers alone; lists with one entry a layer are cut with it."""
    fields = config.to_dict()
    total = config.num_hidden_layers
    cut = {k: v[:layers] for k, v in fields.items() if isinstance(v, list) and len(v) == total}
    fields.update(cut)
    fields[config.attribute_map.get("num_hidden_layers", "num_hidden_layers")] = layers
    short = type(config).from_dict(fields)
    short.use_cache = False
    return short


class Forward:
    """What the hook sees."""

    def __init__(self, model: nn.Module, hook: Hook) -> None:
        self.model = model
        self.hook = hook
        self.config: Any = model.config
        self._seen: Tensor | None = None
        module, side = place(model, hook)
        if side == "in":
            module.register_forward_pre_hook(self._see_input, with_kwargs=True)
        else:
            module.register_forward_hook(self._see_output)

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def layer(self) -> nn.Module:
        """The hook's own layer."""
        return layers_of(self.model)[self.hook.layer]

    @property
    def final_norm(self) -> nn.Module:
        for name in ("norm", "ln_f", "final_layer_norm"):
            if isinstance(module := getattr(self.model, name, None), nn.Module):
                return module
        raise UserError(f"The final norm of a {self.config.model_type} model is not known here.")

    @property
    def width(self) -> int:
        """Size of what the hook sees."""
        if self.hook.kind == "z":
            heads = self.config.num_attention_heads
            return int(heads * (getattr(self.config, "head_dim", None) or self.config.hidden_size // heads))
        return int(self.config.hidden_size)

    @torch.inference_mode()
    def __call__(self, ids: Sequence[Sequence[int]]) -> Tensor:
        """Hook activations of all tokens, one sequence after another: [total tokens, width]."""
        lengths = torch.tensor([len(sequence) for sequence in ids])
        kept = torch.arange(int(lengths.max())) < lengths[:, None]
        # Right padding: no real token can attend to it, so it needs no mask.
        batch = torch.zeros(kept.shape, dtype=torch.long)
        batch[kept] = torch.tensor([token for sequence in ids for token in sequence])
        self.model(input_ids=batch.to(self.device), use_cache=False)
        seen, self._seen = self._seen, None
        if seen is None:
            raise RuntimeError(f"{self.config.model_type} did not pass through {self.hook}")
        return seen[kept.to(seen.device)]

    def _see_input(self, _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._seen = args[0] if args else kwargs["hidden_states"]

    def _see_output(self, _module: nn.Module, _args: tuple[Any, ...], output: Any) -> None:
        self._seen = output[0] if isinstance(output, tuple) else output


def layers_of(model: nn.Module) -> nn.ModuleList:
    for name in ("layers", "h"):
        if isinstance(layers := getattr(model, name, None), nn.ModuleList):
            return layers
    raise UserError(f"The layers of a {type(model).__name__} are not known here; choose another reader.")


def place(model: nn.Module, hook: Hook) -> tuple[nn.Module, Literal["in", "out"]]:
    """The module whose input or output the hook sees."""
    layer = layers_of(model)[hook.layer]
    if hook.kind == "resid_post":
        return layer, "out"
    if hook.kind == "resid_pre":
        return layer, "in"
    config: Any = model.config
    kind = config.model_type
    if kind not in SANDWICH | PLAIN:
        raise UserError(
            f"Where {hook.kind} lies in a {kind} model is not known here; choose an SAE of the residual stream."
        )
    if hook.kind == "resid_mid" and getattr(config, "use_parallel_residual", False):
        raise UserError(
            f"This {kind} model adds attention and MLP at once and has no resid_mid; choose another SAE."
        )
    attention = first(layer, "self_attn", "attn", "attention")
    if hook.kind == "z":
        return first(attention, "o_proj", "c_proj", "dense"), "in"
    if kind in SANDWICH:
        return {
            "attn_out": (layer.get_submodule("post_attention_layernorm"), "out"),
            "resid_mid": (layer.get_submodule("pre_feedforward_layernorm"), "in"),
            "mlp_out": (layer.get_submodule("post_feedforward_layernorm"), "out"),
        }[hook.kind]  # type: ignore[return-value]
    if hook.kind == "attn_out":
        return attention, "out"
    if hook.kind == "mlp_out":
        return layer.get_submodule("mlp"), "out"
    return first(layer, "post_attention_layernorm", "ln_2"), "in"


def first(module: nn.Module, *names: str) -> nn.Module:
    """The first child of these names."""
    for name in names:
        if isinstance(child := getattr(module, name, None), nn.Module):
            return child
    raise UserError(f"A {type(module).__name__} has none of {', '.join(names)}; choose another reader.")
