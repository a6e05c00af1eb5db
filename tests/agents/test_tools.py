"""Every tool by the protocol's own client: typed answers, sentences for faults, sizes, names, keys and limits."""

import json
import re
import shutil
import threading
from pathlib import Path

import pandas as pd
import pytest
import typer

from diffing import jobs
from diffing.agents import claims, reading, size
from diffing.agents import server as serving
from diffing.agents.terms import Terms
from diffing.cli.app import app
from diffing.common.files import PROJECT
from diffing.diff import compute
from diffing.findings import findings, verification
from diffing.models.providers import Checkpoint
from diffing.study.study import Study
from tests.fakes import finding_study, judges
from tests.fakes.agent import Agent, text
from tests.fakes.finding_study import CAKE, SPACES
from tests.fakes.openai_server import OpenAIServer

TOOLS = {
    *(
        "studies",
        "status",
        "answer",
        "differences",
        "feature",
        "pair",
        "search",
        "inside",
        "estimate",
        "findings",
        "report",
    ),
    *("inside", "cancel", "claim", "new_study", "start", "verify", "job", "run_python", "cell", "interrupt"),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a compared study, made once."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIFFING_HOME", str(home))
        finding_study.make(patch)
    return home


@pytest.fixture(autouse=True)
def agent(home: Path, own_home: Path) -> Agent:
    """An agent in a copy of that home."""
    shutil.copytree(home, own_home, dirs_exist_ok=True)
    return Agent()


def test_the_tools_say_what_they_take_what_they_give_and_whether_they_change_anything(agent: Agent) -> None:
    tools = {tool.name: tool for tool in agent.talk(lambda client: client.list_tools()).tools}
    assert set(tools) == TOOLS
    assert all(tool.description and tool.output_schema and tool.annotations for tool in tools.values())
    reading_ones = {name for name, tool in tools.items() if tool.annotations.read_only_hint}
    assert reading_ones == TOOLS - {"cancel", "claim", "new_study", "start", "verify", "run_python", "interrupt"}
    again = {name for name, tool in tools.items() if tool.annotations.idempotent_hint}
    assert again == TOOLS - {"new_study", "start", "verify", "run_python"}
    # Read by a model before its first word; what comes back is described to its client.
    read = [[tool.name, tool.description, tool.input_schema] for tool in tools.values()]
    assert size.tokens(json.dumps(read)) < 15_000


def test_reading_tools_tell_what_the_engine_tells(agent: Agent) -> None:
    assert [each["name"] for each in agent.told("studies")["studies"]] == ["study"]
    status = agent.told("status", study="study")
    assert {each["step"]: each["state"] for each in status["steps"]}["diff"] == "done"
    assert status["discovery"] + status["held_out"] == status["prompts"] == 120
    answer = agent.told("answer", study="study")
    stored = compute.current(Study.open("study"), "a", "b")
    assert answer["sentence"].startswith("B's answers are")
    behaviours = agent.pages("answer", "behaviours", study="study")
    assert len(behaviours) == len(stored.behaviours)
    rows = agent.pages("differences", "rows", study="study")
    leads = stored.features[
        (stored.features["feature"] == stored.features["family"]) & (stored.features["q"] < 0.05)
    ]
    assert {row["feature"] for row in rows} == set(leads["feature"])
    spaces = next(row for row in rows if row["feature"] == SPACES)
    figures = stored.features.set_index("feature").loc[SPACES]
    assert (spaces["a"], spaces["b"], spaces["q"]) == tuple(figures[["frequency_a", "frequency_b", "q"]])
    assert {row["feature"] for row in agent.pages("differences", "rows", study="study", more="a")} < set(
        leads["feature"]
    )
    probes = agent.pages("differences", "rows", study="study", view="probes")
    assert "numbered items" in {row["what"] for row in probes}
    assert agent.told("differences", study="study", view="probes", contains="numbered it")["of"] == 1


