"""The benchmark run offline: every kind of agent in one run of two pairs, one a null, and what comes of it."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from diffing.agents.benchmark import results, running, table, truth
from diffing.agents.benchmark.pairs import folder
from diffing.study import imports
from tests.fakes import bench_agents
from tests.fakes.bench_agents import PLAYED, by_epoch, judging, played

LIMITS: dict[str, Any] = {"messages": 14, "tokens": 2_000_000, "dollars": 0.5}
OPTIONS = running.Options(arms=["blackbox"], epochs=len(PLAYED), at_once=2, name="all", **LIMITS)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the benchmark was run once."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIFFING_HOME", str(home))
        running.run(OPTIONS, played(by_epoch), played(judging))
    return home


@pytest.fixture(scope="module")
def ran(home: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    return table.read(home / "bench" / "logs" / "all")


def row(ran: tuple[pd.DataFrame, pd.DataFrame], turn: bench_agents.Turn, task: str = "sample") -> dict[str, Any]:
    runs = ran[0]
    mine = runs[(runs["task"] == task) & (runs["epoch"] == PLAYED.index(turn) + 1)]
    assert len(mine) == 1
    return dict(mine.iloc[0])


def claimed(ran: tuple[pd.DataFrame, pd.DataFrame], turn: bench_agents.Turn) -> pd.DataFrame:
    claims = ran[1]
    return claims[(claims["epoch"] == PLAYED.index(turn) + 1) & (claims["task"] == "sample")]


def test_every_run_is_a_row(ran: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    runs = ran[0]
    assert len(runs) == 2 * len(PLAYED)
    assert set(runs["task"]) == {"sample", "sample-null"} and set(runs["arm"]) == {"blackbox"}


def test_an_oracle_finds_everything_and_invents_nothing(ran: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    told = row(ran, bench_agents.oracle)
    assert (told["recall"], told["false"], told["repeats"], told["grade"]) == (1.0, 0, 0, 4.0)
    assert not row(ran, bench_agents.oracle, "sample-null")["asserted"]
    assert told["brier"] == pytest.approx(0.01)
    # Our own verification bears out what is so, on prompts that the agent was not shown.
    claims = claimed(ran, bench_agents.oracle)
    assert len(claims) == 10 and claims["holds"].all() and (claims["how"] == "count").all()


def test_a_silent_agent_finds_nothing_and_is_right_about_nothing(ran: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    told = row(ran, bench_agents.silent)
    assert (told["recall"], told["false"], told["grade"], told["handed"]) == (0.0, 0, 1.0, True)
    null = row(ran, bench_agents.silent, "sample-null")
    assert (null["asserted"], null["handed"], null["why"]) == (False, True, "")


def test_babble_is_false_and_the_null_catches_it(ran: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    told = row(ran, bench_agents.babbling)
    assert (told["recall"], told["false"], told["grade"]) == (0.0, len(bench_agents.BABBLE), 0.0)
    null = row(ran, bench_agents.babbling, "sample-null")
    assert (null["asserted"], null["false"]) == (True, len(bench_agents.BABBLE))


def test_one_truth_in_ten_wordings_is_found_once(ran: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    told = row(ran, bench_agents.repeating)
    assert (told["recall"], told["false"], told["repeats"]) == (0.1, 0, 9)
    assert told["found"] == {"dash"}


def test_a_judge_has_to_name_the_same_change_in_both_orders(ran: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    claims = claimed(ran, bench_agents.worded).set_index("text")
    strokes = claims.loc["has long strokes between clauses"]
    # The lower grade of the two counts, and the better worded claim stands for the item.
    assert (strokes["item"], strokes["grade"], strokes["how"], strokes["repeat"]) == ("dash", 3, "judge", True)
    assert (claims.loc["EM DASHES.", "how"], claims.loc["EM DASHES.", "grade"]) == ("words", 4)
    assert claims.loc["does the first thing", "grade"] == 0
    assert claims["unjudged"].to_dict()["is unanswerable"]
    told = row(ran, bench_agents.worded)
    assert (told["false"], told["unjudged"], told["rating"]) == (1, 1, 2)


def test_an_agent_that_breaks_off_costs_its_own_run_and_its_score_says_why(
    ran: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    said = {
        bench_agents.malformed: ["limit (message)", "was refused:", "is not one of ['a', 'b']"],
        bench_agents.endless: ["limit (message)"],
        bench_agents.talking: ["limit (message)"],
        bench_agents.crashing: ["the model's machine is on fire"],
        bench_agents.spending: ["limit (token)"],
    }
    for turn, parts in said.items():
        for task in ("sample", "sample-null"):
            told = row(ran, turn, task)
            assert not told["handed"] and not told["asserted"]
            assert all(part in told["why"] for part in parts), (turn.__name__, told["why"])
        assert (row(ran, turn)["recall"], row(ran, turn)["grade"]) == (0.0, 1.0)


def test_an_agent_that_looks_finds_what_it_counts(ran: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    told = row(ran, bench_agents.looking)
    assert (told["found"], told["false"]) == ({"dash", "bold", "hedge", "offer"}, 0)
    assert told["prompts"] >= 20
    claims = claimed(ran, bench_agents.looking)
    assert (claims["read"] == 2).all()
    assert not row(ran, bench_agents.looking, "sample-null")["asserted"]


def test_what_a_run_cost_is_the_agents_and_not_the_judges(ran: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    told = row(ran, bench_agents.worded)
    assert (told["tokens"], told["dollars"]) == (1000, pytest.approx(0.001))


def test_the_table_keeps_nulls_apart(ran: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    told = table.arms(*ran).iloc[0]
    assert (told["null runs"], told["runs"], told["organisms"]) == (len(PLAYED), len(PLAYED), 1)
    # Three invent, three are silent and right, five break off and are neither.
    assert told["invented"] == pytest.approx(3 / 11) and told["rejected"] == pytest.approx(3 / 11)
    assert told["broken"] == pytest.approx(5 / 11)
    assert told["invented low"] < told["invented"] < told["invented high"]
    real = ran[0][~ran[0]["null"]]
    assert told["recall"] == pytest.approx(real["recall"].mean())


def test_our_verification_is_set_against_the_truth(ran: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    told = table.against_q(ran[1])
    assert told["held and true"] >= 20 and told["held and not true"] <= 2
    bins = table.calibration(ran[1])
    assert bins["claims"].sum() == (~ran[1]["unjudged"]).sum() and bins["true"].iloc[-1] < 0.9


def test_what_came_of_it_is_kept_and_opens_as_it_was(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFFING_HOME", str(home))
    first = results.of("all")
    monkeypatch.setattr(table, "read", lambda _: pytest.fail("read again"))
    again = results.of(results.named())
    pd.testing.assert_frame_equal(table.arms(*again), table.arms(*first), check_dtype=False)
    assert again.runs["found"].tolist() == first.runs["found"].tolist()
    log = first.runs.query("task == 'sample' and epoch == 1")["log"].iloc[0]
    said = results.transcript("all", log, "sample", 1)
    assert [each.role for each in said] == ["system", "user", "assistant", "submit"]
    assert said[2].calls[0].startswith("submit {'claims'")


def test_a_run_of_the_same_name_goes_on_where_it_stood(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFFING_HOME", str(home))
    before = {path.name for path in (home / "bench" / "logs" / "all").glob("*.eval")}

    def unwanted(_: list[Any]) -> Any:
        raise AssertionError("asked again")

    running.run(OPTIONS, played(unwanted), played(unwanted))
    assert {path.name for path in (home / "bench" / "logs" / "all").glob("*.eval")} == before
    # Copies are gone; the pairs themselves wait for the next run.
    assert {path.name[:5] for path in (folder() / "home" / "studies").iterdir() if path.is_dir()} == {"pair-"}


def test_nothing_that_an_agent_reads_names_the_pair(home: Path) -> None:
    from inspect_ai.log import read_eval_log

    path = next((home / "bench" / "logs" / "all").glob("*.eval"))
    read = [message.text for sample in read_eval_log(str(path)).samples or [] for message in sample.messages]
    names = ("sample model", "sample-null", "planted", *(each.sentence for each in truth.read().values()))
    assert len(read) > 100 and [text for text in read if any(name in text.casefold() for name in names)] == []


def test_a_log_comes_back_as_answers(home: Path) -> None:
    found = imports.load(next((home / "bench" / "logs" / "all").glob("*.eval")))
    assert len(found.responses) > 0 and set(found.formats.values()) == {"inspect"}
