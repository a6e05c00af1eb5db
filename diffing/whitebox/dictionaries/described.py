"""What the latents of a trained dictionary do: figures, passages, tokens that they write, directions to steer by.

Laid beside a dictionary as `latents`, `passages`, `tokens`, `explained` (Parquet) and `directions` (safetensors).
Promises that
figures are of texts that were not learnt from, where any were held out, that passages of these and of the others
stand apart, and that what is there is whole. Tells the latents first that write the largest share of the models'
difference; passages, tokens and directions are of so many of them. A share says how much, and not what: which
latents are real is not said here.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from diffing.common import files
from diffing.common.arrays import Array, Floats, Ints
from diffing.whitebox.activations.source import Check, Passes
from diffing.whitebox.dictionaries import latents as figures
from diffing.whitebox.dictionaries import shelf
from diffing.whitebox.dictionaries.dictionary import Dictionary
from diffing.whitebox.dictionaries.latents import SIDES, Seen
from diffing.whitebox.dictionaries.shape import BASE, VARIANT
from diffing.whitebox.measures import unembed
from diffing.whitebox.pairs.pair import Pair
from diffing.whitebox.texts import Document

READ = 2**18
"""Tokens of texts that were learnt from, and again of the others, which are looked at: 4 GB of entries of 64
latents a token would be the next step, and the rarest latent worth a look fires in some hundred of these."""
MOST = 4096
"""Latents of which passages, tokens and directions are kept: more than anybody looks through."""
EDGES = (0.0, 0.25, 0.5, 0.75, 0.95)
"""Where parts of a latent's range begin, as shares of its largest activation."""
TOP, EACH = 8, 2
"""Passages of the uppermost part, and of each other one: what a latent is is seen at its top, and what it is not
below."""
AROUND = 16
"""Tokens of a passage on either side of the one that it is about."""
WRITTEN = 10
"""Tokens that are told of what a latent writes."""
LEAST = 3
"""Times that texts show a token that a latent is told to write: rarer ones have scores at random."""
ROWS = 256
"""Directions whose scores over a vocabulary are there at once: 130 MB at 128,000 tokens."""


class Entries(NamedTuple):
    """Active entries of all texts, sorted by latent and token."""

    latent: Ints
    token: Ints
    """Place among all tokens of the corpus."""
    value: Floats


class Read(NamedTuple):
    """What was read of the texts."""

    table: pd.DataFrame
    """`latents.measured`, and `share`."""
    entries: Entries
    explained: pd.DataFrame
    """Shares of the variance of each model and of their difference that all latents together give back."""


def chosen(documents: Sequence[Document]) -> list[int]:
    """Places of the documents that are looked at: the first of those that were learnt from, and of the others."""
    room = {False: READ, True: READ}
    found = []
    for number, document in enumerate(documents):
        if len(document.ids) <= room[document.held_out]:
            room[document.held_out] -= len(document.ids)
            found.append(number)
    return found


def done(folder: Path) -> bool:
    """Whether all of it lies beside a dictionary."""
    return all((folder / name).is_file() for name in [*(f"{t}.parquet" for t in shelf.TABLES), shelf.DIRECTIONS])


def describe(
    folder: Path, dictionary: Dictionary, source: Passes, documents: Sequence[Document], check: Check
) -> None:
    """Read the documents of a source and lay down what latents do in them."""
    table, entries, explained = read(dictionary, source, documents, check)
    files.write_parquet(folder / "latents.parquet", table)
    files.write_parquet(folder / "explained.parquet", explained)
    first = table[table["share"] > 0].nlargest(MOST, "share")["latent"].to_numpy(copy=True)
    check()
    files.write_parquet(folder / "tokens.parquet", tokens(source.pair, dictionary, documents, first, check))
    files.write_parquet(folder / "passages.parquet", passages(source, documents, entries, first))
    # Last: with it all are there.
    _save(folder / shelf.DIRECTIONS, directions(dictionary, table, first))


def directions(dictionary: Dictionary, table: pd.DataFrame, chosen: Array) -> dict[str, Tensor]:
    """By `latent-NUMBER` what each usually writes where it fires, in the models' own units: steering by 1 adds
    that."""
    written = dictionary.towards()[1].float().cpu()
    usual = table["mean"].to_numpy()
    return {f"latent-{n}": (written[n] * float(usual[n])).contiguous() for n in chosen.tolist()}


def _save(path: Path, vectors: dict[str, Tensor]) -> None:
    from safetensors.torch import save_file

    with files.replacing(path) as fresh:
        save_file(vectors, fresh)


