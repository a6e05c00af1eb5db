"""The store: what goes in comes out, whatever the numbers, and the questions that pages ask of it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from diffing.common.errors import UserError
from diffing.models.providers import Checkpoint
from diffing.reader import encode, held
from diffing.reader.cache import Cache
from diffing.reader.encodings import Encodings, encodable
from diffing.reader.unread import unread
from diffing.report import exports
from diffing.study import responses
from diffing.study.study import Study
from tests.fakes.reader import FakeReader
from tests.fakes.watch import Watch

PROMPTS = pd.DataFrame({"text": [f"Question {n}" for n in range(12)], "category": "plain"})


def make_study(name: str = "study", words: int = 40) -> Study:
    """Two checkpoints, twelve prompts, answers of random words; one answer failed, one is empty."""
    study = Study.create(name, [Checkpoint(key=k, name=k, source="import") for k in "ab"], PROMPTS)
    random, rows = np.random.default_rng(0), []
    for number, prompt_id in enumerate(study.prompts()["id"]):
        for checkpoint in "ab":
            length = int(random.integers(1, words))
            text = " ".join(f"w{w}" for w in random.integers(0, 60, length))
            rows.append({"prompt_id": prompt_id, "checkpoint": checkpoint, "draw": 0, "text": text, "flag": ""})
            if (number, checkpoint) == (3, "a"):
                rows[-1] |= {"text": "", "flag": "failed", "error": "HTTP 500"}
            if (number, checkpoint) == (4, "b"):
                rows[-1] |= {"text": " ", "flag": "empty"}
    study.add_responses(pd.DataFrame(rows))
    return study


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> FakeReader:
    fake = FakeReader()
    monkeypatch.setattr(encode, "load_reader", lambda _choice, _device: fake)
    return fake


def encoded(study: Study) -> Encodings:
    encode.run(study, encode.Options(), Watch())
    return Encodings.open(study)


def reference(study: Study, reader: FakeReader) -> list[np.ndarray]:
    return [reader.expected(text).numpy() for text in encodable(study)["text"]]


def test_the_fake_reader_computes_without_rounding() -> None:
    reader = FakeReader()
    exact = torch.relu(reader.embedding.double() @ reader.encoder.double() - 2.0)
    assert torch.equal(reader.dense(reader.embedding).double(), exact)
    assert torch.equal(exact * 2**16, (exact * 2**16).round())


def test_flat_arrays_are_those_of_the_dense_matrices(reader: FakeReader) -> None:
    study = make_study()
    found, dense = encoded(study), reference(study, reader)
    peaks = np.stack([d.max(0) for d in dense])
    active = sparse.csr_array(peaks)
    assert found.indptr.tolist() == active.indptr.tolist()
    assert found.feature.tolist() == active.indices.tolist()
    np.testing.assert_array_equal(found.peak, active.data)
    rows = np.repeat(np.arange(len(dense)), np.diff(found.indptr))
    columns = [dense[r][:, f] for r, f in zip(rows, found.feature, strict=True)]
    assert found.count.tolist() == [np.count_nonzero(c) for c in columns]
    assert found.documents["tokens"].tolist() == [len(d) for d in dense]
    assert [str(array.dtype) for array in (found.feature, found.peak)] == ["uint16", "float32"]


def test_token_activations_are_those_of_the_dense_matrices(reader: FakeReader) -> None:
    study = make_study()
    found = encoded(study)
    for document, dense in enumerate(reference(study, reader)):
        record = found.encoding(document)
        starts, position, value = record.starts(), record.position, record.values()
        rebuilt = np.zeros_like(dense)
        features = found.feature[found.indptr[document] : found.indptr[document + 1]]
        rebuilt[position, np.repeat(features, np.diff(starts))] = value
        assert (rebuilt != 0).tolist() == (dense != 0).tolist()
        np.testing.assert_allclose(rebuilt, dense, rtol=1e-4)
        for feature in range(reader.n_features):
            np.testing.assert_array_equal(found.dense(document, feature), rebuilt[:, feature])


def test_a_feature_is_found_in_exactly_the_documents_that_show_it(reader: FakeReader) -> None:
    study = make_study()
    found = encoded(study)
    peaks = np.stack([d.max(0) for d in reference(study, reader)])
    for feature in range(reader.n_features):
        documents, at = found.of_feature(feature)
        assert documents.tolist() == np.flatnonzero(peaks[:, feature]).tolist()
        np.testing.assert_array_equal(found.peak[at], peaks[documents, feature])
        table = found.occurrences(feature)
        np.testing.assert_array_equal(table["peak"], peaks[documents, feature])
        assert table["count"].tolist() == found.count[at].tolist()


def test_top_documents_of_a_side_come_strongest_first(reader: FakeReader) -> None:
    study = make_study()
    found = encoded(study)
    peaks = np.stack([d.max(0) for d in reference(study, reader)])
    feature = int((peaks > 0).sum(0).argmax())
    own = (found.documents["checkpoint"] == "b").to_numpy() & (peaks[:, feature] > 0)
    best = sorted(np.flatnonzero(own), key=lambda d: -peaks[d, feature])
    assert found.top(feature, "b", 3)["document"].tolist() == best[:3]
    drawn = found.quantiles(feature, "b", 3, seed=1)["document"].tolist()
    shares = np.array_split(np.array(best), 3)
    assert [d in share for d, share in zip(drawn, shares, strict=True)] == [True] * 3
    assert found.quantiles(feature, "b", 3, seed=1)["document"].tolist() == drawn
    assert found.top(feature, "b", 9, among=np.array(best[1:3]))["document"].tolist() == best[1:3]


@pytest.mark.usefixtures("reader")
def test_pieces_join_to_the_answer_with_the_values_of_their_tokens() -> None:
    study = make_study()
    found = encoded(study)
    table = found.tokens(0)
    pieces = table.pieces(np.arange(len(table.ids), dtype=np.float32))
    assert "".join(text for text, _ in pieces) == encodable(study)["text"][0]
    assert [value for _, value in pieces] == list(range(len(table.ids)))


@pytest.mark.usefixtures("reader")
def test_tokens_of_an_answer_that_changed_are_refused() -> None:
    study = make_study()
    found = encoded(study)
    study.add_responses(found.documents[responses.KEY].iloc[[0]].assign(text="another answer"))
    with pytest.raises(UserError, match="changed after it was encoded"):
        found.tokens(0)
    assert unread(study) == 1


@pytest.mark.usefixtures("reader")
def test_opening_says_what_is_missing() -> None:
    study = make_study()
    with pytest.raises(UserError, match="no encodings yet"):
        Encodings.open(study)
    assert unread(study) == 22
    encoded(study)
    assert unread(study) == 0
    other = study.settings.reader.model_copy(update={"context": "prompt+answer"})
    study.save_settings(study.settings.model_copy(update={"reader": other}))
    with pytest.raises(UserError, match="another reader"):
        Encodings.open(study)


def test_a_cache_that_was_deleted_is_told(reader: FakeReader) -> None:
    study = make_study()
    encoded(study)
    Cache(reader.key, reader.n_features).path(0).unlink()
    with pytest.raises(UserError, match="gone from the cache"):
        Encodings.open(study)


@pytest.mark.usefixtures("reader")
def test_exports_hold_the_matrix_and_the_documents(tmp_path: Path) -> None:
    found = encoded(make_study())
    for name in ("out.npz", "out.pkl", "out.parquet"):
        exports.write_encodings(found, tmp_path / name)
    matrix = found.matrix().toarray()
    np.testing.assert_array_equal(sparse.load_npz(tmp_path / "out.npz").toarray(), matrix)
    with np.load(tmp_path / "out.npz") as arrays:
        assert arrays["prompt_id"].tolist() == found.documents["prompt_id"].tolist()
    pickled = pd.read_pickle(tmp_path / "out.pkl")
    np.testing.assert_array_equal(pickled["matrix"].toarray(), matrix)
    pd.testing.assert_frame_equal(pickled["documents"], found.documents)
    long = pd.read_parquet(tmp_path / "out.parquet")
    np.testing.assert_array_equal(long["peak"], found.peak)
    with pytest.raises(UserError, match=r"use \.npz, \.pkl or \.parquet"):
        exports.write_encodings(found, tmp_path / "out.csv")


@pytest.mark.usefixtures("reader")
def test_records_are_the_same_when_their_memory_was_given_back_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    study = make_study()
    encoded(study)
    before = [Encodings.open(study).encoding(document) for document in range(22)]
    monkeypatch.setattr(held, "AT_ONCE", 0)
    found = Encodings.open(study)
    after = [found.encoding(document) for document in range(22)]
    for one, other in zip(before, after, strict=True):
        for name in ("ids", "spans", "feature", "peak", "count", "position", "code"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
