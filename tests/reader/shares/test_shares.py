"""Shares of a reading: joined they are what one undisturbed run gives, whatever became of each on its way."""

import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from diffing.common.errors import Cancelled, UserError
from diffing.jobs.machines import sealing, seen
from diffing.jobs.machines.share import Share
from diffing.reader import encode, lens, places, wanted
from diffing.reader.cache import Cache, map_shard
from diffing.reader.encodings import own_table
from diffing.reader.records import Place
from diffing.reader.shares import sealed
from diffing.study.study import Study
from tests.fakes.processes import until
from tests.fakes.reader import FakeReader
from tests.fakes.watch import Watch
from tests.reader.test_encode import study_of

TEXTS = [" ".join(f"w{n}x{m}" for m in range(n % 11 + 1)) for n in range(40)] + ["unreadable", "poison here"]
SHARES = [f"{number}/7" for number in range(1, 8)]


class Slow(FakeReader):
    """Reads two answers a batch and rests between batches, so that it can be met at work."""

    def hidden(self, ids: list[list[int]]) -> torch.Tensor:
        time.sleep(0.05)
        return super().hidden(ids)


def use(monkeypatch: pytest.MonkeyPatch, make: Callable[[], FakeReader] = FakeReader) -> None:
    monkeypatch.setattr(encode, "load_reader", lambda _choice, _device: make())


def read(study: Study, share: str, watch: Watch | None = None, **options: Any) -> dict[str, Any]:
    return encode.share(study, encode.Options(**options), Share.parse(share), watch or Watch())


def join(study: Study, watch: Watch | None = None) -> dict[str, Any]:
    return encode.run(study, encode.Options(join=True), watch or Watch())


def held(study: Study) -> tuple[pd.DataFrame, list[bytes]]:
    """The study's table without the places, and the bytes of each record that it names."""
    table = own_table(study)
    cache = Cache(table.attrs["reader_key"], table.attrs["n_features"])
    stored = []
    for row in zip(*(table[name].tolist() for name in Place._fields), strict=True):
        place = Place(*row)
        buffer = b"" if place.shard < 0 else bytes(map_shard(cache.path(place.shard)))
        stored.append(buffer[place.offset : place.offset + place.size])
    return table.drop(columns=["shard", "offset"]), stored


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[pd.DataFrame, list[bytes]]:
    """What one undisturbed run gives."""
    use(monkeypatch)
    with monkeypatch.context() as patch:
        patch.setenv("DIFFING_HOME", str(tmp_path))
        study = study_of(TEXTS)
        encode.run(study, encode.Options(), Watch())
        return held(study)


def same(study: Study, alone: tuple[pd.DataFrame, list[bytes]]) -> bool:
    table, stored = held(study)
    pd.testing.assert_frame_equal(table, alone[0])
    return stored == alone[1]


def slowly(name: str, share: str) -> None:
    """In a process of its own."""
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        use(patch, Slow)
        read(Study.open(name), share, budget=4)


