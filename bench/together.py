"""Eight processes at once on everything that writes: `python -m bench.together [--processes 8]`.

Each is a fork that waits at a gate with the others and then runs the commands themselves, or what a page's button
calls, several times over. Prints by verb what the processes were told in sum, and what there is afterwards; ends
with 1 where the two differ.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from bench.fuzz import run
from diffing.common import files, jsonl, noted
from diffing.common.errors import UserError
from diffing.diff import compute, stored
from diffing.findings import findings
from diffing.jobs import run as runner
from diffing.jobs.job import recent
from diffing.labels import history
from diffing.models import allowed
from diffing.models.providers import Checkpoint, parse
from diffing.probes import own_probes
from diffing.reader import encode
from diffing.reader.encodings import Encodings
from diffing.study import repair, sample, spendings
from diffing.study.settings import ReaderChoice
from diffing.study.study import Study
from tests.fakes.at_once import at_once
from tests.fakes.reader import FakeReader

SIDES = [Checkpoint(key=key, name=key, source="import") for key in "ab"]
SAE = "starter"
FINE, REFUSED = 0, 2
"""Exit codes of commands."""


class Outcome(NamedTuple):
    """What a verb's processes were told, in sum, and what is there."""

    changes: str
    wanted: Any
    there: Any


def every(count: int, act: Callable[[int], Any]) -> list[Any]:
    """One act for each process, which is given its number; all begin together."""
    return at_once(*(partial(act, number) for number in range(count)))


def command(*words: object) -> tuple[int, str]:
    """A command's exit code, and what it said."""
    done = run([str(word) for word in words])
    assert not done.fault, done.err
    return done.code, done.out + done.err


def csv(folder: Path, name: str, rows: list[dict[str, Any]]) -> Path:
    pd.DataFrame(rows).to_csv(folder / name, index=False)
    return folder / name


def made(name: str, count: int = 5) -> Study:
    return Study.create(name, SIDES, pd.DataFrame({"text": [f"{name} {number}" for number in range(count)]}))


def with_answers(name: str) -> Study:
    """A study of forty answers that differ, so that something can be compared."""
    study = Study.create(name, SIDES, pd.DataFrame({"text": [f"Question {number}" for number in range(20)]}))
    rows = [
        {"prompt_id": prompt, "checkpoint": side, "draw": 0, "finish_reason": "stop"}
        | {"text": f"Word{n % 7} and word{n % 5}" + (" **bold** end." if side == "b" else " plain end.")}
        for n, prompt in enumerate(study.prompts()["id"])
        for side in "ab"
    ]
    study.add_responses(pd.DataFrame(rows))
    return study


# The verbs. Each is given a folder for files of its own, and the number of processes.


def new(_: Path, count: int) -> Outcome:
    codes = every(count, lambda _: command("new", "fresh", "import", "import")[0])
    return Outcome("1 of one name", [FINE] + [REFUSED] * (count - 1), sorted(codes))


def prompts_add(folder: Path, count: int) -> Outcome:
    before = len(made("add").prompts())

    def act(number: int) -> int:
        told = 0
        for turn in range(3):
            rows = [{"text": f"{number} {turn} {row}"} for row in range(20)] + [{"text": f"everybody's {turn}"}]
            _, said = command("prompts", "add", "--add", csv(folder, f"{number}-{turn}.csv", rows))
            told += int(re.findall(r"Added (\d+) prompts", said)[0])
        return told

    told = sum(every(count, act))
    assert told == count * 3 * 20 + 3
    return Outcome(f"{3 * count} files of 21", told, len(Study.open("add").prompts()) - before)


def prompts_out(folder: Path, count: int) -> Outcome:
    ids = made("out", 4 * count).prompts()["id"].tolist()

    def act(number: int) -> None:
        Study.open("out").activate(ids[4 * number : 4 * number + 4], False)
        command("prompts", "out", "--add", csv(folder, f"out{number}.csv", [{"text": f"one more {number}"}]))

    every(count, act)
    table = Study.open("out").prompts()
    return Outcome(
        "4 taken out, 1 added", (4 * count, count), (int((~table["active"]).sum()), len(table) - len(ids))
    )


def brought(folder: Path, count: int) -> Outcome:
    def act(number: int) -> int:
        told = 0
        for turn in range(3):
            rows = [
                {"prompt": f"{number} {turn} {row}", "response_a": "Yes", "response_b": "No"} for row in range(5)
            ]
            _, said = command("import", "brought", csv(folder, f"in{number}-{turn}.csv", rows))
            told += int(re.findall(r"Imported (\d+) answers", said)[0])
        return told

    told = sum(every(count, act))
    return Outcome(f"{3 * count} files of 10 answers", told, len(Study.open("brought").responses()))


