"""Draw numbers as names, many like prompts, and answers that no reader was made for, within bounds."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from diffing.common.errors import Cancelled, UserError
from diffing.models import tokens
from diffing.reader import encode, passes
from diffing.reader.batches import Item, Task, kept_ids
from diffing.reader.cache import Cache
from diffing.reader.compact import encodings
from diffing.reader.encoder import Encoder
from diffing.reader.encodings import Encodings
from diffing.reader.records import to_bytes
from diffing.study import alike, imports, prompts, responses
from diffing.study.study import Study
from tests.fakes import tiny
from tests.fakes.reader import FakeReader
from tests.fakes.watch import Watch


def brought(folder: Path, rows: list[dict[str, Any]]) -> Study:
    """A study of rows as a person brings them."""
    path = folder / "t.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    return imports.into("s", imports.load(path))


# R17: draws are names.


@pytest.mark.attack("R17")
def test_a_draw_that_is_a_seed_makes_one_pair_a_prompt(tmp_path: Path) -> None:
    rows = [
        {"prompt": f"Question {n}", "checkpoint": key, "response": f"{key}{n}", "draw": 10**15 + 7 * n}
        for n in range(300)
        for key in "ab"
    ]
    study = brought(tmp_path, rows)
    paired = study.pairs("a", "b")
    assert paired[["draw", "text_a", "text_b", "excluded"]].to_numpy().tolist() == [
        [10**15 + 7 * n, f"a{n}", f"b{n}", ""] for n in range(300)
    ]
    stored = study.responses()
    assert (
        responses.counts(stored, "a", 300 * responses.draws(stored[stored["checkpoint"] == "a"]))["missing"] == 0
    )


@pytest.mark.attack("R17")
def test_pairs_are_the_same_as_with_draws_counted_through() -> None:
    asked = prompts.normal(pd.DataFrame({"text": ["One", "Two", "Three", "Off"], "active": [1, 1, 1, 0]}), 0.3)
    first, second, _, off = asked["id"]
    rows = [(first, "a", 0), (first, "b", 0), (first, "b", 2), (second, "a", 1), (off, "a", 0)]
    table = responses.normal(
        pd.DataFrame([{"prompt_id": i, "checkpoint": c, "draw": d, "text": f"{c}{d}"} for i, c, d in rows])
    )
    paired = responses.pairs(table, asked, "a", "b")
    assert paired[["prompt_id", "draw", "text_a", "text_b", "excluded"]].to_numpy().tolist() == [
        [first, 0, "a0", "b0", ""],
        [first, 2, "", "b2", "A missing"],
        [second, 1, "a1", "", "B missing"],
        [asked["id"][2], 0, "", "", "A missing; B missing"],
    ]


# R18: near-duplicates.


def sentences(count: int) -> list[str]:
    """Random sentences, of which each tenth is the one before it with a mark more."""
    chance = np.random.default_rng(0)
    words = ["".join(chance.choice(list("abcdefghijklmnop"), size=7)) for _ in range(400)]
    texts = [" ".join(chance.choice(words, size=12)) for _ in range(count)]
    return [f"{texts[n - 1]}?!" if n % 10 == 9 else text for n, text in enumerate(texts)]


@pytest.mark.attack("R18")
@pytest.mark.parametrize("known", [0, 200])
def test_among_many_texts_the_same_pairs_are_found_as_among_few(
    known: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = sentences(600)
    wanted = alike.pairs(texts[known:], texts[:known])
    assert len(wanted) == (600 - known) // 10
    monkeypatch.setattr(alike, "ALL_PAIRS", 0)
    assert alike.pairs(texts[known:], texts[:known]) == wanted


@pytest.mark.attack("R18")
def test_prompts_of_one_template_are_compared_with_a_few_and_found(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"What is the capital of country number {n}?" for n in range(2_000)]
    new, old = alike._candidates([text.lower() for text in texts], 0)
    # Neighbours, and not each with each.
    assert len(new) <= len(texts) * alike.MARKS * sum(alike.NEIGHBOURS.values())
    assert bool((old < new).all())
    monkeypatch.setattr(alike, "ALL_PAIRS", 0)
    found = {fresh for fresh, _, _ in alike.pairs(texts, [])}
    assert len(found) >= 0.99 * len(texts)


@pytest.mark.attack("R18")
def test_texts_that_are_too_long_to_compare_are_compared_by_their_beginnings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(alike, "LONGEST", 20)
    assert alike.pairs(["What is this about? " + "b" * 900], ["What is this about? " + "c" * 900]) == [
        ("What is this about? " + "b" * 900, "What is this about? " + "c" * 900, 100)
    ]


# R30: degenerate answers.


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> FakeReader:
    fake = FakeReader()
    monkeypatch.setattr(encode, "load_reader", lambda _choice, _device: fake)
    return fake


def study_of(texts: list[str], tmp_path: Path) -> Study:
    rows = [{"prompt": f"Q{n}", "checkpoint": key, "response": t} for n, t in enumerate(texts) for key in "ab"]
    return brought(tmp_path, rows)


@pytest.mark.attack("R30")
def test_an_answer_that_is_too_long_is_named_and_left_out_and_the_rest_is_encoded(
    reader: FakeReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    framing = tokens.Framing(tiny.tokenizer(), window=64)
    monkeypatch.setattr(reader, "read", framing.read)
    monkeypatch.setattr(reader, "vocabulary", len(framing.tokenizer))
    reader.embedding = reader.embedding.repeat(-(-len(framing.tokenizer) // len(reader.embedding)), 1)
    monkeypatch.setattr(tokens, "LONGEST", 2_000)
    study = study_of(["Fine.", "a" * 5_000, "Fine too."], tmp_path)
    watch = Watch()
    done = encode.run(study, encode.Options(), watch)
    assert (done["documents"], done["failed"]) == (6, 2)
    table = Encodings.open(study).documents
    long = table[table["error"] != ""]
    assert set(long["error"]) == {"The answer has 5,000 bytes where 2,000 can be read: it is left out."}
    first = long.iloc[0]
    assert watch.lines == [
        f"2 answers not encoded, the first of them prompt {first['prompt_id']}, a, draw 0: {first['error']}"
    ]


@pytest.mark.attack("R30")
def test_one_long_answer_does_not_speak_for_all_when_a_reader_is_checked(tmp_path: Path) -> None:
    tiny.model(tmp_path / "model", tiny.configs()["llama"])
    tiny.sae(tmp_path / "sae", metadata={"context_size": 32})
    loaded = tiny.load(tmp_path / "model", tmp_path / "sae")
    alone = loaded.check(["Some plain words."] * 20)
    with_it = loaded.check([*["Some plain words."] * 10, "a" * 3_000, *["Some plain words."] * 10])
    assert with_it.tokens - alone.tokens <= loaded.window
    assert with_it.over_window == pytest.approx(1 / 21)


@pytest.mark.attack("R30")
@pytest.mark.parametrize("entries", [1, 40, 10**6])
def test_an_answer_longer_than_a_batch_has_the_encoding_of_one_that_is_not(
    entries: int, reader: FakeReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passes, "ENTRIES", entries)
    text = " ".join(f"word{n % 37}" for n in range(400))
    reading = reader.read([], text)
    cache = Cache(reader.key, reader.n_features)
    item = Item(Task("k", [], text), sum(len(window.ids) for window in reading.windows), reading)
    whole = Encoder(reader, cache, budget=10_000)
    (wanted,) = encodings(
        whole._sparse(whole._forward([item]), 1), [kept_ids(item)], [np.asarray(reading.spans, np.int32)]
    )
    found = Encoder(reader, cache, budget=20).one(reading)
    assert not isinstance(wanted, str) and not isinstance(found, str)
    assert to_bytes(found, reader.n_features) == to_bytes(wanted, reader.n_features)


@pytest.mark.attack("R30")
def test_a_long_answer_is_run_pass_by_pass_and_a_cancel_is_heeded_in_between(
    reader: FakeReader, tmp_path: Path
) -> None:
    study = study_of([" ".join(f"w{n}" for n in range(600)), "short"], tmp_path)
    with pytest.raises(Cancelled):
        encode.run(study, encode.Options(budget=30), Watch(checks=12))
    assert 0 < len(reader.batches) < 20
    assert max(sum(map(len, batch)) for batch in reader.batches) <= 30
    assert encode.run(study, encode.Options(budget=30), Watch())["failed"] == 0


@pytest.mark.attack("R30")
def test_a_word_of_many_emoji_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    framing = tokens.Framing(tiny.tokenizer(None), window=128)
    text = "😀" * 20_000
    reading = framing.read([], text)
    assert sum(window.stop - window.start for window in reading.windows) == len(reading.spans)
    assert (reading.spans[0, 0], reading.spans[-1, 1]) == (0, len(text))
    monkeypatch.setattr(tokens, "LONGEST", 79_999)
    with pytest.raises(UserError, match=r"The answer has 80,000 bytes where 79,999 can be read"):
        framing.read([], text)
