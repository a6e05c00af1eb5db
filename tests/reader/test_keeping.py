"""Of which answers positions are kept, and that a study of summaries is read once, whatever stops it."""

from collections.abc import Callable

import numpy as np
import pytest

from diffing.common import who
from diffing.common.errors import Cancelled, UserError
from diffing.common.who import NOBODY, Refused
from diffing.reader import again, encode, floors
from diffing.reader.cache import Cache
from diffing.reader.encodings import Encodings
from diffing.study.study import Study
from tests.fakes.reader import FakeReader
from tests.fakes.watch import Watch
from tests.reader.test_encodings import make_study
from tests.reader.test_held import figures


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> FakeReader:
    fake = FakeReader()
    monkeypatch.setattr(encode, "load_reader", lambda _choice, _device: fake)
    again._loaded.cache_clear()
    return fake


def read(study: Study, positions: int, watch: Watch | None = None) -> dict[str, object]:
    return encode.run(study, encode.Options(positions=positions, budget=64), watch or Watch())


@pytest.mark.usefixtures("reader")
def test_a_study_read_as_summaries_answers_as_one_read_with_positions() -> None:
    few = make_study("few")
    told = read(few, 9)
    found = Encodings.open(few)
    held = found.documents[found.held]
    assert told["summaries"] == len(found) - len(held)
    assert 6 <= len(held) <= 9
    # Both sides of each prompt that has both.
    sides = found.documents.groupby("prompt_id")["checkpoint"].nunique()
    assert (held.groupby("prompt_id")["checkpoint"].nunique() == sides.loc[held["prompt_id"].unique()]).all()
    before = figures(found)
    Cache("fake", FakeReader.n_features).folder.rename(Cache("other", FakeReader.n_features).folder)
    read(few, 100)
    whole = Encodings.open(few)
    assert whole.held.all()
    assert figures(whole) == before


def test_what_is_kept_either_way_is_not_read_again(reader: FakeReader) -> None:
    study = make_study()
    read(study, 9)
    reader.batches.clear()
    assert read(study, 9)["encoded"] == 0
    assert reader.batches == []
    # More positions than before cost their answers alone, and none that is there is given up.
    before = Encodings.open(study).held
    read(study, 14)
    more = Encodings.open(study).held
    assert (more >= before).all()
    assert more.sum() > before.sum()
    read(study, 1)
    assert Encodings.open(study).held.tolist() == more.tolist()


class Stopping(Watch):
    """Stops a run after so many looks."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.left = after

    def check(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Cancelled


@pytest.mark.usefixtures("reader")
def test_a_run_that_is_stopped_anywhere_goes_on_under_the_same_floor() -> None:
    study = make_study()
    for looks in range(2, 40, 3):
        try:
            read(study, 9, Stopping(looks))
        except Cancelled:
            continue
    read(study, 9)
    cache = Cache("fake", FakeReader.n_features).summaries
    found = Encodings.open(study)
    shards = set(found.table.loc[~found.held, "shard"])
    assert shards == {0}
    assert not cache.path(1).exists()
    strongest = np.zeros((2, found.n_features), np.float32)
    for document in np.flatnonzero(found.held).tolist():
        record = found.encoding(document)
        line = strongest["ab".index(found.documents["checkpoint"].iloc[document])]
        line[record.feature] = np.maximum(line[record.feature], record.peak)
    np.testing.assert_array_equal(found.floor, floors.chosen(strongest))


def test_an_answer_is_read_again_once_for_whoever_wants_its_tokens(
    reader: FakeReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study()
    read(study, 9)
    found = Encodings.open(study)
    document = int(np.flatnonzero(~found.held & (found.documents["tokens"] > 0))[0])
    expected = reader.expected(found.texts[document]).numpy()
    reader.batches.clear()
    assert again.lacking(found, [document]) == [document]
    with who.acts(NOBODY), pytest.raises(Refused):
        again.read(found, [document])
    assert reader.batches == []
    again.read(found, [document])
    for feature in range(found.n_features):
        np.testing.assert_allclose(found.dense(document, feature), expected[:, feature], rtol=1e-4)
    assert len(reader.batches)
    reader.batches.clear()
    opened = Encodings.open(study)
    assert again.lacking(opened, [document]) == []
    np.testing.assert_array_equal(opened.dense(document, 7), found.dense(document, 7))
    assert reader.batches == []

    def gone(_choice: object, _device: str) -> Callable[[], None]:
        raise UserError("The reader is not on this machine; get it.")

    again._loaded.cache_clear()
    monkeypatch.setattr(encode, "load_reader", gone)
    other = int(np.flatnonzero(~found.held & (found.documents["tokens"] > 0))[1])
    with pytest.raises(UserError, match="not on this machine"):
        again.read(opened, [other])