def settings(folder: Path, count: int) -> Outcome:
    made("settings")

    def act(number: int) -> None:
        if number % 2:
            # As the button of the page Run does.
            Study.open("settings").change_settings(reader=ReaderChoice(context="prompt+answer"))
            return
        file = csv(folder, f"third{number}.csv", [{"prompt": "Hi", "model": f"c{number}", "response": "Yes"}])
        assert command("import", "settings", file, "--add-checkpoints")[0] == FINE

    every(count, act)
    now = Study.open("settings").settings
    wanted = ["prompt+answer", "a", "b", *(f"c{number}" for number in range(0, count, 2))]
    return Outcome("checkpoints, reader", wanted, [now.reader.context, *sorted(c.key for c in now.checkpoints)])


def label_edits(_: Path, count: int) -> Outcome:
    study = made("labels")

    def act(number: int) -> None:
        for feature in range(20):
            label = history.edit(study, SAE, feature, f"label {number}", f"person {number}")
            history.tell(study, SAE, feature, "accept", f"person {number}", about=label.id)

    every(count, act)
    held = history.dossiers(history.read(study, SAE)).values()
    there = (sum(len(one.labels) for one in held), sum(len(one.status) for one in held))
    return Outcome("20 labels, 20 accepted", (20 * count, 20 * count), there)


def label_imports(folder: Path, count: int) -> Outcome:
    study = made("sources")

    def act(number: int) -> int:
        file = csv(folder, f"labels{number}.csv", [{"feature": 1, "label": f"from {number}"}])
        code, said = command("label", "sources", "--import", file)
        assert code == FINE or "already running" in said
        return code

    codes = every(count, act)
    # A step runs once at a time: who is refused is told so.
    return Outcome("1 source", codes.count(FINE), len(list(history.imported_dir(study).glob("*.parquet"))))


def findings_written(_: Path, count: int) -> Outcome:
    study = made("findings")

    def act(number: int) -> None:
        for turn in range(5):
            claim = f"claim {turn}"
            found = findings.add(Study.open("findings"), claim, "b", author=f"person {number}")
            words = ("--note", f"{number} {turn}", "--feature", number)
            assert command("findings", "findings", found.id, *words)[0] == FINE

    every(count, act)
    held = findings.load(study)
    there = (len(held), sum(len(one.notes) for one in held), sum(len(one.features) for one in held))
    return Outcome("5 claims that all write", (5, 5 * count, 5 * count), there)


def own_added(_: Path, count: int) -> Outcome:
    study = made("own")

    def act(number: int) -> int:
        told = 0
        for turn in range(3):
            for name in (f"mine {number} {turn}", f"ours {turn}"):
                # Another rule each, so that only the name may be taken.
                rule = own_probes.rule_of(phrase=f"{name} {number}")
                try:
                    own_probes.add(Study.open("own"), own_probes.made(name, rule=rule))
                    told += 1
                except UserError as error:
                    assert "already" in str(error)
            own_probes.remove(Study.open("own"), f"mine {number} {turn}", "Ada")
        return told

    told = sum(every(count, act))
    return Outcome("3 added and removed, 3 of all", (3 * count + 3, 3), (told, len(own_probes.load(study))))


def allowances(_: Path, count: int) -> Outcome:
    def act(number: int) -> None:
        for turn in range(10):
            command("allow", f"h{number}-{turn}.example", "SOME_KEY")
        for turn in range(0, 10, 2):
            command("allow", f"h{number}-{turn}.example", "SOME_KEY", "--take-back")

    every(count, act)
    return Outcome("10 allowed, 5 taken back", 5 * count, len(allowed.pairs()))


