"""One pass for all methods of the inside against four published ways in turn, at Llama-3.1-8B's shape on one GPU.

    python -m bench.inside_gpu [--texts N] [--published N] [--tiny]

Random weights and texts, since no figure here hangs on what a model says. Ours: one pass over the pair that serves
divergence, mining, activation statistics and, where it is there, the lens. The published ways, written anew after
what `diffing-toolkit` does: two models of `transformers` over padded batches of 16 in the order given, each method
with passes of its own, layers and logits to the host. They are spared what is not the method's: both models are
one copy of the weights here, nothing is written to disk, and the lens stops above its layer. `--tiny` runs
everywhere. No network is touched.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from bench import pair_gpu
from diffing.common.step import Settings
from diffing.models.hooks import layers_of
from diffing.models.whole import Whole
from diffing.whitebox import method
from diffing.whitebox import run as runs
from diffing.whitebox.pairs import adapters
from diffing.whitebox.pairs.doses import Dose
from diffing.whitebox.pairs.pair import Pair
from diffing.whitebox.texts import Document

TOGETHER = 16
"""Texts of a published batch."""
MOST = 100
"""Tokens of a position that published mining counts at either end."""
WANTED = ("divergence", "mining", "activations", "lens")


class Numbers:
    """A tokenizer of random ids: each is read as its number."""

    bos_token_id = None

    def __init__(self, known: int) -> None:
        self.known = known

    def __len__(self) -> int:
        return self.known

    def __call__(self, text: str, **_: Any) -> dict[str, list[int]]:
        return {"input_ids": [ord(letter) % self.known for letter in text]}

    def decode(self, ids: Sequence[int]) -> str:
        return " ".join(map(str, ids))

    def batch_decode(self, rows: Sequence[Sequence[int]]) -> list[str]:
        return [self.decode(row) for row in rows]


class Bench:
    """A pair, its texts and a clock."""

    def __init__(self, pair: Pair, documents: list[Document]) -> None:
        self.pair = pair
        self.documents = documents
        self.device = pair.device
        self.methods = [name for name in WANTED if name in method.METHODS and method.passes(method.named(name))]

    def now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def ours(self, names: Sequence[str]) -> tuple[float, float]:
        """Seconds of the pass, and of making results of what it took; the second time round."""
        asked: dict[str, Settings] = {name: method.named(name).Options() for name in names}
        ends: list[float] = []
        for _ in range(2):
            begun = self.now()
            # When the last batch's work was done.
            runs.passed(self.pair, self.documents, asked, ignore, lambda _: ends.append(self.now()))
            behind = self.now()
        return ends[-1] - begun, behind - ends[-1]

    def bare(self) -> float:
        """Seconds of both models' passes and their distributions, with nothing made of them."""
        for _ in range(2):
            begun = self.now()
            for batch in self.pair.run([document.ids for document in self.documents], logits=True):
                for _chunk in self.pair.log_probs(batch):
                    pass
            behind = self.now()
        return behind - begun

    def theirs(self, way: Callable[["Bench", Tensor, Tensor], None], count: int) -> tuple[float, int]:
        """Seconds of a published way on the first texts, and their tokens."""
        texts = [document.ids for document in self.documents[:count]]
        parts = [texts[begin : begin + TOGETHER] for begin in range(0, len(texts), TOGETHER)]
        for batch in parts[:1]:
            way(self, *padded(batch, self.device))
        begun = self.now()
        for batch in parts:
            way(self, *padded(batch, self.device))
        return self.now() - begun, sum(map(len, texts))

    @contextmanager
    def model(self, name: str) -> Iterator[Any]:
        """One of the two models, as `transformers` has it."""
        if name == "base":
            yield self.pair.whole.causal
            return
        with adapters.on(self.pair.whole, "variant", Dose()):
            yield self.pair.whole.causal


def ignore() -> None:
    """Nobody interrupts."""


