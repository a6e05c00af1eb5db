"""Readers by name: which model and SAE each one is, and what it needs of the machine.

Sizes are computed from the shapes of the tensors and the bytes that a number takes. Nothing here imports a tensor
library or touches the network, so that pages can ask which readers there are. Does not promise that a preset's
files are still where it says: loading finds out.
"""

from pathlib import Path
from typing import Any, NamedTuple

from diffing.common import files
from diffing.common.errors import UserError
from diffing.study.settings import TRAINED, ReaderChoice

STARTER = Path(__file__).resolve().parents[1] / "starter"
READS = "variant less base"
"""What the metadata of an SAE of differences say that it reads; fed with either model alone its features mean
nothing."""


class Preset(NamedTuple):
    """A named reader."""

    name: str
    title: str
    model: str
    """Hugging Face id or local folder."""
    layers: int
    """Layers up to the hook, the only ones that are loaded."""
    sae: str = ""
    """Local folder of the SAE, instead of what follows."""
    release: str = ""
    sae_id: str = ""
    sae_repo: str = ""
    sae_file: str = ""
    """Where the SAE's weights lie on the Hub."""
    download_gb: float = 0.0
    """The tensors needed, as published; files come whole, so some gigabytes more may be fetched."""
    memory_gb: float = 0.0
    """Model and SAE in bfloat16; a batch of 32,768 tokens takes some 5 GB on top."""
    gated: bool = False
    """Whether the model's licence must be accepted on the Hub first."""


class Downloaded(NamedTuple):
    """What of a preset is on this machine."""

    model: bool
    sae: bool


