"""Text from outside in terminals, logs, tables and files: nothing is obeyed, run, overwritten or broken by it."""

import csv
import io
import json
import os
import re
from pathlib import Path

import pandas as pd
import pytest

from bench.fuzz import Done, run
from diffing import jobs
from diffing.common import escape, files, jsonl, outfile, tables
from diffing.common.errors import UserError
from diffing.findings import findings
from diffing.jobs.run import Reporter
from diffing.labels import history
from diffing.labels.history import Label
from diffing.models.providers import Checkpoint
from diffing.report import exports
from diffing.study import imports, prompts
from diffing.study.study import Study
from tests.fakes.openai_server import OpenAIServer, failure

TITLE, COLOUR, C1, BIDI = "\x1b]0;owned\x07", "\x1b[31m", "\x9b31m", "\u202egnp"
EVIL = f"{TITLE}{COLOUR}{C1}{BIDI}\r\x00"
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
FORMULAS = [
    *("=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\n \n=1", "  =1", "\ufeff=1", "\u200b=1", "'=1"),
    *("＝1", "＋1", "－1", "＠x", "\n＝1", '=HYPERLINK("http://thief.example","x")', "=cmd|' /C calc'!A0"),
]


def study(name: str = "s", texts: tuple[str, ...] = ("Why?",)) -> Study:
    pair = [Checkpoint(key=key, name=f"{key} {EVIL}", source="import") for key in "ab"]
    return Study.create(name, pair, pd.DataFrame({"text": list(texts)}))


def answered(texts: list[str]) -> Study:
    made = study()
    rows = pd.DataFrame({"prompt_id": made.prompts()["id"].iloc[0], "draw": range(len(texts)), "text": texts})
    made.add_responses(pd.concat([rows.assign(checkpoint=side, flag="") for side in "ab"]))
    return made


def shown(*lines: list[str]) -> list[Done]:
    done = [run(words) for words in lines]
    assert [one.fault for one in done] == [""] * len(done)
    return done


@pytest.mark.attack("R14")
def test_no_terminal_obeys_an_error_a_claim_a_label_or_a_name(server: OpenAIServer) -> None:
    server.reply = lambda call: failure(400, f"no {EVIL}: {call.prompt}")
    asked = Checkpoint(key="a", name=f"A {EVIL}", source="custom:before", base_url=server.url)
    made = Study.create(
        "s", [asked, Checkpoint(key="b", name="B", source="import")], pd.DataFrame({"text": ["Why?"]})
    )
    history.edit(made, "starter", 1, f"label {EVIL}", f"Ada {EVIL}")
    findings.add(made, f"claim {EVIL}", "a", author=f"Ada {EVIL}")
    lines = (
        ["collect", "s"], ["status", "s"], ["status", "s", "--json"], ["list"], ["list", "--json"], ["jobs", "s"],
        ["findings", "s"],
        ["findings", "s", "--json"], ["prompts", "s"], ["new", f"x{EVIL}", "import"],
        ["read", "x", "--device", EVIL],
    )  # fmt: skip
    for words, done in zip(lines, shown(*lines), strict=True):
        assert not OBEYED.search(done.out + done.err), words
        if "--json" in words:
            json.loads(done.out)
    told = shown(["jobs", "s", jobs.recent(made)[0].id])[0].out
    assert "no ⸨U+001B⸩]0;owned" in told


@pytest.mark.attack("R14")
def test_a_jobs_log_holds_nothing_that_a_terminal_obeys() -> None:
    job_study = study()
    folder = job_study.folder / "jobs" / "one"
    files.write_json(
        folder / "spec.json", {"kind": "collect", "study": "s", "created": files.now(), "options": {}}
    )
    Reporter(jobs.Job(folder)).log(f"failed: {EVIL}")
    text = (folder / "log.txt").read_text(encoding="utf-8")
    assert not OBEYED.search(text) and "owned" in text


@pytest.mark.attack("R14")
def test_json_for_a_terminal_means_what_it_meant() -> None:
    value = {"text": f"{EVIL} ж 🔬 \ud83d"}
    told = escape.json_text(json.dumps(value, ensure_ascii=False))
    assert json.loads(told) == value
    assert not OBEYED.search(told) and "ж 🔬" in told


