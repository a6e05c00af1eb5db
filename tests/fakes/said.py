"""Answers of random words with a habit planted on one side, and their pairs, for what is learned from texts."""

import dataclasses

import numpy as np
import pandas as pd

from diffing.common.arrays import Array
from diffing.diff import pairing
from diffing.diff.pairing import Pairing
from diffing.probes import symbols
from diffing.reader.firing import Tokens

WORDS = ["the", "cat", "sat", "on", "a", "mat", "so", "it", "was", "fine", "And", "dogs", "ran", "far"]


def answer(random: np.random.Generator, opening: str = "", ending: str = "") -> str:
    """Two to five sentences of random words, a paragraph each now and then."""
    sentences = []
    for _ in range(int(random.integers(2, 6))):
        words = random.choice(WORDS, int(random.integers(3, 9))).tolist()
        sentences.append(" ".join([words[0].capitalize(), *words[1:]]) + random.choice([".", "!", "."]))
    text = "".join(sentence + random.choice([" ", "\n\n", "  "]) for sentence in sentences).strip()
    return f"{opening}{text}{ending}"


def texts(prompts: int, draws: int = 1, seed: int = 0, planted: float = 0.0) -> list[str]:
    """A's answers to all prompts, then B's; B opens and ends in its own way on a share of the prompts."""
    random = np.random.default_rng(seed)
    plain = [answer(random) for _ in range(prompts * draws)]
    habit = random.random(prompts).repeat(draws) < planted
    planted_on = {True: ("Certainly! ", " Let me know if it was **fine**."), False: ("", "")}
    return plain + [answer(random, *planted_on[bool(has)]) for has in habit]


def pairs(prompts: int, draws: int = 1) -> Pairing:
    """Every third prompt is held out; two categories."""
    ids = np.array([f"{n:04}" for n in range(prompts)])
    table = pd.DataFrame({"id": ids, "tags": "", "category": np.where(np.arange(prompts) % 2, "x", "y")})
    table["split"] = np.where(np.arange(prompts) % 3 == 0, "held-out", "discovery")
    number = np.arange(prompts * draws)
    rows = pd.DataFrame({"prompt_id": ids.repeat(draws), "draw": np.tile(np.arange(draws), prompts)})
    rows = rows.assign(excluded="", flag_a="", flag_b="", doc_of_a=number, doc_of_b=number + prompts * draws)
    return pairing.from_table(rows.assign(tokens_of_a=50, tokens_of_b=50), table)


def exchanged(pairing: Pairing, seed: int) -> Pairing:
    """The sides of each prompt exchanged by a coin, all its draws together."""
    turned = (np.random.default_rng(seed).random(len(pairing.prompts)) < 0.5)[pairing.row]
    a, b = (np.where(turned, two, one) for one, two in ((pairing.a, pairing.b), (pairing.b, pairing.a)))
    lengths = pairing.tokens_a, pairing.tokens_b
    tokens_a, tokens_b = (np.where(turned, two, one) for one, two in (lengths, lengths[::-1]))
    return dataclasses.replace(pairing, a=a, b=b, tokens_a=tokens_a, tokens_b=tokens_b)


def characters(texts: list[str]) -> Tokens:
    """Every character a token."""
    lengths = np.array([len(text) for text in texts])
    begins = np.concatenate([[0], np.cumsum(lengths)])
    starts: Array = np.arange(begins[-1]) - np.repeat(begins[:-1], lengths)
    return Tokens(np.arange(len(texts)), begins, np.column_stack([starts, starts + 1]), starts)


def with_lengths(pairing: Pairing, tokens: Tokens) -> Pairing:
    """The pairing with the lengths that its documents have."""
    lengths = np.diff(tokens.begins)
    return dataclasses.replace(pairing, tokens_a=lengths[pairing.a], tokens_b=lengths[pairing.b])


def plainly(text: str) -> set[tuple[str, tuple[str, ...]]]:
    """Every phrase that a text shows, by slicing."""
    read = symbols.read([text])
    cased, small = ([read.names[n] for n in numbers.tolist()] for numbers in (read.cased, read.folded))
    seen = {("anywhere", tuple(small[i : i + n])) for n in range(1, 6) for i in range(len(small) - n + 1)}
    for kind, places in read.edges.items():
        place = int(places[0])
        for n in range(1, 5):
            if kind == "ending" and place - n + 1 >= 0:
                seen.add((kind, tuple(cased[place - n + 1 : place + 1])))
            elif kind != "ending" and place >= 0 and place + n <= len(cased):
                seen.add((kind, tuple(cased[place : place + n])))
    return seen
