"""Replies as they are kept: under a key of all that changes an answer, and as nothing but JSON."""

from typing import Any

import diskcache
import pytest

from diffing.common.errors import UserError
from diffing.models import replies
from diffing.models.replies import Request


def test_a_pickle_in_the_cache_is_never_loaded() -> None:
    replies.cache().set("key", {"text": "x"})
    replies.cache()._sql("UPDATE Cache SET mode = ?", (diskcache.core.MODE_PICKLE,))
    with pytest.raises(UserError, match="holds a pickle"):
        replies.cache().get("key")


ASKED = Request("http://x/v1", "m", [{"role": "user", "content": "Hi"}], {"temperature": 0.5, "max_tokens": 9})


@pytest.mark.parametrize(
    "change",
    [
        {"base_url": "http://y/v1"},
        {"model": "n"},
        {"messages": [{"role": "system", "content": "Hi"}]},
        {"parameters": {"temperature": 0.5, "max_tokens": 10}},
        {"draw": 1},
        {"replaces": "2026-01-01"},
    ],
)
def test_whatever_changes_an_answer_changes_its_key(change: dict[str, Any]) -> None:
    assert ASKED._replace(**change).key != ASKED.key


def test_the_order_in_which_parameters_stand_changes_no_key() -> None:
    turned = ASKED._replace(
        messages=[{"content": "Hi", "role": "user"}], parameters={"max_tokens": 9, "temperature": 0.5}
    )
    assert turned.key == ASKED.key
