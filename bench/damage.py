"""Damages of every kind to every file of a small study, and what became of each: right, healed, or said.

    python -m bench.damage [N]

A damage is drawn by a seed; a figure that differs from the undisturbed study's is counted as wrong, and an error
that is no sentence as uncaught. Of the two files that people edit, a changed letter is an edit and is not drawn.
"""

import argparse
import logging
import os
import random
import shutil
import tempfile
from collections import Counter
from pathlib import Path

from diffing.reader import encode
from tests.fakes import damages
from tests.fakes.reader import FakeReader


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("number", nargs="?", type=int, default=200)
    number = parser.parse_args().number
    logging.disable(logging.WARNING)
    reader = FakeReader(window=64)
    setattr(encode, "load_reader", lambda _choice, _device: reader)  # noqa: B010  # a fake, as the tests have it
    table: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-damage-") as folder:
        home, backup = Path(folder) / "home", Path(folder) / "backup"
        home.mkdir()
        os.environ["DIFFING_HOME"] = str(home)
        study = damages.make(reader)
        wanted = damages.look(study.name)
        shutil.copytree(home, backup)
        for seed in range(number):
            chance = random.Random(seed)
            path = chance.choice(damages.targets(study))
            kinds = damages.DAMAGES
            if path.name in damages.EDITED:
                kinds = [kind for kind in kinds if kind is not damages.flipped]
            kind = chance.choice(kinds)
            kind(path, chance)
            try:
                became = str(damages.outcome(study.name, wanted))
            except AssertionError as error:
                became = "wrong"
                print(f"seed {seed}: {kind.__name__} {path.name}: {error}")
            except Exception as error:
                became = "uncaught"
                print(f"seed {seed}: {kind.__name__} {path.name}: {type(error).__name__}: {error}")
            table.setdefault(kind.__name__, Counter())[became] += 1
            damages.restored(home, backup)
    columns = ("right", "healed", "said", "wrong", "uncaught")
    print(f"| damage | tried | {' | '.join(columns)} |\n|---|---|{'---|' * len(columns)}")
    total: Counter[str] = Counter()
    for name, counts in sorted(table.items()):
        total += counts
        print(f"| {name} | {counts.total()} | {' | '.join(str(counts[column]) for column in columns)} |")
    print(f"| all | {total.total()} | {' | '.join(str(total[column]) for column in columns)} |")


if __name__ == "__main__":
    main()
