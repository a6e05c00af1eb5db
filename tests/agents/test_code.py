"""The tools by which an agent runs Python, by the protocol's own client: handles, pages, sentences, no waiting."""

import re
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from mcp.client import Client

from diffing.agents import size
from diffing.agents.terms import Terms
from diffing.agents.workshop import walls
from diffing.cli.app import app
from diffing.common.errors import UserError
from diffing.study.study import Study
from tests.fakes import workshops
from tests.fakes.agent import Agent, data
from tests.fakes.workshops import HELD, OPEN

ENDLESS = "import time\nprint('begun', flush=True)\ntime.sleep(600)"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def kept(home: Path) -> Iterator[Agent]:
    with workshops.at_home(home):
        workshops.study_of()
        agent = Agent()
        agent.told("run_python", study="pantry", code="1", wait_s=40)
        yield agent
        agent.server.desk.notebooks.close()


@pytest.fixture
def agent(kept: Agent, home: Path, monkeypatch: pytest.MonkeyPatch) -> Agent:
    monkeypatch.setenv("DIFFING_HOME", str(home))
    return kept


def run(agent: Agent, code: str, **more: object) -> dict[str, object]:
    return agent.told("run_python", study="pantry", code=code, **{"wait_s": 40, **more})


def test_code_reads_the_tables_of_what_the_agent_may_see(agent: Agent) -> None:
    told = run(agent, "import pandas as pd\nset(pd.read_parquet('data/answers.parquet')['text'].str[:8])")
    assert (told["state"], told["shown"], told["kernel"]) == ("done", f"{{'{OPEN}'}}", 1)
    assert HELD[:8] not in str(told)


def test_a_long_cell_is_a_handle_and_everything_else_answers_meanwhile(agent: Agent) -> None:
    async def talk(client: Client) -> list[dict[str, object]]:
        told = []

        async def wait(number: int) -> None:
            await client.call_tool("cell", {"study": "pantry", "number": number, "wait_s": 40})

        begun = data(await client.call_tool("run_python", {"study": "pantry", "code": ENDLESS, "wait_s": 0}))
        async with anyio.create_task_group() as group:
            # As many as a server has threads: none is held by one that waits.
            for _ in range(45):
                group.start_soon(wait, begun["number"])
            # The sleep lasts ten minutes and each wait forty seconds: what comes before was not held up.
            with anyio.fail_after(30):
                for tool, more in (("studies", {}), ("status", {}), ("cell", {"number": 1})):
                    asked = {"study": "pantry", **more} if tool != "studies" else {}
                    told.append(data(await client.call_tool(tool, asked)))
                ended = {"study": "pantry", "number": begun["number"]}
                told.append(data(await client.call_tool("interrupt", ended)))
        return [begun, *told]

    begun, studies, status, first, ended = agent.talk(talk)
    assert begun["state"] in ("waiting", "running") and first["state"] == "done"
    assert [each["name"] for each in studies["studies"]] == ["pantry"] and status["prompts"] == workshops.PROMPTS
    keeps = walls.KEEPS[agent.server.desk.notebooks.of(Study.open("pantry")).protection]
    assert first["keeps"] == size.cut(keeps)
    assert (ended["state"], ended["note"]) == ("interrupted", "It was interrupted.")


def test_output_is_handed_over_page_by_page_and_no_page_is_too_large(agent: Agent) -> None:
    told = run(agent, "for n in range(3000): print(n, 'jam ∑∂ß' * 2)")
    pages, cursor = [told["shown"]], told["next_cursor"]
    while cursor:
        told = agent.told("cell", study="pantry", number=told["number"], cursor=cursor)
        assert size.whole(told) <= size.MOST
        pages.append(told["shown"])
        cursor = told["next_cursor"]
    assert len(pages) > 3
    assert "".join(map(str, pages)).splitlines() == [f"{n} {'jam ∑∂ß' * 2}" for n in range(3000)]


def test_cells_are_run_again_after_a_restart(agent: Agent) -> None:
    run(agent, "jars = 7")
    agent.server.desk.notebooks.close()
    note = str(agent.told("cell", study="pantry", number=1)["note"])
    assert "The kernel is new" in note and "can be run again" in note
    assert agent.told("run_python", study="pantry", again=True, wait_s=40)["state"] == "done"
    assert run(agent, "jars")["shown"] == "7"


@pytest.mark.parametrize(
    ("tool", "asked", "said"),
    [
        ("run_python", {}, "Give the code of a cell, or set `again`; not both."),
        ("run_python", {"code": "1", "again": True}, "Give the code of a cell, or set `again`; not both."),
        ("cell", {"number": 999}, "has no cell 999; it has 1 to"),
        ("interrupt", {"number": 1}, "No cell is running|is not running"),
        ("cell", {"number": 1, "cursor": "x"}, "is no cursor"),
    ],
)
def test_a_fault_is_a_sentence(agent: Agent, tool: str, asked: dict[str, object], said: str) -> None:

    assert re.search(said, agent.refused(tool, study="pantry", **asked))


def test_a_workspace_is_part_of_a_servers_terms_and_a_slip_in_it_ends_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIFFING_HOME", str(tmp_path))
    (tmp_path / "w.toml").write_text("cell_seconds = 5\n")
    terms = Terms(workspace=str(tmp_path / "w.toml"), unwalled=True)
    assert Terms.read(terms.plain()).plain() == terms.plain()
    workshops.study_of()
    desk = Agent(terms).server.desk
    assert desk.notebooks.of(Study.open("pantry")).workspace.cell_seconds == 5
    desk.notebooks.close()
    (tmp_path / "w.toml").write_text("cell_seconds = 'long'\n")
    with pytest.raises(UserError, match="cell_seconds"):
        app(["agents", "--workspace", str(tmp_path / "w.toml")], standalone_mode=False)
