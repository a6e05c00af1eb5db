"""Whether dictionaries find what only one model has, where that is known, and what they claim where nothing is.

    python -m bench.dictionary_truth [--tokens N] [--seeds N] [--at-once N] [--out DIR]
    python -m bench.dictionary_truth --organism all [--tokens N] [--kind difference|crosscoder] [--out DIR]

Without an organism, pairs of activations are sums of planted directions at two sizes: most in both models, some
in the base or the variant alone, more of them than there are numbers a token. Counted are planted exclusive
directions that some latent called exclusive (`exclusive`: ν with its interval) writes, with a cosine above 0.9,
and latents so called that write none. Beside it stand pairs with nothing between: only noise, the variant
longer, the variant turned; and how often verdicts are `real` among nulls alone. With organisms (`all` or names)
it is `dictionary_organisms`, a process each, so many at once. Tables are printed; `--out`, or the variable OUT,
takes them too, with JSON beside.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import normalize

import bench.absent  # noqa: F401 - stands in for packages before the engine names them
from bench.latent_tables import tables
from diffing.whitebox.dictionaries import exclusive, latents, stable, verdict
from diffing.whitebox.dictionaries.dictionary import Dictionary
from diffing.whitebox.dictionaries.latents import Seen
from diffing.whitebox.dictionaries.shape import Scale, Shape, scale_of, sides_of
from diffing.whitebox.dictionaries.step import Learner, Recipe

BATCH, OFTEN = 2048, 0.01
ORGANISMS = ("fact", "style", "language", "topic", "trigger", "removal", "control", "control-2")
NOISES = 400
"""Of nulls alone that verdicts are simulated on."""


class Size(NamedTuple):
    """Of a planted pair and the crosscoder that learns it."""

    width: int
    shared: int
    own: int
    latents: int


SIZES = (Size(128, 400, 20, 768), Size(256, 1200, 60, 2048))


class Planted(NamedTuple):
    """Directions of both models, of the base alone and of the variant alone; `alter` makes another variant."""

    shared: Tensor
    base: Tensor
    variant: Tensor
    alter: Callable[[Tensor], Tensor]

    def pairs(self, count: int, draws: torch.Generator) -> Tensor:
        def some(directions: Tensor) -> Tensor:
            size, device = (count, len(directions)), directions.device
            fires = torch.rand(size, generator=draws, device=device) < OFTEN
            return (fires * (3 + 3 * torch.rand(size, generator=draws, device=device))) @ directions

        both = some(self.shared)
        sides = torch.stack([both + some(self.base), self.alter(both) + some(self.variant)], 1)
        return sides + 0.05 * torch.randn(sides.shape, generator=draws, device=sides.device)


def planted(size: Size, own: int, draws: torch.Generator, alter: Callable[[Tensor], Tensor]) -> Planted:
    rows = torch.randn(size.shared + 2 * own, size.width, generator=draws, device=draws.device)
    shared, base, variant = torch.split(normalize(rows, dim=1), [size.shared, own, own])
    return Planted(shared, base, variant, alter)


def learnt(truth: Planted, shape: Shape, k: float, tokens: int, draws: torch.Generator, seed: int) -> Dictionary:
    steps = max(10, tokens // BATCH)
    scale: Scale = scale_of(truth.pairs(16_384, draws), shape).to(draws.device, torch.float32)
    recipe = Recipe(steps, k, 2e-3, steps // 20, anneal=steps // 5, dead_after=tokens // 20, seed=seed)
    learner = Learner(shape, recipe, draws.device)
    for _ in range(steps):
        learner.learn(scale.apply(sides_of(truth.pairs(BATCH, draws), shape.sides)))
    return Dictionary.of(learner, scale)


def fresh(truth: Planted, draws: torch.Generator) -> list[Seen]:
    """Activations that no dictionary was trained on, sixteen to a document."""
    return [Seen(truth.pairs(4096, draws), (np.arange(4096) + 4096 * n) // 16) for n in range(8)]


def synthetic(size: Size, kind: str, case: str, seed: int, tokens: int, device: torch.device) -> dict[str, Any]:
    """One dictionary, and what it calls exclusive."""
    draws, began = torch.Generator(device).manual_seed(seed), time.perf_counter()
    own = size.own if case == "planted" else 0
    turn = torch.linalg.qr(torch.randn(size.width, size.width, generator=draws, device=device)).Q
    alter = {"longer": lambda x: 1.5 * x, "turned": lambda x: x @ turn}.get(case, lambda x: x)
    truth = planted(size, own, draws, alter)
    if kind == "crosscoder":
        shape, k = Shape(size.width, size.latents), OFTEN * (size.shared + 2 * own)
    else:
        # A difference of nothing is noise, of which a few latents are learnt all the same.
        changes = size.shared if case in ("longer", "turned") else max(2 * own, 8)
        shape, k = Shape(size.width, max(2 * size.own, 2 * changes), 1), max(0.2, OFTEN * changes)
    one, two = (learnt(truth, shape, k, tokens, draws, each) for each in (seed, seed + 1000))
    seen = fresh(truth, draws)
    table = latents.measured(one, seen)
    again = stable.stable(one, two, seen)["stable"].to_numpy()
    whose = exclusive.exclusive(table).to_numpy()
    claimed = one.towards()[1]
    row: dict[str, Any] = {"kind": kind, "width": size.width, "latents": shape.latents, "case": case, "seed": seed}
    wanted = torch.cat([truth.variant, truth.base]) if own else None
    for name, chosen in {"": whose != "", " and stable": (whose != "") & again}.items():
        rows = normalize(claimed[torch.from_numpy(chosen).to(device)], dim=1)
        row[f"called{name}"] = int(chosen.sum())
        if wanted is not None:
            # A difference writes what is gone against its direction.
            alike = (rows @ wanted.T).abs() > 0.9
            row[f"found{name}"] = float(alike.any(0).float().mean())
            row[f"false{name}"] = float((~alike.any(1)).float().mean()) if len(rows) else 0.0
    return row | {"seconds": round(time.perf_counter() - began, 1)}


def noises(count: int) -> dict[str, float]:
    """How often verdicts are `real` where a pair is one more null, and are not for a latent that does more."""
    draws = np.random.default_rng(1)
    false = missed = 0
    for _ in range(count):
        drawn = draws.gamma(2.0, 0.1, size=(5, 40))
        theirs = [(str(n), pd.DataFrame({"effect": row})) for n, row in enumerate(drawn[1:])]
        table = verdict.judged(**tables(np.append(drawn[0], 3.0), 0.05), nulls=theirs).set_index("latent")
        real = table["verdict"] == verdict.REAL
        false += bool(real.drop(40).any())
        missed += not real[40]
    return {"noises": count, "nulls called real": false / count, "planted missed": missed / count}


def organisms(names: list[str], rest: list[str], out: Path, at_once: int) -> None:
    """Each in a process of its own; what is told is written as each ends, so that a run cut short shows some."""
    # One thread each on a machine whose cores they share.
    threads = str(max(1, (os.cpu_count() or 1) // at_once))

    def one(name: str) -> None:
        command = [sys.executable, "-m", "bench.dictionary_organisms", name, "--out", str(out), *rest]
        if ended := subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": threads}).returncode:
            print(f"{name} ended with {ended}", flush=True)
        found = [json.loads(path.read_text()) for each in names if (path := out / f"{each}.json").exists()]
        (out / "organisms.md").write_text(lines([row_of(each) for each in found]) + "\n", encoding="utf-8")

    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(one, names))
    print((out / "organisms.md").read_text(encoding="utf-8"))


def row_of(told: dict[str, Any]) -> dict[str, Any]:
    """What the table says of an organism."""
    places = {
        which: ", ".join(str(n) for n, latent in enumerate(told[f"first_{which}"], 1) if latent["planted"])
        for which in ("exclusive", "real")
    }
    own, *nulls = told["counts"]
    return {
        "organism": told["organism"],
        "alive": own["alive"],
        "exclusive": own["base"] + own["variant"],
        "in nulls": ", ".join(str(row["base"] + row["variant"]) for row in nulls),
        "exclusive and stable": told["exclusive_stable"],
        "planted among the first 10 exclusive": places["exclusive"] or "–",
        "real": told["real"],
        "planted among the first 10 real": places["real"] or "–",
        "s": round(told["seconds"]["all"]),
    }


def alone(at_once: int) -> None:
    """Its share of the cores for each process."""
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // at_once))


def totals(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each size and kind the mean over seeds of what is found and false, and all that is called of nothing."""
    table, told = pd.DataFrame(rows), []
    for (width, kind), part in table.groupby(["width", "kind"]):
        own, nothing = part[part["case"] == "planted"], part[part["case"] != "planted"]
        row: dict[str, Any] = {"width": width, "kind": kind, "seeds": len(own)}
        for name in ("", " and stable"):
            if len(own):
                row |= {f"{what}{name}": f"{own[f'{what}{name}'].mean():.1%}" for what in ("found", "false")}
            row[f"called{name} of nothing"] = int(nothing[f"called{name}"].sum())
        told.append(row)
    return told


