"""A reader for tests: words are tokens, each id has a row of random activations, windows overlap by a token.

Its numbers are so coarse that nothing it computes is rounded: whatever the processor, the number of threads and
the company an answer is read in, the same answer has the same activations to the last bit, and a test may ask so.
"""

import re
import zlib

import numpy as np
import torch
from torch import Tensor

from diffing.common.errors import UserError
from diffing.models.tokens import Reading, Window

WORDS = re.compile(r"\S+|\s+")
POISON = 96


def token_id(word: str) -> int:
    return POISON if word == "poison" else zlib.crc32(word.encode("utf-8", "surrogatepass")) % POISON


def coarse(values: Tensor) -> Tensor:
    """Whole 256ths: products of two are whole 65,536ths, whose sums below 256 fit the 24 bits of a float32."""
    return torch.round(values * 256) / 256


class FakeReader:
    key = "fake"
    device = torch.device("cpu")
    n_features, width, vocabulary = 40, 8, 97

    def __init__(self, window: int = 16) -> None:
        random = torch.Generator().manual_seed(0)
        self.window = window
        self.embedding = coarse(torch.randn(self.vocabulary, self.width, generator=random))
        self.encoder = coarse(torch.randn(self.width, self.n_features, generator=random))
        self.batches: list[list[list[int]]] = []
        """What each forward pass was given."""
        self.fits: int | None = None
        """Tokens that the memory holds."""

    def read(self, messages: list[dict[str, str]], answer: str) -> Reading:
        if "unreadable" in answer:
            raise UserError("This text is not for reading; write another.")
        if "broken" in answer:
            raise ValueError("the tokenizer fell over")
        spans = np.array([match.span() for match in WORDS.finditer(answer)], np.int32).reshape(-1, 2)
        prompt = [token_id(m["content"]) for m in messages]
        ids = [token_id(answer[a:b]) for a, b in spans]
        windows, step = [], self.window - 1
        for start in range(0, max(len(ids) - 1, 1), step):
            part = ids[start : start + self.window]
            skip = len(prompt) + (start > 0)
            windows.append(Window(prompt + part, skip, len(prompt) + len(part)))
        return Reading(windows, spans)

    def hidden(self, ids: list[list[int]]) -> Tensor:
        self.batches.append(ids)
        if self.fits is not None and sum(map(len, ids)) > self.fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        flat = [token for sequence in ids for token in sequence]
        if POISON in flat:
            raise RuntimeError("this token is not for running")
        return self.embedding[torch.tensor(flat)]

    def sparse(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        dense = self.dense(hidden)
        row, feature = dense.nonzero(as_tuple=True)
        return row, feature, dense[row, feature]

    def dense(self, hidden: Tensor) -> Tensor:
        return torch.relu(hidden @ self.encoder - 2.0)

    def decoder(self) -> Tensor:
        return self.encoder.T

    def expected(self, answer: str) -> Tensor:
        """Tokens × features of an answer, computed without windows or batches."""
        ids = [token_id(word) for word in WORDS.findall(answer)]
        return self.dense(self.embedding[torch.tensor(ids, dtype=torch.long)])
