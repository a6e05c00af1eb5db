"""What stands above its nulls: the rule by hand, and how often it errs where there is nothing to find."""

import numpy as np
import pandas as pd
import pytest

from diffing.whitebox.sight.evidence import COLUMNS, judged


def table(figures: dict[str, float], width: float = 0.0, held_out: float | None = None) -> pd.DataFrame:
    rows = [
        ("token", key, key, figure, figure - width, figure + width, figure if held_out is None else held_out)
        for key, figure in figures.items()
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


ONE, TWO = table({"the": 5.0, "of": 1.0}), table({"the": 4.0, "of": 1.5, "x": 0.2})


def test_a_thing_is_above_when_it_exceeds_its_nulls_by_more_than_they_exceed_each_other() -> None:
    found = judged(table({"the": 5.5, "bee": 2.0, "of": 1.6}), [("same", table({})), ("a", ONE), ("b", TWO)])
    assert found.nulls == ("a", "b") and found.compared
    told = found.table.set_index("key")
    # One null shows 5 of "the" where the other shows 4: that is the bar.
    assert told["bar"].tolist() == [1.0, 1.0, 1.0]
    assert told["excess"].to_dict() == {"bee": 2.0, "the": 0.5, "of": pytest.approx(0.1)}
    assert told.loc["the", ["null_low", "null_high"]].tolist() == [4.0, 5.0]
    # The largest figure of all is the nulls' as well.
    assert found.above["key"].tolist() == ["bee"] and told.loc["bee", "strength"] == 2.0
    assert found.table["key"].tolist()[0] == "bee"


def test_the_low_end_counts_and_held_out_documents_must_agree() -> None:
    nulls = [("a", ONE), ("b", TWO)]
    assert len(judged(table({"bee": 2.0}, width=0.5), nulls).above) == 1
    assert len(judged(table({"bee": 2.0}, width=1.0), nulls).above) == 0
    assert len(judged(table({"bee": 2.0}, held_out=0.0), nulls).above) == 0
    assert len(judged(table({"bee": 2.0}, held_out=float("nan")), nulls).above) == 1


def test_with_one_null_or_none_nothing_is_said() -> None:
    for nulls in ([], [("a", ONE)], [("same", TWO), ("a", ONE)]):
        found = judged(table({"bee": 9.0}), nulls)
        assert not found.compared and not len(found.above)
    assert not len(judged(table({}), [("a", ONE), ("b", TWO)]).table)


def test_kinds_are_held_against_themselves_alone() -> None:
    loud = ONE.assign(kind="phrase", figure=[500.0, 0.0], low=[500.0, 0.0])
    found = judged(table({"bee": 2.0}), [("a", pd.concat([ONE, loud])), ("b", TWO)])
    assert found.above["key"].tolist() == ["bee"]
    # Nulls that show nothing at all of a kind: anything is above.
    assert np.isinf(judged(table({"bee": 0.1}), [("a", loud), ("b", loud)]).table["strength"][0])


@pytest.mark.parametrize("count", [2, 6])
def test_where_there_is_nothing_it_claims_in_no_more_than_one_of_n_plus_one(count: int) -> None:
    draws = np.random.default_rng(count)
    keys = [str(n) for n in range(40)]

    def null() -> pd.DataFrame:
        return table(dict(zip(keys, draws.lognormal(size=len(keys)), strict=True)))

    claimed = sum(len(judged(null(), [(str(n), null()) for n in range(count)]).above) > 0 for _ in range(200))
    # Four standard errors of 200 draws beyond what is promised.
    share = 1 / (count + 1)
    assert claimed / 200 <= share + 4 * (share * (1 - share) / 200) ** 0.5
