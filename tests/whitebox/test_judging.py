"""The step `latents`: what it trains beside a dictionary, keeps, tells, and where it goes on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from diffing import Study, jobs
from diffing.common import files
from diffing.common.errors import Cancelled, UserError
from diffing.models import providers
from diffing.whitebox.dictionaries import judge, judged, judging, shelf, training
from diffing.whitebox.dictionaries.judging import Options
from tests.fakes import pairs as fakes
from tests.whitebox.test_dictionary_job import Watcher

TRAINED: dict[str, Any] = {
    "texts": {"source": "own", "count": 40, "length": 14},
    **{"tokens": 2_000, "batch": 64, "buffer": 256, "latents": 48, "k": 4, "rate": 3e-3, "kind": "difference"},
}
JUDGED: dict[str, Any] = {
    "name": "difference",
    "nulls": ["rotated:2"],
    **{"most": 3, "trial": {"texts": 3, "places": 2, "controls": 4}},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Study]:
    """A study with a dictionary, in whatever home the test has."""
    folders = fakes.make(tmp_path_factory.mktemp("pairs"), "llama")

    def make() -> Study:
        sides = [providers.parse(f"hf:{folders.base}", "a"), providers.parse(folders.low_rank, "b")]
        study = Study.create("s", sides, pd.DataFrame({"text": ["Hello"]}))
        assert jobs.run_here(study, "dictionary", TRAINED).error == ""
        return study

    return make


def test_a_dictionary_is_judged_kept_and_told(made: Callable[[], Study]) -> None:
    study = made()
    with pytest.raises(UserError, match="is not judged yet; run 'dictionary s --judge difference'"):
        judged.needed(study, "difference")
    found = study.judge_dictionary("difference", **{k: v for k, v in JUDGED.items() if k != "name"})
    assert (
        found.outdated == ""
        and len(found.table) == 48
        and found.about.nulls
        == (
            "the change turned at random, seed 0",
            "the change turned at random, seed 1",
        )
    )
    assert found.counts["told"].tolist() == ["this pair", *found.about.nulls]
    assert {"again", "own", "alive"} <= set(found.counts) and len(found.first) <= 3
    held = shelf.facts(study, "difference").held_out
    assert found.about.texts == held and not found.about.answers
    (job,) = [each for each in jobs.recent(study) if each.spec["kind"] == "latents"]
    log = " ".join(job.log_tail())
    learnt = judged.USUAL * shelf.facts(study, "difference").tokens
    assert (
        f"5 dictionaries more are trained like it, on {learnt:,} tokens together" in log and "by some steps" in log
    )
    # What was needed on the way is gone, and nothing of it is taken for a dictionary of the study's.
    assert sorted(path.name for path in (study.folder / "dictionaries").iterdir()) == ["difference"]
    assert shelf.names(study) == ["difference"] and shelf.begun(study) == []
    status = job.status()
    assert status.result is not None and status.result["sentence"] == found.sentence
    # Asked again nothing is done; another question replaces the answer.
    before = (shelf.folder(study, "difference") / judged.ABOUT).read_bytes()
    jobs.run_here(study, "latents", JUDGED)
    assert (shelf.folder(study, "difference") / judged.ABOUT).read_bytes() == before


def test_stopped_anywhere_it_goes_on_to_the_same_and_trains_nothing_twice(
    made: Callable[[], Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = made()
    options = Options.model_validate(JUDGED)
    whole = Watcher()
    judging.run(study, options, whole)
    wanted = judged.needed(study, "difference")
    (shelf.folder(study, "difference") / judged.ABOUT).unlink()
    trained: list[Path] = []

    def counted(*given: Any) -> Any:
        made = training.train(*given)
        trained.append(given[4].folder)
        return made

    monkeypatch.setattr(judging, "train", counted)
    for part in (3, 2):
        with pytest.raises(Cancelled):
            judging.run(study, options, Watcher(whole.count // part))
        assert judged.of(study, "difference") is None and shelf.judging_of(study, "difference").is_dir()
    judging.run(study, options, Watcher())
    assert len(trained) == len(set(trained)) == 5
    found = judged.needed(study, "difference")
    pd.testing.assert_frame_equal(found.table, wanted.table)
    pd.testing.assert_frame_equal(found.counts, wanted.counts)


def test_what_changes_a_number_makes_it_outdated_and_what_cannot_be_judged_is_one_sentence(
    made: Callable[[], Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = made()
    for options, told in (
        ({"nulls": ["rotated:1"]}, "beside 2 nulls at least, and 1 was named"),
        ({"nulls": ["same", "rotated:1"]}, "beside 2 nulls at least, and 1 was named"),
        ({"name": "two"}, "has no dictionary 'two'"),
        ({"most": 0}, "latents cannot run: most"),
    ):
        status = jobs.run_here(study, "latents", JUDGED | options)
        assert status.state == "failed" and told in status.error
    monkeypatch.setattr(judge, "judge", lambda *_: given())
    assert jobs.run_here(study, "latents", JUDGED).error == ""
    assert judged.needed(study, "difference").outdated == ""
    with monkeypatch.context() as patched:
        patched.setattr(judged, "VERSION", 2)
        assert "in another way since then" in judged.needed(study, "difference").outdated
    path = shelf.folder(study, "difference") / "dictionary.json"
    anew = files.read_json(path)
    files.write_json(path, anew | {"facts": anew["facts"] | {"date": "2030"}})
    assert "trained anew since then" in judged.needed(study, "difference").outdated
    shelf.remove(study, "difference")
    assert list((study.folder / "dictionaries").iterdir()) == []


def given(alive: int = 40, again: int = 20, own: tuple[int, ...] = (6, 2, 0), real: int = 1) -> judge.Found:
    """What a judging might have found."""
    names = ["pair", *(f"rotated-{n}" for n in range(len(own) - 1))]
    counts = pd.DataFrame({"name": names, "alive": alive, "again": again, "own": own, "base": 0, "variant": own})
    verdicts = ["real"] * real + ["not stable"] * (4 - real)
    table = pd.DataFrame({"latent": range(4), "verdict": verdicts, "effect": [0.4, 0.2, None, None]})
    return judge.Found(table, counts, {})


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({}, "Of 40 latents that fire, 6 are exclusive and stable"),
        ({}, "have 2 (null 1) and 0 (null 2): more than any null has. 1 latent is real by every test."),
        ({"own": (2, 2, 0), "real": 0}, "no more than nulls have. No latent is real by every test."),
        ({"again": 3}, "Training was too short to tell: a second one finds 3 of 40 latents again"),
        ({"again": 0, "alive": 0}, "Training was too short to tell"),
    ],
)
def test_the_sentence_counts_what_was_found_again_and_says_where_too_little_was(
    told: dict[str, Any], says: str
) -> None:
    found = given(**told)
    about = judged.About(
        version=1,
        key="",
        mark="",
        nulls=("null 1", "null 2"),
        texts=9,
        tokens=99,
        answers=False,
        options={},
        date="",
    )
    counts = found.counts.assign(told=["this pair", "null 1", "null 2"])
    assert says in judged.Judgement(about, found.judged, counts, "").sentence
