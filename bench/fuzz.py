"""Command lines made up by chance, run in this process: does any end in a traceback, or name a file of ours?

`python -m bench.fuzz 2000` prints a table of how they ended, and each that failed. The lines come from a seed;
commands that would start a server, a browser or a process of their own are cut short where they would.
"""

import argparse
import io
import os
import random
import re
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import pandas as pd
import typer

from diffing.cli import serve
from diffing.cli.app import app, main
from diffing.common.errors import UserError
from diffing.jobs import run as runner
from diffing.models.providers import parse
from diffing.study.study import Study

ODD = [
    *("", " ", "-", "--", "-1", "0", "1", "2", "17", "²", "9" * 30, "1e400", "nan", "inf", "-inf", "0x1F", "1.5"),
    *("true", "empty", "nope", "../..", "/", "/dev/null", "/dev/full", ".", "~", "~nobody-here", "a/b", "x" * 300),
    *(
        "\udcff",
        "half \ud83d",
        "\x1b]0;owned\x07",
        "\x9b31m",
        "\u202etxt",
        "[bold]x[/]",
        "{}",
        '{"a": null}',
        "[1]",
    ),
    *('{"model": "x"}', '{"a": NaN}', "{" * 40, "=1+1", "a=b", "=", ":", "f0000000", "text=question", "openai:m"),
    *("openai:", "http://127.0.0.1:1#m", "http://[::1:9#m", "http://h:abc/v1#m", "https://a@b/#m", "hf:/nowhere"),
    *(
        "import",
        "mps",
        "cuda:9",
        "meta",
        "cpu",
        "gpt2-small",
        "starter",
        "/m::/s",
        "a/b/c",
        "gemini-flash",
        "blocked",
    ),
    *("category", "KEY", "sk-not-a-name", "(", "(?R)", "((a{1000}){1000}){1000}", "own:bold", "sorry,,apologies"),
]
"""What people paste and slip into; and what somebody tries on purpose."""
STUDIES = ("asked", "brought", "absent")
"""One with answers to come, one that was imported, one that is not there."""
SLOW = {"sample"}
"""Commands that do minutes of work whatever their words are; they have tests of their own."""
TRACE = re.compile(
    r"Traceback \(most recent|File \"[^\"]+\.py\"|/diffing/\w+(?:/\w+)*\.py|site-packages|This program failed"
)
"""What no user is to see."""


class Done(NamedTuple):
    """How a command line ended."""

    code: int
    out: str
    err: str

    @property
    def fault(self) -> str:
        """What is wrong with it, empty where it ended as it should."""
        # 3 is `check` where nothing could be compared.
        if self.code not in (0, 1, 2, 3):
            return f"exit code {self.code}"
        seen = TRACE.search(self.out + self.err)
        return f"it shows {seen[0]!r}" if seen else ""


def run(words: Sequence[str]) -> Done:
    """One command line through the program's own entrance, with streams as strict as a terminal's."""
    out = io.TextIOWrapper(io.BytesIO(), "utf-8", "strict", write_through=True)
    err = io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace", write_through=True)
    code: Any = 0
    with (
        mock.patch.object(sys, "argv", ["diffing", *words]),
        mock.patch.object(sys, "stdin", io.StringIO()),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
        except Exception:
            # Here alone what the program let through is seen.
            code = 70
            traceback.print_exc()
    told = [stream.buffer.getvalue().decode("utf-8", "replace") for stream in (out, err)]
    return Done(code if isinstance(code, int) else 1, *told)


def lines(count: int, seed: int, folder: Path) -> Iterator[list[str]]:
    """Made-up command lines; files that they write or read lie in `folder`."""
    chance = random.Random(seed)
    commands: dict[str, Any] = {}
    for name, command in typer.main.get_group(app).commands.items():
        # A command may be a group of others, as `probe` is.
        parts = getattr(command, "commands", {})
        commands |= {f"{name} {part}": inner for part, inner in parts.items()} or {name: command}
    odd = [
        *ODD,
        str(folder),
        str(folder / "new.csv"),
        str(folder / "tiny.csv"),
        str(folder / "out"),
        str(folder / "link"),
    ]
    for _ in range(count):
        name = chance.choice(sorted(commands.keys() - SLOW))
        words = name.split()
        for parameter in commands[name].params:
            if parameter.param_type_name == "argument":
                many = chance.choice((1, 1, 2, 30)) if parameter.nargs == -1 else chance.random() < 0.9
                words += [chance.choice(STUDIES if parameter.name == "name" else odd) for _ in range(many)]
            elif parameter.name not in ("help", "detach") and chance.random() < 0.2:
                words.append(chance.choice(parameter.opts))
                words += [] if parameter.is_flag else [chance.choice(odd)]
        if chance.random() < 0.1:
            words.insert(chance.randrange(len(words) + 1), chance.choice(odd))
        yield words


@contextmanager
def ground(folder: Path) -> Iterator[None]:
    """A home with two studies, and nothing that would outlive the run or leave this machine."""

    def never(*_: Any, **__: Any) -> Any:
        raise UserError("Nothing of its own is started here; that is left out.")

    home = folder / "fuzzed-home"
    home.mkdir()
    (folder / "tiny.csv").write_text("prompt,response_a,response_b\nHi,Hello.,Hey!\n", encoding="utf-8")
    (folder / "link").symlink_to(folder / "tiny.csv")
    here = Path.cwd()
    environment = {"DIFFING_HOME": str(home), "HF_HUB_OFFLINE": "1"}
    with (
        mock.patch.dict(os.environ, environment),
        mock.patch("huggingface_hub.constants.HF_HUB_OFFLINE", True),
        mock.patch.object(serve, "start", never),
        mock.patch.object(typer, "launch", never),
        mock.patch.object(runner, "start", never),
        mock.patch("diffing.agents.server.over_stdio", never),
        # Names that the studies' checkpoints and pasted addresses would be looked up under.
        mock.patch("socket.getaddrinfo", side_effect=OSError("no network here")),
        mock.patch("urllib.request.urlopen", side_effect=OSError("no network here")),
    ):
        os.chdir(folder)
        try:
            Study.create("asked", [parse("openai:m", "a"), parse("http://127.0.0.1:1#m", "b")], _prompts())
            run(["import", "brought", str(folder / "tiny.csv")])
            yield
        finally:
            os.chdir(here)


def _prompts() -> pd.DataFrame:
    return pd.DataFrame({"text": ["Why?", "How?"]})


def report() -> None:
    told = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    told.add_argument("count", type=int, nargs="?", default=2000)
    told.add_argument("--seed", type=int, default=0)
    options = told.parse_args()
    ends: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory() as name, ground(Path(name)):
        for words in lines(options.count, options.seed, Path(name)):
            done = run(words)
            ends[words[0] if words[0].isalpha() else "(odd)", done.fault or f"code {done.code}"] += 1
            if done.fault:
                print(f"{words!r}: {done.fault}\n{(done.err or done.out)[-1500:]}")
    kinds = sorted({end for _, end in ends})
    print("| command | " + " | ".join(kinds) + " |\n|---" + "|---:" * len(kinds) + "|")
    for command in sorted({command for command, _ in ends}):
        print(f"| {command} | " + " | ".join(f"{ends[command, kind]:,}" for kind in kinds) + " |")
    bad = sum(count for (_, end), count in ends.items() if not end.startswith("code "))
    print(f"{options.count:,} tried, {bad} ended badly (seed {options.seed}).")
    sys.exit(bad > 0)


if __name__ == "__main__":
    report()
