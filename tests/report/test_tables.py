"""The report's tables: no place on this machine stands in them."""

import pytest

from diffing.report import tables
from diffing.report.facts import Facts
from diffing.study.settings import ReaderChoice


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/srv/secret-place/model", "model"),
        ("~/secret-place/sae/", "sae"),
        ("hf:/srv/secret-place/model", "hf:model"),
        ("hf:owner/model", "hf:owner/model"),
        ("openrouter:maker/model", "openrouter:maker/model"),
        ("https://host.example/v1#model", "https://host.example/v1#model"),
    ],
)
def test_a_path_is_shown_by_its_last_part_and_a_name_as_it_is(text: str, shown: str) -> None:
    assert tables.plain_path(text) == shown


def test_no_absolute_path_stands_in_a_setting(gathered: Facts, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = ReaderChoice(preset="", model="/srv/secret-place/model", sae="~/secret-place/sae")
    monkeypatch.setattr(gathered.study, "settings", gathered.study.settings.model_copy(update={"reader": reader}))
    told = dict(tables.settings(gathered))
    assert (told["study.reader.model"], told["study.reader.sae"]) == ("model", "sae")
    assert told["study.checkpoints.new.source"] == "hf:new-model"
    cells = [*tables.settings(gathered), *tables.setup(gathered), *tables.compared(gathered).rows]
    assert [cell for row in cells for cell in row if "secret-place" in cell or cell.startswith(("/", "~"))] == []


def test_the_phrases_that_differ_stand_with_their_figures(gathered: Facts) -> None:
    stored = gathered.diff.phrases
    differ = stored[stored["q"] < 0.05]
    table = tables.phrases(gathered)
    assert [row[0] for row in table.rows] == differ["phrase"].head(tables.PHRASES).tolist()
    assert {len(row) for row in table.rows} == {len(table.head)}
    assert len(table.rows) == len(differ) > 1
