"""A feature's tokens have the same shades wherever they are shown."""

import re

import pytest

from diffing.diff import compute
from diffing.study import prompts
from tests.fakes import label_study
from tests.pages.test_address import opened

HELD_OUT = 0.4


def words(side: str, count: int) -> list[str]:
    """B speaks of tea, and of cake, which the feature is stronger on, where the prompt is held out."""
    ids = [prompts.prompt_id(f"Question {number}", "") for number in range(count)]
    held = [prompts.split_of(identifier, HELD_OUT) == "held-out" for identifier in ids]
    return ["wood" if side == "a" else "wood cake" if out else "wood tea" for out in held]


def test_full_colour_is_the_strongest_anywhere_on_every_page(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {side: words(side, 40) for side in "ab"}
    study, _ = label_study.make(monkeypatch, answers, [{"tea": 1.0, "cake": 3.0}], held_out=HELD_OUT)
    compute.compute(study, "a", "b")
    shown = {
        "feature": opened("feature", study.name, feature="0"),
        "compare": opened("compare", study.name, feature="0"),
        "any text": opened("compare", study.name, show="Any text", text="wood tea", feature="0"),
    }
    html = {page: " ".join(part.value for part in app.html) for page, app in shown.items()}
    assert "weak to 3.0:" in html["feature"]
    assert "full colour is 3.0, its strongest anywhere" in html["compare"]
    assert any("full colour is 3.0" in caption.value for caption in shown["any text"].caption)
    shades = {page: re.findall(r'class="[abn](\d+)" title="1.00"', text) for page, text in html.items()}
    assert shades == {"feature": ["6"], "compare": ["6"], "any text": ["6"]}
