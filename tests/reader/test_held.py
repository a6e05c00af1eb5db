"""What is held of a study's answers: positions or summaries, here or afar, and the same figures from either."""

import shutil
from collections.abc import Iterator

import fsspec
import numpy as np
import pytest

from diffing.common import files
from diffing.common.damage import Damaged
from diffing.common.errors import UserError
from diffing.reader import encode, far, firing
from diffing.reader.encodings import Encodings
from diffing.reader.unread import summed, unread
from diffing.study.study import Study
from tests.fakes.reader import FakeReader
from tests.fakes.summed import summed_up
from tests.reader.test_encodings import encoded, make_study


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Study:
    fake = FakeReader()
    monkeypatch.setattr(encode, "load_reader", lambda _choice, _device: fake)
    made = make_study()
    encoded(made)
    return made


def half(found: Encodings) -> np.ndarray:
    return np.asarray(found.documents["prompt_id"].isin(sorted(set(found.documents["prompt_id"]))[::2]))


def figures(found: Encodings) -> list[object]:
    """All that is asked of a study as a whole."""
    occurrences = [found.occurrences(feature).to_dict("list") for feature in (0, 7, 39)]
    arrays = (found.feature, found.peak, found.count, found.indptr)
    tokens = firing.tokens(found, range(len(found)))
    peaks = found.peaks(7).tolist()
    return [[a.tolist() for a in arrays], occurrences, [a.tolist() for a in tokens], peaks]


def test_a_study_of_positions_and_summaries_answers_as_one_of_positions(study: Study) -> None:
    whole = Encodings.open(study)
    before, keep = figures(whole), half(whole)
    found = summed_up(study, keep)
    assert found.held.tolist() == keep.tolist()
    assert figures(found) == before
    assert (unread(study), summed(study)) == (0, int((~keep).sum()))
    shown = found.top(7, "b", 99)["document"].to_numpy()
    assert len(shown)
    assert keep[shown].all()
    document = int(np.flatnonzero(~keep & (found.documents["tokens"] > 0))[0])
    assert [p.text for p in found.tokens(document).cut()] == [p.text for p in whole.tokens(document).cut()]
    with pytest.raises(UserError, match="a summary is kept"):
        found.dense(document, 7)


def test_a_flipped_bit_in_a_summary_is_no_figure(study: Study) -> None:
    found = summed_up(study, half(Encodings.open(study)))
    path = found.cache.summaries.path(0)
    data = bytearray(path.read_bytes())
    data[-9] ^= 4
    path.write_bytes(bytes(data))
    with pytest.raises(Damaged, match="not what was written"):
        figures(Encodings.open(study))


class Counting:
    """How many bytes of each file are asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bytes = self.times = 0
        ranges = far.Far.ranges

        def counted(place: far.Far, wanted: list[far.Range]) -> list[bytes]:
            self.bytes, self.times = self.bytes + sum(w.end - w.start for w in wanted), self.times + 1
            return ranges(place, wanted)

        monkeypatch.setattr(far.Far, "ranges", counted)


@pytest.fixture
def elsewhere(study: Study, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """The study's files are elsewhere, and this machine has none; gives what it answered before."""
    found = summed_up(study, half(Encodings.open(study)))
    before = figures(found)
    system = fsspec.filesystem("memory")
    for path in found.cache.folder.glob("[0-9]*.*"):
        system.pipe(f"/bucket/encodings/fake/{path.name}", path.read_bytes())
    shutil.rmtree(found.cache.folder)
    monkeypatch.setenv(far.PLACE, "memory://bucket/encodings")
    yield before
    system.rm("/bucket", recursive=True)


@pytest.mark.usefixtures("elsewhere")
def test_one_answer_of_a_study_that_lies_elsewhere_takes_one_range(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Encodings.open(study)
    asked = Counting(monkeypatch)
    document = int(np.flatnonzero(found.held & (found.documents["tokens"] > 0))[0])
    found.dense(document, 7)
    found.tokens(document)
    place = found.table.iloc[document]
    assert (asked.times, asked.bytes) == (1, place["size"])


def test_a_study_that_lies_elsewhere_answers_as_one_that_is_here(
    study: Study, elsewhere: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Counting(monkeypatch)
    found = Encodings.open(study)
    assert figures(found) == elsewhere
    # One after another they come together, not each by itself.
    assert asked.times < len(found)
    assert unread(study) == 0
    assert not list((files.home() / "cache" / "encodings").glob("fake/*.bin"))


@pytest.mark.usefixtures("elsewhere")
def test_what_is_wrong_elsewhere_is_said_in_a_sentence(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    system = fsspec.filesystem("memory")
    name = next(path for path in system.ls("/bucket/encodings/fake", detail=False) if path.endswith(".bin"))
    data = bytearray(system.cat(name))
    data[5] ^= 1
    system.pipe(name, bytes(data))
    with pytest.raises(Damaged, match="not what was written"):
        figures(Encodings.open(study))
    system.pipe(name, b"short")
    with pytest.raises(Damaged, match="it has 5 bytes there"):
        Encodings.open(study)
    monkeypatch.setenv(far.PLACE, "nowhere://bucket")
    with pytest.raises(UserError, match="nowhere://bucket"):
        Encodings.open(study)