PRESETS: tuple[Preset, ...] = (
    Preset(
        "starter",
        "Bundled small reader, runs on any CPU",
        model=str(STARTER / "reader"),
        sae=str(STARTER / "sae"),
        layers=5,
    ),
    Preset(
        "gpt2-small",
        "GPT-2 small, layer 8, 24,576 features (res-jb)",
        model="openai-community/gpt2",
        layers=8,
        release="gpt2-small-res-jb",
        sae_id="blocks.8.hook_resid_pre",
        sae_repo="jbloom/GPT2-Small-SAEs-Reformatted",
        sae_file="blocks.8.hook_resid_pre/sae_weights.safetensors",
        download_gb=0.5,
        memory_gb=0.3,
    ),
    Preset(
        "pythia-70m",
        "Pythia 70M deduped, layer 4, 32,768 features",
        model="EleutherAI/pythia-70m-deduped",
        layers=5,
        release="pythia-70m-deduped-res-sm",
        sae_id="blocks.4.hook_resid_post",
        sae_repo="ctigges/pythia-70m-deduped__res-sm_processed",
        sae_file="4-res-sm/sae_weights.safetensors",
        download_gb=0.3,
        memory_gb=0.2,
    ),
    Preset(
        "qwen3-1.7b",
        "Qwen3 1.7B base, layer 14, 32,768 features (Qwen Scope)",
        model="Qwen/Qwen3-1.7B-Base",
        layers=15,
        release="qwen-scope-3-1.7b-base-w32k-l50",
        sae_id="layer14",
        sae_repo="Qwen/SAE-Res-Qwen3-1.7B-Base-W32K-L0_50",
        sae_file="layer14.sae.pt",
        download_gb=2.7,
        memory_gb=2.4,
    ),
    Preset(
        "qwen3-8b",
        "Qwen3 8B base, layer 18, 65,536 features (Qwen Scope)",
        model="Qwen/Qwen3-8B-Base",
        layers=19,
        release="qwen-scope-3-8b-base-w64k-l50",
        sae_id="layer18",
        sae_repo="Qwen/SAE-Res-Qwen3-8B-Base-W64K-L0_50",
        sae_file="layer18.sae.pt",
        download_gb=12.0,
        memory_gb=10.9,
    ),
    Preset(
        "gemma-3-1b",
        "Gemma 3 1B instruct, layer 13, 65,536 features (Gemma Scope 2)",
        model="google/gemma-3-1b-it",
        layers=14,
        release="gemma-scope-2-1b-it-res",
        sae_id="layer_13_width_65k_l0_medium",
        sae_repo="google/gemma-scope-2-1b-it",
        sae_file="resid_post/layer_13_width_65k_l0_medium/params.safetensors",
        download_gb=2.0,
        memory_gb=1.7,
        gated=True,
    ),
    Preset(
        "gemma-3-4b",
        "Gemma 3 4B instruct, layer 17, 65,536 features (Gemma Scope 2)",
        model="google/gemma-3-4b-it",
        layers=18,
        release="gemma-scope-2-4b-it-res",
        sae_id="layer_17_width_65k_l0_medium",
        sae_repo="google/gemma-scope-2-4b-it",
        sae_file="resid_post/layer_17_width_65k_l0_medium/params.safetensors",
        download_gb=6.1,
        memory_gb=5.4,
        gated=True,
    ),
    Preset(
        "gemma-2-2b",
        "Gemma 2 2B base, layer 12, 16,384 features (Gemma Scope)",
        model="google/gemma-2-2b",
        layers=13,
        release="gemma-scope-2b-pt-res-canonical",
        sae_id="layer_12/width_16k/canonical",
        sae_repo="google/gemma-scope-2b-pt-res",
        sae_file="layer_12/width_16k/average_l0_82/params.npz",
        download_gb=6.7,
        memory_gb=3.4,
        gated=True,
    ),
    Preset(
        "gemma-2-9b",
        "Gemma 2 9B instruct, layer 20, 131,072 features (Gemma Scope)",
        model="google/gemma-2-9b-it",
        layers=21,
        release="gemma-scope-9b-it-res-canonical",
        sae_id="layer_20/width_131k/canonical",
        sae_repo="google/gemma-scope-9b-it-res",
        sae_file="layer_20/width_131k/average_l0_81/params.npz",
        download_gb=13.9,
        memory_gb=12.0,
        gated=True,
    ),
    Preset(
        "llama-scope",
        "Llama 3.1 8B base, layer 15, 32,768 features (Llama Scope)",
        model="meta-llama/Llama-3.1-8B",
        layers=16,
        release="llama_scope_lxr_8x",
        sae_id="l15r_8x",
        sae_repo="fnlp/Llama3_1-8B-Base-LXR-8x",
        sae_file="Llama3_1-8B-Base-L15R-8x/checkpoints/final.safetensors",
        download_gb=10.2,
        memory_gb=9.6,
        gated=True,
    ),
    Preset(
        "llama-3.1-8b",
        "Llama 3.1 8B instruct, layer 19, 65,536 features (Goodfire)",
        model="meta-llama/Llama-3.1-8B-Instruct",
        layers=20,
        release="goodfire-llama-3.1-8b-instruct",
        sae_id="layer_19",
        sae_repo="Goodfire/Llama-3.1-8B-Instruct-SAE-l19",
        sae_file="Llama-3.1-8B-Instruct-SAE-l19.pth",
        download_gb=13.0,
        memory_gb=11.9,
        gated=True,
    ),
    Preset(
        "llama-3.3-70b",
        "Llama 3.3 70B instruct, layer 50, 65,536 features (Goodfire)",
        model="meta-llama/Llama-3.3-70B-Instruct",
        layers=51,
        release="goodfire-llama-3.3-70b-instruct",
        sae_id="layer_50",
        sae_repo="Goodfire/Llama-3.3-70B-Instruct-SAE-l50",
        sae_file="Llama-3.3-70B-Instruct-SAE-l50.pt",
        download_gb=95.8,
        memory_gb=93.6,
        gated=True,
    ),
)


NEURONPEDIA = {
    "gpt2-small": "gpt2-small/8-res-jb",
    "pythia-70m": "pythia-70m-deduped/4-res-sm",
    "gemma-3-1b": "gemma-3-1b-it/13-gemmascope-2-res-65k",
    "gemma-3-4b": "gemma-3-4b-it/17-gemmascope-2-res-65k",
    "gemma-2-2b": "gemma-2-2b/12-gemmascope-res-16k",
    "gemma-2-9b": "gemma-2-9b-it/20-gemmascope-res-131k",
    "llama-scope": "llama3.1-8b/15-llamascope-res-32k",
    "llama-3.1-8b": "llama3.1-8b-it/19-resid-post-gf",
    "llama-3.3-70b": "llama3.3-70b-it/50-resid-post-gf",
}
"""Where presets stand on Neuronpedia, as SAELens's registry says, which pages need not import for a link."""


