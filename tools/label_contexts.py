"""Lay out what a person or a model must read to label the starter's features.

`python -m tools.label_contexts CORPUS ALPACA_EVAL OUT` picks the features that matter most on assistant
text and writes, for each, its commonest tokens and twenty contexts: the five strongest and fifteen spread
over the deciles of its activation. Contexts come from the corpus's "label" half only (`starter_corpus.half`
hashes the prompt, or the text where there is none), so that the "score" half can test the labels blind.
AlpacaEval only helps to choose features and is never shown. Needs minutes on two CPU cores.
"""

import hashlib
import json
import lzma
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
import typer
from sae_lens import SAE
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

from diffing.common.arrays import Floats
from tools.starter_corpus import Document, chat_pieces, encode_texts, half, pack, read_corpus

ASSISTANT_SOURCES = {"WildBench", "Arena-Hard-Auto", "GPTeacher", "HaluEval", "GSM8K"}
NARROW, WIDE = 10, 36  # tokens each side
STRONGEST, SPREAD = 5, 15
WIDE_SPREAD = 5  # how many of the spread ones show the wide window too


class Encoded(NamedTuple):
    """The texts' own tokens in reading order, piece after piece."""

    tokens: np.ndarray
    documents: np.ndarray
    pieces: np.ndarray
    activations: sp.csc_matrix  # tokens × features


class Starter:
    def __init__(self, folder: Path) -> None:
        self.tokenizer = Tokenizer.from_file(str(folder / "reader" / "tokenizer.json"))
        self.sae: Any = SAE.load_from_disk(folder / "sae")
        reader: Any = AutoModelForCausalLM.from_pretrained(folder / "reader")
        self.context: int = reader.config.max_position_embeddings
        self.body = reader.model.eval()
        depth = int(self.sae.cfg.metadata.hook_name.split(".")[1]) + 1
        self.body.layers = self.body.layers[:depth]
        self.body.norm = torch.nn.Identity()

    @torch.no_grad()
    def encode(self, texts: Sequence[np.ndarray]) -> Encoded:
        rows = pack(chat_pieces(texts, None, self.context), self.context, np.random.default_rng(0))
        columns: list[list[np.ndarray]] = [[], [], []]
        parts = []
        for number, batch in enumerate(rows.batches(4)):
            batch = batch.to(torch.device("cpu"))
            states = self.body(
                input_ids=batch.ids, attention_mask=batch.mask(), position_ids=batch.positions, use_cache=False
            ).last_hidden_state
            scored = batch.scored.bool()
            row = torch.arange(len(batch.ids))[:, None] + 4 * number
            piece = row * self.context + batch.segments
            for column, values in zip(columns, (batch.ids, batch.documents, piece), strict=True):
                column.append(values[scored].numpy())
            parts.append(sp.csr_matrix(self.sae.encode(states[scored]).numpy()))
        tokens, documents, pieces = (np.concatenate(column) for column in columns)
        return Encoded(tokens, documents, pieces, sp.vstack(parts).tocsc())


def shares(encoded: Encoded, documents: int) -> Floats:
    """For every feature, the share of documents in which it fires."""
    entries = encoded.activations.tocoo()
    seen = np.unique(np.stack([encoded.documents[entries.row], entries.col]), axis=1)
    return np.bincount(seen[1], minlength=encoded.activations.shape[1]) / documents


def read_pair(path: Path) -> tuple[list[str], list[str]]:
    """The answers of two checkpoints to the same prompts, both in one arbitrary fixed order."""
    answers: dict[str, dict[str, str]] = {}
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        for record in map(json.loads, lines):
            answers.setdefault(record["checkpoint"], {})[record["prompt"]] = record["response"]
    first, second = answers.values()
    common = sorted(first.keys() & second.keys(), key=lambda prompt: hashlib.sha256(prompt.encode()).digest())
    return [first[p] for p in common], [second[p] for p in common]


def differences(starter: Starter, path: Path, prompts: int) -> Floats:
    """Difference of the two checkpoints' shares, both answers cut to the shorter one's tokens."""
    before, after = (encode_texts(starter.tokenizer, answers[:prompts]) for answers in read_pair(path))
    both = [(a[: len(b)], b[: len(a)]) for a, b in zip(before, after, strict=True) if len(a) and len(b)]
    first = shares(starter.encode([a for a, _ in both]), len(both))
    return shares(starter.encode([b for _, b in both]), len(both)) - first


def choose(used: np.ndarray, different: Sequence[np.ndarray], most_used: int, each: int) -> dict[int, str]:
    """The most used features, then those that differ most on each pair; a feature is chosen once."""
    chosen = {int(f): "used" for f in np.argsort(-used, kind="stable")[:most_used]}
    for difference in different:
        fresh = [int(f) for f in np.argsort(-np.abs(difference), kind="stable") if int(f) not in chosen]
        chosen |= dict.fromkeys(fresh[:each], "different")
    return chosen


