"""Which prompts are shown: by category, by a search in prompts and answers, held-out ones only when asked for."""

import pandas as pd

from diffing.study import prompts

TABLE = pd.DataFrame(
    [
        ("p1", "cooking", "oven", "How long does it bake?", "", "discovery", True),
        ("p2", "travel", "", "", '[{"role": "user", "content": "Is Rome hot (in May)?"}]', "discovery", True),
        ("p3", "cooking", "", "What is a roux?", "", "held-out", True),
        ("p4", "cooking", "", "What is stock?", "", "discovery", False),
    ],
    columns=["id", "category", "tags", "text", "messages", "split", "active"],
)
ANSWERS = pd.DataFrame({"prompt_id": ["p1", "p2", "p3"], "text": ["An hour.", "Warm.", "Butter and flour."]})


def ids(category: str | None = None, search: str = "", held_out: bool = False) -> list[str]:
    found: list[str] = prompts.listed(TABLE, ANSWERS, category, search, held_out)["id"].tolist()
    return found


def test_held_out_and_inactive_prompts_stay_out() -> None:
    assert ids() == ["p1", "p2"]
    assert ids(held_out=True) == ["p1", "p2", "p3"]


def test_a_category_narrows_them() -> None:
    assert ids("cooking", held_out=True) == ["p1", "p3"]


def test_a_search_reads_text_conversation_tags_and_answers_as_they_stand() -> None:
    assert [ids(search=words, held_out=True) for words in ("BAKE", "(in may)", "oven", "butter", "a.b")] == [
        ["p1"], ["p2"], ["p1"], ["p3"], [],
    ]  # fmt: skip


def test_a_search_in_an_answer_shows_no_held_out_prompt() -> None:
    assert ids(search="butter") == []
