"""Logs that nobody should bring: cut, broken, locked, bombs, deep ones, and pointers that multiply."""

import json
import random
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pytest

from diffing.common import bounds
from diffing.common.errors import UserError
from diffing.study import imports
from diffing.study.imports import How
from diffing.study.logs import formats, zipped
from tests.fakes.logs import BATCH, INSPECT, LM_EVAL, PROMPTFOO, brought, texts

SAMPLE: dict[str, Any] = {"id": 1, "epoch": 1, "input": "Hi?", "output": {"completion": "Hello."}, "scores": {}}
HEADER = {"version": 2, "eval": {"model": "m", "task": "t"}}


def archive(
    path: Path, *samples: Any, packing: int = zipfile.ZIP_DEFLATED, more: Mapping[str, str] = MappingProxyType({})
) -> Path:
    with zipfile.ZipFile(path, "w", packing) as whole:
        whole.writestr("header.json", json.dumps(HEADER))
        for place, sample in enumerate(samples):
            told = sample if isinstance(sample, bytes) else json.dumps(sample)
            whole.writestr(f"samples/{place}_epoch_1.json", told)
        for name, content in more.items():
            whole.writestr(name, content)
    return path


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "LARGEST", 2_000_000)
    monkeypatch.setattr(bounds, "LONGEST_ROW", 100_000)
    monkeypatch.setattr(bounds, "FREE", 100_000)


def refused(path: Path, how: How = imports.AS_THEY_ARE) -> str:
    with pytest.raises(UserError) as caught:
        imports.load_all([path], how)
    sentence = str(caught.value)
    assert path.name in sentence and sentence.endswith(".") and "\n" not in sentence and len(sentence) < 600
    return sentence


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: archive(p, b" " * 1_900_000 + json.dumps(SAMPLE).encode()), "more than 200 times its size"),
        (lambda p: archive(p, *(dict(SAMPLE, pad=random.Random(i).randbytes(30_000).hex()) for i in range(40))),
         "holds more than 2 MB once unpacked"),
        (lambda p: archive(p, dict(SAMPLE, output={"completion": random.Random(0).randbytes(80_000).hex()})),
         "more than 100,000 characters"),
        (lambda p: archive(p, b'{"id": 1'), "is not JSON at line 1"),
        (lambda p: archive(p, b'{"id": "\xff"}'), "not UTF-8"),
        (lambda p: archive(p, b'{"input": ' + b"[" * 40_000 + b"]" * 40_000 + b"}"), "nested too deeply"),
        (lambda p: archive(p), "holds no answers"),
        (lambda p: archive(p, dict(SAMPLE, input="")), "holds no answers (1 samples that ask nothing)"),
        (lambda p: archive(p, SAMPLE, packing=zipfile.ZIP_BZIP2), "packed in a way that is not read here"),
    ],
)  # fmt: skip
def test_a_hostile_log_is_refused_in_a_sentence(make: Callable[[Path], Path], words: str, tmp_path: Path) -> None:
    assert words in refused(make(tmp_path / "a.eval"))


def test_attachments_that_multiply_stop_at_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "LONGEST_ROW", 100_000)
    turns = [{"role": "assistant", "content": "attachment://a"}] * 100
    path = archive(tmp_path / "a.eval", dict(SAMPLE, messages=turns, attachments={"a": "x" * 10_000}))
    assert "a sample of more than 100,000 characters" in refused(path)


def test_zstandard_bombs_stop_at_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "FREE", 100_000)
    packed = pa.Codec("zstd").compress(b" " * 50_000_000, asbytes=True)
    path = tmp_path / "a.eval"
    with zipfile.ZipFile(path, "w") as whole:
        whole.writestr("header.json", json.dumps(HEADER))
        whole.writestr("samples/1_epoch_1.json", packed)
    data = bytearray(path.read_bytes())
    # Both of its records say how it is packed.
    local, listed = data.index(b"samples/1_e") - 30, data.rindex(b"samples/1_e") - 46
    struct.pack_into("<H", data, local + 8, zipped.ZSTANDARD)
    struct.pack_into("<H", data, listed + 10, zipped.ZSTANDARD)
    path.write_bytes(data)
    assert "more than 200 times its size" in refused(path)


def test_a_log_that_was_changed_inside_is_said(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.eval", SAMPLE, packing=zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"Hello.", b"Hallo."))
    assert "cannot be unpacked" in refused(path)


@pytest.mark.parametrize("name", ["questions-before.eval", "tools-before-chunked.eval"])
def test_a_cut_log_is_said(name: str, tmp_path: Path) -> None:
    whole = (INSPECT / name).read_bytes()
    for share in (0.1, 0.5, 0.9, 0.999):
        path = tmp_path / "cut.eval"
        path.write_bytes(whole[: int(len(whole) * share)])
        assert "its end is missing" in refused(path)


def test_a_list_of_entries_without_end_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zipped, "DIRECTORY", 1_000)
    path = archive(tmp_path / "a.eval", *([SAMPLE] * 30))
    monkeypatch.setattr(zipfile, "ZipFile", None)
    assert "more entries than a log may have" in refused(path)


