"""The table of answers and features: the same numbers as the encodings', whichever way they are kept."""

import numpy as np
import pytest

from diffing.common.errors import UserError
from diffing.concepts import matrix
from diffing.reader import encode
from diffing.reader.encodings import Encodings
from tests.fakes import diff_study
from tests.fakes.reader import FakeReader
from tests.fakes.summed import summed_up


@pytest.fixture(autouse=True)
def fake_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = FakeReader()
    monkeypatch.setattr(encode, "load_reader", lambda _choice, _device: reader)


def test_a_row_has_what_the_reader_saw_of_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    study = diff_study.made(prompts=12)
    monkeypatch.setattr(matrix, "BLOCK", 5)
    made, stored = matrix.of(study), Encodings.open(study)
    assert [*made.answers] == matrix.ANSWER
    assert made.answers.index.tolist() == list(range(24))
    assert set(made.answers["category"]) == {"x", "y"}
    assert (made.peaks != abs(stored.matrix()).tocsr()).nnz == 0
    for row, document in enumerate(made.answers["document"]):
        one = stored.encoding(document)
        assert made.counts[row].indices.tolist() == one.feature.tolist()
        assert made.counts[row].data.tolist() == one.count.tolist()
    assert (made.peaks.dtype, made.counts.dtype) == (np.float32, np.int32)


def test_summaries_give_the_same_table_as_positions() -> None:
    study = diff_study.made(prompts=12)
    whole = matrix.of(study)
    summed_up(study, np.arange(24) % 3 == 0)
    summed = matrix.of(study)
    assert (whole.peaks != summed.peaks).nnz == (whole.counts != summed.counts).nnz == 0


def test_one_checkpoint_or_some_rows_are_a_part_of_the_whole() -> None:
    study = diff_study.made(prompts=12)
    whole, of_b = matrix.of(study), matrix.of(study, ["b"])
    mine = (whole.answers["checkpoint"] == "b").to_numpy()
    assert (whole.only(mine).peaks != of_b.peaks).nnz == 0
    assert whole.only(np.flatnonzero(mine)).answers.equals(of_b.answers)
    with pytest.raises(UserError, match="has no checkpoint 'c'"):
        matrix.of(study, ["c"])


def test_what_is_no_longer_asked_is_left_out() -> None:
    study = diff_study.made(prompts=12)
    gone = study.prompts()["id"][3]
    study.activate([gone], False)
    assert len(matrix.of(study).answers) == 22
    assert gone not in set(matrix.of(study).answers["prompt_id"])


def test_a_feature_is_shown_above_a_share_of_its_peak() -> None:
    made = matrix.of(diff_study.made(prompts=12))
    dense = made.peaks.toarray()
    for share in (0.0, matrix.SHARE, 0.9):
        expected = (dense > np.float32(share) * dense.max(axis=0)) & (dense > 0)
        assert (matrix.shown(made, share).toarray() == expected).all()
