"""Which of a model's files and tensors it takes to compute what a hook sees, in a local folder or on the Hub.

Promises to fetch no file that has nothing but layers above the hook. Loads no model: `diffing.models.forward` and
`diffing.models.whole` do. What a hook's name means is in `diffing.models.hooks`.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from safetensors import SafetensorError, safe_open
from torch import Tensor
from transformers import AutoConfig, PretrainedConfig

from diffing.common import hub
from diffing.common.errors import UserError
from diffing.common.paths import expanded
from diffing.models.hooks import Hook

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
"""What tokenizers of all kinds are stored as; each model has some, the rest are asked for in vain once."""


class ModelFiles(NamedTuple):
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


def find(model: str, hook: Hook | None = None, revision: str = "", subfolder: str = "") -> ModelFiles:
    """The checkpoint's files that the hook needs, all of them without one, downloaded where they are missing."""
    place = locate(model, "config.json", revision, subfolder)
    if place.commit:
        # A whole model may write too: which tokens end an answer is often told in this file alone.
        for name in (*TOKENIZER_FILES, *(["generation_config.json"] if hook is None else [])):
            place.get(name)
    return _find(model, place.folder, hook, place.get)._replace(revision=place.commit)


class Located(NamedTuple):
    """A folder of a model or an adapter, here or in the Hub's cache."""

    folder: Path
    get: Callable[[str], Path | None]
    """A file of it, downloaded where it is missing; None where there is no such file."""
    commit: str = ""
    """Of a Hub model; empty for a local folder."""


def locate(model: str, first: str, revision: str = "", subfolder: str = "") -> Located:
    """Where a model's files are; of one on the Hub `first` is fetched at once, which tells the commit."""
    folder = expanded(model)
    if folder.is_dir():
        inner = folder / subfolder
        if not inner.is_dir():
            raise UserError(f"'{model}' has no folder '{subfolder}'; check what stands after the '#'.")
        return Located(inner, lambda name: inner / name if (inner / name).exists() else None)
    if model.startswith((".", "/", "~")):
        raise UserError(f"There is no model folder '{model}'; check the path.")
    before = f"{subfolder}/" if subfolder else ""
    found = hub.fetch(model, before + first, revision or None).parent
    # From here on by commit, so that the files fit each other whatever is pushed meanwhile.
    commit = (found.parents[before.count("/") - 1] if before else found).name
    return Located(found, lambda name: hub.fetch_if_any(model, before + name, commit), commit)


def _find(model: str, folder: Path, hook: Hook | None, get: Callable[[str], Path | None]) -> ModelFiles:
    if get("config.json") is None:
        raise UserError(f"'{model}' has no config.json; give a model folder as `save_pretrained` writes it.")
    try:
        # A multimodal model's configuration holds the text model's as a part.
        config = AutoConfig.from_pretrained(folder, local_files_only=True).get_text_config()
    except (ValueError, OSError, KeyError) as error:
        raise UserError(f"`transformers` cannot read the configuration of '{model}': {error}") from error
    total = config.num_hidden_layers
    if hook is not None and hook.layer >= total:
        raise UserError(
            f"The SAE reads layer {hook.layer}, but '{model}' has layers 0 to {total - 1}; "
            "choose the model that the SAE was trained on."
        )
    index = get("model.safetensors.index.json")
    if index is None:
        single = get("model.safetensors")
        if single is None:
            raise UserError(f"'{model}' has no safetensors weights; convert it with `save_pretrained`.")
        return ModelFiles(folder, config, [single], dict.fromkeys(tensor_names(single), single.name))
    everything: dict[str, str] = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
    wanted = everything if hook is None else hub.below(everything, hook.layers)
    paths = {name: get(name) for name in sorted(set(wanted.values()))}
    if missing := [name for name, path in paths.items() if path is None]:
        raise UserError(f"'{model}' lacks its weight file '{missing[0]}'; fetch it whole.")
    return ModelFiles(folder, config, [path for path in paths.values() if path], wanted)


def tensor_names(file: Path) -> list[str]:
    try:
        with safe_open(file, framework="pt") as opened:
            return list(opened.keys())
    except SafetensorError as error:
        raise UserError(f"Weight file '{file.name}' is broken ({error}); fetch it again.") from error


def unembedding(files: ModelFiles) -> Tensor | None:
    """The unembedding as the files hold it; None where the model uses its embedding for it."""
    if getattr(files.config, "tie_word_embeddings", False):
        return None
    for name, file in files.weight_map.items():
        # The second is GPT-NeoX's name for it.
        if name.endswith(("lm_head.weight", "embed_out.weight")):
            where = next(path for path in files.files if path.name == file)
            with safe_open(where, framework="pt") as opened:
                tensor: Tensor = opened.get_tensor(name)
            return tensor
    return None
