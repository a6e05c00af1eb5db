"""What the variant carries into the first tokens of any text: the activation difference lens.

The mean difference of the residual streams, at one or more layers and at places of a text, is read in words
through the models' final norm and head. Most of it is that training took place at all: what the nulls'
differences share with it is therefore taken out, and what is left is read too. Promises exact zeros for the same
weights twice, and that a token's figure is a change in nats at the base's own mean. Says nothing of changes that
need context, such as how a sentence ends: this is the wrong tool for them.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pandas as pd
import torch
from pydantic import Field, field_validator
from torch import Tensor

from diffing.common.errors import UserError
from diffing.common.step import Settings
from diffing.models.whole import Whole
from diffing.whitebox.measures import unembed
from diffing.whitebox.method import Check, Cost
from diffing.whitebox.methods.lens import causal, patchscope, reading, steering
from diffing.whitebox.methods.lens.sums import BLOCKS, PLACES, Stream, Sums, sizes
from diffing.whitebox.pairs.pair import Batch, Chunk, Pair
from diffing.whitebox.results import Result
from diffing.whitebox.texts import Document

NAME = "lens"
TITLE = "Activation difference lens"
VERSION = 3
NEEDS = frozenset({"layers"})
MARGIN = 3.0
"""A turned change, matched in KL, moves a few tokens of the lens far, each turn others: 10 of 24 turns passed the
usual margin, the furthest at 2.6 bars. Whatever is less is not told from that."""
ORDINARY = 20
"""Tokens that a base must be able to name before its patched readings are looked at."""
OPENING = 4
"""Tokens of a text that are gone on from: few, so that much is left open."""
TAKEN_OUT = ", nulls taken out"
"""Behind the kind of a figure of which the nulls' part was taken out."""


class Options(Settings):
    """Where the difference is taken, and which tokens it is read in."""

    layer: tuple[int | float, ...] = Field(default=(0.5, 0.85), min_length=1, max_length=16)
    """Layers: numbers from 0, or shares of the depth with a point. Half the depth is what was published; planted
    pieces of the bundled organisms rank well only nearer to the head."""
    least: int = Field(default=5, ge=1)
    """Times that the texts show a token which is ranked: of rarer ones a lens may say anything."""

    patchscope: bool = True
    """Whether differences are also put in a word's place, in a base that can name ordinary words so."""
    causal: int = Field(default=0, ge=0)
    """Documents on which the direction is put back and taken away in the variant; each is read many times."""
    controls: int = Field(default=8, ge=1, le=64)
    """Random directions beside it."""
    steered: int = Field(default=0, ge=0, le=10_000)
    """Texts that the base writes with the direction added, and so many with each random one."""
    length: int = Field(default=32, ge=4, le=4096)
    """Tokens of each of them."""

    @field_validator("layer", mode="before")
    @classmethod
    def _several(cls, told: object) -> object:
        # One may be written alone, several with commas.
        if isinstance(told, str):
            return [float(part) if "." in part else int(part) for part in told.split(",")]
        return [told] if isinstance(told, int | float) else told

    @field_validator("layer")
    @classmethod
    def _inside(cls, told: tuple[int | float, ...]) -> tuple[int | float, ...]:
        for layer in told:
            if layer < 0 or (isinstance(layer, float) and layer > 1):
                raise ValueError("a layer is a number from 0, or a share of the depth from 0.0 to 1.0")
        return told


def layers(options: Options, pair: Pair) -> tuple[int, ...]:
    """The layers that it reads."""
    top = pair.layers - 1
    found = {round(layer * top) if isinstance(layer, float) else layer for layer in options.layer}
    if max(found) > top:
        raise UserError(f"There is no layer {max(found)}: the model has layers 0 to {top}; choose one of them.")
    return tuple(sorted(found))