def padded(texts: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    given = torch.zeros(len(texts), max(map(len, texts)), dtype=torch.long)
    mask = torch.zeros_like(given)
    for n, row in enumerate(texts):
        given[n, : len(row)], mask[n, : len(row)] = torch.tensor(row), 1
    return given.to(device), mask.to(device)


@torch.inference_mode()
def divergence(bench: Bench, given: Tensor, mask: Tensor) -> None:
    """KL of whole batches' logits, to the host."""
    said = []
    for name in ("base", "variant"):
        with bench.model(name) as model:
            said.append(model(input_ids=given, attention_mask=mask, use_cache=False).logits)
    for n in range(len(given)):
        base, variant = (logits[n][mask[n].bool()].float().log_softmax(-1) for logits in said)
        (variant.exp() * (variant - base)).sum(-1).cpu()


@torch.inference_mode()
def mining(bench: Bench, given: Tensor, mask: Tensor) -> None:
    """Both models' logits kept on the host, then their difference, summed and ranked position by position."""
    said = []
    for name in ("base", "variant"):
        with bench.model(name) as model:
            said.append(model(input_ids=given, attention_mask=mask, use_cache=False).logits.cpu())
    counts = torch.zeros(2, said[0].shape[-1], device=bench.device)
    for n in range(len(given)):
        base, variant = (logits[n].to(bench.device)[mask[n].bool()] for logits in said)
        gap = (variant - base).float()
        gap.sum(0).cpu()
        (gap > 0).sum(0).cpu()
        for row, largest in enumerate((True, False)):
            best = gap.topk(min(MOST, gap.shape[1]), dim=-1, largest=largest).indices.flatten()
            counts[row] += torch.bincount(best, minlength=gap.shape[1])
    counts.cpu()


class _Enough(Exception):
    """The highest layer wanted was seen."""


@torch.inference_mode()
def seen(bench: Bench, given: Tensor, mask: Tensor, layers: Sequence[int]) -> list[dict[int, Tensor]]:
    """Both models' layers on the host."""
    blocks = layers_of(bench.pair.whole.model)
    found: list[dict[int, Tensor]] = []

    def watch(layer: int) -> Callable[..., None]:
        def see(_module: Any, _args: Any, output: Any) -> None:
            found[-1][layer] = (output[0] if isinstance(output, tuple) else output).cpu()
            if layer == max(layers) and layer + 1 < len(blocks):
                raise _Enough

        return see

    for name in ("base", "variant"):
        found.append({})
        with bench.model(name) as model, ExitStack() as stack:
            for layer in layers:
                handle = blocks[layer].register_forward_hook(watch(layer))
                stack.callback(handle.remove)
            try:
                model.base_model(input_ids=given, attention_mask=mask, use_cache=False)
            except _Enough:
                continue
    return found


def activations(bench: Bench, given: Tensor, mask: Tensor) -> None:
    """Every layer of both models to the host, and norms and cosines of what lies there."""
    base, variant = seen(bench, given, mask, range(bench.pair.layers))
    kept = mask.bool()
    for layer, states in base.items():
        # Back onto the device: generous, as what is published reads it from disk.
        one, other = (side.to(bench.device)[kept].float() for side in (states, variant[layer]))
        (other - one).norm(dim=-1).cpu()
        torch.cosine_similarity(one, other, dim=-1).cpu()
        one.norm(dim=-1).cpu()
        other.norm(dim=-1).cpu()


def lens(bench: Bench, given: Tensor, mask: Tensor) -> None:
    """The layer in the middle to the host, and its mean difference by position."""
    base, variant = seen(bench, given, mask, [bench.pair.layers // 2])
    for layer, states in base.items():
        delta = (variant[layer] - states).double() * mask.cpu()[:, :, None]
        delta.sum(0)


PUBLISHED = {"divergence": divergence, "mining": mining, "activations": activations, "lens": lens}


def random_documents(count: int, longest: int, vocabulary: int) -> list[Document]:
    draws = torch.Generator().manual_seed(2)
    lengths = torch.randint(longest // 16, longest, (count,), generator=draws).tolist()
    rows = [torch.randint(vocabulary, (length,), generator=draws).tolist() for length in lengths]
    return [Document(str(n), tuple(row), 1, len(row), "text", n % 4 == 3) for n, row in enumerate(rows)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=192)
    parser.add_argument("--published", type=int, default=48, help="of these, texts that go the published ways")
    parser.add_argument("--tiny", action="store_true")
    asked = parser.parse_args()
    tiny: bool = asked.tiny
    device = torch.device("cpu") if tiny else pair_gpu.GPU
    vocabulary, longest = (2048, 64) if tiny else (128_256, 1024)
    numbers = torch.float32 if tiny else torch.bfloat16
    whole = Whole(pair_gpu.model(4 if tiny else 32, vocabulary, numbers, device, 128 if tiny else 4096))
    base = memory(device)
    tokenizer: Any = Numbers(vocabulary)
    pair = replace(pair_gpu.paired(whole), tokenizer=tokenizer)
    documents = random_documents(asked.texts, longest, vocabulary)
    bench = Bench(pair, documents)
    tokens = sum(len(document.ids) for document in documents)
    if not tiny:
        print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
        both = memory(device)
        print(f"base {base / 2**30:.2f} GiB, pair {both / 2**30:.2f} GiB: {both / base:.3f} times\n")
        torch.cuda.reset_peak_memory_stats()
    print(f"{tokens:,} tokens; each is read by both models\n\n| way | tokens/s | beside it |\n|---|---|---|")

    def line(way: str, rate: float, beside: str = "") -> None:
        print(f"| {way} | {rate:,.0f} | {beside} |", flush=True)

    line("both models' distributions, nothing made of them", tokens / bench.bare())
    for name in bench.methods:
        took, behind = bench.ours([name])
        line(f"ours, {name} alone", tokens / took, f"results {behind:.1f} s")
    took, behind = bench.ours(bench.methods)
    peak = "" if tiny else f", peak {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB"
    line(f"**ours, one pass for {', '.join(bench.methods)}**", tokens / took, f"results {behind:.1f} s{peak}")
    slow = 0.0
    for name in bench.methods:
        if not tiny:
            torch.cuda.reset_peak_memory_stats()
        each, read = bench.theirs(PUBLISHED[name], min(asked.published, len(documents)))
        peak = "" if tiny else f"peak {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB"
        line(f"published, {name}", read / each, peak)
        slow += each / read
    line("**published, one after the other**", 1 / slow)
    print(f"\n{slow * tokens / took:.2f} times as fast; {slow * tokens / (took + behind):.2f} with results made")
    if missing := [name for name in WANTED if name not in bench.methods]:
        print(f"not there yet, and left out on both sides: {', '.join(missing)}")


def memory(device: torch.device) -> float:
    return float(torch.cuda.memory_allocated()) if device.type == "cuda" else 1.0


if __name__ == "__main__":
    main()
