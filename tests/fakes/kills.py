"""Small studies for every kind of job, the work of each, and all that it leaves, so that a kill can be judged.

Each kind starts where another one ended undisturbed. `look` holds all that a study shows, but for dates, drawn ids
and the number of the call that an answer came from; `faults` says what is wrong with a home after kills.
"""

import json
import os
import random
import shutil
import tomllib
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import pandas as pd

from diffing import jobs, status
from diffing.cli.checks import CHECKS
from diffing.common import files, jsonl
from diffing.models import providers
from diffing.models.providers import Checkpoint
from diffing.models.replies import RefusingDisk, Replies
from diffing.probes import own_probes
from diffing.reader import encode
from diffing.reader.encodings import Encodings
from diffing.reader.places import table_path
from diffing.report import charts, notebook
from diffing.study import imports, ledger, prompts, repair
from diffing.study.settings import ReaderChoice, Sampling
from diffing.study.study import Study, names
from tests.fakes import finding_study, judges, labellers, listers, openai_server, pairs
from tests.fakes.label_study import RuleReader
from tests.fakes.openai_server import Behaviour, Call, OpenAIServer
from tests.fakes.warm import Order, environment

NAME = "s"
PROMPTS = 40
"""Of which some 16 are held out: enough for a judge to verify what most answers show."""
MODELS = ("before", "after", "writer", "author", "judge", "drafter", "verifier", "lister", "asked")
DELAY = 0.02
"""Seconds that the server takes for a reply."""
INSIDE: dict[str, Any] = {
    "methods": ["divergence", "weights"],
    "texts": {"source": "own", "count": 16, "length": 12},
    "nulls": ["same", "rotated:1"],
}
"""A method of the shared pass and one that works by itself; a null whose strength has to be found first."""
DICTIONARY: dict[str, Any] = {
    "texts": {"source": "own", "count": 16, "length": 12},
    **{"tokens": 1000, "batch": 64, "buffer": 64, "latents": 48, "k": 4, "rate": 3e-3, "minutes": 0},
}
"""Its state is put down at every step."""
FEATURES = [1, 2, 3, 4]
"""Those that fire on words."""
VARYING = {"crc32", "created", "date", "made", "model_served", "latency", "reported", "begun", "memory"}
"""Names of what differs from run to run."""
WHERE = ["shard", "offset", "sum"]
"""Where an encoding lies hangs on what was written before it."""


class Kind(NamedTuple):
    """A kind of job."""

    before: str
    """What its study is: one that was made (`MADE`), or as another kind leaves it."""
    options: Callable[[str], dict[str, Any]] | None
    """What the job is told, by the server's address; None: it is no job."""
    step: str = ""
    """The job's own name, where it is another."""


def asking(model: str, **more: Any) -> Callable[[str], dict[str, Any]]:
    return lambda url: {"model": f"{url}#{model}", "concurrency": 4, **more}


def scoring(url: str) -> dict[str, Any]:
    points = {"model": f"{url}#author", "judge": f"{url}#judge"}
    return {**points, "features": FEATURES, "concurrency": 4, "write": False, "score": True}


KINDS: dict[str, Kind] = {
    "new": Kind("nothing", None),
    "prompts": Kind("asked", lambda url: {"description": "d", "model": f"{url}#writer", "count": 24}),
    "collect": Kind("asked", lambda _: {"concurrency": 4}),
    "encode": Kind("answers", lambda _: {"budget": 64}),
    "diff": Kind("encode", lambda _: {}),
    "label": Kind("diff", asking("author", features=FEATURES)),
    "score": Kind("label", scoring, "label"),
    "rewrite": Kind("score", asking("author", features=FEATURES, rewrite=True), "label"),
    "draft": Kind("score", asking("drafter")),
    "verify": Kind("draft", asking("verifier")),
    "baseline": Kind("diff", asking("lister")),
    "ask": Kind("diff", lambda _: {"concurrency": 4}),
    "report": Kind("verify", lambda _: {}),
    "inside": Kind("pair", lambda _: INSIDE),
    "dictionary": Kind("pair", lambda _: DICTIONARY),
    "import": Kind("answers", None),
    "repair": Kind("damaged", None),
}
"""Every kind, in an order in which each comes after the one it begins from."""


# What a child does.


def adapt(whole: bool) -> None:
    """In the child: a reader that is there at once, and what else makes a run short."""
    setattr(encode, "load_reader", lambda _choice, _device: RuleReader(finding_study.RULES))  # noqa: B010
    setattr(ledger, "FLUSH_SECONDS", 0.1)  # noqa: B010
    if not whole:
        setattr(notebook, "executed", lambda *_: "{}\n")  # noqa: B010
        setattr(charts, "draw", lambda _facts: [])  # noqa: B010