def test_a_locked_log_and_a_zip_of_something_else_are_said(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.eval", SAMPLE)
    data = bytearray(path.read_bytes())
    data[data.rindex(b"header.json") - 46 + 8] |= 1
    path.write_bytes(data)
    assert "locked by a password" in refused(path)
    other = tmp_path / "b.zip"
    with zipfile.ZipFile(other, "w") as whole:
        whole.writestr("hello.txt", "hello")
    assert "a zip of no known kind" in refused(other)
    assert "without a log of Inspect" in refused(other, How(format="inspect"))


def test_a_log_whose_run_was_cut_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "a.eval"
    with zipfile.ZipFile(path, "w") as whole:
        whole.writestr("_journal/start.json", json.dumps(HEADER))
        whole.writestr("samples/1_epoch_1.json", json.dumps(SAMPLE))
    assert texts(brought(path), "m") == {("Hi?", 0): "Hello."}


def test_a_log_that_lacks_samples_that_it_counts_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.eval"
    with zipfile.ZipFile(path, "w") as whole:
        whole.writestr("header.json", json.dumps(HEADER | {"results": {"total_samples": 3}}))
        whole.writestr("samples/1_epoch_1.json", json.dumps(SAMPLE))
    assert brought(path).left_out == {"samples that the log counts and does not hold": 2}


def test_names_in_a_log_are_never_paths(tmp_path: Path) -> None:
    bad = "../../../etc/evil"
    other = {f"samples/{bad}_epoch_1.json": json.dumps(SAMPLE)}
    path = archive(tmp_path / "a.eval", dict(SAMPLE, id=bad), more=other)
    assert texts(brought(path)) == {("Hi?", 0): "Hello.", ("Hi?", 1): "Hello."}
    # By the name: other tests' files beside this one's folder come and go meanwhile.
    assert list(tmp_path.parent.rglob("*evil*")) == []


def test_numbers_that_are_none_are_left_out(tmp_path: Path) -> None:
    values = [float("nan"), float("inf"), 10**400, "nan", "1e999", [1], None, True, "C", "P", "0.25"]
    scores = {str(place): {"value": value} for place, value in enumerate(values)}
    found = brought(archive(tmp_path / "a.eval", dict(SAMPLE, scores=scores)))
    assert dict(zip(found.measures["name"], found.measures["value"], strict=True)) == {
        "7": 1.0, "8": 1.0, "9": 0.5, "10": 0.25}  # fmt: skip
    assert found.left_out == {"scores that are no number": 7}


FILES = [
    INSPECT / "questions-before.json.gz",
    next(LM_EVAL.glob("towns__before/samples_small_towns*")),
    PROMPTFOO / "results.json.gz",
    BATCH / "before-output.jsonl",
    BATCH / "responses-output.jsonl",
    Path("talks.jsonl"),
]
CALL = {"id": "1", "function": {"name": "add", "arguments": "{}"}}
TALK = [
    {"role": "user", "content": [{"type": "text", "text": "Sum?"}]},
    {"role": "assistant", "content": None, "tool_calls": [CALL], "reasoning_content": "A tool knows."},
    {"role": "tool", "tool_call_id": "1", "content": "2"},
    {"role": "assistant", "content": [{"type": "thinking", "thinking": "Two."}, "It is 2."]},
]
TALKS = json.dumps({"messages": TALK, "model": "m", "draw": 0, "score": 1})


def changed(value: Any, chance: random.Random) -> Any:
    """The same value with something in it turned into something else."""
    other: list[Any] = [None, [], {}, "", "x", 0, -1.5, True, [[]], {"role": "assistant"}, [None]]
    if isinstance(value, dict) and value and chance.random() < 0.9:
        key = chance.choice(list(value))
        return value | {key: changed(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.9:
        place = chance.randrange(len(value))
        return [*value[:place], changed(value[place], chance), *value[place + 1 :]]
    return chance.choice(other)


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name[:20])
def test_a_log_of_anything_is_taken_or_refused_in_a_sentence(file: Path, tmp_path: Path) -> None:
    chance = random.Random(7)
    if not file.exists():
        file = tmp_path / file.name
        file.write_text(TALKS)
    text = b"".join(bounds.pieces(file, file.suffix if file.suffix == ".gz" else "", bounds.limits())).decode()
    kind = formats.of(file)
    path = tmp_path / file.name.removesuffix(".gz")
    asked = [BATCH / f"{name}-requests.jsonl" for name in ("before", "responses")]
    beside = asked if kind == "openai-batch" else []
    whole: Any = [json.loads(line) for line in text.splitlines()] if path.suffix == ".jsonl" else json.loads(text)
    if kind == "inspect":
        whole["samples"] = [dict(sample, events=[]) for sample in whole["samples"][:3]]
    for _ in range(25):
        damaged = whole
        for _ in range(chance.randrange(1, 6)):
            damaged = changed(damaged, chance)
        damaged = damaged if isinstance(damaged, list) or path.suffix == ".json" else [damaged]
        path.write_text("\n".join(map(json.dumps, damaged)) if path.suffix == ".jsonl" else json.dumps(damaged))
        try:
            imports.load_all([path, *beside], How(format=kind, names=("m",), measures=("score",)))
        except UserError as error:
            assert "\n" not in str(error) and str(error).endswith(".")
