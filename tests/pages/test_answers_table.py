"""The table of answers on the page Run: what is there, and no column of zeros."""

import pandas as pd

from diffing.study import responses, sample
from tests.pages.test_address import opened


def test_kinds_of_which_there_is_none_are_named_and_take_no_column() -> None:
    study = sample.create()
    first = study.prompts()["id"].iloc[0]
    refused = {
        "prompt_id": first,
        "checkpoint": "before",
        "draw": 0,
        "text": "I'm sorry, but I can't help with that.",
    }
    study.add_responses(pd.DataFrame([refused | {"flag": responses.flag(str(refused["text"]), "stop", "")}]))
    page = opened("run", study.name)
    (table,) = [each.value for each in page.dataframe if "checkpoint" in each.value]
    assert table["stored"].tolist() == [120, 120] and table["refusal"].tolist() == [1, 0]
    assert "missing" in table and "failed" not in table
    assert any(each.value.startswith("None of these: failed, ") for each in page.caption)
