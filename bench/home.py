"""How long the first page and Run take on large studies: `python -m bench.home [--sizes 1000 5000 20000 50000]`.

Makes one study of each size with two short answers to a prompt, encodings as a reader stores them, and a diff.
Then a real server sends whole pages to one session and to ten at once: cold (just started), warm, and after
answers were added to the largest study. Prints a table; `--home FOLDER` keeps the studies and takes them again.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.pages import TOKEN, memory, serve

FEATURES = 4096
"""As many as the starter reader has."""
TOKENS, ACTIVE = 15, 12
"""Tokens of an answer, as in the figures that these are compared with; features that it shows."""
SESSIONS = 10


def make(name: str, prompts: int) -> None:
    """A study with its answers, encodings and diff, under DIFFING_HOME."""
    from diffing.common import files
    from diffing.diff import compute
    from diffing.models.providers import Checkpoint
    from diffing.reader.cache import Cache
    from diffing.reader.encodings import save_table
    from diffing.study.study import Study

    random = np.random.default_rng(prompts)
    questions = pd.DataFrame({"text": [f"Question {n} of {name}?" for n in range(prompts)]})
    questions["category"] = [f"category {n % 8}" for n in range(prompts)]
    study = Study.create(name, [Checkpoint(key=k, name=k, source="import") for k in "ab"], questions)
    words = np.array([f"word{n}" for n in range(500)])
    ids = study.prompts()["id"].tolist()
    keys = [(prompt, side, 0) for prompt in ids for side in "ab"]
    table = pd.DataFrame(keys, columns=["prompt_id", "checkpoint", "draw"])
    table["text"] = [" ".join(row) for row in words[random.integers(0, 500, (len(keys), TOKENS))].tolist()]
    study.add_responses(table.assign(flag="", finish_reason="stop"))
    table = study.responses()
    cache = Cache("bench-home", FEATURES)
    names = [files.content_hash([name, row]) for row in range(len(table))]
    with cache.writer() as writer:
        for start in range(0, len(names), 2000):
            part = names[start : start + 2000]
            writer.add([(key, TOKENS, _encoding(random)) for key in part])
    found = cache.find(names)
    frame = table[["prompt_id", "checkpoint", "draw"]].assign(
        answer=[files.content_hash(text) for text in table["text"]], error=""
    )
    save_table(study, frame, [found[key] for key in names], "bench-home", FEATURES)
    compute.compute(study, "a", "b")


def _encoding(random: np.random.Generator) -> Any:
    from diffing.reader.records import Encoding

    spans = np.column_stack([np.arange(TOKENS), np.arange(TOKENS) + 1]).astype(np.int32)
    return Encoding(
        ids=random.integers(0, 500, TOKENS).astype(np.uint32),
        spans=spans,
        feature=np.unique(random.integers(0, FEATURES, 2 * ACTIVE))[:ACTIVE].astype(np.uint32),
        peak=np.ones(ACTIVE, np.float32),
        count=np.ones(ACTIVE, np.uint32),
        position=random.integers(0, TOKENS, ACTIVE).astype(np.uint32),
        code=np.zeros(0, np.uint16),
    )


def page(url: str, name: str, study: str = "") -> float:
    """Seconds until the server has sent a whole page to a new session."""
    # What only a page that was drawn to its end holds.
    wanted = {"": '"key":"open-bench', "run": "Findings and the report", "new": "Import"}[name]
    asked: dict[str, Any] = {"page": name, "query_params": {"study": [study]} if study else {}}
    begun = time.perf_counter()
    while '"wait_timed_out"' in (told := _sent(f"{url}/_stcore/agent/interact", asked)):
        # It answers after half a minute at most, and waits on for who asks with the session alone.
        asked = {"session_id": json.loads(told)["session_id"]}
    assert wanted in told, told[:2000]
    return time.perf_counter() - begun


def _sent(address: str, asked: dict[str, Any]) -> str:
    body = json.dumps(asked).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"token {TOKEN}"}
    request = urllib.request.Request(address, body, headers)
    try:
        with urllib.request.urlopen(request, timeout=600) as reply:
            return str(reply.read().decode())
    except urllib.error.HTTPError as error:
        return error.read().decode()


def cpu(server: subprocess.Popen[bytes]) -> float:
    """Seconds of processor time that a server has used, which other work on the machine does not lengthen."""
    fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def row(
    server: subprocess.Popen[bytes], url: str, what: tuple[str, str], when: str, sessions: int, runs: int
) -> None:
    """Ask for a page so many times, so many at once, and print what it took."""
    before = cpu(server)
    with ThreadPoolExecutor(sessions) as pool:
        took = list(pool.map(lambda _: page(url, *what), range(runs)))
    used = (cpu(server) - before) / runs
    figures = f"{statistics.median(took):.2f} | {max(took):.2f} | {used:.2f}"
    print(f"| {what[0] or 'first page'} | {when} | {sessions} | {runs} | {figures} |", flush=True)


def touch(study: str) -> None:
    """As a run that collects writes the answers anew every few seconds."""
    code = (
        "import sys; from diffing.study.study import Study; s = Study.open(sys.argv[1]);"
        "s.add_responses(s.responses().head(1))"
    )
    subprocess.run([sys.executable, "-c", code, study], check=True)


def measure(largest: str, runs: int) -> None:
    print("| page | when | at once | pages | median s | worst s | CPU s a page |\n|---|---|---|---|---|---|---|")
    for what in (("", ""), ("run", largest)):
        server, url = serve()
        try:
            # The server's own start, and what a page of no study costs beside it.
            page(url, "new")
            row(server, url, ("new", ""), "to compare: no study", 1, 5)
            row(server, url, ("new", ""), "to compare: no study", SESSIONS, runs)
            row(server, url, what, "first visit", 1, 1)
            row(server, url, what, "later", 1, 5)
            row(server, url, what, "later", SESSIONS, runs)
            touch(largest)
            row(server, url, what, "after answers came in", SESSIONS, SESSIONS)
            print(f"| {what[0] or 'first page'} | memory of the server: {memory(server):.2f} GiB | | | | | |")
        finally:
            server.terminate()
            server.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 5000, 20000, 50000])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--home", type=Path, help="keep the studies here and use them again")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["DIFFING_HOME"] = str(asked.home or temporary)
        for size in asked.sizes:
            if not (Path(os.environ["DIFFING_HOME"]) / "studies" / f"bench{size}" / "diffs").exists():
                make(f"bench{size}", size)
        load = os.getloadavg()[0]
        print(f"{len(asked.sizes)} studies, {sum(asked.sizes):,} prompts × 2, load {load:.1f}")
        measure(f"bench{max(asked.sizes)}", asked.runs)


if __name__ == "__main__":
    main()