class Accumulator:
    """Takes batch after batch, then reads what their differences have in common."""

    def __init__(self, pair: Pair, documents: Sequence[Document], options: Options) -> None:
        self.pair = pair
        self.documents = documents
        self.options = options
        self.layers = layers(options, pair)
        width = int(pair.whole.config.hidden_size)
        self.sums = Sums(documents, self.layers, width, pair.device)

    def add(self, batch: Batch) -> None:
        self.sums.add(batch)

    def add_chunk(self, _batch: Batch, _chunk: Chunk) -> None:
        """Distributions are not looked at."""

    def result(self, check: Check) -> Result:
        stream = self.sums.stream()
        tokens = self._tokens()
        texts = [str(self.pair.tokenizer.decode([token])) for token in tokens.tolist()]
        asked = reading.Asked(self.layers, tokens, texts)
        base = self.pair.whole
        places = reading.starts(base, stream, tokens)
        before = [reading.lists(base, stream.shift(n), stream.mean(n), tokens) for n in range(len(self.layers))]
        check()
        with own_head(self.pair) as variant:
            figured = reading.figures(variant, stream, asked, places)
            after = [reading.lists(variant, stream.shift(n), stream.after(n), tokens) for n in range(len(before))]
        facts = {
            "layers": list(self.layers),
            "tokens": len(tokens),
            "documents": sum(not document.held_out for document in self.documents),
        }
        tables = {
            "sizes": sizes(stream, self.layers),
            "tokens": reading.told(asked, before, after),
            "figured": figured,
        }
        if self.options.patchscope:
            facts["named"], tables["patchscope"] = self._patchscope(stream, tokens, check)
        if self.options.causal:
            tables["causal"] = self._causal(stream, check)
        if self.options.steered and len(tokens):
            tables |= self._steered(stream, tokens, check)
        return Result(facts, tables, stream._asdict())

    def _patchscope(self, stream: Stream, tokens: Tensor, check: Check) -> tuple[list[float], pd.DataFrame]:
        """How well the base names ordinary tokens at each layer, and what it reads where it does."""
        tokenizer, seen = self.pair.tokenizer, [token for d in self.documents for token in d.ids]
        # Words that stand alone, the commonest first: what a model that can do this at all can name.
        common = [token for token, _ in Counter(seen).most_common() if is_word(str(tokenizer.decode([token])))]
        named, rows = [], []
        with self.pair.base() as whole:
            for n, layer in enumerate(self.layers):
                check()
                asked = common[:ORDINARY]
                named.append(patchscope.able(whole, tokenizer, layer, asked) if asked else 0.0)
                if named[-1] < patchscope.NAMED or not len(tokens):
                    continue
                for place in reading.readable(stream).tolist():
                    parts = (stream.delta[n, : BLOCKS // 2], stream.delta[n, BLOCKS // 2 : -1])
                    halves = [part.sum(0)[place].float() for part in parts]
                    if not all(half.any() for half in halves):
                        continue
                    mean = stream.after(n)[place].float()
                    found = patchscope.read(whole, tokenizer, layer, (halves[0], halves[1]), mean, tokens)
                    texts = [tokenizer.decode([token]) for token in found.tokens]
                    rows.append((layer, PLACES[place], found.scale, found.agreed, list(found.tokens), texts))
        columns = ["layer", "place", "scale", "agreed", "tokens", "texts"]
        return named, pd.DataFrame(rows, columns=columns)

    def _causal(self, stream: Stream, check: Check) -> pd.DataFrame:
        """What the mean direction of the places that are read does to the loss, layer by layer."""
        documents, places = self.documents[: self.options.causal], reading.readable(stream)
        parts = [
            causal.effects(
                self.pair, documents, layer, stream.shift(n)[places].sum(0), self.options.controls, check
            )
            for n, layer in enumerate(self.layers)
        ]
        return pd.concat(parts, ignore_index=True)

    def _steered(self, stream: Stream, tokens: Tensor, check: Check) -> dict[str, pd.DataFrame]:
        """What the base writes with the mean direction of the places that are read, layer by layer."""
        prefixes = beginnings(self.documents, self.options.steered)
        asked = steering.Asked(prefixes, self.options.length, self.options.controls)
        shifts = [stream.shift(n)[reading.readable(stream)].float().mean(0) for n in range(len(self.layers))]
        found = [
            steering.steered(self.pair, layer, shift, tokens, asked, check)
            for layer, shift in zip(self.layers, shifts, strict=True)
            # The same weights twice push nowhere.
            if bool(shift.any())
        ]
        if not found:
            return {}
        return {
            "steered": pd.concat([each.counts for each in found], ignore_index=True),
            "steered_texts": pd.concat([each.texts for each in found], ignore_index=True),
        }

    def _tokens(self) -> Tensor:
        """Which are ranked: those that the texts show often enough and both models know."""
        rows = [document.ids for document in self.documents]
        known = min(len(self.pair.tokenizer), int(self.pair.whole.config.vocab_size))
        return unembed.common(rows, known, self.options.least).nonzero()[:, 0]


@contextmanager
def own_head(pair: Pair) -> Iterator[Whole]:
    """The variant's final norm and head, for the block; the base's where the change leaves them alone."""
    if not pair.change.heads:
        yield pair.whole
        return
    # No turn on the device: where two take turns, both are small enough here for the host.
    with pair.change.on(pair.dose) as whole:
        yield whole


def beginnings(documents: Sequence[Document], count: int) -> list[list[int]]:
    """So many prefixes to go on from: prompts of answers, the first tokens of texts; each in turn."""
    stops = [d.start if d.kind == "answer" else d.start + OPENING for d in documents]
    found = [d.ids[:stop] for d, stop in zip(documents, stops, strict=True) if stop < d.stop]
    known = [list(row) for row in dict.fromkeys(found)]
    if not known:
        raise UserError(
            f"No text is longer than {OPENING} tokens, so none can be gone on from; name longer texts."
        )
    return [known[n % len(known)] for n in range(count)]


def is_word(text: str) -> bool:
    return len(text.strip()) > 2 and text.strip().isalpha()


def cost(pair: Pair, documents: Sequence[Document], options: Options) -> Cost:
    """Nothing beside the shared pass, but for prompts and patched readings that were asked for."""
    count = len(layers(options, pair))
    # A prompt has about 12 tokens; the lists are those of halves, mean and whole at each place and size.
    lists = ORDINARY + 4 * len(patchscope.SCALES) * (reading.READ.stop - reading.READ.start)
    patched = 12 * len(patchscope.PROMPTS) * lists if options.patchscope else 0
    # Base twice, variant, and two changes of it for each direction.
    again = (3 + 2 * (1 + options.controls)) * sum(len(d.ids) for d in documents[: options.causal])
    # At each strength until texts fall apart, by each random direction, and by the base alone; read by both.
    written = count * (1 + len(steering.STRENGTHS) + options.controls) * options.steered * options.length
    return Cost(written=written, read=count * (patched + again) + 2 * written)


def figures(result: Result, _options: Options) -> pd.DataFrame:
    """Tokens that the difference makes likelier, or less likely, read through the variant's own head."""
    return result.tables["figured"]


def against(pair: Pair, result: Result, others: Sequence[Result], options: Options) -> pd.DataFrame:
    """The same, and what is left of them once the part that other pairs' differences share was taken out.

    Read through the base's head, which all of them have.
    """
    stream, told = Stream(**result.arrays), result.tables["tokens"].drop_duplicates("token")
    tokens = torch.tensor(told["token"].to_list())
    asked = reading.Asked(result.facts["layers"], tokens, told["text"].to_list())
    places = reading.starts(pair.whole, stream, tokens)
    streams = [Stream(**other.arrays) for other in others]
    left = reading.figures(pair.whole, stream, asked, places, streams, TAKEN_OUT)
    return pd.concat([part for part in (figures(result, options), left) if len(part)] or [left], ignore_index=True)