class Source(NamedTuple):
    """What a choice comes down to; nothing of this for a trained dictionary, which a room above knows."""

    model: str
    """Empty: the one that the SAE names."""
    release: str
    sae_id: str
    sae: str


def resolve(choice: ReaderChoice) -> Source:
    """The parts that a choice names; its own fields stand over its preset's."""
    if trained(choice):
        return Source("", "", "", "")
    # Which of two SAEs was meant nobody can tell, and the wrong one would give plausible figures.
    if choice.sae and (choice.release or choice.sae_id):
        raise UserError("The reader names a local SAE and a release; leave one of them out.")
    if choice.sae:
        return Source(choice.model, "", "", choice.sae)
    if choice.release or choice.sae_id:
        if not (choice.release and choice.sae_id):
            raise UserError("A reader of SAELens's registry needs both its release and its SAE id.")
        return Source(choice.model, choice.release, choice.sae_id, "")
    preset = get(choice.preset)
    return Source(choice.model or preset.model, preset.release, preset.sae_id, preset.sae)


def trained(choice: ReaderChoice) -> str:
    """The dictionary that a choice names, as NAME or STUDY/NAME; empty where it names another reader."""
    own = choice.sae or choice.release
    return choice.preset.removeprefix(TRAINED) if choice.preset.startswith(TRAINED) and not own else ""


def within(choice: ReaderChoice, study: str) -> ReaderChoice:
    """The choice as it reads outside its study, whose dictionaries it names without the study's name."""
    name = trained(choice)
    if not name or "/" in name:
        return choice
    return choice.model_copy(update={"preset": f"{TRAINED}{study}/{name}"})


def written(choice: ReaderChoice) -> str:
    """A reader as commands take it: a preset, RELEASE/SAE_ID or MODEL_FOLDER::SAE_FOLDER."""
    if choice.sae:
        return f"{choice.model}::{choice.sae}"
    return f"{choice.release}/{choice.sae_id}" if choice.release else choice.preset


def named(choice: ReaderChoice) -> str:
    """A reader as a person calls it: of a local one its SAE's folder, as where that lies says nothing."""
    name = Path(choice.sae).name if choice.sae else written(choice)
    return f"{name}, which sees the prompt too" if choice.context == "prompt+answer" else name


def check(choice: ReaderChoice) -> ReaderChoice:
    """The choice itself, unless it cannot be a reader: to be asked before a study is told of it."""
    folder = resolve(choice).sae
    told = Path(folder) / "cfg.json"
    if folder and not told.is_file():
        raise UserError(f"SAE folder '{folder}' has no cfg.json; save the SAE with SAELens's `save_model`.")
    if folder:
        said = files.read_json(told)
        about = said.get("metadata") if isinstance(said, dict) else None
        refuse_difference(about.get("reads") if isinstance(about, dict) else None)
    return choice


def refuse_difference(reads: Any) -> None:
    """Raise where an SAE's metadata say that it reads the difference of two models."""
    if reads == READS:
        raise UserError(
            "This SAE reads the difference of two models (variant less base) and shows nothing of one model's "
            f"activations; take the study's dictionary itself as the reader, {TRAINED}NAME."
        )


def get(name: str) -> Preset:
    for preset in PRESETS:
        if preset.name == name:
            return preset
    raise UserError(f"There is no reader '{name}'; named readers: {', '.join(p.name for p in PRESETS)}.")


def downloaded(preset: Preset) -> Downloaded:
    """What of a preset is here already, by looking at the disk alone."""
    if preset.sae:
        return Downloaded(
            (Path(preset.model) / "config.json").exists(), (Path(preset.sae) / "sae_weights.safetensors").exists()
        )
    # The hub's own package is heavy, and every command and page looks at the table above.
    from diffing.common import hub

    return Downloaded(_has_model(preset), hub.cached(preset.sae_repo, preset.sae_file) is not None)


def _has_model(preset: Preset) -> bool:
    # Loaded by now, where this is asked.
    from diffing.common import hub

    if hub.cached(preset.model, "config.json") is None:
        return False
    # Models of more than one file have an index; of those only the files with layers up to the hook are needed.
    index = hub.cached(preset.model, "model.safetensors.index.json")
    if index is None:
        return hub.cached(preset.model, "model.safetensors") is not None
    needed = set(hub.below(files.read_json(index)["weight_map"], preset.layers).values())
    return all(hub.cached(preset.model, name) is not None for name in needed)
