"""A low-rank pair at Llama-3.1-8B's shape on one GPU: what it takes, how exact it is, and how fast.

Random weights, since no figure here hangs on what a model says. Prints, in one process: memory of the base and of
the pair; how far the packed and the plain pass lie from float32; tokens a second of the pair's pass with KL at
every position, beside two plain passes of `transformers` and peft over padded batches. No network is touched.
"""

import argparse
import gc
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from diffing.models.whole import Whole
from diffing.whitebox.pairs import adapters
from diffing.whitebox.pairs.adapters import Adapter
from diffing.whitebox.pairs.changes import OfAdapter
from diffing.whitebox.pairs.doses import Dose
from diffing.whitebox.pairs.pair import Batch, Pair

RANK = 16
GPU = torch.device("cuda")


def model(layers: int, vocabulary: int, dtype: torch.dtype, device: torch.device = GPU, width: int = 4096) -> Any:
    """Of Llama-3.1-8B's proportions."""
    config = LlamaConfig(
        hidden_size=width,
        intermediate_size=width * 7 // 2,
        num_hidden_layers=layers,
        num_attention_heads=max(4, width // 128),
        num_key_value_heads=max(1, width // 512),
        vocab_size=vocabulary,
        max_position_embeddings=8192,
        rope_parameters={"rope_type": "default", "rope_theta": 500_000.0},
    )
    torch.manual_seed(0)
    torch.set_default_dtype(dtype)
    try:
        with device:
            made: Any = LlamaForCausalLM(config)
    finally:
        torch.set_default_dtype(torch.float32)
    return made.eval().requires_grad_(False)


def paired(whole: Whole) -> Pair:
    """A random adapter on every product, as large as to move a tenth of what the layers give."""
    device = whole.device
    draws = torch.Generator(device).manual_seed(1)
    tensors: dict[str, Tensor] = {}
    for path, module in whole.causal.named_modules():
        if path.endswith("_proj"):
            out, wide = module.weight.shape
            low = torch.randn(RANK, wide, device=device, generator=draws) / wide**0.5
            tensors[f"{path}.lora_A.weight"] = low
            tensors[f"{path}.lora_B.weight"] = torch.randn(out, RANK, device=device, generator=draws) * 0.02
    adapter = Adapter("random", LoraConfig(r=RANK, lora_alpha=RANK), tensors, (), Path())
    adapters.attach(whole, adapter, "variant")
    change = OfAdapter(whole, adapter, "variant")
    return Pair(whole, change, PreTrainedTokenizerFast, "random", "random", device=device)  # type: ignore[arg-type]


def gone_through(pair: Pair, ids: list[list[int]], layer: int) -> tuple[Batch, Tensor, Tensor]:
    (batch,) = pair.run(ids, (layer,), logits=True)
    chunks = list(pair.log_probs(batch))
    return batch, torch.cat([c.base for c in chunks]), torch.cat([c.variant for c in chunks])


def off_by(found: Tensor, wanted: Tensor) -> float:
    return float((found.float() - wanted).norm() / wanted.norm())


def exactness() -> None:
    """Packed and plain in bfloat16 against plain in float32, with the same weights."""
    short, exact = model(4, 8192, torch.bfloat16), model(4, 8192, torch.float32)
    exact.load_state_dict(short.state_dict())
    ids = [torch.randint(8192, (length,)).tolist() for length in (300, 7, 150, 512)]
    wanted = gone_through(paired(Whole(exact)), ids, 3)
    pair = paired(Whole(short))
    print(
        f"the change moves the last layer by {off_by(wanted[0].variant.hidden[3], wanted[0].base.hidden[3]):.3f}"
    )
    for name in ("packed", "plain"):
        found = gone_through(pair, ids, 3)
        hidden = [
            off_by(side.hidden[3], ref.hidden[3]) for side, ref in zip(found[0][3:], wanted[0][3:], strict=True)
        ]
        words = [off_by(mine, theirs) for mine, theirs in zip(found[1:], wanted[1:], strict=True)]
        layer, said = (", ".join(f"{each:.6f}" for each in both) for both in (hidden, words))
        print(f"{name}, base and variant: layer off by {layer}; log-probabilities off by {said}")
        # From here on the model's own code.
        pair.whole.fast = no_packed_pass  # type: ignore[method-assign]


def no_packed_pass(longest: int) -> None:  # noqa: ARG001 - the shape of what it stands for
    return None


def timed(work: Callable[[], float], tokens: int) -> float:
    """Tokens a second, the second time."""
    work()
    torch.cuda.synchronize()
    begun = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return tokens / (time.perf_counter() - begun)


def ours(pair: Pair, ids: list[list[int]]) -> float:
    total = 0.0
    for batch in pair.run(ids, (16,), logits=True):
        for chunk in pair.log_probs(batch):
            total += float((chunk.variant.exp() * (chunk.variant - chunk.base)).sum())
    return total


@torch.inference_mode()
def published(pair: Pair, ids: list[list[int]]) -> float:
    """Both models over padded batches of 16 in the order given, logits of whole batches, layers to the host."""
    total = 0.0
    for begin in range(0, len(ids), 16):
        rows = ids[begin : begin + 16]
        given = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long, device=GPU)
        kept = torch.zeros_like(given, dtype=torch.bool)
        for n, row in enumerate(rows):
            given[n, : len(row)], kept[n, : len(row)] = torch.tensor(row, device=GPU), True
        mask = kept.long()
        base = pair.whole.causal(input_ids=given, attention_mask=mask, output_hidden_states=True, use_cache=False)
        base.hidden_states[17].cpu()
        with adapters.on(pair.whole, "variant", Dose()):
            other = pair.whole.causal(
                input_ids=given, attention_mask=mask, output_hidden_states=True, use_cache=False
            )
        other.hidden_states[17].cpu()
        for n in range(len(rows)):
            one, two = (side.logits[n][kept[n]].float().log_softmax(-1) for side in (base, other))
            total += float((two.exp() * (two - one)).sum())
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=192)
    texts = parser.parse_args().texts
    exactness()
    # Models and their hooks point at each other: nothing of them may count below.
    gc.collect()
    torch.cuda.empty_cache()
    whole = Whole(model(32, 128_256, torch.bfloat16))
    base = torch.cuda.memory_allocated()
    pair = paired(whole)
    both = torch.cuda.memory_allocated()
    print(f"base {base / 2**30:.2f} GiB, pair {both / 2**30:.2f} GiB: {both / base:.3f} times")
    draws = torch.Generator().manual_seed(2)
    lengths = torch.randint(64, 1024, (texts,), generator=draws).tolist()
    ids = [torch.randint(128_256, (length,), generator=draws).tolist() for length in lengths]
    torch.cuda.reset_peak_memory_stats()
    mine = timed(lambda: ours(pair, ids), sum(lengths))
    print(f"ours: {mine:,.0f} tokens/s, peak {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")
    torch.cuda.reset_peak_memory_stats()
    theirs = timed(lambda: published(pair, ids), sum(lengths))
    print(f"plain: {theirs:,.0f} tokens/s, peak {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")
    print(f"{mine / theirs:.2f} times as fast")


if __name__ == "__main__":
    main()
