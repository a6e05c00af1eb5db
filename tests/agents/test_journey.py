"""An agent over standard input and output: from an empty home to a report, and what stays when it dies."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import anyio
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp_types import Implementation, TextResourceContents

from diffing import jobs
from diffing.agents.purse import Purse
from diffing.common.files import PROJECT
from diffing.findings import findings
from diffing.report import last
from diffing.study.study import Study
from tests.fakes import read_sample
from tests.fakes.agent import data, text
from tests.fakes.asked_study import make
from tests.fakes.openai_server import Behaviour, OpenAIServer
from tests.fakes.processes import command_lines, until


def parameters(home: Path, *flags: str) -> StdioServerParameters:
    """The server as a desktop client starts it."""
    command = ["-m", "diffing", "agents", *flags]
    # A client hands on little of its environment; a key that lies in it must not come back.
    env = {"DIFFING_HOME": str(home), "SOME_API_KEY": "sk-or-v1-0123456789abcdef", "OMP_NUM_THREADS": "1"}
    return StdioServerParameters(command=sys.executable, args=command, env=env, cwd=PROJECT)


def test_from_an_empty_home_to_a_report_over_standard_input_and_output(own_home: Path) -> None:
    """What the published notebook did in a sandbox with keys: here by tools alone, and the claims are tested."""
    said: list[str] = []

    async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
        result = await client.call_tool(tool, arguments)
        told = data(result)
        said.append(text(result) + json.dumps(told))
        return told

    async def step(client: Client, kind: str) -> dict[str, Any]:
        job = await call(client, "start", study="sample", step=kind)
        while job["state"] == "running":
            job = await call(client, "job", study="sample", job=job["job"], wait_s=40)
        assert (job["state"], job["error"]) == ("done", "")
        return job

    async def journey() -> None:
        who = Implementation(name="journey", version="1")
        async with Client(stdio_client(parameters(own_home)), client_info=who) as client:
            assert (await call(client, "studies"))["studies"] == []
            made = await call(client, "new_study", name="sample")
            assert (made["prompts"], made["held_out"], made["answers"], made["next"]) == (60, 30, 240, "encode")
            for kind in ("encode", "diff"):
                assert (await call(client, "status", study="sample"))["next"] == kind
                await step(client, kind)
            answer = await call(client, "answer", study="sample")
            confirmed = [
                b for b in answer["behaviours"] if b["confirmed"] == "yes" and b["counted_by"][:5] == "probe"
            ]
            for each in confirmed[:5]:
                probe = each["counted_by"].removeprefix("probe ")
                pair = await call(client, "pair", study="sample", pair=each["examples"][0], probe=probe)
                assert any("«" in passage["text"] for passage in pair["passages"])
                arguments = {"count": f"probe:{probe}", "examples": each["examples"], "features": each["features"]}
                await call(client, "claim", study="sample", more=each["more"], **arguments)
            stands = (await call(client, "findings", study="sample"))["findings"]
            assert [each["status"] for each in stands] == ["counted"] * 5
            await step(client, "report")
            report = await call(client, "report", study="sample")
            assert (report["findings"], report["changed_since"]) == (5, [])
            found = (await client.read_resource(report["resource"])).contents[0]
            assert isinstance(found, TextResourceContents)
            resource = found.text
            assert (
                resource.startswith("The report of 'sample' was made on")
                and "[reported, agent journey]" in resource
            )
            said.append(resource)

    # What the reader makes of the answers is there, which `examples` and others read too; there is no study.
    read_sample.put(part="cache")
    anyio.run(journey)
    study = Study.open("sample")
    told = last.manifest(last.folder_of(study, "before", "after"))
    assert told is not None and (last.folder_of(study, "before", "after") / "report.html").exists()
    assert {finding.author for finding in findings.load(study)} == {"agent journey"}
    # All that was said together: no held-out id, no path of this machine, no key.
    held = study.prompts().query("split == 'held-out'")["id"]
    whole = "\n".join(said)
    assert [each for each in [*held, str(own_home), "sk-or-v1"] if each in whole] == []
    assert Purse(5).standing().spent == 0


CLIENT = """
    import sys, anyio
    from mcp.client import Client
    from mcp.client.stdio import StdioServerParameters, stdio_client

    async def main():
        command = ["-m", "diffing", "agents", "--may", "collect", "--max-dollars", "0.9876"]
        async with Client(stdio_client(StdioServerParameters(command=sys.executable, args=command))) as client:
            told = await client.call_tool("start", {"study": "s", "step": "collect", "max_dollars": 0.5})
            print(told.structured_content["job"], flush=True)
            # In the middle of a call when it is killed.
            await client.call_tool("job", {"study": "s", "job": told.structured_content["job"], "wait_s": 40})

    anyio.run(main)
"""


def test_a_client_that_dies_leaves_its_job_running_and_nothing_half_written(
    server: OpenAIServer, own_home: Path
) -> None:
    server.reply = lambda _: Behaviour("fine", usage={"cost": 0.002})
    study = make(server, 40)
    server.delay = 0.5
    command = [sys.executable, "-c", textwrap.dedent(CLIENT)]
    # `get_default_environment` of a client hands on little; the home is not among it.
    env = os.environ | {"DIFFING_HOME": str(own_home)}
    command[2] = command[2].replace("args=command)", f"args=command, env={{'DIFFING_HOME': {str(own_home)!r}}})")
    client = subprocess.Popen(command, cwd=PROJECT, env=env, stdout=subprocess.PIPE, text=True)
    assert client.stdout is not None
    job = jobs.find(study, client.stdout.readline().strip())
    assert job.status().state == "running"
    client.send_signal(signal.SIGKILL)
    client.wait()
    client.stdout.close()
    until(lambda: not any("--max-dollars 0.9876" in line for line in command_lines().values()), "the server ends")
    server.delay = 0.0
    assert job.wait(120).state == "done"
    assert len(study.responses()) == 80
    standing = Purse(0.9876).standing()
    assert standing.set_aside == 0 and abs(standing.spent - 0.16) < 1e-9
    assert sorted(path.name for path in own_home.rglob(".*") if path.suffix == ".tmp") == []
