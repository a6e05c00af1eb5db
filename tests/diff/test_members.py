"""What belongs to a habit: features on its tokens, or that change as it does; the rest keeps it company."""

import numpy as np
import pandas as pd
import pytest

from diffing.diff import candidates, members
from diffing.diff.ground import Ground
from diffing.diff.habits import Candidate, Habit, Member
from diffing.diff.pairing import Pairing
from diffing.reader.firing import Tokens

PROMPTS, LENGTH = 40, 30


def ground() -> Ground:
    """One pair to each prompt, A's documents first; the last ten prompts were held out."""
    every = np.arange(PROMPTS)
    prompts = pd.DataFrame(
        {"id": every.astype(str), "split": "discovery", "category": "", "tags": "", "group": ""}
    )
    never, lengths = np.zeros(PROMPTS, dtype=bool), np.full(PROMPTS, LENGTH)
    pairs = Pairing(prompts, every, every, every + PROMPTS, lengths, lengths, never, never, {})
    documents = 2 * PROMPTS
    spans = np.zeros((documents * LENGTH, 2), np.int64)
    tokens = Tokens(np.arange(documents), np.arange(documents + 1) * LENGTH, spans, np.zeros(len(spans)))
    return Ground(pairs.only(every < 30), tokens)


def at(documents: list[int], place: int) -> np.ndarray:
    return np.array(sorted(LENGTH * document + place for document in documents))


LEAD = Candidate("probe", "bold", at([40 + n for n in range(20)], 5))
"""Of B alone, on twenty of thirty discovery prompts."""
BESIDE = Candidate("feature", "1", at([40 + n for n in range(12)], 7))
ALIKE = Candidate("feature", "2", at([40 + n for n in range(19)], 25))
COMPANY = Candidate("feature", "3", at([40 + n for n in range(10)], 18))
ELSEWHERE = Candidate("feature", "4", at([40 + n for n in range(15)], 15))
OTHER_WAY = Candidate("feature", "5", at([n for n in range(12)], 7))
HELD_OUT = Candidate("feature", "6", np.concatenate([at([72, 73, 74, 75, 76], 5), at([40, 41], 20)]))


def table() -> pd.DataFrame:
    made = ground()
    some = [LEAD, ALIKE, COMPANY]
    peeled = Habit(0, (Member(1, 0.0, 0.9, 0.1), Member(2, 0.0, 0.4, 0.1)))
    known: dict[tuple[str, str], Candidate] = {(each.kind, each.name): each for each in some}
    others = [*some, BESIDE, ELSEWHERE, OTHER_WAY, HELD_OUT]
    return members.filled(candidates.table(made, some, [peeled]), made, known, others)


def test_own_is_what_is_on_the_tokens_or_changes_alike_and_the_rest_keeps_company() -> None:
    rows = table().set_index("name")
    assert rows["own"].to_dict() == {"bold": True, "2": True, "3": False, "1": True}
    assert rows["habit"].tolist() == [1] * 4


def test_what_was_filled_in_has_the_figures_of_its_own() -> None:
    row = table().set_index("name").loc["1"]
    shows = [np.isin(np.arange(30), range(count)).astype(float) for count in (12, 20)]
    assert row["delta"] == np.mean(shows[0])
    assert row["correlation"] == pytest.approx(np.corrcoef(np.stack(shows))[0, 1])
    assert (row["lead"], row["share"], np.isnan(row["left"])) == (False, 1.0, True)


def test_without_habits_nothing_belongs_anywhere() -> None:
    made = ground()
    empty = candidates.table(made, [], [])
    assert members.filled(empty, made, {}, [BESIDE]).empty


def test_what_differs_by_more_than_its_lead_says_so() -> None:
    habit = pd.DataFrame({"kind": "probe", "name": ["bold", "emoji"], "own": [True, False], "lead": [True, False]})
    probes = pd.DataFrame(
        {"probe": ["bold", "emoji"], "frequency_a": 0.1, "frequency_b": [0.5, 0.7], "q": 0.01, "delta": [0.4, 0.6]}
    ).assign(judged_by="presence")
    habit["delta"] = [0.4, 0.6]
    (told,) = members.beside(habit, probes)
    assert told.told == "by even more, uses emoji (10\u00a0% → 70\u00a0%)"
    habit["lead"] = [False, True]
    assert not any(each.larger for each in members.beside(habit.assign(own=[False, True]), probes))


def test_probes_that_keep_company_and_differ_are_told_beside_the_largest_first() -> None:
    names = ["bold", "closing offer", "emoji", "tables", "links", "headings", "words"]
    habit = pd.DataFrame(
        {
            "kind": ["probe"] * 7 + ["phrase"],
            "name": [*names, "So,"],
            "own": [True] + [False] * 7,
            "lead": [True] + [False] * 7,
            "delta": 0.8,
        }
    )
    probes = pd.DataFrame(
        {
            "probe": names,
            "frequency_a": [0.1, 0.1, 0.3, 0.1, 0.0, 0.2, 1.0],
            "frequency_b": [0.9, 0.2, 0.0, 0.9, 0.05, 0.6, 1.0],
            "q": [0.001, 0.001, 0.001, 0.2, 0.001, 0.001, 0.001],
            "judged_by": ["presence"] * 6 + ["amount"],
        }
    ).assign(delta=lambda table: table["frequency_b"] - table["frequency_a"])
    told = [each.told for each in members.beside(habit, probes)]
    assert told == [
        "uses headings (20\u00a0% → 60\u00a0%)",
        "less often uses emoji (30\u00a0% → 0\u00a0%)",
        "offers more help at the end (10\u00a0% → 20\u00a0%)",
    ]