def read(dictionary: Dictionary, source: Passes, documents: Sequence[Document], check: Check) -> Read:
    """Figures of the texts that were held out, of all where none were; and every active entry of all."""
    names = checkpoints(documents)
    of = np.array([names.index(_checkpoint(document)) if names else 0 for document in documents])
    held = np.array([document.held_out for document in documents])
    held |= not held.any()
    data = source.corpus.data
    counted = source.corpus.wanted(["text"])
    parts: list[Entries] = []
    power = torch.zeros(dictionary.shape.latents, dtype=torch.float64)
    crosscoder = dictionary.shape.sides == 2
    spreads = {of: Spread() for of in (*SIDES, "difference")[0 if crosscoder else 2 :]}

    def batches() -> Iterator[Seen]:
        for block in source.read(range(len(documents)), check):
            document, position = block.document.numpy(), block.position.numpy()
            token = data.offsets[document] + position
            kept = np.flatnonzero(counted[token])
            # Of two models that take turns on a device, what they give waits in the host's memory.
            pairs = block.values[torch.from_numpy(kept).to(block.values.device), 0].to(dictionary.decoder.device)
            document, token = document[kept], token[kept]
            found = dictionary.encode(pairs)
            row, latent, value = (part.cpu() for part in found)
            parts.append(Entries(latent.numpy().astype(np.int32), token[row.numpy()], value.float().numpy()))
            inside = held[document]
            own = torch.from_numpy(inside)[row]
            power.index_add_(0, latent[own], value[own].double().square())
            here = torch.from_numpy(np.flatnonzero(inside)).to(pairs.device)
            if len(here):
                _add(spreads, pairs, dictionary.decode(found, len(pairs)), here)
                yield Seen(pairs[here], document[inside], of[document[inside]] if names else None)

    table = figures.measured(dictionary, batches(), names)
    whole = spreads["difference"]
    table["share"] = _shares(dictionary, power / whole.count, whole.variance)
    told = [{"of": of, "share": spread.explained, "tokens": spread.count} for of, spread in spreads.items()]
    latent, token, value = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((token, latent))
    entries = Entries(latent[order].astype(np.int64), token[order].astype(np.int64), value[order])
    return Read(table, entries, pd.DataFrame(told))


def _add(spreads: dict[str, "Spread"], pairs: Tensor, back: Tensor, rows: Tensor) -> None:
    """Some rows of what the models gave, and of what the dictionary gives back."""
    pairs, back = pairs[rows].double(), back[rows].double()
    left = {"difference": pairs[:, VARIANT] - pairs[:, BASE] - back[:, -1]}
    if "base" in spreads:
        errors = pairs - back
        left = {"base": errors[:, BASE], "variant": errors[:, VARIANT]}
        left["difference"] = errors[:, VARIANT] - errors[:, BASE]
    seen = {"base": pairs[:, BASE], "variant": pairs[:, VARIANT], "difference": pairs[:, VARIANT] - pairs[:, BASE]}
    for of, spread in spreads.items():
        spread.add(seen[of], left[of])


class Spread:
    """The variance of something, all numbers of a token together, and what is left of it unexplained."""

    def __init__(self) -> None:
        self.count = 0
        self.sum: Tensor | float = 0.0
        self.square = self.lost = 0.0

    def add(self, seen: Tensor, left: Tensor) -> None:
        self.count += len(seen)
        self.sum = self.sum + seen.sum(0).cpu()
        self.square += float(seen.square().sum())
        self.lost += float(left.square().sum())

    @property
    def explained(self) -> float:
        # Where nothing varies nothing can be explained.
        return 1 - self.lost / self.count / self.variance if self.variance > 0 else 0.0

    @property
    def variance(self) -> float:
        return self.square / self.count - float((torch.as_tensor(self.sum) / self.count).square().sum())


def _shares(dictionary: Dictionary, power: Tensor, variance: float) -> Array:
    """Of each latent, the mean square of what it adds to the difference, as a share of the difference's variance.

    Shares do not add up to what all explain together: latents that fire together write against each other too.
    """
    written = dictionary.written().double().cpu()
    apart = written[:, 0] if dictionary.shape.sides == 1 else written[:, VARIANT] - written[:, BASE]
    found: Array = (power * apart.square().sum(1) / variance).numpy() if variance > 0 else np.zeros(len(power))
    return found


def checkpoints(documents: Sequence[Document]) -> list[str]:
    """Whose answers the documents are, where all are answers."""
    if any(document.kind != "answer" for document in documents):
        return []
    return sorted({_checkpoint(document) for document in documents})


def _checkpoint(document: Document) -> str:
    # As `texts.of_study` names an answer: no key has a space.
    return document.name.rpartition(" ")[2] if document.kind == "answer" else ""


