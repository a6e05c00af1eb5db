"""How fast a crosscoder learns on one GPU, against the published trainer made anew and against what bounds it.

    python -m bench.dictionary_gpu [--out FILE.md] [--tiny]

In one process, on activations that lie on the device: the published step (crosscoder_learning's BatchTopK
crosscoder as the diffing toolkit runs it: dense, batch 2,048, TF32, autograd, PyTorch's Adam) and ours, at two
shapes and several batches, with tokens a second, memory beside the activations, and where the time goes. Kernels
are first held against plain PyTorch. Activations are sums of planted directions of very unlike frequency: latents
that fire all the time are what a sparse step may stumble over. `--tiny` is a small case for any machine.
"""

import argparse
import platform
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffing.whitebox.dictionaries import sparse
from diffing.whitebox.dictionaries.shape import Shape
from diffing.whitebox.dictionaries.sparse import Moments
from diffing.whitebox.dictionaries.step import Learner, Recipe

GIB = 2**30


class Case(NamedTuple):
    """One shape, and how much of everything is measured."""

    shape: Shape
    batches: tuple[int, ...]
    pool: int = 65_536
    planted: int = 16_384
    warm: int = 60
    timed: int = 30
    k: int = 100
    batch: int = 2048


CASES = (
    Case(Shape(2304, 73_728), (2048, 4096, 8192, 16_384)),
    Case(Shape(4096, 65_536), (2048, 4096, 8192, 16_384)),
)
TINY = (Case(Shape(24, 512), (256, 512), 4096, 256, 8, 8, 8, 256),)


class Published(nn.Module):
    """The published crosscoder's arithmetic, dense throughout."""

    def __init__(self, shape: Shape, device: torch.device) -> None:
        super().__init__()
        weight = torch.randn(shape.sides, shape.width, shape.latents, device=device)
        weight /= weight.norm(dim=1, keepdim=True)
        self.encoder = nn.Parameter(weight)
        self.decoder = nn.Parameter(weight.transpose(1, 2).contiguous())
        self.encoder_bias = nn.Parameter(torch.zeros(shape.latents, device=device))
        self.decoder_bias = nn.Parameter(torch.zeros(shape.sides, shape.width, device=device))
        self.threshold = torch.full((), -1.0, device=device)
        self.silent = torch.zeros(shape.latents, dtype=torch.long, device=device)
        self.adam = torch.optim.Adam(self.parameters(), lr=1e-4)

    def learn(self, x: Tensor, k: int) -> float:
        before = torch.einsum("bld,ldf->blf", x, self.encoder).sum(1)
        values = (before + self.encoder_bias).relu()
        scaled = values * self.decoder.norm(dim=2).sum(0, keepdim=True)
        chosen = scaled.flatten().topk(k * len(x), sorted=False).indices
        codes = torch.zeros_like(scaled.flatten()).scatter(0, chosen, values.flatten()[chosen]).view_as(values)
        with torch.no_grad():
            kept = codes * self.decoder.norm(dim=2).sum(0, keepdim=True)
            least = kept[kept > 0].min()
            self.threshold = least if self.threshold < 0 else 0.999 * self.threshold + 0.001 * least
            self.silent += len(x)
            self.silent[codes.sum(0) > 0] = 0
        errors = x - torch.einsum("bf,lfd->bld", codes, self.decoder) - self.decoder_bias
        loss = torch.linalg.vector_norm(errors, dim=-1).mean()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.parameters(), 1.0)
        self.adam.step()
        self.adam.zero_grad()
        return float(loss.detach())


