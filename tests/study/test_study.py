"""A study's folder: it opens as it was made, leaves nothing where it is not made, and loses no answer."""

import threading
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import tomli_w

from diffing.common import files
from diffing.common.errors import UserError
from diffing.models.providers import Checkpoint
from diffing.study import prompts, responses
from diffing.study.settings import ReaderChoice, Sampling
from diffing.study.study import Study, names

SIDES = [Checkpoint(key="a", name="Old", source="import"), Checkpoint(key="b", name="New", source="openai:gpt-4o")]
PROMPTS = pd.DataFrame({"text": ["Hi", "Bye"], "category": ["x", "y"]})


def answers(*draws: int, text: str = "Hello.") -> pd.DataFrame:
    identifier = prompts.prompt_id("Hi", "")
    return pd.DataFrame([{"prompt_id": identifier, "checkpoint": "a", "draw": d, "text": text} for d in draws])


def test_a_study_opens_as_it_was_made() -> None:
    made = Study.create(
        "one.Study-1",
        SIDES,
        PROMPTS,
        note="why",
        seed=7,
        held_out=0.5,
        sampling=Sampling(temperature=None, max_tokens=None, draws=2, extra_body={"reasoning": {"effort": "low"}}),
        reader=ReaderChoice(preset="", release="r", sae_id="s"),
    )
    opened = Study.open("one.Study-1")
    assert opened.settings == made.settings
    assert opened.folder == files.studies_dir() / "one.Study-1"
    assert list(opened.prompts()["text"]) == ["Hi", "Bye"]
    assert opened.responses().equals(responses.empty())
    assert [study.name for study in Study.list()] == names() == ["one.Study-1"]
    assert opened.checkpoint("b").name == "New"


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", ".hidden", "a b", "a" * 65, "ä", "a\n"])
def test_no_name_leaves_the_folder_of_studies(name: str, own_home: Path) -> None:
    with pytest.raises(UserError, match="is no study name; use 1 to 64 letters"):
        Study.create(name, SIDES)
    with pytest.raises(UserError, match="is no study name"):
        Study.open(name)
    assert not list(own_home.rglob("*.toml"))


def test_what_does_not_hold_is_named_and_makes_nothing() -> None:
    blank = pd.DataFrame({"text": ["x", " "]})
    bad: dict[str, dict[str, Any]] = {
        "a study compares at least two checkpoints; name another one": {"checkpoints": SIDES[:1]},
        "checkpoint keys must differ, got a, a; rename one": {"checkpoints": [SIDES[0], SIDES[0]]},
        "held_out: must be less than 1, and is 1": {"checkpoints": SIDES, "held_out": 1.0},
        "Prompt 2 is empty; give it a text": {"checkpoints": SIDES, "prompt_table": blank},
    }
    for sentence, settings in bad.items():
        with pytest.raises(UserError) as caught:
            Study.create("s", **settings)
        assert sentence in str(caught.value)
    assert names() == []


def test_a_study_is_not_made_over_another() -> None:
    Study.create("s", SIDES, PROMPTS)
    with pytest.raises(UserError, match="Study 's' exists already; choose another name or open it."):
        Study.create("s", SIDES)
    assert len(Study.open("s").prompts()) == 2


def test_an_absent_study_or_checkpoint_is_named_with_what_there_is() -> None:
    with pytest.raises(UserError, match="There is no study 's'; studies here: none yet."):
        Study.open("s")
    study = Study.create("s", SIDES)
    with pytest.raises(UserError, match="There is no study 't'; studies here: s."):
        Study.open("t")
    with pytest.raises(UserError, match="Study 's' has no checkpoint 'c'; it has a, b."):
        study.pairs("a", "c")


def test_a_file_of_an_older_form_opens() -> None:
    """As the first version wrote it: no seed, reader or sampling yet."""
    folder = files.studies_dir() / "old"
    folder.mkdir(parents=True)
    sides = [{"key": k, "name": k, "source": "import"} for k in ("a", "b")]
    (folder / "study.toml").write_text(
        tomli_w.dumps({"name": "old", "created": "2026-01-01", "checkpoints": sides})
    )
    (folder / "prompts.csv").write_text(",".join(prompts.COLUMNS) + "\r\n")
    opened = Study.open("old")
    assert (opened.settings.format, opened.settings.seed, opened.settings.sampling.draws) == (1, 0, 1)
    assert opened.settings.reader == ReaderChoice()
    assert len(opened.prompts()) == len(opened.responses()) == 0


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("format = 99", "Study 's' was written in format 99, this version reads up to 1; update"),
        ("= 1", "'studies/s/study.toml' is damaged (it is not TOML"),
        ("name = 's'\ncreated = ''\ncolour = 1\ncheckpoints = []", "'study.toml' of study 's' does not hold"),
    ],
)
def test_a_settings_file_that_cannot_be_read_is_named(text: str, sentence: str) -> None:
    study = Study.create("s", SIDES)
    (study.folder / "study.toml").write_text(text)
    with pytest.raises(UserError) as caught:
        Study.open("s")
    assert str(caught.value).startswith(sentence)
    assert (Study.list(), names()) == ([], ["s"])


def test_answers_replace_those_of_the_same_prompt_checkpoint_and_draw() -> None:
    study = Study.create("s", SIDES, PROMPTS)
    study.add_responses(answers(0, 1))
    study.add_responses(answers(1, 2, text="Hello again."))
    assert study.responses()[["draw", "text"]].to_numpy().tolist() == [
        [0, "Hello."],
        [1, "Hello again."],
        [2, "Hello again."],
    ]


def test_answers_of_several_writers_are_all_kept() -> None:
    study = Study.create("s", SIDES, PROMPTS)
    threads = [threading.Thread(target=study.add_responses, args=(answers(i),)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(study.responses()["draw"]) == list(range(8))


def test_saved_prompts_get_their_ids_and_split() -> None:
    study = Study.create("s", SIDES, PROMPTS, held_out=0.0)
    assert set(study.prompts()["split"]) == {"discovery"}
    study.save_prompts(pd.concat([study.prompts(), pd.DataFrame({"text": ["Hi", "Third"]})]))
    assert list(study.prompts()["text"]) == ["Hi", "Bye", "Third"]
    assert list(study.prompts()["id"]) == [prompts.prompt_id(t, "") for t in ("Hi", "Bye", "Third")]
