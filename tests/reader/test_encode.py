"""Encoding a study: each answer once, whatever fails, and the same arrays after any interruption."""

import json
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from diffing.common import files
from diffing.common.errors import Cancelled, UserError
from diffing.common.step import checked
from diffing.models.providers import Checkpoint
from diffing.reader import encode, places, query, wanted
from diffing.reader.cache import Cache
from diffing.reader.encodings import Encodings, encodable
from diffing.reader.unread import unread
from diffing.study.settings import ReaderChoice
from diffing.study.study import Study
from tests.fakes import tiny
from tests.fakes.reader import FakeReader
from tests.fakes.watch import Watch

ODD = {
    "emoji": "👩‍👩‍👧‍👦 🇩🇪 ok",
    "arabic": "مرحبا بالعالم",
    "surrogate": "a \ud800 b",
    "spaces": " " * 10_000 + "end",
    "long": "word " * 40_000,
    "newlines": "\n\n\n.",
}

STEP = 1.7e-4
"""From one stored value to the next: a logarithm's last bit may decide between two of them (`cache.STEPS`)."""


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> FakeReader:
    fake = FakeReader()
    monkeypatch.setattr(encode, "load_reader", lambda _choice, _device: fake)
    return fake


def study_of(texts: list[str], name: str = "study") -> Study:
    """A study in which checkpoint `a` gave these answers and `b` one word to each prompt."""
    prompts = pd.DataFrame({"text": [f"Question {n}" for n in range(len(texts))]})
    study = Study.create(name, [Checkpoint(key=k, name=k, source="import") for k in "ab"], prompts)
    ids = study.prompts()["id"]
    rows = [{"prompt_id": i, "checkpoint": "a", "text": t} for i, t in zip(ids, texts, strict=True)]
    study.add_responses(pd.DataFrame(rows + [{"prompt_id": i, "checkpoint": "b", "text": "yes"} for i in ids]))
    return study


def errors_of(study: Study) -> dict[str, str]:
    errors = Encodings.open(study).documents["error"]
    return {text: e for text, e in zip(encodable(study)["text"], errors, strict=True) if e}


def test_one_answer_that_fails_costs_one_answer(reader: FakeReader) -> None:
    study = study_of(["fine one", "unreadable", "broken", "some poison here", "fine two", "fine three"])
    watch = Watch()
    result = encode.run(study, encode.Options(), watch)
    assert errors_of(study) == {
        "unreadable": "This text is not for reading; write another.",
        "broken": "The answer could not be read: ValueError: the tokenizer fell over",
        "some poison here": "The reader failed on this answer: RuntimeError: this token is not for running",
    }
    assert (result["documents"], result["encoded"], result["failed"]) == (12, 4, 3)
    assert len(watch.lines) == 3
    found = Encodings.open(study)
    for document, text in enumerate(encodable(study)["text"]):
        if text.startswith("fine"):
            np.testing.assert_allclose(dense(found, document), reader.expected(text), rtol=1e-4)


def dense(found: Encodings, document: int) -> np.ndarray:
    return np.stack([found.dense(document, feature) for feature in range(found.n_features)], axis=1)


@pytest.mark.parametrize("name", ODD)
def test_odd_texts_are_encoded_like_any_other(reader: FakeReader, name: str) -> None:
    shown = encode.read_text(reader, ODD[name], top=reader.n_features)
    expected = reader.expected(ODD[name]).numpy()
    assert {f["feature"] for f in shown.features} == set(np.flatnonzero(expected.max(0)))
    for feature in shown.features:
        np.testing.assert_allclose(feature["total"], expected[:, feature["feature"]].sum(), rtol=1e-4)
    assert "".join(shown.pieces) == ODD[name]


def test_a_second_run_reads_nothing_anew_and_a_new_answer_costs_only_itself(reader: FakeReader) -> None:
    study = study_of(["one two", "three", "four five six"])
    first = encode.run(study, encode.Options(), Watch())
    before = Encodings.open(study)
    reader.batches.clear()
    again = encode.run(study, encode.Options(), Watch())
    assert (first["encoded"], again["encoded"], again["cached"], reader.batches) == (4, 0, 4, [])
    prompt = study.prompts()["id"][0]
    study.add_responses(pd.DataFrame([{"prompt_id": prompt, "checkpoint": "a", "draw": 1, "text": "seven"}]))
    assert encode.run(study, encode.Options(), Watch())["encoded"] == 1
    assert sum(len(batch) for batch in reader.batches) == 1
    after = Encodings.open(study)
    assert len(after) == len(before) + 1