def test_a_pair_is_handed_over_whole_with_its_marks(agent: Agent) -> None:
    behaviour = next(b for b in agent.told("answer", study="study")["behaviours"] if "numbered" in b["name"])
    prompt, _, draw = behaviour["examples"][0].partition(":")
    rows = Study.open("study").responses().query("prompt_id == @prompt").set_index("checkpoint")["text"]
    for marks in ({"feature": CAKE}, {"probe": "numbered items"}, {}):
        told = agent.told("pair", study="study", pair=f"{prompt}:{draw}", **marks)
        for side in "ab":
            said = "".join(each["text"] for each in told["passages"] if each["of"] == side)
            assert said.replace("«", "").replace("»", "") == rows[side]
    told = agent.told("pair", study="study", pair=prompt, probe="numbered items")
    assert "«1.» " in "".join(each["text"] for each in told["passages"] if each["of"] == "b")


def test_a_feature_shows_where_it_fires_and_a_search_finds_it(agent: Agent) -> None:
    told = agent.told("feature", study="study", feature=CAKE)
    assert all("«cake" in each["text"] for each in told["contexts"])
    assert {each["checkpoint"] for each in told["contexts"]} == {"a", "b"}
    open_ones = set(agent.server.desk.sight.ids(Study.open("study")))
    answers = Study.open("study").responses()
    holding = answers[answers["text"].str.contains(r"(?<!\S)cake(?!\S)") & answers["prompt_id"].isin(open_ones)]
    assert told["shown_by"] == holding["checkpoint"].value_counts().to_dict()
    hits = agent.told("search", study="study", text="cake")["hits"]
    assert [hit["feature"] for hit in hits] == [CAKE]
    found = agent.pages("search", "hits", study="study", text="CAKE", where="answers")
    assert len(found) == int(answers[answers["prompt_id"].isin(open_ones)]["text"].str.contains("cake").sum())
    assert len(agent.pages("search", "hits", study="study", text="Question 1", where="prompts")) > 0


def test_a_claim_is_signed_counted_and_kept(agent: Agent) -> None:
    example = agent.told("answer", study="study")["behaviours"][1]["examples"][0]
    claim = agent.told(
        "claim", study="study", more="b", count="probe:numbered items", examples=[example], features=[1]
    )
    assert (claim["status"], claim["author"], claim["new"]) == ("counted", "agent tester", True)
    kept = findings.get(Study.open("study"), claim["id"])
    assert (kept.author, kept.author_kind, kept.origin, kept.held_out_seen) == (
        "agent tester",
        "llm",
        "hand",
        False,
    )
    assert [f"{pair.prompt_id}:{pair.draw}" for pair in kept.examples] == [example]
    again = agent.told("claim", study="study", more="b", count="probe:numbered items")
    assert (again["id"], again["new"]) == (claim["id"], False)
    listed = agent.told("findings", study="study")["findings"]
    assert [(each["id"], each["counted"]) for each in listed] == [(claim["id"], claim["counted"])]
    odd = Agent(name="x\x1b[31m\n" + "y" * 200).told("claim", study="study", more="a", text="is odd")
    assert odd["author"].startswith("agent x") and len(odd["author"]) < 80 and "\x1b" not in odd["author"]


def test_every_claim_of_an_agent_counts_in_the_correction_judged_or_not(
    agent: Agent, server: OpenAIServer
) -> None:
    study = Study.open("study")
    first = agent.told("claim", study="study", more="b", text="mentions cake")
    server.reply, server.models = judges.counting(lambda _claim, answer: "cake" in answer), ["judge"]
    asked = {"model": f"{server.url}#judge", "own_error": False}
    jobs.run_here(study, "verify", asked)
    alone = verification.read(study).checks[first["id"]]
    assert (alone.q, verification.read(study).tests) == (alone.p, 1)
    for number in range(3):
        agent.told("claim", study="study", more="b", text=f"is of kind {number}")
    findings.reject(study, agent.told("claim", study="study", more="a", text="was wrong")["id"], "no", "Ann")
    # A person's own claim that nobody judged was tested by nothing.
    findings.add(study, "a person's", "a", author="Ann")
    after = verification.read(study)
    assert after.tests == 5
    assert after.checks[first["id"]].q == pytest.approx(min(1.0, 5 * alone.p))
    assert agent.told("findings", study="study")["tests"] == 5


