"""Shares: how they are written, that each part falls to one of them, and what a worker tells of itself."""

import os
import time
from pathlib import Path

import pytest

from diffing.common.errors import UserError
from diffing.jobs.machines import seen
from diffing.jobs.machines.seen import Post
from diffing.jobs.machines.share import Share, dealt


@pytest.mark.parametrize("text", ["", "3", "0/4", "5/4", "a/b", "1/0", "1/1000000", "-1/3", "1/2/3"])
def test_what_is_no_share_is_said_to_be_none(text: str) -> None:
    with pytest.raises(UserError, match="is no share; write K/N"):
        Share.parse(text)


def test_every_part_falls_to_one_share_by_its_key_alone() -> None:
    keys = [f"key {n}" for n in range(700)]
    shares = [Share.parse(f" {n} / 7") for n in range(1, 8)]
    held = [[key for key in keys if share.holds(key)] for share in shares]
    assert sorted(key for keys in held for key in keys) == sorted(keys)
    # A hundred each, give or take what chance does: five standard deviations are 46.
    assert all(54 < len(mine) < 146 for mine in held)
    assert str(shares[2]) == "3/7" and dealt(held[2][0], 7) == 3


def test_a_worker_tells_how_far_it_is_and_is_silent_once_it_stops_telling(tmp_path: Path) -> None:
    post = Post(tmp_path, "one", "share 1/2", "cuda:0")
    post.update(0, 10, "answers")
    post.update(4, 10, "answers")
    post.failed({"too long": 2})
    post.end("failed", "no such model")
    (tmp_path / "half.json").write_text("{")
    Post(tmp_path, "two", "share 2/2")
    old = time.time() - 2 * seen.SILENT
    os.utime(tmp_path / "two.json", (old, old))
    first, second = seen.all_in(tmp_path)
    assert (first.state, first.done, first.total, first.silent) == ("failed", 4, 10, 0.0)
    assert first.rate is not None
    assert "share 1/2 on" in first.in_words() and "2 failed: too long · no such model" in first.in_words()
    assert second.silent >= seen.SILENT and "silent" in second.in_words()
