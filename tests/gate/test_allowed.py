"""The file of expected changes: what it may say, and that one which is written lets the present pass."""

from datetime import date
from pathlib import Path

import pytest

from diffing.common.errors import UserError
from diffing.gate import allowed
from tests.fakes import gated_study


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[change", "cannot be read"),
        ("[[change]]\nid = 'a'", "change.0.direction: is missing"),
        ("[[change]]\ndirection = 'A'", "it needs an id or a name, and not both"),
        ("[[change]]\nid = 'a'\ndirection = 'C'", "change.0.direction"),
        ("[[change]]\nid = 'a'\ndirection = 'A'\nlow = 1\nhigh = 0", "low is above high"),
        ("[[change]]\nid = 'a'\ndirection = 'A'\nlow = nan", "change.0.low"),
        ("[[change]]\nid = 'a'\ndirection = 'A'\nexpires = 'soon'", "change.0.expires"),
        ("[[changes]]\nid = 'a'", "changes: there is no such setting"),
        ("# " + "x" * 1_000_001, "has more than 1,000,000 bytes"),
    ],
)
def test_a_slip_in_the_file_is_one_sentence(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "allow.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as refused:
        allowed.read(path)
    assert said in str(refused.value)
    assert str(path) in str(refused.value)


def test_a_file_that_is_written_lets_the_present_pass_and_keeps_what_was_written_before(tmp_path: Path) -> None:
    path = tmp_path / "allow.toml"
    up, down = gated_study.item(), gated_study.item(id='own:"odd" ↵', delta=-0.2, ci_low=-0.25, ci_high=-0.15)
    kept = allowed.Change(name="sings", direction="A", note="asked for", expires=date(2027, 1, 31))
    allowed.write(path, [kept], [up, down])
    first, second, third = allowed.read(path)
    assert first == kept
    assert (second.id, second.direction, second.low, second.high) == (up.id, "B", 0.0, 0.4)
    assert (third.id, third.direction, third.low, third.high) == (down.id, "A", -0.3, -0.1)
    assert [change.against(item, date(2026, 1, 1)) for change, item in ((second, up), (third, down))] == ["", ""]
    assert path.read_text(encoding="utf-8").startswith("# What may change between A and B.")


def test_a_name_means_whatever_is_called_so_and_an_id_one_thing() -> None:
    bold = gated_study.item()
    assert allowed.Change(name="uses bold", direction="B").means(bold._replace(id="behaviour:probe:bold"))
    assert not allowed.Change(id="probe:bold", direction="B").means(bold._replace(id="behaviour:probe:bold"))