@pytest.mark.attack("R25")
def test_no_cell_of_any_export_runs(tmp_path: Path) -> None:
    made = answered(FORMULAS)
    made.save_prompts(pd.DataFrame({"text": FORMULAS, "category": FORMULAS, "tags": FORMULAS}))
    for number, text in enumerate(FORMULAS):
        history.add(made, "starter", number, Label(label=text, author=text, author_kind="llm"))
    exports.write_study(made, tmp_path)
    outfile.write_csv(tmp_path / "diff.csv", pd.DataFrame({"label": FORMULAS, "=delta": [-0.5] * len(FORMULAS)}))
    for path in sorted(tmp_path.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        runs = [cell for cell in cells if re.match(r"[\s\ufeff\u200b]*[=+\-@＝＋－＠]|[\t\r]", cell)]
        assert [cell for cell in runs if cell != "-0.5"] == [], path.name
    assert "-0.5" in (tmp_path / "diff.csv").read_text(encoding="utf-8")


@pytest.mark.attack("R25")
def test_what_was_made_harmless_comes_back_as_it_was(tmp_path: Path) -> None:
    made = study(texts=tuple(text for text in FORMULAS if text.strip()))
    exports.write_study(made, tmp_path)
    back = prompts.load(tmp_path / "s-prompts.csv")
    assert back["text"].tolist() == made.prompts()["text"].tolist()
    # A file of one's own keeps its apostrophes, and so does the study's.
    (tmp_path / "mine.csv").write_text("text\n'-ism' is a suffix\n")
    assert prompts.load(tmp_path / "mine.csv")["text"].tolist() == ["'-ism' is a suffix"]
    assert prompts.load(made.folder / "prompts.csv")["text"].tolist() == made.prompts()["text"].tolist()


@pytest.mark.attack("R24")
@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "device", "hanging link"])
def test_an_export_replaces_plain_files_only(tmp_path: Path, kind: str) -> None:
    made, place, target = study(), tmp_path / "s-prompts.csv", tmp_path / "target"
    target.write_text("mine")
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "folder":
        place.mkdir()
    else:
        leads = {"link": target, "hanging link": tmp_path / "nowhere", "device": Path("/dev/null")}
        place.symlink_to(leads[kind])
    before = place.lstat()
    with pytest.raises(UserError, match="is not replaced; name a plain file"):
        exports.write_study(made, tmp_path)
    with pytest.raises(UserError, match="is not replaced; name a plain file"):
        outfile.write_csv(place, made.prompts())
    after = place.lstat()
    assert (before.st_ino, before.st_mode) == (after.st_ino, after.st_mode)
    assert target.read_text() == "mine"
    if kind == "device":
        with pytest.raises(UserError, match="a pipe or a device"):
            outfile.check(Path("/dev/null"))


@pytest.mark.attack("R24")
def test_a_table_asked_for_as_a_dash_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    outfile.write_csv(outfile.STDOUT, pd.DataFrame({"a": ["=1", "x"], "b": [-1.5, 2]}))
    assert list(csv.reader(io.StringIO(capsys.readouterr().out))) == [["a", "b"], ["'=1", "-1.5"], ["x", "2.0"]]


@pytest.mark.attack("R33")
def test_claims_labels_and_remarks_are_clean_when_they_come_in() -> None:
    made, evil = study(), f"ends {EVIL}with \ud83d thanks"
    claim = findings.add(made, evil, "a", author=evil)
    findings.note(made, claim.id, evil, evil)
    findings.reject(made, claim.id, evil, "Ada")
    label = history.edit(made, "starter", 3, evil, evil, evil)
    history.tell(made, "starter", 3, "comment", evil, about=label.id, text=evil)
    stored = findings.get(made, claim.id)
    told = [line for line in history.read(made, "starter") if isinstance(line, history.Event)]
    texts = [stored.claim, stored.author, stored.rejected, *(note.text for note in stored.notes)]
    texts += [label.label, label.description, label.author, told[0].text, told[0].author]
    assert len(texts) == 9
    for text in texts:
        assert not OBEYED.search(text) and text.encode() and "with" in text
    written = (made.folder / "labels.jsonl").read_text() + (made.folder / "findings.jsonl").read_text()
    assert not re.search(r"\\ud83d|\\u001b|\\u202e", written)


@pytest.mark.attack("R33")
def test_what_an_older_version_let_in_is_clean_when_it_is_read() -> None:
    made = study()
    put = {"claim": f"old {EVIL}\ud83d", "side": "a", "a": "a", "b": "b", "origin": "hand"}
    line = {"finding": "f1", "date": files.now(), "author": "Ada", "author_kind": "person", "put": put}
    jsonl.append(findings.path_of(made), line)
    claim = findings.load(made)[0].claim
    assert claim.encode() and not OBEYED.search(claim)


def test_imported_names_are_harmless_on_their_way_through(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    rows = [{"prompt": "Hi", "checkpoint": f"{side}{EVIL}", "response": "x"} for side in "ab"]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    imports.into("brought", imports.load(path))
    for done in shown(["status", "brought"], ["list"], ["import", "again", str(path)]):
        assert not OBEYED.search(done.out + done.err)
    assert tables.clean("\ud83d") == "\ufffd"
