"""The starter's training text: documents, the splits that keep prompts apart, chat pieces and packed rows.

A split hashes a document's prompt (its text where the source has no prompt), so two answers to one
prompt never stand on both sides. Sources without prompts may still hold several answers to one
question; no rule here can see that.
"""

import hashlib
import json
import lzma
from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

HELD_OUT_IN = 20  # one prompt in twenty
BOS, END, PAD, USER, ASSISTANT = range(5)
SPECIAL_TOKENS = ["<|bos|>", "<|end|>", "<|pad|>", "<|user|>", "<|assistant|>"]

# Chosen so that what a reader of answers cares for stays a token of its own: asterisks apart from other
# punctuation, line breaks together with the spaces before them, the first of two spaces alone.
PRETOKENS = (
    r"'(?:[sdmt]|ll|ve|re)\b| ?\p{L}+| ?\p{N}{1,4}| ?\*+| ?[^\s\p{L}\p{N}*]+|[^\S\r\n]*[\r\n]+|\s+(?!\S)|\s+"
)

CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{{ '<|assistant|>' if message['role'] == 'assistant' else '<|user|>' }}"
    "{{ message['content'] }}<|end|>"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


class Document(NamedTuple):
    source: str
    prompt: str | None
    text: str


class Piece(NamedTuple):
    """One document, or a window of a long one, as the reader sees it: a chat whose last turn is the text."""

    ids: np.ndarray
    first: int  # where the text starts
    last: int  # one past its end
    document: int


class Rows(NamedTuple):
    """Pieces packed side by side; segment 0 is padding, and a piece attends to its own segment only."""

    ids: torch.Tensor
    segments: torch.Tensor
    positions: torch.Tensor
    scored: torch.Tensor  # true on the text's own tokens
    documents: torch.Tensor

    def batches(self, size: int, order: np.ndarray | None = None) -> Iterator["Rows"]:
        rows = torch.arange(len(self.ids)) if order is None else torch.as_tensor(order)
        for chosen in torch.split(rows, size):
            yield Rows(*(column[chosen] for column in self))

    def to(self, device: torch.device) -> "Rows":
        return Rows(*(column.to(device, non_blocking=True).long() for column in self))

    def mask(self) -> torch.Tensor:
        length = self.ids.shape[1]
        causal = torch.ones(length, length, dtype=torch.bool, device=self.ids.device).tril()
        return ((self.segments[:, :, None] == self.segments[:, None, :]) & causal)[:, None]


def read_corpus(path: Path) -> list[Document]:
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    return [Document(r["source"], r.get("prompt") or None, r["text"]) for r in records if r["text"].strip()]


def bucket(document: Document, purpose: str, buckets: int) -> int:
    key = (document.prompt or document.text).strip()
    return int.from_bytes(hashlib.sha256(f"{purpose}\0{key}".encode()).digest()[:8]) % buckets


def split_corpus(documents: Sequence[Document]) -> tuple[list[Document], list[Document]]:
    """Training and held-out documents; a text that is also held out is not trained on."""
    held_out = [d for d in documents if bucket(d, "held-out", HELD_OUT_IN) == 0]
    texts = {d.text for d in held_out}
    kept = [d for d in documents if bucket(d, "held-out", HELD_OUT_IN) != 0 and d.text not in texts]
    return kept, held_out


def half(document: Document) -> Literal["label", "score"]:
    """Labels are written from one half of the prompts and scored blind on the other."""
    return "label" if bucket(document, "label-or-score", 2) == 0 else "score"


def train_tokenizer(documents: Sequence[Document], vocabulary: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PRETOKENS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[AddedToken(token, special=True) for token in SPECIAL_TOKENS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((text for d in documents for text in (d.prompt, d.text) if text), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|bos|> $A", special_tokens=[("<|bos|>", BOS)]
    )
    return tokenizer


def encode_texts(tokenizer: Tokenizer, texts: Sequence[str]) -> list[np.ndarray]:
    encodings = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
    return [np.array(encoding.ids, dtype=np.int32) for encoding in encodings]


def chat_pieces(texts: Sequence[np.ndarray], prompts: Sequence[np.ndarray] | None, context: int) -> list[Piece]:
    """Each text as an assistant turn, after its prompt where one is given; long texts go on in new windows."""
    pieces = []
    for number, text in enumerate(texts):
        prompt = prompts[number][: context // 4] if prompts is not None else text[:0]
        head = [BOS, USER, *prompt, END, ASSISTANT] if len(prompt) else [BOS, ASSISTANT]
        start = 0
        while start < len(text):
            window = text[start : start + context - len(head) - 1]
            start += len(window)
            tail = [END] if start == len(text) else []
            ids = np.concatenate([head, window, tail]).astype(np.int32)
            pieces.append(Piece(ids, len(head), len(head) + len(window), number))
            head = [BOS, ASSISTANT]
    return pieces


def pack(pieces: Sequence[Piece], context: int, rng: np.random.Generator) -> Rows:
    """Best fit, longest first; the order among equals is random, so every packing has other neighbours."""
    order = rng.permutation(len(pieces))
    order = order[np.argsort([-len(pieces[i].ids) for i in order], kind="stable")]
    rows: list[list[int]] = []
    room: list[tuple[int, int]] = []
    for i in order.tolist():
        length = len(pieces[i].ids)
        at = bisect_left(room, (length, -1))
        left, row = room.pop(at) if at < len(room) else (context, len(rows))
        if row == len(rows):
            rows.append([])
        rows[row].append(i)
        insort(room, (left - length, row))
    columns = np.zeros((5, len(rows), context), dtype=np.int32)
    columns[0] = PAD
    for row, members in enumerate(rows):
        at = 0
        for segment, i in enumerate(members, 1):
            piece = pieces[i]
            span = slice(at, at + len(piece.ids))
            columns[0, row, span] = piece.ids
            columns[1, row, span] = segment
            columns[2, row, span] = np.arange(len(piece.ids))
            columns[3, row, at + piece.first : at + piece.last] = 1
            columns[4, row, span] = piece.document
            at = span.stop
    return Rows(*torch.from_numpy(columns))