def lines(rows: list[dict[str, Any]]) -> str:
    """A table in Markdown."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    told = [" | ".join(str(row.get(name, "")) for name in names) for row in rows]
    return "\n".join(f"| {row} |" for row in (" | ".join(names), " | ".join(["---"] * len(names)), *told))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=2_000_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sizes", type=int, default=len(SIZES), help="of the two, the first so many")
    parser.add_argument("--at-once", type=int, default=1, help="processes side by side")
    parser.add_argument("--organism", nargs="*", default=[], help="names, or all")
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT", "bench-dictionaries")))
    asked, rest = parser.parse_known_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    if asked.organism:
        names = list(ORGANISMS) if asked.organism == ["all"] else asked.organism
        organisms(names, ["--tokens", str(asked.tokens), *rest], asked.out, asked.at_once)
        return
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name() if device.type == "cuda" else platform.processor()
    print(f"device: {name}; torch {torch.__version__}, {time.strftime('%F')}; {asked.tokens:,} tokens each\n")
    tasks = [
        (size, kind, case, seed, asked.tokens, device)
        for size in SIZES[: asked.sizes]
        for seed in range(asked.seeds)
        for kind in ("crosscoder", "difference")
        for case in ("planted", "nothing", "longer", "turned")
    ]
    rows = []
    # Spawned, since a process with a GPU cannot be copied.
    pool = ProcessPoolExecutor(asked.at_once, get_context("spawn"), initializer=alone, initargs=(asked.at_once,))
    with pool:
        for done in as_completed([pool.submit(synthetic, *task) for task in tasks]):
            rows.append(done.result())
            print(rows[-1], flush=True)
            rows.sort(key=lambda row: [str(row[name]) for name in ("width", "seed", "kind", "case")])
            told = f"{lines(rows)}\n\n{lines(totals(rows))}\n"
            (asked.out / "synthetic.json").write_text(json.dumps(rows, indent=1))
            (asked.out / "synthetic.md").write_text(told, encoding="utf-8")
    told += f"\n{noises(NOISES)}\n"
    (asked.out / "synthetic.md").write_text(told, encoding="utf-8")
    print(f"\n{told}")


if __name__ == "__main__":
    main()
