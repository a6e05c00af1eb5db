"""Directions by which a model can be pushed: which there are, what lies in their files, what steers by them."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from diffing import jobs
from diffing.common.errors import UserError
from diffing.models import made, providers
from diffing.study.study import Study
from diffing.whitebox import results
from diffing.whitebox.dictionaries import shelf
from diffing.whitebox.methods.lens.sums import PLACES, Stream
from diffing.whitebox.sight import seen
from diffing.whitebox.writing import answering, directions, live
from diffing.whitebox.writing.live import Asked
from diffing.whitebox.writing.recipe import Recipe, Steering
from tests.fakes import pairs as fakes
from tests.fakes import tiny

TEXTS = {"source": "own", "count": 24, "length": 14}


@pytest.fixture
def study(tmp_path: Path) -> Study:
    found = fakes.make(tmp_path, "llama")
    study = Study.create("s", [providers.parse(f"hf:{found.base}", "a"), providers.parse(found.low_rank, "b")])
    told: dict[str, Any] = {"methods": ["pca", "lens"], "texts": TEXTS, "nulls": []}
    told["settings"] = {"pca": {"sample": 64, "most": 4}, "lens": {"layer": "2", "patchscope": False}}
    assert jobs.run_here(study, "inside", told).error == ""
    learnt = {"texts": TEXTS, "tokens": 1000, "batch": 50, "latents": 40, "k": 4, "name": "my-own"}
    assert jobs.run_here(study, "dictionary", learnt).error == ""
    return study


def test_the_lens_principal_directions_and_dictionaries_all_push(study: Study) -> None:
    _told_of_pca(study)
    names = directions.names(study, "a", "b")
    by_file: dict[str, list[str]] = {}
    for name in names:
        file, _, vector = name.partition("#")
        by_file.setdefault(file, []).append(vector)
    lens, pca, own = (next(f for f in by_file if f.startswith(kind)) for kind in ("lens-", "pca-", "dictionary-"))
    assert by_file[lens] == [f"2-{place}" for place in PLACES] and by_file[pca] == ["4-mean", "4-1", "4-3"]
    assert own.startswith("dictionary-my-own-") and len(by_file[own]) == directions.OFFERED
    folder = live.folder(study, "a", "b")
    read = {f: load_file(directions.file(study, "a", "b", f"{f}#{by_file[f][0]}", folder)) for f in by_file}
    found = {method.name: results.load(method.place) for method in seen.of(study).methods}
    arrays, table = found["pca"].arrays, found["pca"].tables["directions"]
    torch.testing.assert_close(read[pca]["4-mean"], arrays["mean"].float())
    wanted = arrays["directions"][2] * table["variance"][2] ** 0.5
    torch.testing.assert_close(read[pca]["4-3"], wanted.float())
    stream = Stream(**found["lens"].arrays)
    torch.testing.assert_close(read[lens][f"2-{PLACES[1]}"], stream.shift(0)[1].float())
    latents = shelf.table(study, "my-own", "latents").sort_values("share", ascending=False)["latent"]
    assert by_file[own] == [f"2-{n}" for n in latents[: directions.OFFERED]]
    kept = load_file(shelf.folder(study, "my-own") / "directions.safetensors")
    assert torch.equal(read[own][by_file[own][0]], kept[f"latent-{latents.iloc[0]}"])
    # A recipe takes each of them, and so does a checkpoint that is made of others.
    for file, vectors in by_file.items():
        part = Steering(direction=f"{file}#{vectors[-1]}", layer=2, strength=2.0)
        pushed = live.pushed(study, "a", "b", Asked(prompt="Hi", recipe=Recipe(steering=(part,))))
        source = made.parse(f"steer:a,{folder}/{file}.safetensors#{vectors[-1]},2,1")
        assert torch.equal(pushed[part.direction], answering.direction(source))
        assert len(pushed[part.direction]) == tiny.WIDTH
    kept_there = shelf.folder(study, "my-own") / "directions.safetensors"
    source = made.parse(f"steer:a,{kept_there}#latent-{latents.iloc[0]},2,1")
    assert torch.equal(answering.direction(source), kept[f"latent-{latents.iloc[0]}"])
    place = next(method.place for method in seen.of(study).methods if method.name == "pca")
    source = made.parse(f"steer:a,{place}/directions.safetensors#directions[1],2,1")
    assert torch.equal(answering.direction(source), arrays["directions"][1])


def _told_of_pca(study: Study) -> None:
    """Directions 1 and 3 are told: of a tiny random pair none need be."""
    place = next(method.place for method in seen.of(study).methods if method.name == "pca")
    result = results.load(place)
    table = result.tables["directions"].assign(told=[True, False, True, False])
    tables = result.tables | {"directions": table}
    results.save(place, results.settings(place), result._replace(tables=tables), results.figures(place))


def test_what_is_gone_or_another_by_now_is_one_sentence(study: Study) -> None:
    folder = live.folder(study, "a", "b")
    mine = [name for name in directions.names(study, "a", "b") if name.startswith("dictionary-")]
    shelf.remove(study, "my-own")
    for name in (mine[0], "lens-0#1-2", "../x#y"):
        with pytest.raises(UserError, match="There is no direction"):
            directions.file(study, "a", "b", name, folder)
    learnt = {"texts": TEXTS, "tokens": 900, "batch": 50, "latents": 40, "k": 4, "name": "my-own"}
    jobs.run_here(study, "dictionary", learnt)
    anew = [name for name in directions.names(study, "a", "b") if name.startswith("dictionary-")]
    assert not {*mine} & {*anew} and directions.names(study, "b", "a") == []


def test_a_study_without_any_has_none() -> None:
    study = Study.create("s", [providers.parse("import", key) for key in "ab"], pd.DataFrame({"text": ["Hi"]}))
    assert directions.names(study, "a", "b") == []