def activations(case: Case, device: torch.device) -> Tensor:
    """[tokens, sides · width]: sums of some sixty planted directions a token, the commonest in half of all."""
    draws = torch.Generator(device).manual_seed(1)
    shape = case.shape
    directions = torch.randn(case.planted, shape.inputs, generator=draws, device=device)
    often = (30.0 / (torch.arange(case.planted, device=device) + 30)).clamp(max=0.5)
    often *= min(1.0, 60 / float(often.sum()))
    parts = []
    for begin in range(0, case.pool, 4096):
        rows = min(4096, case.pool - begin)
        drawn = torch.rand(rows, case.planted, generator=draws, device=device)
        codes = (drawn < often) * (1 + drawn / often)
        noise = torch.randn(rows, shape.inputs, generator=draws, device=device)
        parts.append((codes @ directions + noise).to(torch.bfloat16))
    pool = torch.cat(parts)
    scale = pool[:4096].float()
    return (pool - scale.mean(0).to(pool.dtype)) / (scale - scale.mean(0)).square().mean().sqrt().to(pool.dtype)


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def seconds(work: Callable[[], object], device: torch.device, times: int) -> float:
    """Of one run of the work, in the mean."""
    wait(device)
    began = time.perf_counter()
    for _ in range(times):
        work()
    wait(device)
    return (time.perf_counter() - began) / times


class Speed(NamedTuple):
    """Tokens a second, and GiB at most beside the activations."""

    rate: float
    memory: float
    said: str = ""


def measured(pool: Tensor, case: Case, batch: int, learn: Callable[[Tensor], object]) -> Speed:
    """A way of training over batches drawn from the pool."""
    draws = torch.Generator(pool.device).manual_seed(2)

    def work() -> None:
        rows = torch.randint(len(pool), (batch,), generator=draws, device=pool.device)
        learn(pool[rows].float())

    for _ in range(case.warm):
        work()
    took = seconds(work, pool.device, case.timed)
    peak = torch.cuda.max_memory_allocated() if pool.is_cuda else 0
    return Speed(batch / took, max(0, peak - pool.nbytes) / GIB)


def published(pool: Tensor, case: Case) -> Speed:
    fresh(pool.device)
    model = Published(case.shape, pool.device)
    return measured(pool, case, case.batch, lambda x: model.learn(x.view(len(x), case.shape.sides, -1), case.k))


def learner(case: Case, device: torch.device) -> Learner:
    # No annealing: the published step is measured at its final k too.
    return Learner(case.shape, Recipe(10**6, case.k, rate=1e-3, anneal=0, warm_up=10), device)


def ours(pool: Tensor, case: Case, batch: int, dead: float = 0.0) -> Speed:
    """Our step; with a share of the latents taken for dead, so that their loss is part of it."""
    fresh(pool.device)
    made = learner(case, pool.device)
    spare = torch.arange(round(dead * case.shape.latents), device=pool.device)

    def learn(x: Tensor) -> None:
        made.spare = spare
        made.learn(x)

    speed, last = measured(pool, case, batch, learn), pool[:batch].float()
    told = made.learn(last)
    left = float(told.errors.square().sum() / last.square().sum())
    return speed._replace(said=f"{left:.3f} of the variance left, {told.active:.0f} active")