def work(order: Order) -> str:
    """Do a kind's work to its end; the state that its job ends in."""
    kind = KINDS[order.kind]
    if order.kind == "new":
        if NAME not in names():
            answers(order.url)
        return "done"
    if order.kind == "import":
        imports.into(NAME, imports.load(Path(order.home) / "more.csv"), add_checkpoints=True)
        return "done"
    if order.kind == "repair":
        repair.repair(NAME, CHECKS)
        return "done"
    if order.kind == "ask" and not own_probes.load(Study.open(NAME)):
        question = {"text": "Is there cake?", "judge": f"{order.url}#asked"}
        own_probes.add(Study.open(NAME), own_probes.made("eats", question=question))
    assert kind.options is not None
    told = jobs.run_here(Study.open(NAME), kind.step or order.kind, kind.options(order.url))
    return f"{told.state} {told.error}".strip()


# What a server says, and bills.


def server() -> OpenAIServer:
    return OpenAIServer(replied, MODELS)


def replied(call: Call) -> Behaviour:
    """An answer that hangs on the question alone, but for the call's number in the name of the model."""
    text = TALKERS[call.model](call)
    assert isinstance(text, str)
    return Behaviour(text, model=f"{call.model}-{call.number}", usage={"cost": cost(call)}, delay=DELAY)


def cost(call: Call) -> float:
    """Dollars whose sums no order of adding changes."""
    return (zlib.crc32(json.dumps(call.body, sort_keys=True).encode()) % 64 + 1) / 4096


def drafted(_: Call) -> str:
    claims = {"mentions cake": finding_study.CAKE, "mentions tea": finding_study.TEA}
    claims |= {"gives numbered items": finding_study.ITEMS}
    return json.dumps({"drafts": [{"claim": c, "features": [f], "why": "w"} for c, f in claims.items()]})


def eats(call: Call) -> str:
    yes = "cake" in judges.blocks(call)["answer"]
    return json.dumps({"yes": yes, "sentence": "cake" if yes else ""})


def wrote(call: Call) -> str:
    chance = random.Random(call.prompt)
    # Words of chance: what resembles another prompt is asked for again.
    lists = [[f"{chance.getrandbits(32):x}" for _ in range(6)] for _ in range(20)]
    return json.dumps({"prompts": [" ".join(words) for words in lists]})


SHOWN = {"mentions cake": "cake", "mentions tea": "tea", "gives numbered items": "2."}
TALKERS: dict[str, Callable[[Call], str | Behaviour]] = {
    "before": openai_server.styled,
    "after": openai_server.styled,
    "writer": wrote,
    "author": labellers.label_of,
    "judge": labellers.oracle,
    "drafter": drafted,
    "verifier": judges.counting(judges.words(SHOWN)),
    "lister": listers.scripted(),
    "asked": eats,
}


# Studies to begin from.


@contextmanager
def at(home: Path) -> Iterator[Path]:
    """This process at a home, as the children are."""
    (home / "tmp").mkdir(parents=True, exist_ok=True)
    with mock.patch.dict(os.environ, environment(home)):
        yield home


def asked(url: str) -> None:
    """A study whose answers are to be collected."""
    sides = [providers.parse(f"{url}#{model}", model) for model in ("before", "after")]
    table = pd.DataFrame({"text": [f"Tell me about the thing {n}." for n in range(12)], "category": "plain"})
    Study.create(NAME, sides, table, sampling=Sampling())


def answers(_: str) -> None:
    """A study with answers, and a file with those of a third checkpoint and with prompts of its own."""
    chance = np.random.default_rng(0)
    texts = [f"Question {n}" for n in range(PROMPTS)]
    rows = [
        {"prompt_id": prompts.prompt_id(text, ""), "checkpoint": key, "draw": 0, "flag": ""}
        | {"text": finding_study.answer(chance, key)}
        for key in "ab"
        for text in texts
    ]
    more = [f"Question {n},c,{finding_study.answer(chance, 'b')!r}" for n in range(2 * PROMPTS)]
    (files.home() / "more.csv").write_text("\n".join(["prompt,checkpoint,response", *more]) + "\n", "utf-8")
    sides = [Checkpoint(key=key, name=key, source="import") for key in "ab"]
    reader = ReaderChoice(preset="", model="rules", sae="rules")
    table = pd.DataFrame({"text": texts, "category": "plain"})
    with mock.patch.object(files, "GROUP", 8):
        Study.create(NAME, sides, table, pd.DataFrame(rows), held_out=0.4, reader=reader)


def pair(_: str) -> None:
    """A study of two sets of weights, which stay where they are whatever becomes of the study."""
    made = pairs.make(files.home() / "weights", "llama")
    sides = [providers.parse(f"hf:{made.base}", "a"), providers.parse(made.low_rank, "b")]
    Study.create(NAME, sides, pd.DataFrame({"text": ["Hello"], "category": "plain"}))


