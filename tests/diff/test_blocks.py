"""The list in blocks: confirmed apart from the rest, in one order on the page and in the terminal."""

from types import SimpleNamespace
from typing import cast

import pytest
from typer.testing import CliRunner

from diffing.cli.app import app
from diffing.diff import blocks
from diffing.diff.answer import Behaviour
from diffing.labels import called
from tests.fakes import finding_study
from tests.pages.test_address import opened


def lead(name: str, confirmed: str, kind: str = "habit", said: bool = True) -> Behaviour:
    return cast(Behaviour, SimpleNamespace(name=name, confirmed=confirmed, kind=kind, said=said))


def test_each_behaviour_stands_in_one_block_and_in_its_order() -> None:
    listed = [
        lead("length", "not confirmed", kind="amount"),
        lead("doubt", "not confirmed"),
        lead("one", "yes"),
        lead("few", "too few", said=False),
        lead("long", "may be length"),
        lead("feature", "yes", said=False),
        lead("two", "yes"),
    ]
    parted = blocks.of(listed)
    assert [[each.name for each in part] for part in parted] == [
        ["one", "two"],
        ["feature"],
        ["long"],
        [],
        ["doubt", "few"],
    ]
    assert [each.name for each in parted.told] == ["long", "doubt"]
    assert [each.name for each in parted.rest] == ["long", "doubt", "few"]


def test_the_terminal_lists_what_the_page_lists_in_its_order_and_the_rest_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = finding_study.make(monkeypatch)
    found = called.behaviours

    def doubted(*asked: object) -> list[Behaviour]:
        """The second of those confirmed was not."""
        every = found(*asked)  # type: ignore[arg-type]
        second = [each for each in every if each.confirmed == "yes" and each.said][1]
        return [each._replace(confirmed="not confirmed") if each is second else each for each in every]

    monkeypatch.setattr(called, "behaviours", doubted)
    monkeypatch.setenv("COLUMNS", "200")
    said = CliRunner().invoke(app, ["answer", study.name]).stdout
    sure, doubtful = said.split("Not confirmed on new prompts")
    rows = [line.split("│")[2].strip() for line in sure.splitlines() if line.startswith("│")]
    page = opened("answer", study.name)
    shown = [part.value for part in page.html if "class='bname'" in part.value or 'class="bname"' in part.value]
    names = [row for row in rows if not row.startswith("with it")]
    assert len(names) == len(shown) > 1
    assert all(
        name.removeprefix("is ").removesuffix(", in words") in html
        for name, html in zip(names, shown, strict=True)
    )
    assert "it did not come again on new prompts" in doubtful