class Contexts:
    """Windows around single tokens of an encoded text."""

    def __init__(self, encoded: Encoded, tokenizer: Tokenizer) -> None:
        self.encoded = encoded
        self.tokenizer = tokenizer

    def span(self, start: int, end: int) -> str:
        return self.tokenizer.decode(self.encoded.tokens[start:end].tolist()).replace("\n", "⏎")

    def window(self, at: int, width: int) -> tuple[int, int]:
        pieces = self.encoded.pieces[max(0, at - width) : at + width + 1]
        inside = np.flatnonzero(pieces == self.encoded.pieces[at]) + max(0, at - width)
        return int(inside[0]), int(inside[-1]) + 1

    def show(self, at: int, wide: bool) -> str:
        """The active token «so»; the narrow window stands in [[ ]] inside a wide one."""
        start, end = self.window(at, NARROW)
        narrow = f"{self.span(start, at)}«{self.span(at, at + 1)}»{self.span(at + 1, end)}"
        if not wide:
            return narrow
        outer_start, outer_end = self.window(at, WIDE)
        return f"{self.span(outer_start, start)}[[{narrow}]]{self.span(end, outer_end)}"

    def distinct(self, candidates: np.ndarray, count: int, taken: set[str]) -> Iterator[int]:
        """The first `count` candidates whose narrow windows nobody has taken yet."""
        for at in candidates.tolist():
            start, end = self.window(at, NARROW)
            text = self.span(start, end)
            if text not in taken:
                taken.add(text)
                yield at
                count -= 1
            if count == 0:
                return


def describe(feature: int, contexts: Contexts, documents: float) -> str:
    column = contexts.encoded.activations[:, [feature]].tocoo()
    order = np.argsort(-column.data, kind="stable")
    fired, values = column.row[order], column.data[order]
    rng = np.random.default_rng(feature)
    _, earliest = np.unique(contexts.encoded.documents[fired], return_index=True)
    taken: set[str] = set()
    strongest = list(contexts.distinct(fired[np.sort(earliest)], STRONGEST, taken))
    spread: list[int] = []
    for number, decile in enumerate(np.array_split(fired, 10)):
        count = SPREAD // 10 + (number < SPREAD % 10)
        spread.extend(contexts.distinct(rng.permutation(decile), count, taken))
    common = Counter(contexts.encoded.tokens[fired].tolist()).most_common(10)
    tokens = ", ".join(f"«{contexts.tokenizer.decode([t])}» {n}".replace("\n", "⏎") for t, n in common)
    wide = set(rng.permutation(spread)[:WIDE_SPREAD].tolist())
    strength = dict(zip(fired.tolist(), values.tolist(), strict=True))
    lines = [
        f"### FEATURE {feature}",
        f"fires on {len(fired) / len(contexts.encoded.tokens):.3%} of tokens, in {documents:.1%} of answers; "
        f"top tokens: {tokens}",
        "strongest:",
        *(f"- {strength[at]:.0f}: {contexts.show(at, wide=True)}" for at in strongest),
        "over the deciles, strong to weak:",
        *(f"- {strength[at]:.0f}: {contexts.show(at, wide=at in wide)}" for at in spread),
    ]
    return "\n".join(lines) + "\n"


def main(
    corpus: Path,
    alpaca_eval: Path,
    out: Path,
    starter: Path = Path("diffing/starter"),
    answers: Annotated[int, typer.Option(help="Corpus answers to read, at random.")] = 1400,
    prompts: Annotated[int, typer.Option(help="AlpacaEval prompts to compare, of 805.")] = 250,
    most_used: int = 800,
    each: Annotated[int, typer.Option(help="More features from each AlpacaEval pair.")] = 100,
    parts: int = 16,
    seed: int = 1,
) -> None:
    """Choose features and write their contexts to part files, with features.json beside them."""
    loaded = Starter(starter)
    eligible = [d for d in read_corpus(corpus) if d.source in ASSISTANT_SOURCES and half(d) == "label"]
    picked = np.random.default_rng(seed).permutation(len(eligible))[:answers]
    documents: list[Document] = [eligible[i] for i in picked]
    encoded = loaded.encode(encode_texts(loaded.tokenizer, [d.text for d in documents]))
    used = shares(encoded, len(documents))
    different = {
        path.name.split(".")[0]: differences(loaded, path, prompts) for path in sorted(alpaca_eval.glob("*.xz"))
    }
    chosen = choose(used, list(different.values()), most_used, each)
    contexts = Contexts(encoded, loaded.tokenizer)
    out.mkdir(parents=True, exist_ok=True)
    for number, ids in enumerate(np.array_split(sorted(chosen), parts)):
        text = "\n".join(describe(int(f), contexts, used[f]) for f in ids)
        (out / f"part-{number:02}.txt").write_text(text, encoding="utf-8")
    records = {
        str(f): {
            "chosen": why,
            "documents": float(used[f]),
            "tokens": float(encoded.activations[:, [f]].nnz / len(encoded.tokens)),
            "differences": {name: float(difference[f]) for name, difference in different.items()},
        }
        for f, why in sorted(chosen.items())
    }
    (out / "features.json").write_text(json.dumps(records, indent=1), encoding="utf-8")
    print(f"{len(chosen)} features from {len(documents)} answers, {len(encoded.tokens)} tokens")


if __name__ == "__main__":
    typer.run(main)