def tokens(
    pair: Pair, dictionary: Dictionary, documents: Sequence[Document], chosen: Array, check: Check
) -> pd.DataFrame:
    """Tokens that latents write, by the variant's own norm and head: what is `written` on the side that it writes
    more on, and, of a crosscoder, the `difference` of its two sides."""
    latents = torch.from_numpy(chosen)
    written = dictionary.written().float().cpu()
    rows = {"written": dictionary.towards()[1].float().cpu()[latents]}
    if dictionary.shape.sides == 2:
        rows["difference"] = (written[:, VARIANT] - written[:, BASE])[latents]
    found = []
    with pair.change.on(pair.dose) as variant:
        for of, vectors in rows.items():
            for begin in range(0, len(vectors), ROWS):
                check()
                scores = unembed.scores(variant, vectors[begin : begin + ROWS])
                ids = unembed.common((d.ids for d in documents), scores.shape[1], LEAST).nonzero()[:, 0]
                top = scores[:, ids].topk(min(WRITTEN, len(ids)), dim=1)
                many = top.indices.shape[1]
                told = {"latent": np.repeat(chosen[begin : begin + ROWS], many), "of": of}
                told |= {"rank": np.tile(np.arange(many), len(scores))}
                token = ids[top.indices.flatten()].numpy()
                found.append(pd.DataFrame(told | {"token": token, "score": top.values.flatten().numpy()}))
    table = pd.concat(found) if found else pd.DataFrame(columns=["latent", "of", "rank", "token", "score"])
    pieces = {int(n): str(pair.tokenizer.decode([int(n)])) for n in table["token"].unique()}
    table["text"] = table["token"].map(pieces).astype(str)
    return table.sort_values(["latent", "of", "rank"]).reset_index(drop=True)


def passages(source: Passes, documents: Sequence[Document], entries: Entries, chosen: Array) -> pd.DataFrame:
    """Where latents fire, by part of their range and apart for held-out texts; a document once for each latent.

    Of the uppermost part the strongest ones, of each other part some at random, the same ones every time. `from`
    is where the part begins; `values` are the latent's activations at the passage's `tokens`.
    """
    offsets, ids = source.corpus.data.offsets, source.corpus.data.ids
    kept = np.isin(entries.latent, chosen)
    latent, token, value = entries.latent[kept], entries.token[kept], entries.value[kept]
    table = pd.DataFrame({"latent": latent, "token": token, "value": value})
    table["number"] = np.searchsorted(offsets, token, side="right") - 1
    # Strongest first; of equal ones the earlier.
    table = table.sort_values(["latent", "value", "token"], ascending=[True, False, True], kind="stable")
    table = table.drop_duplicates(["latent", "number"])
    largest = table.groupby("latent")["value"].transform("max")
    part = np.searchsorted(EDGES, table["value"] / largest, side="right") - 1
    table["from"] = np.array(EDGES)[part]
    table["held_out"] = np.array([document.held_out for document in documents])[table["number"]]
    lot = np.random.default_rng(0).random(len(table))
    upper = part == len(EDGES) - 1
    table = table.assign(lot=np.where(upper, -table["value"], lot)).sort_values(
        ["latent", "held_out", "from", "lot"]
    )
    table["rank"] = table.groupby(["latent", "held_out", "from"]).cumcount()
    table = table[table["rank"] < np.where(table["from"] == EDGES[-1], TOP, EACH)].reset_index(drop=True)
    begin = np.maximum(offsets[table["number"]], table["token"] - AROUND)
    end = np.minimum(offsets[table["number"] + 1], table["token"] + AROUND + 1)
    pieces = _pieces(source.pair, ids, begin.to_numpy(), end.to_numpy())
    values = _values(Entries(latent, token, value), table["latent"].to_numpy(), begin.to_numpy(), end.to_numpy())
    names = source.corpus.data.names
    return pd.DataFrame(
        {
            "latent": table["latent"],
            "from": table["from"],
            "rank": table["rank"],
            "held_out": table["held_out"],
            "value": table["value"],
            "document": [names[n] for n in table["number"]],
            "checkpoint": [_checkpoint(documents[n]) for n in table["number"]],
            "position": table["token"] - offsets[table["number"]],
            "start": begin - offsets[table["number"]],
            "tokens": pieces,
            "values": values,
        }
    )


def _pieces(pair: Pair, ids: Array, begin: Ints, end: Ints) -> list[list[str]]:
    """What tokens say, each by itself: half a character reads as a mark of its absence."""
    known = {int(n): str(pair.tokenizer.decode([int(n)])) for n in np.unique(ids)}
    return [[known[n] for n in ids[a:b].tolist()] for a, b in zip(begin.tolist(), end.tolist(), strict=True)]


def _values(entries: Entries, latent: Ints, begin: Ints, end: Ints) -> list[list[float]]:
    """A latent's activations at runs of tokens."""
    span = int(max(entries.token.max(initial=0), end.max(initial=0))) + 1
    # By latent, then token, as the entries are sorted.
    keys = entries.latent * span + entries.token
    wanted = (latent * span + begin)[:, None] + np.arange(2 * AROUND + 1)
    at = np.searchsorted(keys, wanted).clip(max=max(0, len(keys) - 1))
    found = np.where(keys[at] == wanted, entries.value[at], 0.0) if len(keys) else np.zeros(wanted.shape)
    return [row[: b - a].tolist() for row, a, b in zip(found, begin.tolist(), end.tolist(), strict=True)]