def test_a_part_is_read_first_on_both_sides_and_the_rest_later(reader: FakeReader) -> None:
    study = study_of([f"word {n}" for n in range(6)])
    assert encode.run(study, encode.Options(prompts=2), Watch())["documents"] == 4
    first = Encodings.open(study).documents
    assert sorted(set(first["prompt_id"])) == sorted(study.prompts()["id"])[:2]
    assert first["checkpoint"].value_counts().to_dict() == {"a": 2, "b": 2}
    assert unread(study) == 8
    # What was read stays read, whatever part is asked for next.
    assert encode.run(study, encode.Options(prompts=1), Watch())["documents"] == 4
    assert encode.run(study, encode.Options(prompts=4), Watch())["documents"] == 8
    result = encode.run(study, encode.Options(), Watch())
    assert (result["documents"], unread(study)) == (12, 0)
    # Six texts, and the one word of the other side.
    assert sum(len(batch) for batch in reader.batches) == 7


def test_two_studies_share_what_they_have_in_common(reader: FakeReader) -> None:
    encode.run(study_of(["one two", "three"], "first"), encode.Options(), Watch())
    reader.batches.clear()
    other = study_of(["three", "new"], "second")
    assert encode.run(other, encode.Options(), Watch())["cached"] == 2
    assert [len(ids) for batch in reader.batches for ids in batch] == [1]


def test_the_prompt_is_part_of_what_is_read_only_where_the_study_says_so(reader: FakeReader) -> None:
    study = study_of(["same", "same"])
    encode.run(study, encode.Options(), Watch())
    assert sum(len(batch) for batch in reader.batches) == 2
    reader.batches.clear()
    choice = study.settings.reader.model_copy(update={"context": "prompt+answer"})
    study.save_settings(study.settings.model_copy(update={"reader": choice}))
    encode.run(study, encode.Options(), Watch())
    lengths = [len(ids) for batch in reader.batches for ids in batch]
    assert lengths == [2, 2, 2, 2]
    assert Encodings.open(study).documents["tokens"].tolist() == [1, 1, 1, 1]


def test_out_of_memory_halves_the_budget_and_goes_on(reader: FakeReader) -> None:
    texts = [" ".join(f"w{n}x{m}" for m in range(100)) for n in range(8)]
    reader.fits = 500
    study = study_of(texts)
    result = encode.run(study, encode.Options(budget=2000), Watch())
    assert result["failed"] == 0
    assert [sum(map(len, batch)) <= 500 for batch in reader.batches].count(False) == 2
    found = Encodings.open(study)
    for document, text in enumerate(encodable(study)["text"]):
        np.testing.assert_allclose(dense(found, document), reader.expected(text), rtol=1e-4)


def test_what_memory_never_holds_is_that_answers_error(reader: FakeReader) -> None:
    reader.window, reader.fits = 400, 300
    study = study_of([" ".join(["word"] * 200), "short"])
    encode.run(study, encode.Options(budget=1000), Watch())
    (reason,) = errors_of(study).values()
    assert reason.startswith("The device's memory does not hold this answer")


@pytest.mark.usefixtures("reader")
def test_a_study_whose_answers_all_fail_says_why() -> None:
    study = Study.create("study", [Checkpoint(key=k, name=k, source="import") for k in "ab"])
    with pytest.raises(UserError, match="no answers to encode"):
        encode.run(study, encode.Options(), Watch())
    study.add_responses(pd.DataFrame([{"prompt_id": "p", "checkpoint": "a", "text": "unreadable"}]))
    with pytest.raises(UserError, match="No answer could be encoded: This text is not for reading"):
        encode.run(study, encode.Options(), Watch())
    with pytest.raises(UserError, match="encode cannot run: budget"):
        checked("encode", encode.Options, {"budget": 0})