def test_claims_of_agents_have_an_end(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "MOST", 2)
    for number in range(2):
        agent.told("claim", study="study", more="b", text=f"shows {number}")
    assert agent.refused("claim", study="study", more="b", text="shows 2").startswith(
        "Agents have made 2 claims of"
    )
    assert agent.told("claim", study="study", more="b", text="shows 1")["new"] is False


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("status", {"study": "nix"}, "There is no study 'nix'; studies here: study."),
        ("status", {"study": "../study"}, "'../study' is no study name"),
        ("status", {}, "'status' cannot be called so: study: is missing; change it."),
        ("nothing", {}, "There is no tool 'nothing' here."),
        ("feature", {"study": "study", "feature": 99}, "There is no feature 99; the reader has 0 to 4."),
        ("pair", {"study": "study", "pair": "x:y"}, "'x:y' names no pair of answers; write PROMPT:DRAW"),
        ("job", {"study": "study", "job": "../x"}, "Study 'study' has no job '../x'; `status` names the latest."),
        ("start", {"study": "study", "step": "collect"}, "'collect' costs money and this server may not start it"),
        ("start", {"study": "study", "step": "draft", "options": {"limit": 2}}, "'draft' takes no 'limit'"),
        (
            "start",
            {"study": "study", "step": "report", "options": {"out": "/tmp/x"}},
            "'start' cannot be called so",
        ),
        ("claim", {"study": "study", "more": "b", "count": "probe:nix"}, "There is no probe 'nix'"),
        ("claim", {"study": "study", "more": "b"}, "A finding needs a claim; say what the answers show."),
        ("answer", {"study": "study", "cursor": "zz"}, "'zz' is no cursor; give the `next_cursor`"),
        ("new_study", {"name": "x"}, "A study is made of checkpoints, of answers or of a file in the inbox"),
        ("new_study", {"name": "x", "inbox_file": "../../etc/passwd"}, "There is no file '../../etc/passwd' in"),
        ("new_study", {"name": "x", "checkpoints": ["hf:/etc", "hf:/srv"]}, "This server may not ask 'hf:/etc'"),
    ],
)
def test_faults_are_sentences(agent: Agent, tool: str, arguments: dict[str, object], said: str) -> None:
    refused = agent.refused(tool, **arguments)
    assert refused.startswith(said)
    assert "Traceback" not in refused and "\n" not in refused and "Error executing" not in refused


def test_a_defect_says_that_it_is_one_and_not_what_it_quotes(
    agent: Agent, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_name: str) -> None:
        raise KeyError("an answer's text")

    monkeypatch.setattr(reading, "_studied", broken)
    assert agent.refused("studies") == (
        "This failed (KeyError); the server's log says where, for a person to report it."
    )
    assert "an answer's text" in caplog.text


