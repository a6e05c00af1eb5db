"""What an agent may read of a study, and that a closed prompt is told from an unknown one by nothing."""

import pandas as pd
import pytest

from diffing.agents import sight
from diffing.agents.sight import Sight
from diffing.common.errors import UserError
from diffing.diff.changes import Row
from diffing.models.providers import Checkpoint
from diffing.reader import encode
from diffing.reader.encodings import Encodings
from diffing.study.study import Study
from tests.fakes import diff_study
from tests.fakes.reader import FakeReader

CLOSED, OPEN = Sight(), Sight(held_out=True)


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.setattr(encode, "load_reader", lambda _choice, _device: FakeReader())
    return diff_study.made(prompts=20)


def ids(study: Study, split: str) -> list[str]:
    table = study.prompts()
    return sorted(table.loc[table["split"] == split, "id"])


def test_prompts_answers_pairs_and_documents_are_those_of_discovery_unless_opened(study: Study) -> None:
    encodings = Encodings.open(study)
    for seen, splits in ((CLOSED, ["discovery"]), (OPEN, ["discovery", "held-out"])):
        expected = sorted(sum((ids(study, split) for split in splits), []))
        assert sorted(seen.prompts(study)["id"]) == expected
        assert sorted(seen.answers(study)["prompt_id"].unique()) == expected
        assert sorted(seen.pairs(study, "a", "b")["prompt_id"]) == expected
        read = encodings.documents.loc[seen.documents(encodings), "prompt_id"]
        assert sorted(read.unique()) == expected
    assert ids(study, "held-out")


def test_a_closed_prompt_is_answered_as_an_unknown_one(study: Study) -> None:
    closed = ids(study, "held-out")[0]
    said = []
    for identifier in (closed, "0123456789ab"):
        with pytest.raises(UserError) as error:
            CLOSED.pair(study, identifier, 0, "a", "b")
        said.append(str(error.value).replace(identifier, "ID"))
    assert said[0] == said[1]
    assert OPEN.pair(study, closed, 0, "a", "b").split == "held-out"


def test_a_pair_has_both_answers_and_names_the_draws_there_are(study: Study) -> None:
    known = ids(study, "discovery")[0]
    pair = CLOSED.pair(study, known, 0, "a", "b")
    texts = study.responses().query("prompt_id == @known").set_index("checkpoint")["text"]
    assert (pair.text_a, pair.text_b, pair.split) == (texts["a"], texts["b"], "discovery")
    with pytest.raises(UserError, match=f"Prompt '{known}' has no draw 3; it has 0."):
        CLOSED.pair(study, known, 3, "a", "b")


def test_examples_and_lines_lose_what_is_closed(study: Study) -> None:
    closed, known = ids(study, "held-out")[0], ids(study, "discovery")[0]
    rows = [Row(closed, 0), Row(known, 0)]
    assert (CLOSED.named(study, rows), OPEN.named(study, rows)) == ([Row(known, 0)], rows)
    line = f"failed: prompt {closed}, then {known}"
    assert (CLOSED.without_ids(study, line), OPEN.without_ids(study, line)) == (sight.CLOSED, line)
    assert CLOSED.without_ids(study, f"failed: {known}") == f"failed: {known}"


def test_words_that_quote_how_a_closed_prompt_begins_are_left_out() -> None:
    texts = [f"Tell me what you think of number {n}, please" for n in range(40)]
    study = Study.create(
        "quoted", [Checkpoint(key=key, name=key, source="import") for key in "ab"], pd.DataFrame({"text": texts})
    )
    for row in study.prompts().itertuples():
        said = f'HTTP 400: "{row.text}" is not allowed'
        assert (CLOSED.without_ids(study, said) == said) is (row.split == "discovery")


def test_an_answer_whose_prompt_is_of_no_split_any_more_is_closed(study: Study) -> None:
    known = ids(study, "discovery")[0]
    table = study.prompts()
    table.loc[table["id"] == known, "split"] = ""
    rows = study.responses()
    assert known in set(CLOSED.rows(study, rows)["prompt_id"])
    table.to_csv(study.folder / "prompts.csv", index=False)
    assert known not in set(CLOSED.rows(study, rows)["prompt_id"])
    assert known not in set(CLOSED.rows(study, pd.DataFrame({"prompt_id": [known, "gone"]}))["prompt_id"])
