"""A damaged reply cache: one bad row blocks nothing, and a damaged database is named."""

import zlib

import pytest

from diffing.common import files
from diffing.common.damage import Damaged
from diffing.models import replies


@pytest.mark.attack("R23")
def test_a_damaged_reply_is_dropped_and_blocks_no_other() -> None:
    cache = replies.cache()
    for key in ("good", "cut", "list", "shape"):
        cache.set(key, {"text": key})
    cache._sql("UPDATE Cache SET value = substr(value, 1, 9) WHERE key = ?", (cache._disk.put("cut")[0],))
    cache._sql("UPDATE Cache SET value = ? WHERE key = ?", (zlib.compress(b"7"), cache._disk.put("list")[0]))
    cache.set("shape", {"text": ["no", "text"]})
    assert [key in cache for key in ("good", "cut", "list")] == [True, False, False]
    assert cache.reply("shape") is None and cache.reply("cut") is None
    assert cache.reply("good") == replies.Reply(text="good", cached=True)
    assert len(cache) == 1


@pytest.mark.attack("R23")
def test_a_damaged_reply_database_is_named_with_the_remedy() -> None:
    folder = files.cache_dir("replies")
    (folder / "cache.db").write_bytes(b"this is no database, by far" * 400)
    replies._open_cache.cache_clear()
    with pytest.raises(Damaged, match=r"'cache/replies/cache.db' is damaged .*asked and paid for again"):
        replies.cache().get("key")