def test_shares_in_any_order_two_at_once_one_twice_and_one_killed_are_one_run(
    monkeypatch: pytest.MonkeyPatch, alone: tuple[pd.DataFrame, list[bytes]]
) -> None:
    monkeypatch.setattr(sealed, "SECONDS", 0.2)
    study = study_of(TEXTS)
    root = places.shares_path(study)
    apart = multiprocessing.get_context("fork")
    killed = apart.Process(target=slowly, args=(study.name, "3/7"))
    killed.start()
    until(lambda: list(root.glob("making/3-of-7*/records.bin")), "share 3 at work")
    os.kill(killed.pid or 0, signal.SIGKILL)
    killed.join()
    for share in ("7/7", "1/7", "5/7"):
        read(study, share)
    both = [apart.Process(target=slowly, args=(study.name, "2/7")) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert [one.exitcode for one in both] == [0, 0]
    again = read(study, "5/7")
    assert again["read"] == 0 and again["found"] + sum(again["failures"].values()) == again["answers"]
    with pytest.raises(
        UserError, match=r"3/7 lacks \d+, running a moment ago; 4/7 lacks \d+; 6/7 lacks \d+.*--share K/7"
    ):
        join(study)
    assert not (study.folder / "encodings.parquet").exists()
    for share in ("6/7", "4/7", "3/7"):
        read(study, share)
    result = join(study)
    assert result["documents"] == len(alone[0]) and same(study, alone)
    # What the killed one had not sealed is all that is left: nobody can know that it is dead.
    assert [path.name for path in root.iterdir()] == ["making"]


def test_a_share_that_is_stopped_has_put_aside_what_it_read(alone: tuple[pd.DataFrame, list[bytes]]) -> None:
    study = study_of(TEXTS)
    with pytest.raises(Cancelled):
        read(study, "1/1", Watch(stop_after=40), budget=8)
    root = places.shares_path(study)
    before = {key for one in sealed.opened(root)[0] for key in one.places}
    assert before
    assert [beat.state for beat in seen.all_in(root / "beats")] == ["cancelled"]
    rest = read(study, "1/1")
    assert rest["found"] == len(before) and rest["read"] > 0
    assert rest["failures"] == {
        "This text is not for reading; write another.": 1,
        "The reader failed on this answer: RuntimeError: this token is not for running": 1,
    }
    join(study)
    assert same(study, alone)
    # All of it is in the cache now: a look without locks finds it there.
    assert read(study, "1/1")["found"] == len(before) + rest["read"]


def test_what_is_damaged_or_foreign_is_told_and_costs_nothing_else(
    monkeypatch: pytest.MonkeyPatch, alone: tuple[pd.DataFrame, list[bytes]]
) -> None:
    study, root = study_of(TEXTS), places.shares_path(study_of(TEXTS[:1], "other"))
    root = places.shares_path(study)
    for share in ("1/2", "2/2"):
        read(study, share)
    folders = {one.manifest.part: one.folder for one in sealed.opened(root)[0] if one.manifest.count}
    shutil.copytree(folders["1/2"], root / "sealed" / "cut")
    (root / "sealed" / "cut" / "manifest.json").write_bytes(b"{")

    class Other(FakeReader):
        key = "another"

    use(monkeypatch, Other)
    read(study, "2/2")
    use(monkeypatch)
    records = folders["2/2"] / "records.bin"
    data = bytearray(records.read_bytes())
    data[-1] ^= 1
    records.write_bytes(data)
    watch = Watch()
    with pytest.raises(UserError, match=r"not whole \(2/2 lacks 1\)"):
        join(study, watch)
    told = "\n".join(watch.lines)
    assert "A sealed folder is left out: 'studies/study/shares" in told and "manifest.json' is damaged" in told
    assert "was read by another reader (another); it takes no part and stays" in told
    assert "1 of" in told and "records are not what was written; the others are used, and it stays as" in told
    read(study, "2/2")
    join(study)
    assert same(study, alone)
    left = {path.name for path in (root / "sealed").iterdir()}
    assert "cut" in left and len(left) == 2 and len(list((root / "damaged").iterdir())) == 1


def test_answers_that_came_since_are_shared_again_and_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch)
    study = study_of(TEXTS[:6])
    with pytest.raises(UserError, match=r"has no share to join; read some with `python -m diffing encode"):
        join(study)
    read(study, "2/2")
    with pytest.raises(UserError, match="Share 1/2 has not told what the reader is"):
        join(study)
    read(study, "1/2")
    join(study)
    prompt = study.prompts()["id"][0]
    study.add_responses(pd.DataFrame([{"prompt_id": prompt, "checkpoint": "a", "draw": 1, "text": "one more"}]))
    key = next(t.key for t in wanted.tasks_of(study, wanted.of(study, None)) if t.text == "one more")
    share = next(f"{n}/5" for n in range(1, 6) if Share(n, 5).holds(key))
    assert read(study, share)["read"] == 1
    assert join(study)["encoded"] == 1


def test_what_the_reader_tells_of_itself_travels_with_the_first_share(monkeypatch: pytest.MonkeyPatch) -> None:
    from diffing.reader import decoders

    use(monkeypatch)
    study = study_of(TEXTS[:4])
    read(study, "1/1")
    assert not (study.folder.parents[1] / "cache" / "encodings").exists()
    assert not decoders.path_of("fake").exists() and not lens.path("fake").exists()
    join(study)
    opened = decoders.opened("fake", "")
    assert opened is not None and opened.shape == (40, 8)


def test_what_killed_workers_left_long_ago_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch)
    study = study_of(TEXTS[:4])
    root = places.shares_path(study)
    for name, age in (("old", 2 * sealing.FORSAKEN), ("young", 0.0)):
        left = root / "making" / name
        left.mkdir(parents=True)
        os.utime(left, (time.time() - age, time.time() - age))
    read(study, "1/1")
    join(study)
    assert [path.name for path in (root / "making").iterdir()] == ["young"]
