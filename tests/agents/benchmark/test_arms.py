"""What each arm is shown and may call: the server's own tools, the same words, discovery prompts only."""

from pathlib import Path
from typing import Any

import pytest
from inspect_ai.log import EvalSample, read_eval_log
from inspect_ai.model import ModelOutput
from inspect_ai.solver._task_state import sample_state

from diffing.agents import server as serving
from diffing.agents.benchmark import arms, pairs, running, truth, words
from diffing.agents.terms import Terms
from diffing.common.errors import UserError
from diffing.reader import encode
from diffing.study import prompts
from diffing.study.study import Study
from tests.fakes.bench_agents import calls, oracle, played
from tests.fakes.label_study import RuleReader

ARMS = ["answers", "notebook", "battery", "plain"]
OPTIONS = running.Options(arms=ARMS, organisms=["sample"], epochs=1, framing="presupposing", name="arms")
LOOKS: tuple[tuple[str, dict[str, Any]], ...] = (
    *(("answer", {}), ("differences", {"view": "probes"}), ("feature", {"feature": 0}), ("findings", {})),
    *(("search", {"text": "the", "where": "answers"}), ("claim", {"text": "uses bold", "more": "b"})),
)

CELL = "from pathlib import Path\nprint(sorted(path.name for path in Path('data').iterdir()))"


def looking(messages: list[Any]) -> ModelOutput:
    """Calls each tool once, then a pair that a search named, then hands in."""
    state = sample_state()
    assert state is not None
    done = [message for message in messages if message.role == "tool"]
    if state.metadata["arm"] == "notebook" and not done:
        return calls("run_python", code=CELL)
    if state.metadata["arm"] != "answers":
        return oracle(messages)
    if len(done) < len(LOOKS):
        name, told = LOOKS[len(done)]
        return calls(name, **told)
    if len(done) == len(LOOKS):
        hit = next(word for word in done[4].text.split() if word[12:14] in (":0", ":1"))
        return calls("pair", pair=hit)
    return calls("coverage") if len(done) == len(LOOKS) + 1 else oracle(messages)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIFFING_HOME", str(home))
        rules = [{"the": 1.0}, {"For": 1.0}, {"  ": 2.0}]
        patch.setattr(encode, "load_reader", lambda _choice, _device: RuleReader(rules))
        running.run(OPTIONS, played(looking))
    return home


@pytest.fixture(scope="module")
def samples(home: Path) -> dict[str, EvalSample]:
    logs = [read_eval_log(str(path)) for path in (home / "bench" / "logs" / "arms").glob("*.eval")]
    return {sample.metadata["arm"]: sample for log in logs for sample in log.samples or []}


def test_the_answers_arm_calls_the_servers_own_tools(samples: dict[str, EvalSample]) -> None:
    told = [message for message in samples["answers"].messages if message.role == "tool"]
    assert [message.function for message in told] == [*(name for name, _ in LOOKS), "pair", "coverage", "submit"]
    assert [message.error for message in told] == [None] * len(told)
    assert "sentence:" in told[0].text and "numbered items" in told[1].text and "passages:" in told[6].text
    assert told[7].text.startswith("Never looked at: ") and told[7].text.count(": 1 of") == 1
    # What it claims on the way is its own copy's alone.
    assert samples["answers"].scores is not None


def test_the_notebook_arm_runs_code_over_the_tables_of_its_pair(samples: dict[str, EvalSample]) -> None:
    told = [message for message in samples["notebook"].messages if message.role == "tool"]
    assert [message.function for message in told] == ["run_python", "submit"] and told[0].error is None
    assert "state: done" in told[0].text and "prompts.parquet" in told[0].text


def test_all_arms_see_one_order_and_read_the_same_words(samples: dict[str, EvalSample]) -> None:
    assert set(samples) == set(ARMS) and len({sample.store["swapped"] for sample in samples.values()}) == 1
    for arm, sample in samples.items():
        said = next(message.text for message in sample.messages if message.role == "system")
        assert said.startswith(words.FRAMINGS["presupposing"]) and words.HAS[arm] in said
        assert said.endswith(words.ENDING)


