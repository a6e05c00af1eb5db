"""The report's folder: what it holds, that nothing in it leaks or runs, and that it comes out the same again."""

import csv
import hashlib
import json
import os
import re
import subprocess
import sys
import urllib.parse
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt
from scipy import sparse
from typer.testing import CliRunner

from diffing.cli import report as cli_report
from diffing.common import files, tables
from diffing.common.errors import UserError
from diffing.common.escape import visible
from diffing.labels import sources
from diffing.report import contents
from diffing.report import facts as report_facts
from diffing.report import folder as report
from diffing.study.study import Study
from tests.fakes import report_study
from tests.fakes.html_page import Page
from tests.fakes.report_study import HOSTILE, KEY, A, Made, bare, names, written
from tests.fakes.watch import Watch

FILES = {
    *(
        "agent.ipynb",
        "analysis.ipynb",
        "encodings.npz",
        "encodings.pkl",
        "features.csv",
        "findings.csv",
        "findings.json",
        "labels.json",
    ),
    *(
        "lists-old-new.zip",
        "llm_comparator.json",
        "manifest.json",
        "pairs.csv",
        "phrases.csv",
        "probes.csv",
        "prompts.csv",
    ),
    *("one-page.html", "one-page.png", "report.html", "report.md", "responses.csv"),
}
CHARTS = {
    "behaviours",
    "difference_and_evidence",
    "equal_length",
    "lengths",
    "replication",
    "surface_probes",
    "top_differences",
}


# What is handed over.


def test_the_folder_holds_everything_and_the_manifest_its_hashes(made: Made) -> None:
    _, out = made
    charts = {f"charts/{name}.{kind}" for name in CHARTS for kind in ("png", "svg")}
    assert names(out) == FILES | charts
    told = files.read_json(out / "manifest.json")
    hashes = {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in told["files"]}
    assert {name: entry["sha256"] for name, entry in told["files"].items()} == hashes
    assert set(told["files"]) == names(out) - {"manifest.json", "lists-old-new.zip"}
    with zipfile.ZipFile(out / "lists-old-new.zip") as archive:
        packed = {name.removeprefix("lists-old-new/"): archive.read(name) for name in archive.namelist()}
    assert packed == {name: (out / name).read_bytes() for name in names(out) - {"lists-old-new.zip"}}


def test_the_same_study_gives_the_same_bytes_in_another_process(made: Made, tmp_path: Path) -> None:
    study, out = made
    code = (
        "import sys; from diffing import Study; from diffing.report import folder\n"
        "from tests.fakes.watch import Watch\n"
        "folder.run(Study.open('lists'), folder.Options(out=sys.argv[1]), Watch())"
    )
    environment = os.environ | {"PYTHONHASHSEED": "7", "DIFFING_HOME": str(study.folder.parent.parent)}
    again = tmp_path / "again"
    subprocess.run([sys.executable, "-c", code, str(again)], cwd=files.PROJECT, env=environment, check=True)
    assert names(again) == names(out)
    other = {name for name in names(out) if (out / name).read_bytes() != (again / name).read_bytes()}
    assert other <= {"manifest.json", "lists-old-new.zip"}
    first, second = (files.read_json(folder / "manifest.json") for folder in (out, again))
    assert first | {"made": ""} == second | {"made": ""}


def test_no_key_and_no_path_of_this_machine_is_in_any_file(made: Made) -> None:
    study, out = made
    home = study.folder.parent.parent
    for name in names(out):
        content = (out / name).read_bytes()
        for secret in (KEY, str(home), str(files.PROJECT), sys.prefix, "secret-place"):
            assert secret.encode() not in content, (name, secret)
    assert "key [key] refused by proxy.py" in (out / "responses.csv").read_text(encoding="utf-8")


