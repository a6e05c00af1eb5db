"""Held-out prompts stay closed to a client that asks for them in every way there is; opened ones are told of."""

import inspect
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from diffing import jobs
from diffing.agents import server as serving
from diffing.agents.terms import Terms
from diffing.diff import compute
from diffing.diff.stored import DiffSettings
from diffing.findings import findings
from diffing.findings.findings import Example
from diffing.models.providers import Checkpoint
from diffing.reader import encode
from diffing.report import folder
from diffing.study import prompts
from diffing.study.settings import ReaderChoice
from diffing.study.study import Study
from tests.fakes import finding_study, report_study
from tests.fakes.agent import Agent, text
from tests.fakes.label_study import RuleReader
from tests.fakes.openai_server import OpenAIServer, failure
from tests.fakes.watch import Watch


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A study whose prompts and answers are marked by their split, with a person's findings, and its report."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIFFING_HOME", str(home))
        report_study.bare(patch)
        study = marked(patch)
        held = ids(study, "held-out")[0]
        made = findings.add(
            study, "numbers its steps", "b", author="Ann", examples=[Example(held, 0)], held_out_seen=True
        )
        findings.note(study, made.id, f"see HELDOUT in {held}", "Ann")
        findings.reject(study, made.id, f"{held} shows the contrary", "Ann")
        folder.run(study, folder.Options(), Watch())
        yield home


def marked(patch: pytest.MonkeyPatch) -> Study:
    """Each held-out prompt and each answer to one hold a word that no other text has."""
    random = np.random.default_rng(0)
    sides = [Checkpoint(key=key, name=key, source="import") for key in "ab"]
    texts = [f"Question {n}" for n in range(60)]
    held = [prompts.split_of(prompts.prompt_id(text, ""), 0.4) == "held-out" for text in texts]
    # Its id hangs on its text: one that says so is looked for until it is held out itself.
    texts = [next(t for t in secrets(n) if is_held_out(t)) if hides else texts[n] for n, hides in enumerate(held)]
    reader = ReaderChoice(preset="", model="rules", sae="rules")
    study = Study.create(
        "study", sides, pd.DataFrame({"text": texts, "category": "plain"}), held_out=0.4, reader=reader
    )
    rows = [
        {"prompt_id": row.id, "checkpoint": key, "draw": 0, "flag": "", "text": answer(random, key, row.split)}
        for row in study.prompts().itertuples()
        for key in "ab"
    ]
    study.add_responses(pd.DataFrame(rows))
    patch.setattr(
        encode, "load_reader", lambda _choice, _device: RuleReader([*finding_study.RULES, {"HELDOUT": 3.0}])
    )
    encode.run(study, encode.Options(), Watch())
    compute.compute(study, "a", "b", DiffSettings())
    return study


def secrets(number: int) -> Iterator[str]:
    return (f"HELDOUT question {number} {turn}" for turn in range(1000))


def is_held_out(text: str) -> bool:
    return prompts.split_of(prompts.prompt_id(text, ""), 0.4) == "held-out"


def answer(random: np.random.Generator, side: str, split: str) -> str:
    said = finding_study.answer(random, side)
    return f"{said} HELDOUT here" if split == "held-out" else said


SECRET = len(finding_study.RULES)
"""The feature that fires on the word of held-out answers alone."""


def ids(study: Study, split: str) -> list[str]:
    table = study.prompts()
    return sorted(table.loc[table["split"] == split, "id"])


@pytest.fixture(autouse=True)
def study(home: Path, own_home: Path) -> Study:
    shutil.copytree(home, own_home, dirs_exist_ok=True)
    return Study.open("study")


def leaks(study: Study, said: str) -> list[str]:
    """What of held-out prompts stands in a text: their word, or an id."""
    return [each for each in ("HELDOUT", *ids(study, "held-out")) if each.lower() in said.lower()]


def everything(agent: Agent, study: Study) -> Iterator[str]:
    """All that an agent can get by asking, page after page, for what it may have and for what it may not."""
    held, known = ids(study, "held-out"), ids(study, "discovery")
    asked: list[tuple[str, dict[str, object]]] = [("studies", {}), ("report", {"study": "study"})]
    asked += [(tool, {"study": "study"}) for tool in ("status", "answer", "findings", "differences")]
    asked += [
        ("differences", {"study": "study", "view": v, "q_below": 1}) for v in ("features", "probes", "phrases")
    ]
    asked += [("feature", {"study": "study", "feature": n}) for n in range(SECRET + 1)]
    asked += [("pair", {"study": "study", "pair": f"{each}{draw}"}) for each in held[:6] for draw in (":0", ":1")]
    asked += [("pair", {"study": "study", "pair": each, "feature": SECRET}) for each in [*held[:3], *known[:3]]]
    for where in ("features", "answers", "prompts"):
        for words in ("question", "here", held[0]):
            asked.append(("search", {"study": "study", "text": words, "where": where}))
    for each in held[:2]:
        asked.append(("claim", {"study": "study", "more": "b", "text": "is seen", "examples": [f"{each}:0"]}))
        asked.append(("claim", {"study": "study", "more": "a", "text": "is seen", "counter_examples": [each]}))
    for tool, arguments in asked:
        yield from pages(agent, tool, arguments)
    for uri in ("study://study/summary", "report://study", "docs://method"):
        yield agent.read(uri)


