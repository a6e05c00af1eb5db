"""Paired activations as they flow: the models' own numbers, an order that a kill does not change, shards."""

import errno
import hashlib
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from diffing.common import files
from diffing.common.arrays import Ints
from diffing.common.errors import UserError
from diffing.whitebox.activations import kept as shelf
from diffing.whitebox.activations import norms as figures
from diffing.whitebox.activations.buffer import Rows
from diffing.whitebox.activations.corpus import ROLES, Corpus, held_out
from diffing.whitebox.activations.kept import keep
from diffing.whitebox.activations.plan import Plan
from diffing.whitebox.activations.source import Block, Check, Passes
from diffing.whitebox.activations.stream import Options, Stream
from diffing.whitebox.pairs import room
from diffing.whitebox.pairs.opening import open_pair
from diffing.whitebox.pairs.pair import Pair
from diffing.whitebox.texts import Document
from tests.fakes import pairs as fakes
from tests.fakes import tiny
from tests.fakes.pairs import Folders

DRAWS = np.random.default_rng(5)
DOCUMENTS = [
    Document(f"text {n}", (0, *DRAWS.integers(20, 390, length).tolist()), 1, length + 1, "text", n % 4 == 0)
    for n, length in enumerate(DRAWS.integers(3, 30, 60).tolist())
]
SMALL = Options(batch=32, buffer=256, seed=1)
LAYERS = (1, 3)


@pytest.fixture
def source(pair: Pair) -> Passes:
    return Passes(pair, Corpus(DOCUMENTS), LAYERS)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFFING_HOME", str(tmp_path))


class Usage(NamedTuple):
    """Of a disk."""

    free: int


class Numbered:
    """A source whose every activation says which token of the corpus it is; no model is run."""

    layers: tuple[int, ...] = (0,)
    width = 2
    dtype = torch.float32
    device = torch.device("cpu")
    key = "numbered"

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        self.read_so_far: list[int] = []

    def read(self, documents: Any, _check: Check) -> Iterator[Block]:
        offsets = self.corpus.data.offsets
        for number in sorted(documents, reverse=True):
            self.read_so_far.append(number)
            position = np.arange(self.corpus.lengths[number])
            values = torch.from_numpy(offsets[number] + position).float()[:, None, None, None].expand(-1, 1, 2, 2)
            yield Block(torch.full((len(position),), number), torch.from_numpy(position), values)


def joined(batches: list[Rows]) -> tuple[Ints, Ints, torch.Tensor]:
    return (
        np.concatenate([rows.document for rows in batches]),
        np.concatenate([rows.position for rows in batches]),
        torch.cat([rows.values for rows in batches]),
    )


def test_what_flows_are_the_plain_models_layers_each_token_once(source: Passes, folders: Folders) -> None:
    document, position, values = joined(list(Stream(source, SMALL).batches()))
    rows = [list(told.ids) for told in DOCUMENTS]
    base, variant = (fakes.seen(fakes.plain(folder), rows)[0] for folder in (folders.base, folders.whole))
    # Every token but the first of each document, once.
    places = source.corpus.data.offsets[document] + position
    assert sorted(places) == np.flatnonzero(source.corpus.wanted(["text"])).tolist()
    for place, layer in enumerate(LAYERS):
        tiny.assert_close(values[:, place, 0], base[layer][places])
        tiny.assert_close(values[:, place, 1], variant[layer][places])


def test_batches_are_full_but_for_the_last_and_no_more_is_held_than_was_told(source: Passes) -> None:
    stream = Stream(source, SMALL)
    sizes = [len(batch.document) for batch in stream.batches()]
    assert set(sizes[:-1]) == {32} and sum(sizes) == stream.rows == stream.given
    # Half of it is refilled at a time; what is over goes with a document.
    assert stream.plan.most <= 256 + 2 * 30
    assert stream.memory.buffer == stream.plan.most * 2 * 2 * tiny.WIDTH * 4
    assert "GiB are free" in stream.memory.told


@pytest.mark.parametrize("batch", [1, 7, 100, 10_000])
def test_every_row_comes_once_a_round_whatever_the_batch(batch: int) -> None:
    corpus = Corpus(DOCUMENTS)
    stream = Stream(Numbered(corpus), Options(batch=batch, buffer=90, rounds=3, roles=("text", "first")))
    told = Counter(int(value) for rows in stream for value in rows[:, 0, 0])
    assert told == Counter({place: 3 for place in range(corpus.tokens)})