def test_cells_that_a_spreadsheet_would_run_are_text_and_can_be_read_back(made: Made) -> None:
    study, out = made
    for name in ("prompts", "responses", "features", "probes", "phrases", "pairs", "findings"):
        with (out / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        number = re.compile(r"-?\d+(\.\d+)?(e-?\d+)?")
        assert [c for row in rows for c in row if c[:1] in "=+-@\t\r" and c and not number.fullmatch(c)] == [], (
            name
        )
    texts = pd.read_csv(out / "responses.csv", keep_default_na=False)["text"]
    back = [re.sub(r"^'(?='*[=+\-@\t\r])", "", text) for text in texts]
    assert back == [tables.clean(text) for text in study.responses()["text"]]


def test_encodings_open_with_scipy_and_match_the_pairs(made: Made) -> None:
    _, out = made
    matrix = sparse.csr_array(sparse.load_npz(out / "encodings.npz")).toarray()
    pairs = pd.read_csv(out / "pairs.csv")
    features = pd.read_csv(out / "features.csv").set_index("feature")
    for side in "ab":
        shares = (matrix[pairs[f"row_{side}"]] > 0).mean(axis=0)
        np.testing.assert_allclose(shares[features.index], features[f"frequency_{side}"])


# Hostile text.


def test_hostile_answers_stay_text_in_the_page(made: Made) -> None:
    _, out = made
    text = (out / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert not page.tags & {"script", "i", "iframe", "object", "link", "form", "base"}
    assert not {name for name in page.attributes if name.startswith("on")} | (
        page.attributes & {"srcset", "action"}
    )
    assert {address for address in page.addresses if not address.startswith("#")} == {"data:image/svg+xml;base64"}
    shown = "".join(page.words)
    assert visible(HOSTILE.split(" first")[0]).split("\u202e")[0][:60] in shown
    assert "Question 3 <i>?</i>" in shown
    assert "{{ 7*7 }}" in shown
    assert "\u202e" not in text
    assert "\x1b" not in text


def test_markdown_renders_without_raw_html_or_foreign_links(made: Made) -> None:
    _, out = made
    text = (out / "report.md").read_text(encoding="utf-8")
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "linkify"]).parse(text)
    flat = [token for one in tokens for token in (one, *(one.children or []))]
    assert {token.type for token in flat} & {"html_block", "html_inline", "link_open"} == set()
    images = {str(token.attrs["src"]) for token in flat if token.type == "image"}
    assert images == {f"charts/{name}.png" for name in CHARTS}
    headings = [token.tag for token in tokens if token.type == "heading_open"]
    assert headings.count("h1") == 1
    assert headings.count("h2") == 12
    assert sum(len(token.children or []) > 0 for token in tokens if token.type == "inline") > 100
    plain = re.sub(r"^(`{3,})text$.*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    rows = [len(re.findall(r"(?<!\\)\|", line)) for line in plain.splitlines() if line.startswith("|")]
    # A | more than columns: fifteen of the features that differ most surely.
    assert set(rows) == {3, 4, 5, 7, 10, 11, 14, 16}


# Where it is written.


def test_a_folder_with_other_things_is_left_alone(made: Made, tmp_path: Path) -> None:
    study, _ = made
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="exists and holds no report; choose another folder"):
        report.run(study, report.Options(out=str(tmp_path)), Watch())
    assert names(tmp_path) == {"mine.txt"}


def test_a_new_report_takes_the_place_of_the_old_one_and_leaves_notes_beside_it(
    made: Made, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    study, _ = made
    monkeypatch.setenv("DIFFING_HOME", str(study.folder.parent.parent))
    bare(monkeypatch)
    out = written(study, tmp_path / "out")
    (out / "notes.txt").write_text("mine")
    told = files.read_json(out / "manifest.json")
    told["files"] |= {"charts/gone.svg": {}, "../outside.txt": {}}
    files.write_json(out / "manifest.json", told)
    (out / "charts").mkdir()
    (out / "charts" / "gone.svg").touch()
    (tmp_path / "outside.txt").touch()
    written(study, out)
    assert (out / "notes.txt").exists()
    assert (tmp_path / "outside.txt").exists()
    assert not (out / "charts" / "gone.svg").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_the_command_writes_where_it_is_told(made: Made, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    study, _ = made
    monkeypatch.setenv("DIFFING_HOME", str(study.folder.parent.parent))
    bare(monkeypatch)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli_report.app, ["lists", "--out", "here"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "here" / "report.html").exists()
    assert "1 findings put forward, 0 of them supported; 1 blocked, 1 rejected." in done.output


def test_a_study_that_was_never_encoded_is_told_what_to_do() -> None:
    study = Study.create("bare", [A, report_study.B])
    with pytest.raises(UserError, match="python -m diffing encode bare"):
        report.run(study, report.Options(), Watch())


def test_the_quick_list_names_the_strongest_features_where_neuronpedia_has_them(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, _ = made
    monkeypatch.setenv("DIFFING_HOME", str(study.folder.parent.parent))
    facts = report_facts.gather(study)
    assert contents.quick_list(facts) == ""
    monkeypatch.setattr(sources, "neuronpedia_id", lambda _choice: "gpt2-small/8-res-jb")
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(contents.quick_list(facts)).query)
    assert query["name"] == ["lists: old and new"]
    assert json.loads(query["features"][0]) == [
        {"modelId": "gpt2-small", "layer": "8-res-jb", "index": str(feature)} for feature in facts.top
    ]
