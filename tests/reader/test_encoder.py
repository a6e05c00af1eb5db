"""The encoder: answers through one reader on one device, and what it does with a reading that holds nothing."""

import numpy as np
import pytest

from diffing.models.tokens import Reading, Window
from diffing.reader.batches import Task
from diffing.reader.cache import Cache
from diffing.reader.encoder import Encoder
from tests.fakes.reader import FakeReader
from tests.fakes.watch import Watch


def test_a_reading_without_tokens_is_an_error_of_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, watch = FakeReader(), Watch()
    nothing = Reading([Window([1], 1, 1)], np.zeros((0, 2), np.int32))
    monkeypatch.setattr(reader, "read", lambda _messages, _text: nothing)
    encoder = Encoder(reader, Cache(reader.key, reader.n_features))
    errors = encoder.run([Task("key", [], "text")], lambda *_: None, watch.check)
    assert errors == {"key": "The reader sees no token of this answer."}