def test_one_call_is_all_that_a_reader_has(samples: dict[str, EvalSample]) -> None:
    for arm in ("battery", "plain"):
        sample = samples[arm]
        assert [message.role for message in sample.messages] == ["system", "user", "assistant", "tool"]
        value: Any = (sample.scores or {})["found"].value
        assert value["recall"] == 1.0


def test_nobody_is_shown_a_held_out_prompt(home: Path, samples: dict[str, EvalSample]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIFFING_HOME", str(home / "bench" / "home"))
        study = Study.open(pairs.order(truth.chosen(truth.read(), ["sample"])[0], 1, 0).study)
        table = study.prompts()
        closed = table[~prompts.discovery(table)]
        assert len(closed) > 20
        read = "\n".join(message.text for sample in samples.values() for message in sample.messages)
        assert [row["id"] for _, row in closed.iterrows() if row["id"] in read or row["text"][:60] in read] == []


def test_a_battery_leaves_no_kind_of_prompt_out(home: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIFFING_HOME", str(home / "bench" / "home"))
        server = serving.made(Terms(max_dollars=0.0))
        study = Study.open(pairs.order(truth.chosen(truth.read(), ["sample"])[0], 1, 0).study)
        patch.setattr(arms, "BATTERY", 14)
        ids, text = arms.battery(server.desk, study)
        table = server.desk.sight.prompts(study)
        assert set(table[table["id"].isin(ids)]["category"]) == set(table["category"])
        assert text.count("\nA: ") == text.count("\nB: ") == 14
        assert arms.battery(server.desk, study) == (ids, text)
        rows = arms.laid_out(server.desk, study)["pairs.jsonl"].splitlines()
        assert len(rows) == 2 * len(table)


@pytest.mark.parametrize(
    ("arm", "has"),
    [
        ("blackbox", ["prompts", "ask", "coverage"]),
        ("answers", [*arms.READING, "coverage"]),
        ("notebook", [*arms.READING, *arms.CODE, "coverage"]),
        ("inside:all", ["prompts", "ask", "inside", "coverage"]),
        ("inside:lens", ["prompts", "ask", "inside", "coverage"]),
    ],
)
def test_an_arm_has_its_tools_without_the_names_of_study_and_checkpoints(arm: str, has: list[str]) -> None:
    given = arms.tools(arms.named(arm), serving.made(Terms()))
    assert [tool.name for tool in given] == has
    taken = {name for tool in given for name in tool.parameters.properties}
    assert not taken & {"study", "a", "b", "method"}
    assert all(tool.description for tool in given)


def test_what_stands_in_weights_needs_weights() -> None:
    made = truth.read()["sample"]
    assert not arms.named("inside:all").fits(made) and arms.named("answers").fits(made)
    with pytest.raises(UserError, match="needs an organism of weights"):
        running.plan(running.Options(arms=["inside:all"]))
    with pytest.raises(UserError, match="There is no method 'magic'"):
        arms.named("inside:magic")
    with pytest.raises(UserError, match="There is no arm 'magic'"):
        arms.named("magic")


def test_a_pair_is_the_same_for_a_seed_and_each_order_comes_in_turn() -> None:
    one, null = truth.chosen(truth.read())
    orders = [pairs.order(one, epoch, 3) for epoch in (1, 2, 3)]
    assert [each.swapped for each in orders] in ([True, False, True], [False, True, False])
    assert orders[0] == orders[2] and orders[0].study != orders[1].study
    assert "sample" not in orders[0].study
    first = {pairs.order(one, 1, seed).swapped for seed in range(20)}
    assert first == {True, False}
    dealt = [
        pairs.MAKERS["nothing"](null, seed, pairs.NOBODY).answers.sort_values(["prompt_id", "checkpoint"])
        for seed in (0, 0, 1)
    ]
    assert dealt[0].equals(dealt[1]) and not dealt[0]["text"].equals(dealt[2]["text"])
    assert dealt[0].groupby("prompt_id")["checkpoint"].agg("".join).eq("ab").all()
    # Both sides are draws of one checkpoint.
    texts = set(dealt[0]["text"])
    assert texts == set(dealt[2]["text"]) and len(dealt[0]) == 120
