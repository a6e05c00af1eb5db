"""How fast answers are encoded on a GPU, against what its matrix products allow and against the published way.

    python -m bench.encode_gpu TEXTS.jsonl.xz [--workers N] [--tiny]

A reader of Llama-3.1-8B's shape (layers 0 to 19) with random weights and an SAE of 65,536 features, its bias set
to 125 active a token, on real answers (JSON lines with a field `response`), end to end: tokenising, forward pass,
SAE, sparse, written to disk. `--workers N` measures N GPUs against one; `--tiny` is a small case for any machine.
"""

import argparse
import json
import lzma
import os
import platform
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import torch
import transformers
from scipy import sparse
from torch import Tensor, nn
from transformers import AutoModel, LlamaConfig, PreTrainedTokenizerFast

from diffing.common import files
from diffing.models.forward import Forward
from diffing.models.hooks import Hook
from diffing.models.packed import Packed
from diffing.models.tokens import Framing, Reading
from diffing.reader import sparsify
from diffing.reader.batches import Task
from diffing.reader.cache import Cache
from diffing.reader.encoder import Encoder
from diffing.reader.fleet import Fleet

ACTIVE = 125
TOKENIZER = files.PROJECT / "diffing" / "starter" / "reader" / "tokenizer.json"


class Shape(NamedTuple):
    """What is measured, and how much of it."""

    width: int = 4096
    inner: int = 14_336
    layers: int = 20
    heads: int = 32
    key_heads: int = 8
    vocabulary: int = 128_256
    features: int = 65_536
    ceiling: int = 8192
    """Side of the matrices whose product gives the ceiling."""
    published: int = 40
    """Answers that go the published way."""
    exact: int = 16
    """Answers that are compared with float32."""
    millions: float = 5.2
    """Tokens, in millions, when several GPUs are measured."""


TINY = Shape(64, 160, 2, 4, 2, 8192, 512, 512, 8, 4, 0.05)


