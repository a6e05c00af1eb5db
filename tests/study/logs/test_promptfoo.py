"""promptfoo's own results, made by it with a provider of a few lines."""

import pytest

from diffing.study.imports import Answers
from tests.fakes.logs import PROMPTFOO, brought, reported


@pytest.fixture(scope="module", params=["results.json.gz", "results.jsonl.gz"])
def results(request: pytest.FixtureRequest) -> Answers:
    return brought(PROMPTFOO / str(request.param))


def test_passes_failures_and_errors_are_those_that_promptfoo_counts(results: Answers) -> None:
    stats = reported(PROMPTFOO / "reported.json")["stats"]
    passed = results.measures[results.measures["name"] == "pass"]["value"]
    assert set(results.formats.values()) == {"promptfoo"}
    assert (int(passed.sum()), int((1 - passed).sum())) == (stats["successes"], stats["failures"])
    assert int((results.responses["flag"] == "failed").sum()) == stats["errors"]
    # As often as the provider was asked.
    assert len(results.responses) == stats["successes"] + stats["failures"] + stats["errors"]


@pytest.mark.parametrize("provider", ["loud", "soft"])
def test_sums_of_scores_are_those_that_promptfoo_reports(results: Answers, provider: str) -> None:
    told = [metrics for name, metrics in reported(PROMPTFOO / "reported.json")["prompts"] if name == provider]
    mine = results.measures[results.measures["checkpoint"] == provider].groupby("name")["value"]
    assert float(mine.sum()["score"]) == pytest.approx(sum(one["score"] for one in told))
    for name in ("colour", "length"):
        assert float(mine.sum()[name]) == pytest.approx(sum(one["namedScores"][name] for one in told))
        assert int(mine.count()[name]) == sum(one["namedScoresCount"][name] for one in told)


def test_repetitions_are_draws_and_conversations_are_prompts(results: Answers) -> None:
    assert results.checkpoints == ["loud", "soft"]
    assert sorted(results.responses["draw"].unique()) == [0, 1]
    assert len(results.prompts) == 6 and int((results.prompts["messages"] != "").sum()) == 3
    first = results.responses[(results.responses["checkpoint"] == "loud") & (results.responses["draw"] == 0)]
    assert set(first["text"]) == {"THE SEA IS BLUE.", "THE SKY IS HIGH.", ""}
    assert set(first.loc[first["text"] == "", "error"]) == {"the mock provider refuses this one"}


def test_cost_tokens_and_time_come_along(results: Answers) -> None:
    fine = results.responses[results.responses["flag"] != "failed"]
    assert set(fine["tokens_in"]) == {6} and set(fine["tokens_out"]) == {3} and set(fine["cost"]) == {0.001}
    assert bool((fine["latency"] < 60).all())
