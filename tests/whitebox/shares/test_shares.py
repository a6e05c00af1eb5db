"""Shares of a look inside: joined they are what one undisturbed run gives, whatever became of each on its way."""

import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from diffing import jobs
from diffing.common import files
from diffing.common.errors import Cancelled, UserError
from diffing.jobs.machines import seen as beats
from diffing.jobs.machines.share import Share, cards
from diffing.models import providers
from diffing.study.study import Study
from diffing.whitebox.plan import Options
from diffing.whitebox.shares import cell
from diffing.whitebox.shares import share as one_share
from diffing.whitebox.sight import seen
from tests.fakes import pairs as fakes
from tests.fakes.pairs import Folders
from tests.fakes.processes import until
from tests.fakes.watch import Watch

ASKED: dict[str, Any] = {
    # One of the shared pass, one that works by itself, and one whose figures hang on its nulls.
    "methods": ["divergence", "weights", "lens"],
    "settings": {"divergence": {"resamples": 100}},
    "texts": {"source": "own", "count": 12, "length": 12},
    "nulls": ["same", "rotated:2"],
}
CELLS = ["pair", "rotated-0", "rotated-1", "same"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return fakes.make(tmp_path_factory.mktemp("pairs"), "llama")


def study_of(folders: Folders) -> Study:
    sides = [providers.parse(f"hf:{folders.base}", "a"), providers.parse(folders.low_rank, "b")]
    return Study.create("s", sides, pd.DataFrame({"text": ["Hello"]}))


@pytest.fixture(scope="module")
def alone(folders: Folders, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one undisturbed run leaves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIFFING_HOME", str(tmp_path_factory.mktemp("home")))
        study = study_of(folders)
        assert jobs.run_here(study, "inside", ASKED).state == "done"
        return held(study)


def held(study: Study) -> dict[str, Any]:
    """Every file of the results, but for dates and the memory that happened to be free."""
    found: dict[str, Any] = {}
    for path in sorted((study.folder / seen.FOLDER).rglob("*")):
        if path.is_file():
            found[str(path.relative_to(study.folder))] = (
                undated(files.read_json(path)) if path.suffix == ".json" else path.read_bytes()
            )
    return found


def undated(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: undated(inner) for name, inner in value.items() if name not in ("date", "memory")}
    return [undated(inner) for inner in value] if isinstance(value, list) else value


def do(study: Study, share: str, watch: Watch | None = None, **more: Any) -> dict[str, Any]:
    options = Options.model_validate(ASKED | more)
    return one_share.run(study, options, Share.parse(share), watch or Watch())


def join(study: Study) -> Any:
    return jobs.run_here(study, "inside", ASKED | {"join": True})


def apart(name: str, share: str) -> None:
    """In a process of its own."""
    torch.set_num_threads(1)
    do(Study.open(name), share)


def test_shares_in_any_order_one_twice_one_stopped_and_one_killed_are_one_run(
    folders: Folders, alone: dict[str, Any]
) -> None:
    study = study_of(folders)
    root = cell.root_of(study, "a", "b")
    killed = multiprocessing.get_context("fork").Process(target=apart, args=(study.name, "1/3"))
    killed.start()
    until(lambda: list(root.glob("making/*/*")), "share 1 at work")
    os.kill(killed.pid or 0, signal.SIGKILL)
    killed.join()
    with pytest.raises(Cancelled):
        do(study, "3/3", Watch(stop_after=1))
    second = do(study, "2/3")
    assert second["names"] == [name for name, number in cards(CELLS, 3).items() if number == 2]
    assert (second["done"], do(study, "2/3")["done"]) == (1, 0)
    assert not seen.there(study)
    lacks = join(study)
    assert lacks.state == "failed"
    # What was killed a moment ago may still be at it for all that anybody knows.
    assert "(1/3 lacks pair, same, running a moment ago; 3/3 lacks rotated-1)" in lacks.error
    for share in ("3/3", "1/3"):
        do(study, share)
    assert {beat.state for beat in beats.of(study) if beat.part == "inside 3/3"} == {"cancelled", "done"}
    done = join(study)
    assert (done.state, done.error) == ("done", "")
    assert done.total == 0, "nothing is left to be read"
    assert held(study) == alone
    # What the killed one left is all that stays: nobody can know that it is dead.
    assert [path.name for path in root.iterdir()] == ["making"]


def test_what_is_damaged_or_made_of_something_else_is_told_and_takes_no_part(
    folders: Folders, alone: dict[str, Any]
) -> None:
    study = study_of(folders)
    root = cell.root_of(study, "a", "b")
    do(study, "1/1", texts={"source": "own", "count": 10, "length": 12}, nulls=["same"])
    nothing = join(study)
    assert "has no share of 'inside' to join that fits what is asked" in nothing.error
    before = {one.folder for one in cell.opened(root)[0]}
    do(study, "1/1")
    fresh = [one for one in cell.opened(root)[0] if one.folder not in before]
    pair = next(one for one in fresh if one.manifest.cell == "pair")
    broken = next(path for path in sorted(pair.folder.rglob("*.parquet")))
    data = bytearray(broken.read_bytes())
    data[len(data) // 2] ^= 1
    broken.write_bytes(data)
    lacks = join(study)
    assert "Shares of 'inside' of study 's' are not whole (1/1 lacks pair" in lacks.error
    log = "\n".join(jobs.recent(study)[0].log_tail(50))
    assert "is not what was written; it is left out and stays as" in log
    assert "was made of other weights, texts, settings or numbers than are asked for here" in log
    assert do(study, "1/1")["done"] == 1
    assert join(study).state == "done"
    assert held(study) == alone
    assert {one.manifest.cell for one in cell.opened(root)[0]} == {"pair", "same"}
    # With nothing missing there is nothing to be joined, and nothing wrong.
    assert join(study).state == "done"


def test_what_cannot_be_had_in_a_share_is_left_out_of_the_join(folders: Folders, tmp_path: Path) -> None:
    """DoRA does not grow with its strength, so that its weights cannot be taken apart."""
    fakes.adapter(folders.base, tmp_path / "dora", use_dora=True)
    sides = [
        providers.parse(f"hf:{folders.base}", "a"),
        providers.parse(f"hf:{folders.base}+{tmp_path / 'dora'}", "b"),
    ]
    study = Study.create("s", sides, pd.DataFrame({"text": ["Hello"]}))
    told: dict[str, Any] = {"methods": ["divergence", "weights"], "nulls": ["same", "rotated:1"]}
    shared = do(study, "1/1", None, **told)
    assert shared["left_out"].keys() == {"rotated-0", "weights"}
    # Named, and not chosen here: no other may stand in for it, as in a run that nobody shared.
    failed = jobs.run_here(study, "inside", ASKED | told | {"join": True})
    assert failed.state == "failed" and "cannot be turned" in failed.error
    with pytest.raises(UserError, match="'7/3' is no share"):
        Share.parse("7/3")
