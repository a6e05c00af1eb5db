"""The sparse autoencoder: loading it from SAELens's registry or a folder, and knowing what it is.

Holds what an SAE says of itself (hook, model, training context) and the refusals; `sparsify` runs it. Promises
that what is not understood is refused with its reason, as its figures would mean something else.
"""

import difflib
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from sae_lens import SAE
from sae_lens.loading import pretrained_sae_loaders
from sae_lens.loading.pretrained_saes_directory import get_pretrained_saes_directory
from safetensors import SafetensorError, safe_open

from diffing.common import hub
from diffing.common.errors import UserError
from diffing.reader import presets

log = logging.getLogger(__name__)

ARCHITECTURES = ("standard", "gated", "topk", "jumprelu", "abstopk", "matching_pursuit")
"""SAELens's kinds whose features of a token hang on that token alone; `refuse` says why others are not read."""
SHORT_NAMES = {
    "gpt2-small": "gpt2",
    "mistral-7b": "mistralai/Mistral-7B-v0.1",
    "qwen3-0.6b": "Qwen/Qwen3-0.6B",
    "qwen3-1.7b": "Qwen/Qwen3-1.7B",
    "qwen3-4b": "Qwen/Qwen3-4B",
    "qwen3-8b": "Qwen/Qwen3-8B",
    "qwen3-14b": "Qwen/Qwen3-14B",
}
"""TransformerLens's short names in SAELens's directory that are more than a name without its owner."""
OWNERS = {"gemma-": "google", "pythia-": "EleutherAI"}
"""Whose the models are that SAELens's directory names without their owner."""
HARMLESS = {"center_unembed", "fold_ln", "device", "dtype", "torch_dtype", "n_devices", "move_to_device"}
"""Ways of loading the model that change nothing at a hook."""
OFF_ONLY = {"fold_value_biases", "refactor_factored_attn_matrices"}
"""Ways that are harmless only when off: they change what heads give to `hook_z`."""
CENTRED = "center_writing_weights"
"""The one way that changes the residual stream and is done here: `Reader.hidden` takes the mean off."""


class SaeFacts(NamedTuple):
    """What an SAE says of itself."""

    identity: tuple[str, ...]
    """What tells its weights from any other's."""
    hook: str
    model: str
    """Hugging Face id of the model that it was trained on; empty when it does not say."""
    model_revision: str
    architecture: str
    context_size: int | None
    """Tokens that it was trained on at once."""
    prepend_bos: bool
    centred: bool
    """Trained on a model whose writing weights were centred: the residual stream's mean is to be taken off."""
    usual_l0: float | None
    """Features active per token, as published or as its k says."""
    notes: tuple[str, ...]


def load_release(release: str, sae_id: str) -> tuple[Any, SaeFacts]:
    """An SAE of SAELens's registry or of a Hub repository in its format, in float32 on the CPU."""
    directory = get_pretrained_saes_directory()
    entry = directory.get(release)
    if entry is None and "/" not in release:
        near = difflib.get_close_matches(release, directory, n=3) or sorted(directory)[:3]
        raise UserError(f"SAELens has no release '{release}'; near names: {', '.join(near)}.")
    if entry is not None and sae_id not in entry.saes_map:
        # Looser than `difflib`'s 0.6: a layer's bare number should still find the long ids that name it.
        near = difflib.get_close_matches(sae_id, entry.saes_map, n=3, cutoff=0.3) or list(entry.saes_map)[:3]
        raise UserError(f"Release '{release}' has no SAE '{sae_id}'; it has {', '.join(near)}, …")
    if entry is not None:
        # Known before some gigabytes are fetched.
        names = f"{release} {entry.conversion_func} {entry.saes_map[sae_id]}"
        for kind in ("transcoder", "temporal"):
            if kind in names:
                refuse(kind)
    repo = entry.repo_id if entry else release
    # From the disk first: SAELens asks the Hub even for files that are here, and a train has no network.
    try:
        with _saelens(), hub.offline():
            sae, _, _ = SAE.from_pretrained_with_cfg_and_sparsity(release, sae_id)
    except hub.FAULTS:
        log.info("Downloading SAE '%s' of '%s'", sae_id, release)
        try:
            with _saelens():
                sae, _, _ = SAE.from_pretrained_with_cfg_and_sparsity(release, sae_id)
        except hub.FAULTS as error:
            raise hub.explained(repo, error) from error
        except (ValueError, KeyError, RuntimeError) as error:
            raise _unreadable(f"{release}/{sae_id}", error) from error
    except (ValueError, KeyError, RuntimeError) as error:
        raise _unreadable(f"{release}/{sae_id}", error) from error
    expected = entry.expected_l0.get(sae_id) if entry else None
    # By commit: the same release and id may hold other weights tomorrow.
    identity = (release, sae_id, hub.commit(repo))
    return sae, facts_of(sae, identity, entry.model if entry else "", expected or None)