class RandomReader:
    """A reader of the shape with random weights; the same on every device it is made on."""

    key = "bench"

    def __init__(self, shape: Shape, device: str, packed: bool = True) -> None:
        self.device = torch.device(device)
        self.n_features = shape.features
        self.dtype = torch.bfloat16 if self.device.type == "cuda" else torch.float32
        self.forward = Forward(random_model(shape, self.device, self.dtype), Hook(shape.layers - 1, "resid_post"))
        self.passes = Packed(self.forward) if packed else self.forward
        tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
            tokenizer_file=str(TOKENIZER), bos_token="<|bos|>"
        )
        self.framing = Framing(tokenizer, 8192)
        random = torch.Generator(self.device).manual_seed(1)
        weights = torch.randn(shape.width, shape.features, generator=random, device=self.device)
        self.sae = SimpleNamespace(
            cfg=SimpleNamespace(architecture=lambda: "standard", d_sae=shape.features),
            W_enc=(weights / shape.width**0.5).to(self.dtype),
            b_dec=torch.zeros(shape.width, dtype=self.dtype, device=self.device),
            b_enc=torch.zeros(shape.features, dtype=self.dtype, device=self.device),
        )
        self.sae.process_sae_in = lambda x: x - self.sae.b_dec

    def calibrate(self, ids: list[list[int]]) -> None:
        """Set the bias so that this many features are active on a token."""
        self.sae.b_enc.zero_()
        hidden = self.hidden(ids)
        hidden = hidden[:: max(1, len(hidden) // 512)]
        before = (self.sae.process_sae_in(hidden) @ self.sae.W_enc).float().flatten()
        share = ACTIVE / 65_536
        self.sae.b_enc.fill_(-float(before.kthvalue(int(len(before) * (1 - share))).values))

    def read(self, messages: list[dict[str, str]], answer: str) -> Reading:
        return self.framing.read(messages, answer)

    def hidden(self, ids: list[list[int]]) -> Tensor:
        return self.passes(ids)

    def sparse(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return sparsify.sparse(self.sae, hidden)

    def decoder(self) -> Tensor:
        weights: Tensor = self.sae.W_enc
        return weights.T


def random_model(shape: Shape, device: torch.device, dtype: torch.dtype) -> nn.Module:
    config = LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.width,
        intermediate_size=shape.inner,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_heads,
        max_position_embeddings=8192,
        rope_parameters={"rope_type": "default", "rope_theta": 500_000.0},
        use_cache=False,
    )
    torch.manual_seed(0)
    with device:
        model: nn.Module = AutoModel.from_config(config, dtype=dtype)  # type: ignore[no-untyped-call]
    return model.to(device).eval().requires_grad_(False)


def load(shape: Shape, texts: list[str], device: str) -> RandomReader:
    """What each worker makes for itself: a reader, calibrated and warm."""
    if device.startswith("cuda:"):
        torch.cuda.set_device(device)
    reader = RandomReader(shape, device)
    ids = [reader.read([], text).windows[0].ids for text in texts]
    reader.calibrate(ids)
    for _ in range(2):
        reader.sparse(reader.hidden(ids))
    return reader


def read_texts(path: Path) -> list[str]:
    data = path.read_bytes()
    lines = (lzma.decompress(data) if path.suffix == ".xz" else data).decode().splitlines()
    return [text for line in lines if (text := json.loads(line)["response"]).strip()]


def ignore(*_: object) -> None:
    """Takes progress that nobody watches."""


def sync(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(step: Callable[[], object], device: torch.device, repeats: int = 1) -> float:
    """Median wall time of a step that ends on the device."""
    times = []
    for _ in range(repeats):
        sync(device)
        began = time.perf_counter()
        step()
        sync(device)
        times.append(time.perf_counter() - began)
    return float(np.median(times))


def ceiling(side: int, device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of a large matrix product on random data."""
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))

    def ten() -> None:
        for _ in range(10):
            torch.mm(a, b)

    ten()
    return 10 * 2 * side**3 / seconds(ten, device, 5)


def flop_per_token(shape: Shape) -> float:
    """Two for each weight of the kept layers' products and of the SAE's encoder."""
    head = shape.width // shape.heads
    attention = shape.width * head * (2 * shape.heads + 2 * shape.key_heads)
    return 2.0 * (shape.layers * (attention + 3 * shape.width * shape.inner) + shape.width * shape.features)


@contextmanager
def fresh_cache() -> Iterator[None]:
    """A home folder of its own, so that nothing is found that an earlier run stored."""
    before = os.environ.get("DIFFING_HOME")
    with tempfile.TemporaryDirectory(prefix="bench-encode-") as folder:
        os.environ["DIFFING_HOME"] = folder
        try:
            yield
        finally:
            os.environ.pop("DIFFING_HOME")
            if before is not None:
                os.environ["DIFFING_HOME"] = before


class Run(NamedTuple):
    tokens: int
    seconds: float
    active: float
    """Features active on a token."""
    disk: int
    """Bytes written."""

    @property
    def rate(self) -> float:
        return self.tokens / self.seconds


def stored(cache: Cache, tasks: Sequence[Task], took: float) -> Run:
    places = cache.find(task.key for task in tasks).values()
    if len(places) < len(tasks):
        raise SystemExit(f"only {len(places)} of {len(tasks)} answers were stored")
    tokens = sum(place.tokens for place in places)
    return Run(tokens, took, sum(p.entries for p in places) / tokens, sum(p.size for p in places))


def tasks_of(texts: Sequence[str], copy: int = 0) -> list[Task]:
    return [Task(f"{copy}-{number}", [], text) for number, text in enumerate(texts)]


def end_to_end(reader: RandomReader, texts: Sequence[str], budget: int | None = None) -> Run:
    with fresh_cache():
        cache, tasks = Cache(reader.key, reader.n_features), tasks_of(texts)
        encoder = Encoder(reader, cache, budget)
        took = seconds(lambda: encoder.run(tasks, ignore, ignore), reader.device)
        if encoder.errors:
            raise SystemExit(next(iter(encoder.errors.values())))
        return stored(cache, tasks, took)


def published(reader: RandomReader, shape: Shape, texts: Sequence[str]) -> float:
    """Tokens a second of the published way: 8 answers padded together, dense and float32 from the hook on."""
    model: Any = reader.forward.model
    device = reader.device
    head = torch.randn(shape.vocabulary, shape.width, device=device, dtype=reader.dtype) / shape.width**0.5
    encoder, bias = reader.sae.W_enc.float(), reader.sae.b_enc.float()
    seen: list[Tensor] = []
    hook = model.layers[-1].register_forward_hook(
        lambda _module, _args, out: seen.append((out[0] if isinstance(out, tuple) else out).detach().cpu())
    )
    matrices = []

    @torch.inference_mode()
    def go() -> int:
        tokens = 0
        for start in range(0, len(texts), 8):
            ids = [reader.read([], text).windows[0].ids for text in texts[start : start + 8]]
            longest = max(map(len, ids))
            padded = torch.tensor([one + [0] * (longest - len(one)) for one in ids], device=device)
            mask = torch.tensor([[1] * len(one) + [0] * (longest - len(one)) for one in ids], device=device)
            out = model(input_ids=padded, attention_mask=mask).last_hidden_state
            out @ head.T
            dense = torch.relu(seen.pop().to(device).float() @ encoder + bias).cpu().numpy()
            for row, one in zip(dense, ids, strict=True):
                matrices.append(sparse.csr_matrix(row[: len(one)]))
            tokens += sum(map(len, ids))
        return tokens

    began = time.perf_counter()
    tokens = go()
    sync(device)
    took = time.perf_counter() - began
    hook.remove()
    return tokens / took


class Flips(NamedTuple):
    """Disagreement over which (token, feature) pairs are active."""

    pairs: int
    """Active in the reference."""
    share: float
    """Active in one and not in the other, over those active in the reference."""
    values: float
    """Norm of the difference over the norm, where both are active."""


def flips(reference: Tensor, other: Tensor) -> Flips:
    one, two = reference > 0, other > 0
    both = one & two
    apart = (other - reference)[both].norm() / reference[both].norm()
    return Flips(int(one.sum()), float((one ^ two).sum() / one.sum()), float(apart))


@torch.inference_mode()
def exactness(reader: RandomReader, shape: Shape, ids: list[list[int]]) -> dict[str, Flips]:
    """Packed and plain against float32 on the same weights, and against each other."""

    def dense(hidden: Tensor, kind: torch.dtype) -> Tensor:
        sae = reader.sae
        before = torch.addmm(sae.b_enc.to(kind), hidden.to(kind), sae.W_enc.to(kind))
        return torch.relu(before).float()

    whole = random_model(shape, reader.device, torch.float32)
    whole.load_state_dict(reader.forward.model.state_dict())
    exact = dense(Forward(whole, reader.forward.hook)(ids), torch.float32)
    del whole
    hidden = reader.passes(ids)
    plain, packed = dense(reader.forward(ids), reader.dtype), dense(hidden, reader.dtype)
    row, feature, _ = reader.sparse(hidden)
    if not torch.equal(torch.stack([row, feature], dim=1), packed.nonzero()):
        raise SystemExit("the sparse step does not find what is active in the dense one")
    alone = dense(torch.cat([reader.passes([one]) for one in ids]), reader.dtype)
    return {
        "plain pass against float32": flips(exact, plain),
        "packed pass against float32": flips(exact, packed),
        "packed against plain": flips(plain, packed),
        "packed together against alone": flips(alone, packed),
    }


KINDS = {
    "attention": ("flash", "fmha"),
    "matrix products": ("gemm", "nvjet", "cutlass", "xmma", "splitk"),
    "norm, rotary, gate": ("_rms_norm", "_rotate", "_gated"),
    "finding active features": ("_hits", "_collect"),
    "sorting and coding": ("sort", "radix", "scan", "scatter", "reduce", "histogram", "kernelHistogram"),
    "copies": ("memcpy", "memset"),
}


def shares(reader: RandomReader, texts: Sequence[str]) -> tuple[dict[str, float], float, float]:
    """Over one encoding of the texts: GPU seconds by kind of kernel, from first to last, and of those idle."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        end_to_end(reader, texts)
    with tempfile.TemporaryDirectory(prefix="bench-encode-") as folder:
        path = Path(folder) / "trace.json"
        profile.export_chrome_trace(str(path))
        events = json.loads(path.read_text())["traceEvents"]
    found: Counter[str] = Counter()
    kernels = [e for e in events if e.get("cat") in ("kernel", "gpu_memcpy", "gpu_memset")]
    begin = end = min(e["ts"] for e in kernels)
    idle = 0.0
    for event in sorted(kernels, key=lambda e: e["ts"]):
        name = event["name"].lower()
        kind = next((kind for kind, words in KINDS.items() if any(word in name for word in words)), "other")
        found[kind] += event["dur"] / 1e6
        idle += max(0.0, event["ts"] - end) / 1e6
        end = max(end, event["ts"] + event["dur"])
    return dict(found.most_common()), (end - begin) / 1e6, idle


def scaling(shape: Shape, texts: list[str], workers: int, device: str) -> dict[str, float]:
    """Tokens a second of one worker and of several, all loaded before the clock starts."""
    found = {}
    probe = texts[:24]
    per_copy = sum(map(len, texts)) / 3.7
    for count in sorted({1, workers}):
        copies = max(1, round(shape.millions * 1e6 / per_copy * (1 if count == workers else 0.25)) + 1)
        tasks = [task for copy in range(copies) for task in tasks_of(texts, copy)]
        devices = [f"cuda:{n}" for n in range(count)] if device == "cuda" else ["cpu"] * count
        with fresh_cache(), Fleet(partial(load, shape, probe), devices) as fleet:
            fleet.ready()
            fleet.run(tasks_of(texts[: 40 * count], -1), ignore, ignore)
            began = time.perf_counter()
            errors = fleet.run(tasks, ignore, ignore)
            took = time.perf_counter() - began
            if errors:
                raise SystemExit(next(iter(errors.values())))
            run = stored(Cache(RandomReader.key, shape.features), tasks, took)
        found[f"{count} workers"] = run.rate
        print(f"| {count} | {run.tokens:,} | {took:.1f} | {run.rate:,.0f} | {run.rate / found['1 workers']:.2f} |")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--budget", type=int, action="append", default=[])
    asked = parser.parse_args()
    shape = TINY if asked.tiny else Shape()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    texts = read_texts(asked.texts)
    if asked.tiny:
        texts = texts[:60]
    name = torch.cuda.get_device_name() if device.type == "cuda" else platform.processor()
    print(f"device: {name} × {torch.cuda.device_count() or 1}; torch {torch.__version__}, ", end="")
    print(f"transformers {transformers.__version__}, python {platform.python_version()}, {time.strftime('%F')}")
    if asked.workers:
        print("| workers | tokens | s | tokens/s | times one |\n|---|---|---|---|---|")
        scaling(shape, texts, asked.workers, device.type)
        return
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    top = ceiling(shape.ceiling, device, dtype)
    per_token = flop_per_token(shape)
    print(
        f"ceiling: {top / 1e12:.1f} TFLOP/s ({shape.ceiling}³, {dtype}); {per_token / 1e9:.3f} GFLOP a token, ",
        end="",
    )
    print(f"so at most {top / per_token:,.0f} tokens/s")
    reader = load(shape, texts[:24], device.type)
    if device.type == "cuda":
        print(f"memory once loaded: {torch.cuda.memory_allocated() / 2**30:.1f} GiB")
    print("\n| way | tokens/s | share of ceiling | active a token | peak GiB |\n|---|---|---|---|---|")

    def line(way: str, rate: float, active: float | None = None) -> None:
        peak = torch.cuda.max_memory_allocated() / 2**30 if device.type == "cuda" else 0.0
        shown = "" if active is None else f"{active:.1f}"
        print(f"| {way} | {rate:,.0f} | {rate * per_token / top:.1%} | {shown} | {peak:.1f} |", flush=True)

    def encode(way: str, one: RandomReader, budget: int | None = None) -> Run:
        end_to_end(one, texts[:80], budget)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        run = end_to_end(one, texts, budget)
        line(way, run.rate, run.active)
        return run

    run = encode("packed, default budget", reader)
    print(f"({run.tokens:,} tokens in {run.seconds:.2f} s, {run.disk / 1e6:.0f} MB written)")
    again = encode("the same again", reader)
    for budget in asked.budget:
        encode(f"packed, {budget:,} tokens a batch", reader, budget)
    reader.passes, fast = reader.forward, reader.passes
    encode("padded, SDPA (the plain pass)", reader)
    reader.passes = fast
    ids = [reader.read([], text).windows[0].ids for text in texts]
    batch: list[list[int]] = []
    while sum(map(len, batch)) < 31_000 and len(batch) < len(ids):
        batch.append(ids[len(batch)])
    size = sum(map(len, batch))
    line("forward pass alone, one batch", size / seconds(lambda: reader.hidden(batch), device, 5))
    took = seconds(partial(reader.sparse, reader.hidden(batch)), device, 5)
    print(f"SAE and active features of one batch of {size:,}: {took * 1e3:.1f} ms alone")
    if device.type == "cuda":
        count = 1000
        spent, span, idle = shares(reader, texts[:count])
        whole = sum(spent.values())
        tokens = sum(len(one) for one in ids[:count])
        print(
            f"profiled, {tokens:,} tokens: {span:.2f} s from the first kernel to the last, {idle / span:.1%} idle"
        )
        print("kernels: " + "; ".join(f"{kind} {value / whole:.1%}" for kind, value in spent.items()))
        print(f"at the ceiling the products alone would take {tokens * per_token / top:.2f} s")
    for what, flip in exactness(reader, shape, ids[: shape.exact]).items():
        print(f"{what}: {flip.share:.3%} of {flip.pairs:,} active pairs flip, values differ by {flip.values:.2%}")
    rate = published(reader, shape, texts[: shape.published])
    line("the published way", rate)
    print(f"{max(run.rate, again.rate) / rate:.0f} times the published way")


if __name__ == "__main__":
    main()
