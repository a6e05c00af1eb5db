"""One way to read a whole number, for pages, commands and imported tables."""

import pytest

from diffing.cli import label as cli_label
from diffing.common import tables
from diffing.common.errors import UserError
from diffing.findings import findings
from diffing.labels import sources

NO_NUMBERS = ["²", "x", "-1", "1.5", "1e3", "9" * 5000]


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("007", 7), ("٣", 3), ("9" * 18, 10**18 - 1)])
def test_decimal_digits_are_a_number(text: str, number: int) -> None:
    assert tables.number(text) == number


@pytest.mark.parametrize("text", ["", " 3", *NO_NUMBERS])
def test_all_else_is_none(text: str) -> None:
    assert tables.number(text) is None


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_features_to_label_are_numbers(text: str) -> None:
    assert cli_label.numbers("12, 40") == [12, 40]
    with pytest.raises(UserError, match="is no feature's number"):
        cli_label.numbers(f"12,{text}")


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_a_pair_of_answers_ends_with_a_number(text: str) -> None:
    assert findings.pair_of("7364772401cd:1") == ("7364772401cd", 1)
    assert findings.pair_of("7364772401cd") == ("7364772401cd", 0)
    with pytest.raises(UserError, match="names no pair of answers"):
        findings.pair_of(f"7364772401cd:{text}")


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_an_imported_label_names_its_feature_by_a_number(text: str) -> None:
    with pytest.raises(UserError, match="where a feature's number should stand"):
        sources.frame([{"feature": text, "label": "cake"}], "Ada", where="mine.csv")
    assert sources.frame([{"feature": " 12", "label": "cake"}], "Ada")["feature"].tolist() == [12]