def test_killed_anywhere_it_goes_on_with_the_same_rows(source: Passes) -> None:
    whole = list(Stream(source, SMALL).batches())
    digest = hashlib.sha256(joined(whole)[2].numpy().tobytes()).hexdigest()
    for after in (0, 1, 5, 14, len(whole) - 1, len(whole)):
        first = Stream(source, SMALL)
        flow = first.batches()
        before = [next(flow) for _ in range(after)]
        state = first.state()
        again = Stream(source, SMALL)
        again.restore(state)
        rows = joined([*before, *again.batches()])
        assert hashlib.sha256(rows[2].numpy().tobytes()).hexdigest() == digest
        assert rows[0].tolist() == joined(whole)[0].tolist()
    # It is small, and fits no other stream.
    assert set(state) == {"stream", "rows"}
    with pytest.raises(UserError, match="read other activations"):
        Stream(source, SMALL.model_copy(update={"seed": 2})).restore(state)


def test_to_go_on_only_what_the_buffer_holds_is_read_again() -> None:
    corpus = Corpus(DOCUMENTS)
    options = Options(batch=16, buffer=120)
    first = Stream(Numbered(corpus), options)
    flow = first.batches()
    for _ in range(30):
        next(flow)
    source = Numbered(corpus)
    again = Stream(source, options)
    again.restore(first.state())
    next(again.batches())
    # The batch may end in the step behind the one in which it begins.
    begun, ended = again.plan.step_of(30 * 16), again.plan.step_of(31 * 16 - 1)
    assert begun > 4
    needed = range(begun - 2, ended + 1)
    assert len(source.read_so_far) == sum(len(again.plan.portions[number].documents) for number in needed)


def test_documents_are_mixed() -> None:
    corpus = Corpus(
        [Document(str(n), tuple(range(101)), 1, 101, "text", False) for n in range(400)],
    )
    stream = Stream(Numbered(corpus), Options(batch=200, buffer=8000))
    batches = list(stream.batches())
    # Of 120 documents from which a batch is drawn once the buffer is full, 200 draws show 97 or so.
    seen = [len(np.unique(rows.document)) for rows in batches[40:-40]]
    assert np.mean(seen) > 85
    # Two rows that follow each other come from one document as seldom as in a draw at random: 1 in 120 or so.
    document = np.concatenate([rows.document for rows in batches])
    assert (np.diff(document) == 0).mean() < 0.03
    # And the order is the seed's.
    other = Stream(Numbered(corpus), Options(batch=200, buffer=8000, seed=1))
    assert (next(other.batches()).document != batches[0].document).any()


def test_norms_are_each_models_own_and_each_roles(source: Passes) -> None:
    stream = Stream(source, SMALL.model_copy(update={"normed": 10**9}))
    blocks = list(source.read(range(len(DOCUMENTS)), lambda: None))
    values = torch.cat([block.values for block in blocks]).double()
    position = torch.cat([block.position for block in blocks])
    told = stream.norms
    assert set(told) == {"first", "text"}
    for role, rows in {"first": values[position == 0], "text": values[position > 0]}.items():
        assert told[role].tokens == len(rows)  # type: ignore[index]
        torch.testing.assert_close(told[role].mean, rows.mean(0))  # type: ignore[index]
        spread = rows.var(0, correction=0).mean(-1).sqrt()
        torch.testing.assert_close(told[role].rms, spread, rtol=1e-6, atol=1e-6)  # type: ignore[index]
        apart = (rows[:, :, 1] - rows[:, :, 0]).var(0, correction=0).mean(-1).sqrt()
        torch.testing.assert_close(told[role].difference, apart)  # type: ignore[index]
    # The first token is one vector, so it does not spread.
    assert told["first"].rms.max() < 1e-3 * told["text"].rms.min()
    few = figures.first(source, stream.plan.order, 40)
    assert sum(int(source.corpus.lengths[n]) - 1 for n in few[:-1]) < 40


def test_sums_are_as_good_after_many_batches() -> None:
    sums = figures.Sums()
    rows = torch.randn(2000, 1, 2, 4, generator=torch.Generator().manual_seed(0)).mul(1e-2).add(10).bfloat16()
    for row in range(len(rows)):
        sums.add(rows[row : row + 1])
    torch.testing.assert_close(sums.norms().rms, rows.double().var(0, correction=0).mean(-1).sqrt())


def test_declared_template_tokens_and_prompts_are_told_apart() -> None:
    corpus = Corpus([Document("a", (0, 5, 9, 7, 8, 9), 3, 6, "answer", False)], template=[9])
    assert [ROLES[n] for n in corpus.data.roles] == ["first", "prompt", "template", "text", "text", "template"]
    assert corpus.wanted(["text", "prompt"]).tolist() == [False, True, False, True, True, False]
    with pytest.raises(UserError, match="no role 'x'"):
        corpus.wanted(["x"])  # type: ignore[list-item]
    with pytest.raises(UserError, match="None of the texts"):
        Plan(Corpus([Document("b", (0, 9), 1, 2, "text", False)], template=[9]), ["text"], 8, 1, 0)