def test_a_call_that_takes_too_long_is_answered_all_the_same(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    going, ended = threading.Event(), threading.Event()

    def slow(_name: str) -> None:
        going.wait(30)
        ended.set()

    monkeypatch.setattr(serving, "LONGEST", 0.2)
    monkeypatch.setattr(reading, "_studied", slow)
    assert agent.refused("studies").startswith("This takes longer than a call may; what was begun goes on")
    assert not ended.is_set()
    going.set()
    assert ended.wait(30)


def test_keys_never_cross(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "sk-or-v1-0123456789abcdef"
    monkeypatch.setenv("SOME_API_KEY", key)
    claim = agent.call("claim", study="study", more="b", text=f"says {key}")
    assert key not in text(claim) and key not in json.dumps(claim.structured_content)
    assert claim.structured_content and claim.structured_content["claim"] == "says [key]"
    assert key not in agent.refused("status", study=key)
    assert key not in agent.read("study://study/summary")


def test_answers_to_long_texts_fit_and_lose_nothing(agent: Agent) -> None:
    sides = [Checkpoint(key=key, name=f"{key} " + "long name " * 5, source="import") for key in "ab"]
    made = Study.create("long", sides, pd.DataFrame({"text": ["word " * 3_000, "日本語" * 1_000, "short"]}))
    rows = [
        {
            "prompt_id": identifier,
            "checkpoint": key,
            "draw": 0,
            "text": f"{key} {'日本 «x» | ' * 1_200}",
            "flag": "",
        }
        for identifier in made.prompts()["id"]
        for key in "ab"
    ]
    made.add_responses(pd.DataFrame(rows))
    for identifier in agent.server.desk.sight.ids(made):
        passages = []
        cursor = ""
        while True:
            result = agent.call("pair", study="long", pair=identifier, cursor=cursor)
            told = result.structured_content or {}
            assert size.tokens(text(result)) + size.tokens(json.dumps(told, ensure_ascii=False)) <= size.MOST
            passages += told["passages"]
            cursor = told["next_cursor"]
            if not cursor:
                break
        assert "".join(each["text"] for each in passages if each["of"] == "b") == rows[1]["text"]
    for n in range(12):
        agent.told("claim", study="long", more="b", text=f"claim {n} " + "日本語 " * 70)
    assert len(agent.pages("findings", "findings", study="long")) == 12


def test_code_runs_in_the_studys_notebook_and_what_it_shows_is_paged(agent: Agent) -> None:
    study = Study.open("study")
    held = study.prompts().query("split == 'held-out'")["id"].tolist()
    code = "import os\nprint(sorted(os.listdir('data')))\nfor n in range(4000): print('line', n)"
    try:
        ran = agent.told("run_python", study="study", code=code, wait_s=40)
        while ran["state"] in ("waiting", "running"):
            ran = agent.told("cell", study="study", number=ran["number"], wait_s=40)
        assert (ran["state"], ran["number"]) == ("done", 1)
        shown, cursor = "", ""
        while True:
            part = agent.told("cell", study="study", number=1, cursor=cursor)
            shown += part["shown"]
            cursor = part["next_cursor"]
            if not cursor:
                break
        assert shown.rstrip().endswith("line 3999") and len(shown.splitlines()) == 4001
        assert [each for each in held if each in shown] == []
        assert agent.refused("interrupt", study="study") == "No cell is running."
        assert agent.refused("cell", study="study", number=9).startswith("The notebook of 'study' has no cell 9")
    finally:
        agent.server.desk.close()


def test_the_way_is_one_text_and_names_every_tool(agent: Agent) -> None:
    said = agent.talk(lambda client: client.get_prompt("investigate", {"study": "study"})).messages[0].content.text
    skill = PROJECT / ".claude" / "skills" / "checkpoint-diffing" / "SKILL.md"
    assert skill.read_text().endswith(said.partition("\n## This time")[0])
    assert said.endswith("The study is 'study'. \n")
    assert {name for name in TOOLS if f"`{name}`" in said} == TOOLS - {"cancel", "interrupt"}


def test_the_page_names_every_tool_and_every_option() -> None:
    page = (PROJECT / "docs" / "agents.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == TOOLS
    command = typer.main.get_command(app).commands["agents"]  # type: ignore[attr-defined]
    options = {name for each in command.params for name in each.opts} - {"--help"}
    told = set(re.findall(r"`(--[a-z-]+)", page.split("## What you decide")[1].split("## The tools")[0]))
    assert options == told


def test_resources_are_read_and_an_unknown_one_is_a_sentence(agent: Agent) -> None:
    assert agent.read("study://study/summary").startswith("# study\n\n- A = a\n- B = b\n\nB's answers are")
    listed = agent.read("docs://method")
    assert "- docs://method/verification: Verification" in listed
    for line in listed.splitlines():
        part = agent.read(line.split()[1].removesuffix(":"))
        assert part.startswith("## ") and size.tokens(part) <= size.MOST
    for uri, said in (
        ("docs://method/nix", "The method has no part 'nix'; docs://method names them."),
        ("report://study", "Study 'study' has no report yet; start the step 'report'."),
        ("study://nix/summary", "There is no study 'nix'"),
    ):
        assert agent.unread(uri).startswith(said)


def test_prompts_and_answers_of_an_agent_make_a_study(agent: Agent) -> None:
    both = [{"text": f"Ask {n}", "category": "c", "a": f"one {n}", "b": f"two {n}"} for n in range(20)]
    made = agent.told("new_study", name="given", answers=both)
    study = Study.open("given")
    assert (made["prompts"], made["answers"], made["next"]) == (20, 40, "encode")
    assert made["held_out"] == int((study.prompts()["split"] == "held-out").sum()) > 0
    asked = agent.told(
        "new_study",
        name="asked",
        checkpoints=["openai:gpt-4o-mini", "New=openai:gpt-4o"],
        prompts=[{"text": "Hi"}],
    )
    assert asked["estimate"].startswith("To collect: 2 calls, about $")
    assert [c.name for c in Study.open("asked").checkpoints] == ["gpt-4o-mini", "New"]
    assert agent.told("estimate", study="asked", step="encode")["dollars"] == 0
    assert agent.refused("new_study", name="given", answers=both).startswith("Study 'given' exists already")


def test_a_prompt_is_held_out_in_an_agents_study_where_it_is_in_any_other(agent: Agent) -> None:
    Study.create(
        "kept",
        [Checkpoint(key=key, name=key, source="import") for key in "ab"],
        pd.DataFrame({"text": [f"Kept {n}" for n in range(40)]}),
        held_out=0.7,
    )
    both = [{"text": f"Kept {n}", "a": "x", "b": "y"} for n in range(40)]
    agent.told("new_study", name="mine", answers=both)
    splits = [Study.open(name).prompts().set_index("id")["split"] for name in ("kept", "mine")]
    assert splits[0].to_dict() == splits[1].to_dict()


def test_a_file_of_the_inbox_makes_a_study_and_a_link_is_none(
    agent: Agent, own_home: Path, tmp_path: Path
) -> None:
    folder = own_home / "inbox"
    folder.mkdir()
    rows = "".join(f"P{n},one {n},two {n}\n" for n in range(5))
    (folder / "ready.csv").write_text("prompt,response_a,response_b\n" + rows)
    (tmp_path / "secret.csv").write_text("prompt,response_a,response_b\nS,1,2\n")
    (folder / "link.csv").symlink_to(tmp_path / "secret.csv")
    assert agent.told("studies")["inbox"] == ["ready.csv"]
    assert agent.told("new_study", name="ready", inbox_file="ready.csv")["answers"] == 10
    assert agent.refused("new_study", name="s", inbox_file="link.csv").startswith("There is no file 'link.csv'")


def test_a_job_is_started_followed_and_ended_by_its_handle(server: OpenAIServer) -> None:
    terms = Terms(frozenset({"collect"}), models=(f"{server.url}#*",))
    able = Agent(terms)
    server.delay = 1.0
    sides = [f"{server.url}#before", f"{server.url}#after"]
    able.told("new_study", name="run", checkpoints=sides, prompts=[{"text": f"P {n}"} for n in range(60)])
    job = able.told("start", study="run", step="collect", max_dollars=0.5)
    assert (job["state"], job["dollars_at_most"]) == ("running", 0.5)
    assert able.told("job", study="run", job=job["job"], wait_s=0)["state"] == "running"
    assert able.told("cancel", study="run", job=job["job"])["job"] == job["job"]
    ended = able.told("job", study="run", job=job["job"], wait_s=40)
    assert ended["state"] == "cancelled"
    by_hand = jobs.start(Study.open("run"), "collect", {"limit": 1})
    assert able.refused("cancel", study="run", job=by_hand.id).startswith(f"Job '{by_hand.id}' was started by a")
    by_hand.wait(60)