def fresh(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def exactness(device: torch.device) -> list[str]:
    """Kernels against plain PyTorch on the same numbers; raises where they differ by more than rounding."""
    torch.manual_seed(0)
    lines = []
    short = torch.bfloat16 if sparse.by_kernels(torch.zeros(0, device=device)) else torch.float32
    for width, kind in ((4608, short), (1000, torch.float32)):
        table, other = (torch.randn(700, width, device=device).to(kind) for _ in range(2))
        count = 5000
        one, two = (torch.randint(700, (count,), device=device).sort().values for _ in range(2))
        two = two[torch.randperm(count, device=device)]
        weight = torch.randn(count, device=device)
        start = sparse.starts(torch.randint(300, (count,), device=device).sort().values, 300)
        sums, power = sparse.bags(table, one, weight, start)
        plain = F.embedding_bag(one, table.double(), start[:-1], mode="sum", per_sample_weights=weight.double())
        made = sparse.products(table, one, sparse.starts(one, 700), other, two)
        dots = (table[one].double() * other[two].double()).sum(1)
        off = {
            "sums": float((sums - plain).norm() / plain.norm()),
            "squares": abs(float(power / plain.square().sum()) - 1),
            "products": float((made - dots).norm() / dots.norm()),
        }
        weights = torch.randn(300, width, device=device)
        twin = nn.Parameter(weights.clone())
        adam = torch.optim.Adam([twin], lr=1e-2)
        learnt = Moments.of(weights, kind)
        for step in (1, 2, 3):
            gradient = torch.randn(300, width, device=device)
            twin.grad = gradient * 0.5
            adam.step()
            lengths = sparse.adam(learnt, gradient, torch.tensor(0.5, device=device), 1e-2, step)
        assert lengths is not None
        plainly = twin.detach()
        off["Adam"] = float((learnt.weights - plainly).norm() / plainly.norm())
        off["Adam's copy"] = float((learnt.copy.float() - plainly).norm() / plainly.norm())
        off["lengths"] = float((lengths - plainly.norm(dim=1)).norm() / lengths.norm())
        for name, gap in off.items():
            if gap > (5e-3 if name == "Adam's copy" else 1e-4):
                raise SystemExit(f"{name} are off by {gap:.2g} at width {width} in {kind}")
        lines.append(f"{width} in {kind}: " + ", ".join(f"{name} {gap:.1e}" for name, gap in off.items()))
    return lines + gradients(device)


def gradients(device: torch.device) -> list[str]:
    """Our step's gradient against autograd's through the same codes, everything dense and in float32."""
    case = Case(Shape(192, 2048), (), k=32)
    made = learner(case, device)
    x = torch.randn(1024, case.shape.inputs, device=device)
    weights = [m.copy.float().clone().requires_grad_() for m in (made.encoder, made.encoder_bias, made.decoder)]
    before = F.linear(x.to(made.kind).float(), weights[0], weights[1])
    found, _ = sparse.strongest(
        x.to(made.kind), made.encoder.copy, made.encoder_bias.copy, made.norm, case.k * len(x), None
    )
    values = torch.zeros_like(before).index_put((found.row, found.latent), found.value)
    # The step's own codes, rounded as they are; the gradient goes through the product behind them.
    codes = values + (before - before.detach()) * (values > 0)
    loss = (x - codes @ weights[2]).square().sum() / len(x)
    torch.autograd.backward(loss)
    told = made.learn(x)
    cut = float((made.recipe.clip / told.length).clamp(max=1))
    lines = []
    for name, own, twin in zip(
        ("encoder", "encoder's bias", "decoder"),
        (made.encoder, made.encoder_bias, made.decoder),
        weights,
        strict=True,
    ):
        assert twin.grad is not None
        gap = float((own.mean / 0.1 / cut - twin.grad).norm() / twin.grad.norm())
        if gap > 0.01:
            raise SystemExit(f"the gradient of the {name} is off by {gap:.2g}")
        lines.append(f"gradient of the {name} off by {gap:.1e}")
    return lines


KINDS = {
    "encoder's product": ("gemm", "nvjet", "cutlass", "xmma", "splitk"),
    "weighted sums of rows": ("_bags",),
    "products of rows": ("_products",),
    "Adam": ("_adam",),
    "search for active entries": ("_hits", "_collect"),
    "choice and sorting": ("sort", "radix", "topk", "scan", "histogram", "gathertopk", "bitonic", "searchsorted"),
    "copies": ("memcpy", "memset"),
}


def profile(pool: Tensor, case: Case, batch: int) -> str:
    """Milliseconds of a step by kind of kernel, as a line."""
    made = learner(case, pool.device)
    x = pool[:batch].float()
    for _ in range(case.warm):
        made.learn(x)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as seen:
        took = seconds(lambda: made.learn(x), pool.device, 5)
    found: Counter[str] = Counter()
    for event in seen.key_averages():
        # Nanoseconds of five steps: whole numbers, as a counter wants.
        spent = round(getattr(event, "self_device_time_total", 0) * 1e3)
        name = event.key.lower()
        kind = next((kind for kind, words in KINDS.items() if any(w in name for w in words)), f"`{name[-48:]}`")
        found[kind] += spent
    parts = ", ".join(f"{kind} {spent / 5e6:.2f}" for kind, spent in found.most_common(14))
    return f"batch {batch:,}: {took * 1e3:.2f} ms a step: {parts}, idle {took * 1e3 - found.total() / 5e6:.2f}"


def floor(pool: Tensor, case: Case, batch: int) -> str:
    """What the encoder's product and Adam take by themselves: no step of this kind can be faster."""
    fresh(pool.device)
    made = learner(case, pool.device)
    short = pool[:batch].to(made.kind)
    gradient = torch.zeros_like(made.encoder.weights)
    one = torch.ones((), device=pool.device)

    def product() -> None:
        for run in sparse.runs(batch, case.shape.latents, pool.is_cuda):
            F.linear(short[run], made.encoder.copy, made.encoder_bias.copy)

    def adam() -> None:
        sparse.adam(made.encoder, gradient, one, 1e-4, 5)

    product()
    adam()
    dense, both = seconds(product, pool.device, 10), 2 * seconds(adam, pool.device, 10)
    flop = 2 * batch * case.shape.inputs * case.shape.latents / dense
    moved = 2 * gradient.numel() * (7 * 4 + made.kind.itemsize) / both
    return (
        f"batch {batch:,}: product {dense * 1e3:.2f} ms ({flop / 1e12:.0f} TFLOP/s), Adam {both * 1e3:.2f} ms "
        f"({moved / 1e12:.2f} TB/s): at most {batch / (dense + both):,.0f} tokens/s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    device, lines = torch.device("cuda" if torch.cuda.is_available() else "cpu"), list[str]()

    def say(line: str) -> None:
        print(line, flush=True)
        lines.append(line)
        # After each line: a run that is cut short has told what it found.
        if asked.out:
            asked.out.write_text("\n".join(lines) + "\n", encoding="utf-8")

    name = torch.cuda.get_device_name() if device.type == "cuda" else platform.processor()
    say(f"device: {name}; torch {torch.__version__}, python {platform.python_version()}, {time.strftime('%F')}\n")
    for line in exactness(device):
        say(f"- {line}")
    # The published trainer's setting; products in bfloat16 are not concerned.
    torch.backends.cuda.matmul.allow_tf32 = True
    for case in TINY if asked.tiny else CASES:
        pool = activations(case, device)
        say(f"\n2 × {case.shape.width:,} × {case.shape.latents:,}, k {case.k}\n")
        say("| way | batch | tokens/s | times published | GiB | |\n|---|---|---|---|---|---|")
        base = published(pool, case)
        say(f"| published, TF32 | {case.batch:,} | {base.rate:,.0f} | 1 | {base.memory:.1f} | |")
        for batch, dead in [*((batch, 0.0) for batch in case.batches), (case.batch, 0.05)]:
            try:
                speed = ours(pool, case, batch, dead)
            except torch.OutOfMemoryError:
                say(f"| ours | {batch:,} | does not fit | | | |")
                continue
            way = f"ours, {dead:.0%} dead" if dead else "ours"
            figures = f"{speed.rate:,.0f} | {speed.rate / base.rate:.2f} | {speed.memory:.1f} | {speed.said}"
            say(f"| {way} | {batch:,} | {figures} |")
        for batch in (case.batches[0], case.batches[-2]):
            say(f"\n- floor, {floor(pool, case, batch)}")
            if device.type == "cuda":
                say(f"- profile, {profile(pool, case, batch)}")


if __name__ == "__main__":
    main()