def test_shards_hold_a_fresh_pass_bit_for_bit(source: Passes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "SHARD", 200)
    told: list[str] = []
    kept = keep(source, tell=told.append)
    assert len(kept.files) > 3 and len(told) == 1
    # In the company in which a shard was read.
    for first, last in zip(kept.firsts[:-1], kept.firsts[1:], strict=True):
        fresh = list(source.read(range(first, last), lambda: None))
        places = torch.cat([block.document * 1000 + block.position for block in fresh])
        (block,) = kept.read(range(first, last), lambda: None)
        order = torch.argsort(places)
        assert torch.equal(block.document * 1000 + block.position, places[order])
        assert torch.equal(block.values, torch.cat([block.values for block in fresh])[order])
    # A stream reads them like passes, in the same order.
    one, two = (joined(list(Stream(each, SMALL).batches())) for each in (kept, source))
    assert one[0].tolist() == two[0].tolist() and one[1].tolist() == two[1].tolist()
    tiny.assert_close(one[2], two[2])
    assert keep(source, tell=told.append).folder == kept.folder and len(told) == 1


def test_a_killed_run_goes_on_shard_by_shard(source: Passes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "SHARD", 200)
    written: list[Path] = []
    save = save_file

    def counted(tensors: Any, path: Path) -> None:
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(path)
        save(tensors, path)

    monkeypatch.setattr(f"{shelf.__name__}.save_file", counted)
    with pytest.raises(KeyboardInterrupt):
        keep(source)
    (folder,) = files.cache_dir("activations").iterdir()
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.safetensors")}
    assert len(before) == 2 and not list(folder.glob(".*"))
    monkeypatch.setattr(f"{shelf.__name__}.save_file", save)
    kept = keep(source)
    assert all(path.exists() for path in kept.files)
    assert {name: (folder / name).stat().st_mtime_ns for name in before} == before
    assert (kept.files[0].stat().st_mode & 0o077) == 0


def test_another_layer_text_or_strength_is_another_folder(pair: Pair, source: Passes) -> None:
    others = [
        Passes(pair, source.corpus, (1,)),
        Passes(pair.at(0.5), source.corpus, LAYERS),
        Passes(pair, Corpus(DOCUMENTS[1:]), LAYERS),
        Passes(pair, Corpus(DOCUMENTS, template=[30]), LAYERS),
    ]
    assert len({source.key, *(other.key for other in others)}) == 5


def test_what_goes_wrong_is_a_sentence(pair: Pair, source: Passes, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Iterator[Document]:
        yield DOCUMENTS[0]
        raise OSError(errno.EIO, "gone")

    with pytest.raises(UserError, match=r"broke off after 1 documents \(the disk does not answer\)"):
        Corpus(broken())
    with pytest.raises(UserError, match="no texts"):
        Corpus([])
    with pytest.raises(UserError, match="No layer"):
        Passes(pair, source.corpus, ())
    with pytest.raises(UserError, match="2 layers flow"):
        iter(Stream(source, SMALL))
    with monkeypatch.context() as patched:
        patched.setattr(room, "free", lambda _: 1000)
        with pytest.raises(UserError, match="choose a smaller buffer"):
            next(Stream(source, SMALL).batches())
    with monkeypatch.context() as patched:
        patched.setattr(shelf, "FREELY", 10)
        with pytest.raises(UserError, match="without asking"):
            keep(source)
        assert keep(source, asked=True).files
    other = Passes(pair, source.corpus, (2,))
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda _: Usage(10))
        with pytest.raises(UserError, match="GiB more on disk"):
            keep(other)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "no space")

    with monkeypatch.context() as patched:
        patched.setattr(f"{shelf.__name__}.save_file", full)
        with pytest.raises(UserError, match="the disk is full"):
            keep(other)
    kept = keep(source)
    kept.files[0].write_bytes(kept.files[0].read_bytes()[:100])
    with pytest.raises(UserError, match="is damaged"):
        next(kept.read([0], lambda: None))


def test_a_number_that_is_none_ends_the_stream(folders: Folders) -> None:
    pair = open_pair(folders.low_rank)
    with torch.no_grad():
        pair.whole.causal.get_input_embeddings().weight[33] = float("nan")
    rows = [Document("fine", (0, 20, 21), 1, 3, "text", False), Document("bad", (0, 33), 1, 2, "text", False)]
    with pytest.raises(UserError, match="The base of .* gives a number that is none at layer 1 in text 'bad'"):
        list(Stream(Passes(pair, Corpus(rows), LAYERS), SMALL).batches())


def test_a_validation_set_is_of_held_out_documents() -> None:
    chosen = held_out(DOCUMENTS, 100)
    assert chosen and all(told.held_out for told in chosen) and sum(len(told.ids) for told in chosen) <= 100
