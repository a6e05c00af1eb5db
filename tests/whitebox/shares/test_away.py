"""Looking inside by workers elsewhere: whoever does the cells, the results are those of one process."""

from collections.abc import Iterator, Sequence
from typing import Any, Self

import pandas as pd
import pytest

from diffing import jobs
from diffing.common.errors import UserError
from diffing.jobs.machines.door import Look, Outcome, Part
from diffing.models import providers
from diffing.study.study import Study
from diffing.whitebox import inside, organisms, sweep
from diffing.whitebox.plan import Options
from diffing.whitebox.shares import away, cell
from diffing.whitebox.sight import seen
from tests.fakes import pairs as fakes
from tests.fakes.watch import Watch

ASKED: dict[str, Any] = {
    "methods": ["divergence", "weights"],
    "settings": {"divergence": {"resamples": 100}},
    "texts": {"source": "own", "count": 8, "length": 12},
    "nulls": ["same", "rotated:1"],
}


class Here:
    """A runner of this process: real workers, one after the other, of which some may fail at a part."""

    def __init__(self, work: Any, given: dict[str, Any], fails: Sequence[str] = ()) -> None:
        self.work, self.given, self.fails = work, given, fails

    def __enter__(self) -> Self:
        self.do = self.work(self.given, "cpu")
        return self

    def __exit__(self, *_: object) -> None: ...

    def run(self, parts: Sequence[Part], look: Look) -> Iterator[Outcome]:
        for number, part in enumerate(parts):
            look()
            fault = "its device was lost" if part.key in self.fails else ""
            result = {} if fault else self.do(part.what)
            again = int(number == 0)
            yield Outcome(part.key, part.what, result, fault, "w-1", "m", "cpu", 1.0, again, 2.0 * again)


def results(study: Study) -> dict[str, bytes]:
    """The tables and arrays of what was found."""
    root = study.folder / seen.FOLDER
    found = [path for path in sorted(root.rglob("*")) if path.is_file() and path.suffix != ".json"]
    return {str(path.relative_to(root)): path.read_bytes() for path in found}


def test_cells_done_by_workers_are_what_one_process_finds(tmp_path: Any) -> None:
    folders = fakes.make(tmp_path, "llama")
    sides = [providers.parse(f"hf:{folders.base}", "a"), providers.parse(folders.low_rank, "b")]
    made = {name: Study.create(name, sides, pd.DataFrame({"text": ["Hello"]})) for name in ("one", "many")}
    assert jobs.run_here(made["one"], "inside", ASKED).state == "done"
    study, options = made["many"], Options.model_validate(ASKED | {"on": "ray"})
    given = away.told(study, options)
    with pytest.raises(UserError, match="rotated-0: its device was lost. What was done is stored"):
        away.run(study, Here(inside.worker, given, ["rotated-0"]), options, Watch())
    assert not seen.there(study)
    done = away.run(study, Here(inside.worker, given), options, Watch())
    assert (done["parts"], done["workers"], done["done_again"], done["lost_seconds"]) == (1, 1, 1, 2.0)
    assert results(study) == results(made["one"])
    assert not cell.root_of(study, "a", "b").exists()


def test_a_sweep_by_workers_is_told_organism_by_organism() -> None:
    found = [organisms.find(name) for name in ("style", "control")]
    texts = {"source": "own", "count": 4, "length": 8}
    given = {"options": {"methods": ["weights"], "texts": texts, "nulls": ["same"]}}
    runner = Here(sweep.worker, given, [found[1].written])
    rows = [row for _, row in sweep.run(found, runner, lambda: None)]
    assert [(row.organism, row.fault) for row in rows] == [
        (found[0].written, ""),
        (found[1].written, "its device was lost"),
    ]
    assert rows[0].seen is not None and [each.name for each in rows[0].seen.methods] == ["weights"]