def test_stopping_keeps_what_was_stored_and_the_next_run_does_the_rest(reader: FakeReader) -> None:
    study = study_of([f"answer number {n} of some" for n in range(20)])
    with pytest.raises(Cancelled):
        encode.run(study, encode.Options(budget=20), Watch(checks=4))
    done = len(reader.batches)
    assert 0 < done < 11
    encode.run(study, encode.Options(budget=20), Watch())
    sequences = [tuple(ids) for batch in reader.batches for ids in batch]
    assert len(sequences) == 21


@pytest.mark.usefixtures("reader")
def test_progress_counts_characters_whose_total_stands_from_the_start_failed_ones_too() -> None:
    study = study_of(["one two three", "four", "unreadable"])
    watch = Watch()
    result = encode.run(study, encode.Options(budget=4), watch)
    # The other side's answers, one text for all, are read once.
    said = [told for told in watch.told if told["unit"] == "characters"]
    assert {told["total"] for told in said} == {30}
    assert said[-1] == {"done": 30, "total": 30, "unit": "characters", "cost": None, "note": "7 tokens"}
    assert result["tokens"] == 7


# Killed, and several at once.


class SlowReader(FakeReader):
    """Takes its time, and notes which sequences it was given before it computes them."""

    def hidden(self, ids: list[list[int]]) -> torch.Tensor:
        with (files.home() / "given.txt").open("a") as file:
            file.write(json.dumps(ids) + "\n")
        time.sleep(0.05)
        return super().hidden(ids)


def slow_run(home: str) -> None:
    os.environ["DIFFING_HOME"] = home
    torch.set_num_threads(1)
    encode.load_reader = lambda _choice, _device: SlowReader(window=10**6)  # type: ignore[assignment]
    (files.home() / "started").touch()
    encode.run(Study.open("study"), encode.Options(budget=64), Watch())


def given_to(path: Path) -> list[list[list[int]]]:
    """The batches that a slow reader was given; it may have been killed while it noted one."""
    whole = path.read_text().split("\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in whole]


def test_sigkill_at_ten_moments_leaves_the_same_arrays_and_encodes_nothing_twice(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(4)
    texts = [" ".join(f"{n}w{rng.randrange(50)}" for _ in range(rng.randint(1, 30))) for n in range(80)]
    study = study_of(texts)
    reader = FakeReader(window=10**6)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.reader.test_encode"])
    cache, keys = Cache(reader.key, reader.n_features), []
    for task in wanted.tasks_of(study, encodable(study)):
        keys.append((task.key, tuple(reader.read([], task.text).windows[0].ids)))
    killed, given = 0, own_home / "given.txt"
    for _ in range(10):
        stored = cache.find(key for key, _ in keys)
        given.unlink(missing_ok=True)
        process = context.Process(target=slow_run, args=(str(own_home),))
        process.start()
        while not (own_home / "started").exists() and process.is_alive():
            time.sleep(0.005)
        (own_home / "started").unlink()
        batches = rng.randint(0, 4)
        while len(given_to(given)) < batches and process.is_alive():
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.1))
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        killed += process.exitcode == -signal.SIGKILL
        again = {tuple(ids) for batch in given_to(given) for ids in batch}
        assert not [key for key, ids in keys if key in stored and ids in again]
    assert killed == 10
    assert 0 < len(cache.find(key for key, _ in keys)) < len(set(keys))
    monkeypatch.setattr(encode, "load_reader", lambda _choice, _device: reader)
    encode.run(study, encode.Options(budget=64), Watch())
    resumed = Encodings.open(study)
    monkeypatch.setenv("DIFFING_HOME", str(own_home / "undisturbed"))
    fresh = study_of(texts)
    encode.run(fresh, encode.Options(budget=64), Watch())
    whole = Encodings.open(fresh)
    pd.testing.assert_frame_equal(resumed.documents, whole.documents)
    for name in ("indptr", "feature", "peak", "count"):
        np.testing.assert_array_equal(getattr(resumed, name), getattr(whole, name))
    for document in range(len(whole)):
        one, other = resumed.encoding(document), whole.encoding(document)
        np.testing.assert_array_equal(one.starts(), other.starts())
        np.testing.assert_array_equal(one.position, other.position)
        np.testing.assert_allclose(one.values(), other.values(), rtol=STEP)


# One text, one feature.