def damage(home: Path) -> None:
    """Accidents to files of every sort that `repair` knows."""
    folder = home / "studies" / NAME
    for name in ("labels.jsonl", "findings.jsonl", "prompts.csv"):
        lines = (folder / name).read_bytes().split(b"\n")
        lines[2] = lines[2][: len(lines[2]) // 2] + b"\xff"
        (folder / name).write_bytes(b"\n".join(lines))
    lines = (folder / "verdicts.jsonl").read_bytes().split(b"\n")
    # Cut at a line's end, which only the note beside the file tells.
    (folder / "verdicts.jsonl").write_bytes(b"\n".join(lines[:-3]) + b"\n")
    for path, place in ((folder / "responses.parquet", 300), (folder / "encodings.parquet", 300)):
        data = bytearray(path.read_bytes())
        data[place] ^= 1
        path.write_bytes(data)
    features = next(folder.glob("diffs/*/features.parquet"))
    features.write_bytes(features.read_bytes()[:-100])
    (folder / "judgements.jsonl").unlink()


MADE: dict[str, Callable[[str], None]] = {
    "nothing": lambda _: None,
    "asked": asked,
    "answers": answers,
    "pair": pair,
}


# What is to be seen afterwards.


def look(home: Path) -> dict[str, Any]:
    """All that a study shows, by the name of the file that it stands in."""
    with at(home):
        study = Study.open(NAME)
        shown: dict[str, Any] = {"status": varying_dropped(status.of(study))}
        for path in sorted(study.folder.rglob("*")):
            name = path.relative_to(study.folder)
            if path.is_file() and name.parts[0] != "jobs" and path.suffix not in (".lock", ".rows"):
                key = "/".join(name.parts) if "damaged" not in name.parts[0] else f"damaged/{name.name}"
                shown[key] = content(path, study)
        if table_path(study).exists():
            shown["records"] = records(study)
    shown["replies"] = sorted(files.canonical(varying_dropped(each)) for each in stored(home))
    for path in sorted((home / "cache" / "decoders").glob("*")):
        shown[f"decoder {path.name}"] = sha256(path.read_bytes()).hexdigest()
    return shown


def content(path: Path, study: Study) -> Any:
    """A file's content without what differs from run to run."""
    if path.relative_to(study.folder).parts[0].startswith("damaged"):
        return sha256(path.read_bytes()).hexdigest()
    if path.suffix == ".json":
        return varying_dropped(files.read_json(path))
    if path.suffix == ".jsonl":
        lines = [files.canonical(varying_dropped(line)) for line in jsonl.read(path)]
        for drawn, called in label_names(study).items():
            lines = [line.replace(drawn, called) for line in lines]
        return sorted(lines)
    if path.suffix == ".parquet":
        frame = files.read_parquet(path)
        return frame.drop(columns=[c for c in [*VARYING, *WHERE] if c in frame]).to_csv(index=False)
    if path.suffix == ".toml":
        return varying_dropped(tomllib.loads(path.read_text("utf-8")))
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as packed:
            return {name: told(name, packed.read(name)) for name in packed.namelist()}
    return sha256(path.read_bytes()).hexdigest()


def told(name: str, data: bytes) -> Any:
    """A packed file; the manifest without its date."""
    return varying_dropped(json.loads(data)) if name.endswith("manifest.json") else sha256(data).hexdigest()


def label_names(study: Study) -> dict[str, str]:
    """What to call labels instead of their drawn ids: by feature, and the place among its labels."""
    names: dict[str, str] = {}
    seen: Counter[int] = Counter()
    for line in jsonl.read(study.folder / "labels.jsonl"):
        if line.get("id"):
            seen[line["feature"]] += 1
            names[line["id"]] = f"label {line['feature']}.{seen[line['feature']]}"
    return names


def varying_dropped(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: varying_dropped(inner) for name, inner in value.items() if name not in VARYING}
    return [varying_dropped(inner) for inner in value] if isinstance(value, list | tuple) else value


def records(study: Study) -> list[Any]:
    opened = Encodings.open(study)
    return [
        (each.ids.tolist(), each.position.tolist(), each.values().tolist())
        for each in map(opened.encoding, range(len(opened)))
    ]


def billed(home: Path) -> dict[int, float]:
    """Dollars of the stored replies, by the number of the server's call that each came from."""
    told = [reply for reply in stored(home) if isinstance(reply, dict)]
    return {int(reply["model_served"].rpartition("-")[2]): reply["cost"] for reply in told}


def stored(home: Path) -> list[Any]:
    """Everything in the cache of replies."""
    folder = home / "cache" / "replies"
    # As the program opens it, but for this once: homes come and go.
    how: dict[str, Any] = {"disk": RefusingDisk, "eviction_policy": "none", "size_limit": 2**62}
    with closing(Replies(str(folder), **how)) as kept:
        return [kept.get(key) for key in kept]


def left(home: Path) -> list[str]:
    """What a killed process left and nobody took away, and locks and claims that somebody still holds."""
    there = [path for pattern in files.LEFT for path in home.rglob(pattern)]
    there += (home / "tmp").glob("*")
    there += (home / "cache" / "claims").glob("*")
    held = [path for name in ("*.lock", "lock") for path in home.rglob(name) if files.is_locked(path)]
    return [str(path.relative_to(home)) for path in [*there, *held]]


def aged(home: Path) -> None:
    """What was left looks as if the next run came a while later: nobody may sweep what is seconds old."""
    for name in left(home):
        os.utime(home / name, (0, 0), follow_symlinks=False)


def copied(source: Path, target: Path) -> Path:
    shutil.copytree(source, target)
    return target
