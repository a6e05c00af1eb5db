"""A stand-in for `vllm serve`, as its command line and its server look from outside: no model is in it.

`python tests/fakes/vllm_server.py serve MODEL --port N …` loads for a moment, in which nobody can connect, and
then answers `/health`, `/version`, `/v1/models` with the adapters' names, and chats, to whoever has the key of
`VLLM_API_KEY`. It has a child, as vLLM has its engine. `stand_in(folder)` puts it where it is found and tells what
its starts and calls were; `STAND_IN` chooses what goes wrong: `dies`, `hangs`, `taken`, or `midway:N` calls.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.fakes.openai_server import Behaviour, Call, OpenAIServer, _Handler  # noqa: E402

HERE = Path(__file__)
VERSION = "0.33.0"


class StandIn(NamedTuple):
    """What the stand-in was told, in the order of its coming."""

    folder: Path

    def lines(self, kind: str) -> list[dict[str, Any]]:
        path = self.folder / "told.jsonl"
        found = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [one for one in found if one["kind"] == kind]

    @property
    def starts(self) -> list[dict[str, Any]]:
        return self.lines("start")

    @property
    def calls(self) -> list[dict[str, Any]]:
        return self.lines("call")

    def alive(self) -> list[int]:
        """Processes of it that still are: servers and their children."""
        return [one["pid"] for one in [*self.starts, *self.lines("child")] if _runs(one["pid"])]


def _runs(process: int) -> bool:
    """Whether it does; one that has ended may stand in the list until somebody has taken note."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def stand_in(folder: Path, gpus: int = 0) -> StandIn:
    """Put the stand-in and a teller of GPUs into `folder`: programs to be named by DIFFING_VLLM and PATH."""
    folder.mkdir(exist_ok=True)
    listed = "".join(f"{number}, Stand-in, 81920\\n" for number in range(gpus))
    for name, does in (
        ("vllm", f'STAND_IN_FOLDER="{folder}" exec "{sys.executable}" "{HERE}" "$@"'),
        ("nvidia-smi", f"printf '{listed}'" if gpus else "exit 9"),
    ):
        (folder / name).write_text(f"#!/bin/sh\n{does}\n")
        (folder / name).chmod(0o700)
    return StandIn(folder)


def tell(kind: str, **what: Any) -> int:
    """Write a line, and say how many of its kind there are with it."""
    path = Path(os.environ["STAND_IN_FOLDER"]) / "told.jsonl"
    with path.open("a") as file:
        file.write(json.dumps({"kind": kind, "pid": os.getpid()} | what) + "\n")
    return len(StandIn(path.parent).lines(kind))


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Served(_Handler):
    """The paths that vLLM has and others have not."""

    def do_GET(self) -> None:
        if self.path == "/health":
            self._send(Behaviour(body=b""))
        elif self.path == "/version":
            self._send(Behaviour(body={"version": VERSION}))
        else:
            super().do_GET()


def main() -> None:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("command", choices=["serve"])
    parser.add_argument("model", type=Path)
    for name in (
        "host",
        "served-model-name",
        "generation-config",
        "chat-template",
        "chat-template-content-format",
    ):
        parser.add_argument(f"--{name}", required=True)
    for name in ("port", "max-model-len"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--gpu-memory-utilization", type=float)
    parser.add_argument("--disable-uvicorn-access-log", action="store_true")
    parser.add_argument("--enable-lora", action="store_true")
    parser.add_argument("--dtype")
    for name in ("max-lora-rank", "max-loras", "tensor-parallel-size"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--lora-modules", nargs="+", type=json.loads, default=[])
    told = parser.parse_args()
    mode, _, number = os.environ.get("STAND_IN", "").partition(":")
    seen = {
        name: os.environ.get(name) for name in ("CUDA_VISIBLE_DEVICES", "VLLM_BATCH_INVARIANT", "OPENAI_API_KEY")
    }
    template = Path(told.chat_template).read_text()
    starts = tell("start", argv=sys.argv[1:], template=template, key=os.environ["VLLM_API_KEY"], **seen)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    tell("child", pid=child.pid)
    say("(APIServer pid=1) INFO 12-01 02:55:59 [model.py:733] Resolved architecture: LlamaForCausalLM")
    if mode == "hangs":
        time.sleep(600)
    if mode == "taken" and starts == 1:
        sys.exit("OSError: [Errno 98] Address already in use")
    if mode == "dies":
        say(f"the key is {os.environ['VLLM_API_KEY']} ValueError")
        sys.exit("(EngineCore pid=7) ERROR 12-01 02:55:59 [core.py:9] ValueError: max len needs more memory")
    time.sleep(0.3)

    def reply(call: Call) -> Behaviour:
        calls = tell("call", body=call.body, key=call.key)
        if mode == "midway" and starts == 1 and calls >= int(number):
            say("torch.OutOfMemoryError: CUDA out of memory.")
            os._exit(1)
        return Behaviour(
            f"{call.model}: {call.prompt} ({call.body['seed']})", delay=float(os.environ.get("STAND_IN_SLOW", 0))
        )

    names = [told.served_model_name, *(module["name"] for module in told.lora_modules)]
    server = OpenAIServer(reply, names, told.port)
    server.key = os.environ["VLLM_API_KEY"]
    server._http.RequestHandlerClass = Served
    server.serve_forever()


if __name__ == "__main__":
    main()
