"""A judge asked about the lens's tokens: the right description beside wrong ones and nulls, once each, resumed."""

import json
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from diffing import jobs
from diffing.cli.app import app
from diffing.common.errors import UserError
from diffing.findings import relevance
from diffing.models import providers
from diffing.study.study import Study
from diffing.whitebox import organisms
from diffing.whitebox.organisms import Organism
from tests.fakes import judges
from tests.fakes import pairs as fakes
from tests.fakes.openai_server import Call, OpenAIServer
from tests.fakes.pairs import Folders
from tests.fakes.watch import Watch
from tests.pages.test_pages import opened

ASKED: dict[str, Any] = {
    "methods": ["lens"],
    "settings": {"lens": {"least": 1, "patchscope": False, "layer": [0.5]}},
    "texts": {"source": "own", "count": 12, "length": 12},
    "nulls": ["rotated:1"],
}
RIGHT = "Speaks of bees."


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return fakes.make(tmp_path_factory.mktemp("pairs"), "llama")


@pytest.fixture
def study(folders: Folders, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> Study:
    sides = [providers.parse(f"hf:{folders.base}", "a"), providers.parse(folders.low_rank, "b")]
    study = Study.create("s", sides, pd.DataFrame({"text": ["Hello"]}), organism="bees:m:default")
    known = organisms.registry()
    mine = Organism(kind="topic", truth=RIGHT, variants=known["topic"].variants)
    monkeypatch.setattr(organisms, "registry", lambda: {**known, "bees": mine})
    monkeypatch.setattr(organisms, "find", lambda _text: organisms.Found("bees", mine, mine.variants[0]))
    assert jobs.run_here(study, "inside", ASKED).state == "done"
    server.models, server.prices, server.reply = ["judge"], {"judge": (1e-6, 2e-6)}, fitting
    return study


def pieces(call: Call) -> list[str]:
    return [json.loads(line.split(": ", 1)[1]) for line in judges.blocks(call)["pieces"].splitlines()]


def fitting(call: Call) -> str:
    """Of the right description every second piece by its letters, of others none but the list's first."""
    shown = pieces(call)
    if judges.blocks(call)["description"] != RIGHT:
        return json.dumps({"fit": [1]})
    return json.dumps({"fit": [n for n, piece in enumerate(shown, 1) if sum(map(ord, piece)) % 2]})


def options(server: OpenAIServer, **told: Any) -> relevance.Options:
    return relevance.Options(model=f"{server.url}#judge", attempts=1, **told)


def test_what_fits_in_every_order_is_told_beside_wrong_descriptions_and_nulls(
    study: Study, server: OpenAIServer
) -> None:
    asked = options(server)
    expected = relevance.estimate(study, asked)
    # The right one, five wrong ones, and the null's tokens under the right one; each in three orders.
    assert expected.calls == 7 * relevance.ORDERS
    assert relevance.run(study, asked, Watch())["calls"] == expected.calls
    found = relevance.table(study, asked)
    assert found.groupby("whose").size().to_dict()["pair"] == 6 and len(found) == 7
    own = found[(found["whose"] == "pair") & (found["description"] == relevance.RIGHT)].iloc[0]
    (part,) = [p for p in relevance.parts(study, asked) if (p.whose, p.kind) == ("pair", relevance.RIGHT)]
    tokens = list(dict.fromkeys(part.tokens))
    assert own["fit"] == [token for token in tokens if sum(map(ord, token)) % 2] and own["tokens"] == len(tokens)
    # A judge who names whatever stands first names another piece in each order: none fits in all of them.
    wrong = found[(found["whose"] == "pair") & (found["description"] != relevance.RIGHT)]
    assert len(wrong) == 5 and not wrong["share"].any() and len(tokens) >= relevance.ORDERS
    (told,) = relevance.told(found)
    assert told.right == own["share"] > 0 and told.wrong == 0 and len(told.nulls) == 1
    # Nobody is told whose tokens they are, or which description is right.
    sent = json.dumps([call.messages for call in server.calls])
    assert not any(word in sent.lower() for word in ("rotated", "null", "organism", "wrong"))


def test_what_was_answered_is_not_asked_again(study: Study, server: OpenAIServer) -> None:
    assert relevance.run(study, options(server, max_requests=4), Watch())["left"] == 17
    assert relevance.run(study, options(server), Watch())["calls"] == 17
    assert relevance.estimate(study, options(server)).calls == 0
    assert relevance.estimate(study, options(server, description="Speaks of ants.")).calls > 0


def test_a_study_of_nothing_known_needs_a_description_and_the_lens_must_have_run(folders: Folders) -> None:
    sides = [providers.parse(f"hf:{folders.base}", "a"), providers.parse(folders.low_rank, "b")]
    study = Study.create("t", sides, pd.DataFrame({"text": ["Hello"]}))
    with pytest.raises(UserError, match="give what changed with --says"):
        relevance.description(study, " ")
    with pytest.raises(UserError, match="The lens was not run"):
        relevance.parts(study, relevance.Options(description=RIGHT))


def test_the_command_says_the_cost_first_and_the_page_shows_what_came(study: Study, server: OpenAIServer) -> None:
    words = ["relevance", "s", "--judge", f"{server.url}#judge"]
    result = CliRunner().invoke(app, words)
    assert "21 lists would be sent to judge" in result.stdout and not relevance.path_of(study).exists()
    result = CliRunner().invoke(app, [*words, "--yes"])
    assert result.exit_code == 0 and "fit a wrong one on average" in " ".join(result.stdout.split())
    page = opened("pages/inside.py", study="s", method="lens")
    assert any("of the first tokens fit the description" in told.value for told in page.markdown)