def load_folder(folder: Path) -> tuple[Any, SaeFacts]:
    """An SAE in SAELens's format on disk, in float32 on the CPU."""
    names = ("cfg.json", "sae_weights.safetensors")
    for name in names:
        if not (folder / name).exists():
            raise UserError(f"SAE folder '{folder}' has no {name}; save the SAE with SAELens's `save_model`.")
    try:
        config = json.loads((folder / "cfg.json").read_text(encoding="utf-8"))
        architecture = config.get("architecture", "standard")
    except (json.JSONDecodeError, UnicodeDecodeError, AttributeError) as error:
        raise UserError(f"'{folder / 'cfg.json'}' is not a JSON object ({error}); mend it.") from error
    refuse(architecture)
    try:
        with _saelens():
            sae = SAE.load_from_disk(folder, dtype="float32")
    except (ValueError, KeyError, RuntimeError, TypeError, SafetensorError) as error:
        raise _unreadable(str(folder), error) from error
    return sae, facts_of(sae, tuple(hub.file_hash(folder / name) for name in names))


def refuse(architecture: str) -> None:
    """Say why, for kinds of SAE that are not read here."""
    if architecture in ARCHITECTURES:
        return
    if "transcoder" in architecture or "crosscoder" in architecture:
        reason = "it reads one place and writes another, so its features are no parts of what it reads"
    elif architecture == "temporal":
        reason = "its features of a token depend on the tokens before"
    elif "batchtopk" in architecture:
        reason = "it was saved for training; save it with `save_inference_model`"
    else:
        reason = f"known kinds are {', '.join(ARCHITECTURES)}"
    raise UserError(f"SAEs of the kind '{architecture}' are not read here: {reason}.")


def facts_of(
    sae: Any, identity: tuple[str, ...], registry_model: str = "", published_l0: float | None = None
) -> SaeFacts:
    """Gather and check what the SAE says; whatever is not understood is refused."""
    refuse(sae.cfg.architecture())
    meta = sae.cfg.metadata
    presets.refuse_difference(meta.reads)
    if not meta.hook_name:
        raise UserError("The SAE does not name its hook; add `hook_name` to the metadata of its cfg.json.")
    if meta.hook_head_index is not None:
        raise UserError(
            f"The SAE reads head {meta.hook_head_index} of {meta.hook_name} alone; choose another one."
        )
    kwargs = dict(meta.model_from_pretrained_kwargs or {})
    revision = str(kwargs.pop("revision", "") or "")
    # Anything else may change what stands at the hook, and nobody would see it in the figures.
    unknown = [k for k in kwargs if k not in HARMLESS | OFF_ONLY | {CENTRED}]
    unknown += [k for k in kwargs if k in OFF_ONLY and kwargs[k]]
    if unknown:
        raise UserError(
            f"The SAE was trained on a model loaded with {', '.join(unknown)}, which is not understood here; "
            "choose another SAE."
        )
    trained = meta.training_architecture_details or {}
    notes = []
    mode = sae.cfg.normalize_activations
    if mode in ("expected_average_only_in", "covariance_whitening"):
        notes.append(f"its input normalisation '{mode}' was not folded into its weights and is left out")
    return SaeFacts(
        identity=identity,
        hook=meta.hook_name,
        model=model_id(registry_model, meta.model_name or ""),
        model_revision=revision,
        architecture=sae.cfg.architecture(),
        context_size=meta.context_size,
        # SAELens trains with a BOS token unless told not to; an SAE that says nothing was trained so.
        prepend_bos=meta.prepend_bos is not False,
        centred=bool(kwargs.get(CENTRED)),
        # What was measured stands over what was asked of training.
        usual_l0=float(published_l0 or getattr(sae.cfg, "k", 0) or trained.get("k") or 0) or None,
        notes=tuple(notes),
    )


def model_id(registry: str, own: str) -> str:
    """The Hugging Face id behind SAELens's names, which are sometimes TransformerLens's short ones."""
    if "/" in registry:
        return registry
    name = own or registry
    if "/" in name or not name:
        return name
    if name in SHORT_NAMES:
        return SHORT_NAMES[name]
    owner = next((owner for start, owner in OWNERS.items() if name.startswith(start)), "")
    return f"{owner}/{name}" if owner else name


@contextmanager
def _saelens() -> Iterator[None]:
    """SAELens asks the network for the shapes in a safetensors file even when the file is at hand.

    Its warnings are about loading the model as the SAE wants it, which is done here.
    """
    before = pretrained_sae_loaders.get_safetensors_tensor_shapes
    pretrained_sae_loaders.get_safetensors_tensor_shapes = _shapes
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield
    finally:
        pretrained_sae_loaders.get_safetensors_tensor_shapes = before


def _shapes(repo: str, name: str) -> dict[str, list[int]]:
    # The weights are wanted next in any case. What `safe_open` gives cannot be iterated over, hence `keys`.
    with safe_open(pretrained_sae_loaders.hf_hub_download(repo, name), framework="pt") as file:
        return {key: file.get_slice(key).get_shape() for key in file.keys()}  # noqa: SIM118


def _unreadable(name: str, error: Exception) -> UserError:
    return UserError(
        f"SAELens cannot read the SAE '{name}' ({type(error).__name__}: {error}); choose another one."
    )
