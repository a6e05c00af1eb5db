"""Money: a limit holds whatever a provider says, what was billed is counted, what is refused stops."""

import asyncio
from pathlib import Path

import pytest

from diffing import jobs, status
from diffing.common import noted
from diffing.common.errors import UserError
from diffing.models import breaker, faults, providers
from diffing.models.providers import Endpoint
from diffing.study import collect as collecting
from diffing.study import spendings
from tests.fakes.asked_study import collect, make
from tests.fakes.openai_server import Behaviour, OpenAIServer, failure


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a key's variable: who has a key to pay with may be billed."""
    monkeypatch.setenv("SOME_KEY", "sk-some")
    return "SOME_KEY"


@pytest.mark.attack("R1")
@pytest.mark.parametrize("stated", [(-1.0, -1.0), (float("nan"), 0.1), (float("inf"), 0.0), (1e300, 1e300)])
def test_a_limit_in_dollars_holds_whatever_the_list_says(
    server: OpenAIServer, key: str, stated: tuple[float, float]
) -> None:
    server.prices = {"before": stated, "after": stated}
    server.reply = lambda _: Behaviour("fine", usage={"cost": 0.25})
    study = make(server, 40, key_env=key)
    prices = asyncio.run(collecting.check(study))
    assert prices == {"before": None, "after": None}
    result = collect(study, max_dollars=2, concurrency=1)
    assert (result["cost"], result["asked"], result["stopped_by"]) == (2.0, 8, "the limit of $2")


@pytest.mark.attack("R1")
def test_a_limit_holds_where_what_is_stated_to_be_free_is_billed(server: OpenAIServer, key: str) -> None:
    server.prices = {"before": (0.0, 0.0), "after": (0.0, 0.0)}
    server.reply = lambda _: Behaviour("fine", usage={"cost": 0.25})
    result = collect(make(server, 40, key_env=key), max_dollars=2, concurrency=16)
    assert (result["cost"], len(server.calls), result["stopped_by"]) == (2.0, 8, "the limit of $2")


@pytest.mark.attack("R1")
def test_a_limit_holds_where_a_reply_costs_more_than_its_price(server: OpenAIServer, key: str) -> None:
    server.prices = {"before": (0.0, 1e-6), "after": (0.0, 1e-6)}
    server.reply = lambda _: Behaviour("fine", usage={"cost": 0.25})
    result = collect(make(server, 40, key_env=key, max_tokens=10), max_dollars=2, concurrency=1)
    assert (result["cost"], result["stopped_by"]) == (2.0, "the limit of $2")


@pytest.mark.attack("R1")
def test_costs_that_cannot_be_are_unknown_and_a_limit_says_so(server: OpenAIServer, key: str) -> None:
    server.reply = lambda _: Behaviour("fine", usage={"cost": -5})
    told = jobs.run_here(make(server, 40, key_env=key), "collect", {"max_dollars": 1, "concurrency": 1})
    assert (told.state, len(server.calls)) == ("failed", 1)
    assert told.error.startswith("The limit in dollars cannot be kept")


@pytest.mark.attack("R1")
@pytest.mark.parametrize("price", ["-1", "nan", "inf", "1e300", '"cheap"'])
def test_an_own_price_that_cannot_be_is_refused(own_home: Path, price: str) -> None:
    (own_home / "prices.toml").write_text(f'"m" = [{price}, 1.0]\n')
    with pytest.raises(UserError, match=r"'prices.toml' is wrong \(a price is a number of dollars that is finite"):
        providers.price(Endpoint("custom", "http://host/v1", "SOME_KEY", "m"))


@pytest.mark.attack("R22")
def test_an_endpoint_that_refuses_everything_stops_the_run(server: OpenAIServer) -> None:
    study = make(server, 200)
    server.reply = lambda _: failure(429, "slow down", retry_after="99999")
    told = jobs.run_here(study, "collect", {"concurrency": 4})
    model = told.error.split("'")[1]
    assert model in ("before", "after")
    assert (told.state, told.error) == (
        "failed",
        f"{server.url} refuses everything: 20 requests in a row for '{model}' failed alike (Error code: 429 - "
        "slow down; it asks to wait 27 h 46 min); mend that or wait, and run it again: what was answered is "
        "stored.",
    )
    assert breaker.ALIKE <= len(server.calls) < 2 * breaker.ALIKE + 8
    assert study.responses()["error"].str.contains("it asks to wait 27 h 46 min").all()
    server.reply = lambda _: "fine"
    assert collect(study)["answered"] == 400


@pytest.mark.attack("R22")
def test_prompts_that_one_by_one_cannot_be_answered_stop_nothing(server: OpenAIServer) -> None:
    study = make(server, 50)
    server.reply = lambda call: failure(400, "too long") if call.number > 10 else "fine"
    assert (collect(study, concurrency=1)["failed"], len(server.calls)) == (90, 100)


@pytest.mark.attack("R22")
def test_an_endpoint_that_breaks_down_midway_stops_the_run(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults, "FIRST_WAIT", 0.001)
    study = make(server, 50)
    server.reply = lambda call: failure(503, f"over {call.number}") if call.number > 10 else "fine"
    told = jobs.run_here(study, "collect", {"concurrency": 1, "attempts": 1})
    # Ten were answered; then the two models fail in turn, until one of them has failed twenty times.
    assert (told.state, len(server.calls), "refuses everything" in told.error) == ("failed", 49, True)


@pytest.mark.attack("R27")
def test_the_cost_of_a_study_is_all_that_was_billed(server: OpenAIServer) -> None:
    study = make(server, 4)
    server.reply = lambda _: Behaviour("cut of", finish_reason="length", usage={"cost": 0.25})
    collect(study)
    server.reply = lambda _: Behaviour("whole", usage={"cost": 0.5})
    collect(study, retry=["truncated"])
    assert (status.of(study)["cost"], float(study.responses()["cost"].sum())) == (6.0, 4.0)
    collect(study)
    assert status.of(study)["cost"] == 6.0


@pytest.mark.attack("R27")
def test_a_study_older_than_its_ledger_begins_with_what_its_answers_cost(server: OpenAIServer) -> None:
    study = make(server, 4)
    server.reply = lambda _: Behaviour("cut of", finish_reason="length", usage={"cost": 0.25})
    collect(study)
    _without(study.folder / "spendings.jsonl")
    assert status.of(study)["cost"] == 2.0
    server.reply = lambda _: Behaviour("whole", usage={"cost": 0.5})
    collect(study, retry=["truncated"])
    assert status.of(study)["cost"] == 6.0


@pytest.mark.attack("R27")
def test_a_reply_counts_once_however_often_it_is_read(server: OpenAIServer) -> None:
    study = make(server, 2)
    server.reply = lambda _: Behaviour("fine", usage={"cost": 0.25})
    collect(study)
    # As after a kill between the reply and the table.
    _without(study.folder / "responses.parquet")
    assert (collect(study)["cost"], status.of(study)["cost"], len(server.calls)) == (None, 1.0, 4)
    ledger = spendings.Spendings(study)
    ledger.add("another", 0.5)
    ledger.add("another", 0.5)
    assert spendings.total(study) == 1.5


def _without(path: Path) -> None:
    """As if the file had never been written: its note of how many rows it holds goes too."""
    path.unlink()
    noted.forget(path)
