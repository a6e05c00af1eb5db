"""Which answers are compared with which: pairs are left out whole, each with its reason."""

import numpy as np
import pandas as pd

from diffing.diff import pairing

PROMPTS = pd.DataFrame(
    {
        "id": ["p0", "p1", "p2", "p3"],
        "split": ["discovery", "held-out", "discovery", "discovery"],
        "category": ["x"] * 4,
        "tags": [""] * 4,
    }
)


def row(
    prompt: str, draw: int, numbers: tuple[float, float], excluded: str = "", flag: str = ""
) -> dict[str, object]:
    """A pair of documents, with lengths of ten and twenty tokens."""
    a, b = numbers
    return {
        "prompt_id": prompt,
        "draw": draw,
        "excluded": excluded,
        "flag_a": flag,
        "flag_b": "",
        "doc_of_a": a,
        "doc_of_b": b,
        "tokens_of_a": 10.0,
        "tokens_of_b": 20.0,
    }


PAIRS = pd.DataFrame(
    [
        row("p0", 0, (0, 1)),
        row("p0", 1, (2, np.nan), "B missing"),
        row("p1", 0, (4, 5), flag="truncated"),
        row("p2", 0, (6, 7), "A failed"),
        row("p2", 1, (8, 9), "A failed"),
        row("p3", 1, (12, 13)),
        row("p3", 0, (10, 11)),
    ]
)


def test_a_pair_is_left_out_whole_with_its_reason() -> None:
    paired = pairing.from_table(PAIRS, PROMPTS)
    assert paired.excluded == {"A failed": 2, "B missing": 1}
    assert [paired.a.tolist(), paired.b.tolist()] == [[0, 10, 12, 4], [1, 11, 13, 5]]
    assert paired.truncated.tolist() == [False, False, False, True]


def test_a_prompt_whose_pairs_are_all_left_out_is_no_prompt() -> None:
    paired = pairing.from_table(PAIRS, PROMPTS)
    assert paired.prompts["id"].tolist() == ["p0", "p3", "p1"]
    assert [paired.row.tolist(), paired.draws.tolist(), paired.slot.tolist()] == [
        [0, 1, 1, 2],
        [1, 2, 1],
        [0, 0, 1, 0],
    ]
    whole = paired.only(~paired.truncated)
    assert [whole.prompts["id"].tolist(), whole.row.tolist()] == [["p0", "p3"], [0, 1, 1]]


def test_every_mixture_of_up_to_six_draws_and_eight_has_whole_units() -> None:
    draws = [1, 2, 3, 4, 5, 6, 8]
    rows = [row(f"p{r}", n, (0, 1)) for r in draws for n in range(r)]
    prompts = pd.DataFrame({"id": [f"p{r}" for r in draws], "split": "", "category": "", "tags": ""})
    paired = pairing.from_table(pd.DataFrame(rows), prompts)
    counts = np.array([[count] for count in draws])
    assert paired.unit == 120
    assert paired.units(counts, slice(None)).ravel().tolist() == [120] * 7
    assert paired.units(counts * 0 + 1, slice(None)).ravel().tolist() == [120, 60, 40, 30, 24, 20, 15]