def pages(agent: Agent, tool: str, arguments: dict[str, object]) -> Iterator[str]:
    """A tool's answers by all its cursors, and by some that it did not give."""
    cursor = ""
    while True:
        result = agent.call(tool, **arguments, **({"cursor": cursor} if cursor else {}))
        yield without(arguments, text(result) + json.dumps(result.structured_content))
        cursor = (result.structured_content or {}).get("next_cursor", "")
        if not cursor:
            break
    if "cursor" in inspect.signature(TOOLS[tool]).parameters:
        for odd in ("100000", "-1"):
            yield without(arguments, text(agent.call(tool, **arguments, cursor=odd)))


def without(arguments: dict[str, object], said: str) -> str:
    """What was asked for is repeated in a refusal, and tells nothing."""
    for given in arguments.values():
        for part in given if isinstance(given, list) else [given]:
            if isinstance(part, str) and len(part) >= 12:
                said = said.replace(part.partition(":")[0], "")
    return said


TOOLS = {tool.__name__: tool for tools in (serving.READING, serving.AGAIN) for tool in tools}


def test_no_answer_of_any_tool_holds_a_word_or_an_id_of_a_held_out_prompt(study: Study) -> None:
    agent = Agent(Terms(frozenset({"verify"})))
    said = list(everything(agent, study))
    assert len(said) > 80
    assert [(leaks(study, each), each[:200]) for each in said if leaks(study, each)] == []


def test_the_same_questions_are_answered_where_they_are_open(study: Study) -> None:
    held, opened = ids(study, "held-out")[0], Agent(Terms(held_out=True))
    asked: list[tuple[str, dict[str, object]]] = [
        ("pair", {"pair": held}),
        ("search", {"text": "HELDOUT", "where": "answers"}),
        ("search", {"text": "HELDOUT", "where": "prompts"}),
        ("feature", {"feature": SECRET}),
        ("claim", {"more": "b", "text": "is seen", "examples": [held]}),
    ]
    for tool, arguments in asked:
        assert leaks(study, text(opened.call(tool, study="study", **arguments))) or tool == "claim"
        assert not opened.call(tool, study="study", **arguments).is_error


def test_a_count_of_answers_says_nothing_of_closed_ones() -> None:
    told = Agent().told("feature", study="study", feature=SECRET)
    assert (told["shown_by"], told["contexts"]) == ({"a": 0, "b": 0}, [])
    assert Agent().told("search", study="study", text="HELDOUT")["hits"] == []


def test_a_job_that_failed_on_closed_prompts_says_so_without_them(server: OpenAIServer) -> None:
    asked = [{"text": f"Please tell me all about number {n}"} for n in range(12)]
    agent = Agent(Terms(frozenset({"collect"}), models=(f"{server.url}#*",)))
    sides = [f"{server.url}#before", f"{server.url}#after"]
    agent.told("new_study", name="asked", checkpoints=sides, prompts=asked)
    made = Study.open("asked")
    # An endpoint that repeats what it was asked, as some do that refuse it.
    server.reply = lambda call: failure(400, f"not allowed: {call.prompt}")
    job = agent.told("start", study="asked", step="collect", max_dollars=1)["job"]
    told = agent.call("job", study="asked", job=job, wait_s=40)
    said = text(told) + json.dumps(told.structured_content)
    texts = made.prompts().groupby("split")["text"].apply(list)
    log = "\n".join(jobs.find(made, job).log_tail(100))
    assert [each for each in texts["held-out"] if each not in log] == []
    assert [each for each in [*texts["held-out"], *ids(made, "held-out")] if each in said] == []
    assert any(each in said for each in texts["discovery"])


def test_an_agents_own_endpoint_is_not_asked_to_judge(server: OpenAIServer) -> None:
    agent = Agent(Terms(frozenset({"verify", "baseline", "label", "draft"})))
    agent.told("claim", study="study", more="b", text="mentions cake")
    said = agent.refused("verify", study="study", model=f"{server.url}#before")
    assert said.startswith(f"This server may not ask '{server.url}#before'")
    for step in ("baseline", "label", "draft", "verify"):
        assert agent.refused("start", study="study", step=step, options={"model": "ollama:x"}).startswith(
            "This server"
        )
    assert server.calls == []


def test_whoever_could_read_held_out_answers_says_so_in_every_later_claim(study: Study) -> None:
    before = Agent().told("claim", study="study", more="b", text="was there before")
    assert Agent().told("findings", study="study")["findings"][0]["held_out_seen"] is False
    opened = Agent(Terms(held_out=True))
    assert opened.told("pair", study="study", pair=ids(study, "held-out")[0])["split"] == "held-out"
    # A restart without the flag takes nothing back, and another client may have been told.
    later = Agent(name="another").told("claim", study="study", more="b", text="came later")
    again = Agent().told("claim", study="study", more="b", text="was there before")
    assert (before["held_out_seen"], later["held_out_seen"], again["held_out_seen"]) == (False, True, True)
    assert findings.get(study, later["id"]).held_out_seen
    assert Agent(Terms(held_out=True)).read("report://study").startswith("# ")
