"""Tiny readers made on the spot: random models of each architecture, a byte-level tokenizer, small SAEs."""

import copy
import socket
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import transformers
from sae_lens import SAE
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from diffing.reader.reader import Reader
from diffing.study.settings import ReaderChoice

WIDTH = 32
LAYERS = 5
VOCABULARY = 400
TEXTS = [
    "The cat sat on the mat.  It purred, and then it slept.",
    "Sorry, I can't help with that! 😀 مرحبا",
    "1. First\n2. Second\n\n```python\nprint('é')\n```  ",
    "short",
]
TEMPLATE = "{{ bos_token }}{% for m in messages %}<|start|>{{ m.role }}\n{{ m.content | trim }}<|end|>{% endfor %}"

COMMON: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "intermediate_size": 48,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "max_position_embeddings": 256,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 1,
}
GROUPED: dict[str, Any] = {**COMMON, "num_key_value_heads": 2}
GEMMA: dict[str, Any] = {**GROUPED, "head_dim": 16}
SLIDING: dict[str, Any] = {"sliding_window": 8, "query_pre_attn_scalar": 16}


def configs() -> dict[str, transformers.PretrainedConfig]:
    """One small configuration an architecture; sliding windows are shorter than the texts."""
    return {
        "llama": transformers.LlamaConfig(**GROUPED),
        "mistral": transformers.MistralConfig(**GROUPED, sliding_window=8),
        "gemma": transformers.GemmaConfig(**GEMMA),
        "gemma2": transformers.Gemma2Config(**GEMMA, **SLIDING),
        "gemma3": transformers.Gemma3TextConfig(**GEMMA, **SLIDING),
        "qwen2": transformers.Qwen2Config(
            **GROUPED, use_sliding_window=True, sliding_window=8, max_window_layers=2
        ),
        "qwen3": transformers.Qwen3Config(**GEMMA),
        "gpt2": transformers.GPT2Config(
            vocab_size=VOCABULARY,
            n_embd=WIDTH,
            n_layer=LAYERS,
            n_head=4,
            n_positions=256,
            bos_token_id=0,
            eos_token_id=1,
        ),
        "gpt_neox": transformers.GPTNeoXConfig(**COMMON),
        "gpt_neox_serial": transformers.GPTNeoXConfig(**COMMON, use_parallel_residual=False),
    }


def tokenizer(template: str | None = TEMPLATE) -> PreTrainedTokenizerFast:
    """Byte-level pieces as GPT-2 and Llama 3 have them, with spans that leave out leading spaces."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.post_processor = processors.ByteLevel(trim_offsets=True)
    special = ["<|begin|>", "<|end|>", "<|start|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    backend.train_from_iterator(
        TEXTS * 5,
        trainers.BpeTrainer(
            vocab_size=VOCABULARY, initial_alphabet=alphabet, special_tokens=special, show_progress=False
        ),
    )
    made = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=backend, bos_token="<|begin|>", eos_token="<|end|>"
    )
    made.chat_template = template
    return made


def model(folder: Path, config: transformers.PretrainedConfig, template: str | None = TEMPLATE) -> PreTrainedModel:
    """A random causal model, saved in several files as large ones are; returned whole."""
    torch.manual_seed(0)
    made: PreTrainedModel = transformers.AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
        config, dtype=torch.float32
    )
    made.train(False)
    for parameter in made.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)
        else:
            parameter.data += 0.1 * torch.randn_like(parameter)
    made.save_pretrained(folder, max_shard_size="60KB")
    tokenizer(template).save_pretrained(folder)
    return made


def sae(
    folder: Path, architecture: str = "standard", hook: str = "blocks.2.hook_resid_post", **changes: Any
) -> Any:
    """An SAE with random weights, saved in SAELens's format; `metadata` adds to what it says of its training."""
    torch.manual_seed(1)
    metadata = {"hook_name": hook, "prepend_bos": True, "context_size": 64, **changes.pop("metadata", {})}
    config = {"architecture": architecture, "d_in": WIDTH, "d_sae": 96, "metadata": metadata, **changes}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        made = SAE.from_dict(config)
    for name, parameter in made.named_parameters():
        torch.nn.init.normal_(parameter, std=0.2)
        if name == "threshold":
            parameter.data.abs_()
    made.save_model(folder)
    return made


class Whole(NamedTuple):
    """A model on disk, and the same in memory with all its layers and its head."""

    folder: Path
    model: PreTrainedModel


def load(model: Path, sae: Path, **choice: Any) -> Reader:
    return Reader.load(ReaderChoice(preset="", model=str(model), sae=str(sae), **choice), device="cpu")


def dense(reader: Reader, hidden: Tensor) -> Tensor:
    """The reader's sparse features spread out again; they must come by row, then feature."""
    row, feature, value = reader.sparse(hidden)
    assert (row * reader.n_features + feature).diff().gt(0).all()
    found = torch.zeros(len(hidden), reader.n_features)
    found[row, feature] = value
    return found


def assert_close(found: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))


def margin(sae: Any, hidden: Tensor) -> Tensor:
    """Tokens x features: how far each pre-activation lies from where it would be switched on or off, in float64.

    Matching pursuit has no bar to be near: all its features are as far as can be.
    """
    exact = copy.deepcopy(sae).to("cpu", torch.float64)
    exact.dtype = torch.float64
    with torch.inference_mode():
        taken = exact.process_sae_in(hidden.double())
        kind = sae.cfg.architecture()
        if kind == "matching_pursuit":
            return torch.full((len(hidden), sae.cfg.d_sae), torch.inf, dtype=torch.float64)
        if kind == "gated":
            gate = (taken @ exact.W_enc + exact.b_gate).abs()
            return torch.minimum(gate, (taken @ (exact.W_enc * exact.r_mag.exp()) + exact.b_mag).abs())
        before: Tensor = taken @ exact.W_enc + exact.b_enc
        if kind == "jumprelu":
            threshold: Tensor = exact.threshold.clamp(min=0)
            return (before - threshold).abs()
        if kind not in ("topk", "abstopk"):
            return before.abs()
        if sae.cfg.rescale_acts_by_decoder_norm:
            before = before * exact.W_dec.norm(dim=-1)
        size = before.abs() if kind == "abstopk" else before
        # What is among the k leaves by falling to the one behind them, what is not comes in by reaching the last.
        largest = size.topk(sae.cfg.k + 1, dim=-1).values
        last, behind = largest[:, -2:-1], largest[:, -1:]
        return torch.minimum(torch.where(size >= last, size - behind, last - size), before.abs())


def assert_same_features(found: Tensor, wanted: Tensor, margin: Tensor, bound: float = 1e-4) -> None:
    """Dense features that agree within the bound, a share of the largest.

    Processors, threads and batches change the last bits of a product. So a feature may be active in one of the two
    alone, but only where its pre-activation lies within the bound of its bar.
    """
    room = bound * float(wanted.abs().max())
    flipped = (found != 0) != (wanted != 0)
    astray = flipped & (margin > room)
    assert not astray.any(), f"{int(astray.sum())} flips, up to {float(margin[astray].max()):g} from the bar"
    torch.testing.assert_close(found[~flipped], wanted[~flipped], rtol=0, atol=room, check_dtype=False)


def block_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make whatever touches the network from here on fail the test."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was touched")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
