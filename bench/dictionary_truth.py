"""Whether a crosscoder and a difference SAE find what only one model has, where that is known.

    python -m bench.dictionary_truth [--tokens N] [--seeds N]

Pairs of activations are sums of planted directions: most in both models, some in the base or the variant alone,
more of them than there are numbers a token. Counted are planted exclusive directions that some latent writes
(cosine above 0.9), and latents which the crosscoder calls exclusive (leaning above 0.9 or below 0.1) that write
none of them. A control has no exclusive direction at all. The tests have the same at a small size.
"""

import argparse
import platform
import time
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from diffing.whitebox.dictionaries.dictionary import Dictionary
from diffing.whitebox.dictionaries.shape import Scale, Shape, scale_of, sides_of
from diffing.whitebox.dictionaries.step import Learner, Recipe

WIDTH, SHARED, OWN, OFTEN, BATCH = 256, 1200, 60, 0.01, 2048


class Planted(NamedTuple):
    """Directions of both models, of the base alone and of the variant alone."""

    shared: Tensor
    base: Tensor
    variant: Tensor

    def pairs(self, count: int, draws: torch.Generator) -> Tensor:
        def some(directions: Tensor) -> Tensor:
            size, device = (count, len(directions)), directions.device
            fires = torch.rand(size, generator=draws, device=device) < OFTEN
            return (fires * (3 + 3 * torch.rand(size, generator=draws, device=device))) @ directions

        both = some(self.shared)
        sides = torch.stack([both + some(self.base), both + some(self.variant)], 1)
        return sides + 0.05 * torch.randn(sides.shape, generator=draws, device=sides.device)


def planted(own: int, draws: torch.Generator) -> Planted:
    rows = torch.randn(SHARED + 2 * own, WIDTH, generator=draws, device=draws.device)
    return Planted(*torch.split(normalize(rows, dim=1), [SHARED, own, own]))


def learnt(truth: Planted, shape: Shape, k: float, tokens: int, draws: torch.Generator) -> Dictionary:
    steps = tokens // BATCH
    scale: Scale = scale_of(truth.pairs(16_384, draws), shape).to(draws.device, torch.float32)
    recipe = Recipe(steps, k, 2e-3, steps // 20, anneal=steps // 5, dead_after=tokens // 20)
    learner = Learner(shape, recipe, draws.device)
    for _ in range(steps):
        learner.learn(scale.apply(sides_of(truth.pairs(BATCH, draws), shape.sides)))
    return Dictionary.of(learner, scale)


def told(name: str, claimed: Tensor, truth: Tensor, seconds: float) -> None:
    """A line of the table: found among the planted, false among the claimed."""
    likeness = normalize(claimed, dim=1) @ truth.T > 0.9
    found = f"{float(likeness.any(0).float().mean()):.1%} of {len(truth)}" if len(truth) else ""
    false = int((~likeness.any(1)).sum())
    print(f"| {name} | {found} | {false} of {len(claimed)} | {seconds:.0f} |", flush=True)


def crosscoder(own: int, seed: int, tokens: int, device: torch.device) -> None:
    draws = torch.Generator(device).manual_seed(seed)
    truth, began = planted(own, draws), time.perf_counter()
    active = OFTEN * (SHARED + 2 * own)
    found = learnt(truth, Shape(WIDTH, 2048), active, tokens, draws)
    took = time.perf_counter() - began
    latents = found.encode(truth.pairs(16_384, draws)).latent
    alive = torch.bincount(latents, minlength=2048) > 16
    leaning, directions = found.leaning(), found.towards()[1]
    name = f"crosscoder, seed {seed}" if own else f"control, seed {seed}"
    told(f"{name}: variant alone", directions[(leaning > 0.9) & alive], truth.variant, took)
    told(f"{name}: base alone", directions[(leaning < 0.1) & alive], truth.base, took)


def difference(seed: int, tokens: int, device: torch.device) -> None:
    draws = torch.Generator(device).manual_seed(seed)
    truth, began = planted(OWN, draws), time.perf_counter()
    found = learnt(truth, Shape(WIDTH, 256, 1), 2 * OWN * OFTEN, tokens, draws)
    took = time.perf_counter() - began
    alive = torch.bincount(found.encode(truth.pairs(16_384, draws)).latent, minlength=256) > 16
    told(f"difference SAE, seed {seed}", found.written()[alive, 0], torch.cat([truth.variant, -truth.base]), took)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=2_000_000)
    parser.add_argument("--seeds", type=int, default=2)
    asked = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name() if device.type == "cuda" else platform.processor()
    print(f"device: {name}; torch {torch.__version__}, {time.strftime('%F')}; {asked.tokens:,} tokens each\n")
    print("| | found | false | s |\n|---|---|---|---|")
    for seed in range(asked.seeds):
        crosscoder(OWN, seed, asked.tokens, device)
        crosscoder(0, seed, asked.tokens, device)
        difference(seed, asked.tokens, device)


if __name__ == "__main__":
    main()
