"""What a dictionary of a bundled organism takes and gives on a small machine: the step as a user runs it.

    python -m bench.dictionary_small [--organisms style fact …] [--kinds crosscoder difference] [OPTION=VALUE …]

Each organism is a study without answers in a home of its own, so the texts are those that the starter writes with
a seed. Printed are the seconds of each part (writing the texts, both models' passes, training, telling what they
do), the processor's seconds in all, shares explained in the last batch and on held-out texts, latents a token and
dead ones; then, of the latents that write the largest shares of the difference, how many of the first ten are
planted and which is the first: one is where its strongest passages are about a planted word, or it writes one
(`bench.inside.PLANTED`). Controls have nothing planted and are held against the words of each plant in turn: what
stands there is the most that any of them seems to have. The load of the machine stands beside, since other work on
it makes all of it slower.
"""

import argparse
import json
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

import bench.absent  # noqa: F401 - stands in for packages before the engine names them
from bench.inside import PLANTED
from diffing.models import providers
from diffing.study.study import Study
from diffing.whitebox.dictionaries import job, shelf

FIRST = 10
PARTS = {
    "opening the pair": "texts",
    "both models read": "passes",
    "measuring activations": "training",
    "what latents do": "telling",
}
"""What the step says as a part begins, and what the table calls it."""


class Clock:
    """Progress that counts the seconds of each part."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(PARTS.values(), 0.0)
        self._part, self._since = "texts", time.perf_counter()

    def update(self, _done: int, _total: int, *_: object, note: str = "") -> None:
        now = time.perf_counter()
        self.seconds[self._part] += now - self._since
        self._part, self._since = PARTS.get(note, self._part), now

    def check(self) -> None: ...

    def billed(self, *_: object) -> None: ...

    def over(self) -> None: ...

    def log(self, line: str) -> None: ...


def planted(study: Study, name: str, plant: str, latent: int) -> bool:
    """Whether a latent is about a plant: most of its strongest passages, or a token that it writes."""
    said = re.compile(PLANTED[plant], re.IGNORECASE)
    tokens, passages = shelf.table(study, name, "tokens"), shelf.table(study, name, "passages")
    writes = tokens[(tokens["latent"] == latent) & (tokens["rank"] < 3)]["text"]
    top = passages[(passages["latent"] == latent) & (passages["from"] >= 0.95)]
    peaks = [row.tokens[row.position - row.start] for row in top.itertuples()]
    hits = sum(bool(said.search(peak)) for peak in peaks)
    return any(said.search(text) for text in writes) or (len(peaks) > 0 and hits > len(peaks) / 2)


def line(organism: str, kind: str, options: dict[str, Any]) -> str:
    sides = [providers.parse("starter", "a"), providers.parse(f"starter+{organism}", "b")]
    study, clock, begun = Study.create(f"{organism}-{kind}", sides), Clock(), time.process_time()
    result = job.run(study, job.Options.model_validate({"kind": kind, "texts": OWN} | options), clock)
    clock.update(0, 0)
    worked = time.process_time() - begun
    name = result["name"]
    explained = shelf.table(study, name, "explained").set_index("of")["share"]
    curves = shelf.curves(study, name).iloc[-1]
    shares = [f"{curves[f'explained_{of}']:.0%} / {explained[of]:.0%}" for of in explained.index]
    shares = ["–"] * (3 - len(shares)) + shares
    table = shelf.table(study, name, "latents").nlargest(FIRST, "share")
    plants = [organism] if organism in PLANTED else list(PLANTED)
    # Of a control the plant of which most would be seen: what is seen there is none.
    hits = max(([planted(study, name, plant, n) for n in table["latent"]] for plant in plants), key=sum)
    first = str(hits.index(True) + 1) if any(hits) else "–"
    seconds = " | ".join(f"{clock.seconds[part]:.0f}" for part in PARTS.values())
    load = f"{os.getloadavg()[0]:.1f}"
    return (
        f"| {organism} | {kind} | {seconds} | {sum(clock.seconds.values()):.0f} | {worked:.0f} | "
        f"{' | '.join(shares)} | "
        f"{curves['active']:.0f} | {curves['dead']:.0%} | {sum(hits)} | {first} | {load} |"
    )


OWN: dict[str, Any] = {"source": "own", "count": 1024, "length": 128}
"""As the step's usual choice has it, but for its source."""


@contextmanager
def home() -> Iterator[None]:
    with tempfile.TemporaryDirectory() as root:
        before = os.environ.get("DIFFING_HOME")
        os.environ["DIFFING_HOME"] = str(Path(root))
        try:
            yield
        finally:
            if before is None:
                del os.environ["DIFFING_HOME"]
            else:
                os.environ["DIFFING_HOME"] = before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--organisms", nargs="+", default=[*PLANTED, "control", "control-2"])
    parser.add_argument("--kinds", nargs="+", default=["crosscoder", "difference"])
    parser.add_argument("options", nargs="*", metavar="OPTION=VALUE")
    asked = parser.parse_args()
    options = {name: json.loads(value) for name, _, value in (each.partition("=") for each in asked.options)}
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}, {time.strftime('%F')}; {options}\n")
    heads = ["organism", "kind", *(f"{part}, s" for part in PARTS.values()), "all, s", "processor, s"]
    heads += [f"{of} explained: last batch / held out" for of in ("base", "variant", "difference")]
    heads += ["latents a token", "dead", f"planted of the first {FIRST}", "first", "load"]
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}", flush=True)
    with home():
        for organism in asked.organisms:
            for kind in asked.kinds:
                print(line(organism, kind, {"latents": 2048} | options), flush=True)


if __name__ == "__main__":
    main()
