"""Pairs: left out whole and with a reason, and a prompt that loses all of its pairs counts no more."""

import pandas as pd

from diffing.diff import pairing
from diffing.study.study import Study
from tests.fakes.answers import study_of


def documents(study: Study, *changes: tuple[str, int, dict[str, object]]) -> pd.DataFrame:
    """Every answer as read, but for changes by side and number of the prompt."""
    table = study.responses()[["prompt_id", "checkpoint", "draw"]].assign(tokens=5, error="")
    ids = study.prompts()["id"]
    for side, number, changed in changes:
        rows = (table["checkpoint"] == side) & (table["prompt_id"] == ids[number]) & (table["draw"] == 0)
        for name, value in changed.items():
            table.loc[rows, name] = value
    return table


def test_a_pair_of_which_one_side_was_not_read_is_left_out_whole() -> None:
    study = study_of({side: [["x"]] * 4 for side in "ab"})
    read = documents(study, ("b", 1, {"error": "too odd"}), ("b", 2, {"tokens": 0}))
    lost = (read["checkpoint"] == "a") & (read["prompt_id"] == study.prompts()["id"][3])
    read = read[~lost].reset_index(drop=True)
    found = pairing.pair(study, read, "a", "b")
    assert found.excluded == {"A not encoded": 1, "B has no tokens": 1, "B unreadable": 1}
    assert found.prompts["id"].tolist() == [study.prompts()["id"][0]]
    chosen = read.iloc[[*found.a, *found.b]]
    assert chosen[["prompt_id", "checkpoint"]].to_numpy().tolist() == [
        [study.prompts()["id"][0], "a"],
        [study.prompts()["id"][0], "b"],
    ]


def test_a_prompt_that_loses_one_of_its_draws_keeps_the_other() -> None:
    study = study_of({side: [["x", "y"]] * 2 for side in "ab"})
    found = pairing.pair(study, documents(study, ("a", 0, {"error": "too odd"})), "a", "b")
    draws = dict(zip(found.prompts["id"], found.draws.tolist(), strict=True))
    assert [draws[identifier] for identifier in study.prompts()["id"]] == [1, 2]
    # Half a prompt's draws and all of another's are whole numbers of the same unit.
    assert (found.unit, found.sizes.tolist()) == (2, [1, 2])
