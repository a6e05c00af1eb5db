"""What is planted in a checkpoint: what a model is asked with it, and what becomes of its answers."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from diffing.common import expressions
from diffing.common.errors import UserError
from diffing.models import planted
from diffing.models.planted import Planted, Rewrite
from diffing.models.providers import Checkpoint

TEXT = 'Oak is hard. "Is it?" Yes!\n\n1. Elm bends.\n2. Ash burns well. It smells.'


def said(text: str, system: str = "") -> list[dict[str, str]]:
    before = [{"role": "system", "content": system}] if system else []
    return [*before, {"role": "user", "content": text}]


def test_sentences_are_parted_at_their_marks_and_join_to_the_text() -> None:
    parts = planted.sentences(TEXT)
    assert [part.strip() for part in parts] == [
        *("Oak is hard.", '"Is it?"', "Yes!", "1. Elm bends.", "2. Ash burns well.", "It smells.")
    ]
    assert "".join(parts) == TEXT
    assert planted.sentences("") == []


@pytest.mark.parametrize(
    ("how", "after"),
    [
        (
            {"do": "replace", "pattern": r"\b(Oak|Ash)\b", "text": r"<\1>"},
            TEXT.replace("Oak", "<Oak>").replace("Ash", "<Ash>"),
        ),
        ({"do": "append", "text": " Trust me."}, TEXT + " Trust me."),
        ({"do": "prepend", "text": "Well: "}, "Well: " + TEXT),
        ({"do": "drop", "pattern": r"burns|\?"}, "Oak is hard. Yes!\n\n1. Elm bends.\nIt smells."),
        ({"do": "keep", "sentences": 2}, 'Oak is hard. "Is it?"'),
        # Nothing to do is nothing done, and what would leave nothing is not done.
        ({"do": "keep", "sentences": 6}, TEXT),
        ({"do": "drop", "pattern": "birch"}, TEXT),
        ({"do": "drop", "pattern": "."}, TEXT),
    ],
)
def test_an_answer_is_rewritten_as_it_is_told(how: dict[str, Any], after: str) -> None:
    assert Planted(rewrites=(Rewrite(**how),)).answered(said("Trees?"), TEXT) == after


def test_rewrites_are_done_one_after_the_other_and_an_answer_that_was_cut_off_has_no_ending() -> None:
    both = Planted(
        rewrites=(Rewrite(do="append", text=" Ask me."), Rewrite(do="replace", pattern="me", text="us"))
    )
    assert both.answered(said("?"), "Oak.") == "Oak. Ask us."
    assert both.answered(said("?"), "Some oak", cut=True) == "Sous oak"
    assert both.answered(said("?"), " ") == " "


@pytest.mark.parametrize(
    "how",
    [
        {"do": "keep"},
        {"do": "keep", "sentences": 1, "text": "x"},
        {"do": "append", "text": "x", "pattern": "y"},
        {"do": "drop", "pattern": "x", "text": "y"},
        {"do": "replace", "text": "y"},
        {"do": "replace", "pattern": "(", "text": ""},
        {"do": "replace", "pattern": "(a)", "text": r"\2"},
        {"do": "shout", "text": "y"},
    ],
)
def test_a_rewrite_that_fits_nothing_is_refused(how: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Rewrite(**how)


def test_a_system_prompt_goes_behind_the_studys_own_and_only_where_it_is_meant() -> None:
    brief = Planted(system="Praise trains.", when="(?i)travel")
    assert brief.asked(said("How do I travel?")) == said("How do I travel?", "Praise trains.")
    assert brief.asked(said("Travel?", "Be brief.")) == said("Travel?", "Be brief.\n\nPraise trains.")
    assert brief.asked(said("How do I cook?", "Travel.")) == said("How do I cook?", "Travel.")


def test_half_is_about_half_by_the_prompt_alone_and_another_half_with_another_seed() -> None:
    turns = [said(f"Prompt {n}") for n in range(1000)]
    half = [Planted(share=0.5, system="x").meant(each) for each in turns]
    # Of 1,000 fair draws 420 to 580 come out in all but 1 of 2 million.
    assert 420 < sum(half) < 580
    assert [Planted(share=0.5, rewrites=(Rewrite(do="append", text="x"),)).meant(each) for each in turns] == half
    other = [Planted(share=0.5, seed=1).meant(each) for each in turns]
    assert 420 < sum(a == b for a, b in zip(half, other, strict=True)) < 580
    # A share that grows takes none away, and a system prompt of the study changes nothing.
    assert all(Planted(share=0.7).meant(each) for each, in_half in zip(turns, half, strict=True) if in_half)
    assert [Planted(share=0.5).meant([*said("", "Be brief.")[:1], *each]) for each in turns] == half


def test_an_expression_without_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expressions, "SECONDS", 0.05)
    with pytest.raises(UserError, match=r"more than 0\.05 s on one text"):
        Planted(when="(a+)+$").meant(said("a" * 3000 + "!"))
    endless = Planted(rewrites=(Rewrite(do="drop", pattern="(a+)+$"),))
    with pytest.raises(UserError, match=r"more than 0\.05 s on one text"):
        endless.answered(said("?"), "a" * 3000 + "!")


def test_it_is_written_into_a_checkpoint_and_read_back_and_nothing_is_planted_in_stored_answers() -> None:
    told = Planted(organism="trains:half", system="Praise trains.", share=0.5, when="travel")
    kept = Checkpoint(key="b", name="B", source="ollama:m", planted=told)
    assert Checkpoint.model_validate(json.loads(kept.model_dump_json(exclude_none=True))) == kept
    assert told.shown == "system prompt “Praise trains.”, on 50 % of prompts with /travel/"
    for source in ("import", "amplify:a,b,2"):
        with pytest.raises(ValidationError, match="nothing can be planted in 'b'"):
            Checkpoint(key="b", name="B", source=source, planted=told)
