"""Channels of an answer: which text stands for each, which flag is then its own, and how many prompts have it."""

import json

import pandas as pd
import pytest

from diffing.common.errors import UserError
from diffing.models.providers import Checkpoint
from diffing.study import channels, responses
from diffing.study.channels import Shared
from diffing.study.study import Study

CALLS = json.dumps([{"name": "find", "arguments": {"q": "oak"}, "result": "a tree"}])


def answers(**columns: list[str]) -> pd.DataFrame:
    number = len(next(iter(columns.values())))
    key = {"prompt_id": [f"p{n}" for n in range(number)], "checkpoint": "a", "draw": 0}
    return responses.normal(pd.DataFrame(key | columns))


@pytest.mark.parametrize(
    ("told", "flag"),
    [
        ({"text": "Yes.", "reasoning": "Hm.", "finish_reason": "stop"}, ""),
        ({"text": "Yes.", "reasoning": "", "finish_reason": "stop"}, "empty"),
        # A limit that cut the text came after the thinking; one that left no text cut the thinking.
        ({"text": "Yes, b", "reasoning": "Hm.", "finish_reason": "length"}, ""),
        ({"text": "", "reasoning": "Hm. So", "finish_reason": "length"}, "truncated"),
        ({"text": "Yes.", "reasoning": "Hm.", "finish_reason": "content_filter"}, "blocked"),
        ({"text": "", "reasoning": "", "error": "timed out"}, "failed"),
        ({"text": "Yes.", "reasoning": "I can't help with that.", "finish_reason": "stop"}, "refusal"),
    ],
)
def test_reasoning_has_a_flag_of_its_own(told: dict[str, str], flag: str) -> None:
    seen = channels.seen(answers(**{name: [value] for name, value in told.items()}), "reasoning")
    assert (seen["text"][0], seen["flag"][0]) == (told["reasoning"], flag)


def test_calls_of_tools_are_read_as_a_person_reads_them() -> None:
    table = answers(text=["Oak.", "Elm."], tools=[CALLS, ""])
    assert channels.seen(table, "tools")["text"].tolist() == ['find({"q": "oak"}) → a tree', ""]
    assert channels.held(table) == ["text", "tools"]
    assert channels.seen(table, "text") is table


@pytest.fixture
def study() -> Study:
    asked = pd.DataFrame({"text": ["One?", "Two?", "Three?"]})
    made = Study.create("s", [Checkpoint(key=key, name=key, source="import") for key in "ab"], asked)
    thought = {"a": ["Hm.", "", "Hm."], "b": ["Hm.", "Hm.", ""]}
    for key, some in thought.items():
        rows = {"prompt_id": made.prompts()["id"], "checkpoint": key, "draw": 0, "text": "Yes.", "reasoning": some}
        made.add_responses(pd.DataFrame(rows))
    return made


def test_how_many_prompts_have_a_channel_is_counted_by_side(study: Study) -> None:
    seen = study.through("reasoning")
    found = channels.shared(seen.pairs("a", "b"), "reasoning", "s")
    assert found == Shared("reasoning", prompts=3, both=1, a=2, b=2)
    assert found.in_words() == "1 of 3 prompts has reasoning on both sides"
    assert set(seen.pairs("a", "b")["excluded"]) == {"", "A empty", "B empty"}
    with pytest.raises(UserError, match=r"has tool calls on both sides \(0 on A's, 0 on B's\)"):
        channels.shared(study.through("tools").pairs("a", "b"), "tools", "s")


def test_a_view_changes_nothing_of_the_study(study: Study) -> None:
    before = study.responses()
    seen = study.through("reasoning")
    with pytest.raises(ValueError, match="not for changing"):
        seen.add_responses(seen.responses())
    with pytest.raises(ValueError, match="not for changing"):
        seen.change_settings(note="mine")
    pd.testing.assert_frame_equal(study.responses(), before)
    assert seen.through("text").responses()["text"].tolist() == before["text"].tolist()


@pytest.mark.parametrize(
    ("whole", "thought", "text"),
    [
        ("<think>\nHm.\n</think>\n\nOak.", "Hm.", "Oak."),
        ("\n<think>Hm.</think>Oak.", "Hm.", "Oak."),
        # The chat template had opened it.
        ("Hm.\n</think>\n\nOak.", "Hm.", "Oak."),
        ("<think>Hm. So", "Hm. So", ""),
        ("<think>\n\n</think>\n\nOak.", "", "Oak."),
        ("Oak, and <think> is a tag.", "", "Oak, and <think> is a tag."),
        ("<thinking>Hm.</thinking>Oak.", "", "<thinking>Hm.</thinking>Oak."),
    ],
)
def test_reasoning_in_a_text_is_parted_by_its_tag(whole: str, thought: str, text: str) -> None:
    assert channels.parted(whole, "think") == (thought, text)
