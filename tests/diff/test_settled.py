"""What answers settle about probes: states by hand-made answers, several draws, answers that change."""

import numpy as np
import pandas as pd
import pytest

from diffing.diff import settled
from diffing.diff.settled import Known, Looks
from diffing.probes import scan
from tests.fakes.diff_study import Answer, made

MARGIN = 0.2
PLAIN = "Some words.\n\nPlain ones"
"""Capitals and an empty line: shows no probe at all."""


def look(answer: Answer, prompts: int, draws: int = 1, keys: str = "ab") -> dict[str, Known]:
    study = made(answer, prompts=prompts, draws=draws, keys=keys, encoded=False)
    return {f"{one.probe} {one.a}{one.b}": one for one in Looks(study).now(MARGIN)}


def habits(prompt: int, checkpoint: str, draw: int) -> str:
    """Bold on B alone; a double space on every other answer of either; an em dash on every third one of B."""
    text = PLAIN
    text += "  here" if prompt % 2 else " here"
    text += " **Bold**" if checkpoint == "b" else ""
    return text + (" word — word" if checkpoint == "b" and (prompt + draw) % 3 == 0 else "")


def test_a_probe_differs_or_does_not_or_is_too_rare_or_is_open() -> None:
    known = look(habits, 30)
    assert len(known) == len(scan.PRESENCE)
    bold, spaces = known["bold ab"], known["double spaces ab"]
    assert (bold.state, bold.prompts, bold.delta) == ("differs", 30, 1.0)
    assert bold.e_value == pytest.approx(2**30 / 31)
    # Nothing was discordant, but thirty prompts bound a thing that half of the answers show too loosely for a
    # claim that it is rare, and its difference closely enough.
    assert (spaces.state, spaces.delta) == ("no change", 0.0)
    assert -MARGIN < spaces.low < 0 < spaces.high < MARGIN
    assert spaces.most > 0.5
    assert known["em dashes ab"].state == "open"
    assert known["headings ab"].state == "too rare"


def test_the_words_name_what_is_open() -> None:
    known = list(look(habits, 30).values())
    rare = f"{len(known) - 3} are too rare to matter"
    said = f"1 differ, 1 do not by more than 20 points, {rare}; still open: em dashes."
    assert settled.in_words(known, MARGIN) == said
    rest = [one for one in known if one.state != "open"]
    assert settled.in_words(rest, MARGIN).endswith("are too rare to matter; none is open.")


def test_draws_are_averaged_and_the_prompt_is_the_unit() -> None:
    def answer(_prompt: int, checkpoint: str, draw: int) -> str:
        return f"{PLAIN} **bold**" if checkpoint == "b" and draw < 2 else PLAIN

    bold = look(answer, 20, draws=3)["bold ab"]
    assert bold.prompts == 20
    assert bold.delta == pytest.approx(2 / 3)
    assert bold.e_value == pytest.approx(2**20 / 21)
    assert bold.low < 2 / 3 < bold.high < 1


def test_all_pairs_of_checkpoints_are_looked_at_and_corrected_together() -> None:
    def answer(prompt: int, checkpoint: str, _draw: int) -> str:
        return f"{PLAIN} **bold**" if checkpoint == "c" and prompt < 14 else PLAIN

    known = look(answer, 40, keys="abc")
    assert len(known) == 3 * len(scan.PRESENCE)
    assert known["bold ab"].state == "too rare"
    # 14 : 0 is worth 1,092: enough for two calls if one pair's probes were all, and too little with three pairs'.
    e_value = known["bold ac"].e_value
    assert len(scan.PRESENCE) / (0.05 * 2) < e_value < 3 * len(scan.PRESENCE) / (0.05 * 2)
    assert [known["bold ac"].state, known["bold bc"].state] == ["open", "open"]


def test_an_answer_that_is_asked_for_again_is_read_again_and_others_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = made(lambda *_: PLAIN, prompts=6, encoded=False)
    looks, read = Looks(study), list[int]()
    table = scan.table

    def counting(texts: list[str]) -> pd.DataFrame:
        read.append(len(texts))
        return table(texts)

    monkeypatch.setattr(scan, "table", counting)
    assert [one.delta for one in looks.now(MARGIN) if one.probe == "bold"] == [0.0]
    fresh = study.responses().query("checkpoint == 'b'").head(1)
    study.add_responses(fresh.assign(text=f"{PLAIN} **bold**", created="2026-01-01T00:00:00"))
    assert [one.delta for one in looks.now(MARGIN) if one.probe == "bold"] == [pytest.approx(1 / 6)]
    assert read == [12, 1]


def test_without_answers_everything_is_open() -> None:
    known = look(lambda *_: "", 3)
    assert {one.state for one in known.values()} == {"open"}
    assert all(np.isnan(one.delta) and (one.low, one.high) == (-1, 1) for one in known.values())