def test_a_texts_features_come_strongest_first_with_values_on_its_pieces(reader: FakeReader) -> None:
    text = "one two three two"
    shown = encode.read_text(reader, text, top=3)
    expected = reader.expected(text).numpy()
    best = np.argsort(-expected.max(0), kind="stable")[:3]
    assert shown.pieces == ["one", " ", "two", " ", "three", " ", "two"]
    assert [f["feature"] for f in shown.features] == best.tolist()
    for row, feature in zip(shown.features, best, strict=True):
        np.testing.assert_allclose(row["values"], expected[:, feature], rtol=1e-4)
        np.testing.assert_allclose(row["total"], expected[:, feature].sum(), rtol=1e-4)


@pytest.mark.usefixtures("reader")
def test_examples_of_a_feature_keep_held_out_prompts_back() -> None:
    study = study_of([f"word{n} and more" for n in range(30)])
    encode.run(study, encode.Options(), Watch())
    found = Encodings.open(study)
    feature = int(np.bincount(found.feature).argmax())
    split = study.prompts().set_index("id")["split"]
    shown = query.feature_examples(study, feature, top=100)
    everything = query.feature_examples(study, feature, top=100, held_out=True)
    prompts = [example["prompt_id"] for side in shown["sides"] for example in side["examples"]]
    assert {split[p] for p in prompts} == {"discovery"}
    documents = found.documents.iloc[found.of_feature(feature)[0]]
    assert [side["active"] for side in everything["sides"]] == [
        int((documents["checkpoint"] == key).sum()) for key in "ab"
    ]
    first = everything["sides"][0]["examples"][0]
    assert max(value for _, value in first["pieces"]) == pytest.approx(first["peak"])
    with pytest.raises(UserError, match="There is no feature 40"):
        query.feature_examples(study, 40)


# A real reader.


@pytest.fixture
def tiny_reader(tmp_path: Path) -> ReaderChoice:
    tiny.model(tmp_path / "model", tiny.configs()["llama"])
    tiny.sae(tmp_path / "sae", "topk", k=8)
    return ReaderChoice(preset="", model=str(tmp_path / "model"), sae=str(tmp_path / "sae"))


def test_a_study_encoded_by_a_real_reader_holds_what_it_gives_alone(
    tiny_reader: ReaderChoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Random weights reconstruct nothing.
    monkeypatch.setattr("diffing.reader.sparsify.unexplained", lambda _sae, _hidden: 0.5)
    study = study_of([*tiny.TEXTS, "word " * 200])
    study.save_settings(study.settings.model_copy(update={"reader": tiny_reader}))
    encode.run(study, encode.Options(device="cpu"), Watch())
    found = Encodings.open(study)
    reader = encode.load_reader(tiny_reader, "cpu")
    for document, text in enumerate(encodable(study)["text"]):
        windows = reader.read([], text).windows
        hidden = torch.cat([reader.hidden([w.ids])[w.start : w.stop] for w in windows])
        expected = tiny.dense(reader, hidden)
        margin = tiny.margin(reader.sae, hidden)
        tiny.assert_same_features(torch.from_numpy(dense(found, document)), expected, margin)
    checked = files.read_json(places.checked_path(study))
    assert (checked["reader"], checked["texts"], checked["faults"]) == (found.reader_key, 10, [])
    decoder = found.decoder()
    assert decoder is not None
    np.testing.assert_allclose(decoder, reader.decoder().numpy(), atol=1e-3)


def test_a_run_can_be_stopped_while_its_reader_is_tried(tiny_reader: ReaderChoice) -> None:
    study = study_of(tiny.TEXTS)
    study.save_settings(study.settings.model_copy(update={"reader": tiny_reader}))
    with pytest.raises(Cancelled):
        encode.run(study, encode.Options(device="cpu"), Watch(checks=3))
    assert not (places.checked_path(study)).exists()


def test_a_reader_that_does_not_fit_the_answers_is_refused_before_anything_is_encoded(
    tiny_reader: ReaderChoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = study_of(tiny.TEXTS)
    study.save_settings(study.settings.model_copy(update={"reader": tiny_reader}))
    monkeypatch.setattr("diffing.reader.sparsify.unexplained", lambda _sae, _hidden: 1.5)
    with pytest.raises(UserError, match="does not fit these texts"):
        encode.run(study, encode.Options(device="cpu"), Watch())
    assert unread(study) == 8