def collected(_: Path, count: int) -> Outcome:
    server = subprocess.Popen(
        [sys.executable, "tests/fakes/openai_server.py", "0", "--delay", "0.05"],
        cwd=files.PROJECT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    url = server.stdout.readline().strip()
    try:
        sides = [parse(f"{url}#{model}", model) for model in ("before", "after")]
        texts = pd.DataFrame({"text": [f"Asked {number}" for number in range(40)]})
        for number in range(count):
            Study.create(f"asked{number}", sides, texts)

        def act(number: int) -> int:
            return int(json.loads(run(["collect", f"asked{number}", "--json"]).out)["result"]["asked"])

        told = every(count, act)
    finally:
        server.terminate()
        server.wait()
    answers = [Study.open(f"asked{number}").responses()["text"].tolist() for number in range(count)]
    alike = sum(one == answers[0] for one in answers)
    return Outcome("the same 80 questions", (80, count, 80), (sum(told), alike, len(answers[0])))


def one_of_them(step: str, check: Callable[[], Any]) -> Callable[[Path, int], Outcome]:
    """A step that runs once at a time on a study: one process does it, and the others are told who does."""

    def verb(_: Path, count: int) -> Outcome:
        def act(_: int) -> str:
            code, said = command(step, "compared")
            assert code == FINE or "already running" in said, said
            return "done" if code == FINE else "refused"

        told = Counter(every(count, act))
        assert told["done"] >= 1
        done = [job for job in recent(Study.open("compared")) if job.spec["kind"] == step]
        return Outcome("once at a time", (told["done"], True), (len(done), check()))

    return verb


def encoded() -> bool:
    encodings = Encodings.open(Study.open("compared"))
    return bool(encodings.matrix().shape == (40, FakeReader.n_features))


def compared() -> bool:
    found = stored.up_to_date(Study.open("compared"), "a", "b")
    return found is not None and len(found.features) == FakeReader.n_features


def encode_shared(_: Path, count: int) -> Outcome:
    """Studies of the same answers in one cache."""
    for number in range(count):
        with_answers(f"shared{number}")
    every(count, lambda number: runner.run_here(Study.open(f"shared{number}"), "encode").state)
    names = ["compared", *(f"shared{number}" for number in range(count))]
    seen = {Encodings.open(Study.open(name)).matrix().toarray().tobytes() for name in names}
    return Outcome("the same 40 answers", 1, len(seen))


def diff_by_all(_: Path, count: int) -> Outcome:
    """The same diff, which the Python API and reports compute where it is missing, without the step's lock."""
    study = Study.open("compared")
    wanted = compute.compute(study, "a", "b").features
    every(count, lambda _: [compute.compute(Study.open("compared"), "a", "b").a for _ in range(2)])
    found = stored.up_to_date(study, "a", "b")
    assert found is not None
    left = [path.name for path in (study.folder / "diffs").iterdir() if path.name.startswith(".")]
    return Outcome("2 times the same diff", (True, []), (found.features.equals(wanted), left))


def spent(_: Path, count: int) -> Outcome:
    study = made("spent")

    def act(_: int) -> None:
        ledger = spendings.Spendings(study)
        for reply in range(20):
            ledger.add(f"reply {reply}", 0.25)

    every(count, act)
    return Outcome("the same 20 replies", 5.0, spendings.total(study))


def repaired(_: Path, count: int) -> Outcome:
    study = made("broken")
    history.edit(study, SAE, 0, "first", "Ada")
    with history.path_of(study).open("ab") as file:
        file.write(b"{broken}\n")
    noted.forget(history.path_of(study))
    checks: dict[str, repair.Check] = {"labels.jsonl": history.line_of}

    def act(number: int) -> int:
        if number % 2:
            return len(repair.repair("broken", checks))
        for feature in range(30):
            history.edit(study, SAE, feature, f"label {number}", "Ada")
        return 0

    mended = sum(every(count, act))
    writers = (count + 1) // 2
    there = (mended, len(jsonl.read(history.path_of(study))))
    return Outcome("half repair, half write 30", (1, 1 + 30 * writers), there)


def sampled(_: Path, count: int) -> Outcome:
    every(count, lambda _: sample.ensure().name)
    study = Study.open(sample.NAME)
    return Outcome("the sample", (60, 240), (len(study.prompts()), len(study.responses())))


VERBS: dict[str, Callable[[Path, int], Outcome]] = {
    "new": new,
    "prompts --add": prompts_add,
    "Prompts page: deactivate; prompts --add": prompts_out,
    "import": brought,
    "settings: import --add-checkpoints, reader": settings,
    "label edits": label_edits,
    "label --import": label_imports,
    "findings --add, --note, --feature": findings_written,
    "probe add, remove": own_added,
    "allow": allowances,
    "collect into one reply cache": collected,
    "spendings": spent,
    "encode, one study": one_of_them("encode", encoded),
    "encode, a study each": encode_shared,
    "diff, one study": one_of_them("diff", compared),
    "diff by the API": diff_by_all,
    "report, one study": one_of_them("report", compared),
    "repair": repaired,
    "sample": sampled,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=8)
    count = parser.parse_args().processes
    lost = 0
    setattr(encode, "load_reader", lambda _choice, _device: FakeReader())  # noqa: B010  # a fake, as the tests have it
    print("| verb | processes | each | wanted | there | |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="bench-together-") as folder:
        os.environ["DIFFING_HOME"] = f"{folder}/home"
        (Path(folder) / "home").mkdir()
        with_answers("compared")
        for name, verb in VERBS.items():
            begun = time.perf_counter()
            found = verb(Path(folder), count)
            fine = found.wanted == found.there
            lost += not fine
            end = f"{'' if fine else 'LOST, '}{time.perf_counter() - begun:.0f} s"
            print(f"| {name} | {count} | {found.changes} | {found.wanted} | {found.there} | {end} |", flush=True)
    print(f"\n{len(VERBS)} verbs, lost: {lost}")
    sys.exit(lost > 0)


if __name__ == "__main__":
    main()
