"""What a latent does: added to the base, taken out of the variant, beside what others would do there.

A latent's part of the difference, as strong as it fires token by token, is added to the base's stream and taken
out of the variant's; told is by how many nats each comes nearer to the other model where the latent fires, in the
texts in which it fires most. Two controls, each with an exact p: latents drawn at random that take as much, each
at its own places, and directions between two tokens of the base, as long, and at the very same places. Beating
directions says that the latent, and not any push of that size, is what parts the models there; of a change with
nothing to find that is true too. Beating latents says that few of its like do as much.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from pydantic import Field
from scipy.special import stdtrit
from torch import Tensor, nn

from diffing.common.arrays import Floats, Ints
from diffing.common.errors import UserError
from diffing.common.step import Settings
from diffing.models.hooks import layers_of
from diffing.models.whole import Whole
from diffing.whitebox.activations.source import Check, Source
from diffing.whitebox.dictionaries.dictionary import Dictionary
from diffing.whitebox.dictionaries.shape import BASE, VARIANT
from diffing.whitebox.measures.apart import kl
from diffing.whitebox.pairs.pair import Pair

TOGETHER = 16_384
"""Tokens of a pass with something pushed: as the packed pass's on a GPU, by half, since logits lie beside."""


COLUMNS = (
    "latent",
    "texts",
    "steered",
    "ablated",
    "effect",
    "effect_low",
    "effect_high",
    "p_latents",
    "p_directions",
    "latents_high",
    "directions_high",
    "raises",
)
"""Of what is told; `…_high` is the most that any of the controls does."""


class Options(Settings):
    """How much is tried."""

    texts: int = Field(default=12, ge=2)
    """In which a latent fires most."""
    places: int = Field(default=4, ge=1)
    """Of a text: those where it fires most."""
    controls: int = Field(default=19, ge=0)
    """Of each kind: the fewest of which a p can be 1 in 20. With none there is no p."""
    tokens: int = Field(default=5, ge=1)
    """That are told of what a latent makes likelier."""
    seed: int = Field(default=0, ge=0)


class Firing(NamedTuple):
    """Where some latents fire, by latent."""

    document: Ints
    position: Ints
    value: Floats


class Places(NamedTuple):
    """Where one latent is tried."""

    documents: list[int]
    push: Tensor
    """[documents, longest]: how strongly it fires at each token."""
    told: Tensor
    """The same shape: where what it does is told."""


def causal(
    pair: Pair,
    source: Source,
    dictionary: Dictionary,
    latents: Sequence[int],
    options: Options | None = None,
    check: Check = lambda: None,
) -> pd.DataFrame:
    """A row for each of some latents; `source` reads the pair's one layer, of texts new to the dictionary.

    `steered` and `ablated` are nats a token, `effect` is their mean with 95 % over texts; `p_latents` and
    `p_directions` are the chance of as large an effect, were the latent one of either control; NaN where it fires
    in fewer than two texts, or too few other latents fire.
    """
    asked = options or Options()
    if len(source.layers) != 1 or dictionary.shape.width != source.width:
        raise UserError("A dictionary is tried at the one layer that it was trained on; read that one.")
    draws = np.random.default_rng(asked.seed)
    firing, amount, around = _fired(source, dictionary, check)
    wanted = [int(latent) for latent in latents]
    pool = _pool(amount, wanted, asked.controls, draws)
    trial = Trial(pair, source, dictionary, firing, asked, around)
    found = {}
    for latent in dict.fromkeys([*wanted, *(other for others in pool.values() for other in others)]):
        check()
        found[latent] = trial.of(latent, latent in pool)
    rows = [_row(latent, found, pool[latent], asked.controls) for latent in wanted]
    return pd.DataFrame(rows, columns=list(COLUMNS))


class Effect(NamedTuple):
    """What one latent does."""

    steered: Floats
    """By text."""
    ablated: Floats
    directions: Floats
    """The mean effect of each random direction in its place."""
    raises: str
    """What it makes likelier, as text."""

    @property
    def both(self) -> Floats:
        return (self.steered + self.ablated) / 2


def _row(latent: int, found: Mapping[int, Effect | None], pool: Sequence[int], controls: int) -> dict[str, Any]:
    effect = found[latent]
    row: dict[str, Any] = dict.fromkeys(COLUMNS, np.nan) | {"latent": latent, "texts": 0, "raises": ""}
    if effect is None:
        return row
    both = effect.both
    count, mean = len(both), float(both.mean())
    reach = float(stdtrit(count - 1, 0.975) * both.std(ddof=1) / count**0.5)
    row |= {"texts": count, "steered": effect.steered.mean(), "ablated": effect.ablated.mean(), "effect": mean}
    row |= {"effect_low": mean - reach, "effect_high": mean + reach, "raises": effect.raises}
    if len(effect.directions):
        row |= {"p_directions": rank_p(mean, effect.directions), "directions_high": effect.directions.max()}
    others = [other.both.mean() for one in pool if (other := found[one]) is not None]
    if controls and len(others) >= controls:
        row |= {"p_latents": rank_p(mean, others[:controls]), "latents_high": max(others[:controls])}
    return row


def rank_p(own: float, others: Sequence[float] | Floats) -> float:
    """The chance of so high a rank among others, were it one of them."""
    return (1 + int((np.asarray(others) >= own).sum())) / (1 + len(others))


def _pool(amount: Floats, wanted: Sequence[int], count: int, draws: np.random.Generator) -> dict[int, list[int]]:
    """For each latent, latents at random of those that take about as much.

    A few more than are wanted: one may fire in a single text.
    """
    alive = np.flatnonzero(amount > 0)
    pool = {}
    for latent in wanted:
        others = alive[alive != latent]
        near = others[np.argsort(np.abs(np.log(amount[others] / max(amount[latent], 1e-300))), kind="stable")]
        # Of four times as many, so that chance and not the very nearest decide.
        near = near[: 4 * count]
        size = min(len(near), count + count // 4)
        pool[latent] = sorted(draws.choice(near, size, replace=False).tolist())
    return pool


def _fired(source: Source, dictionary: Dictionary, check: Check) -> tuple[dict[int, Firing], Floats, Tensor]:
    """Where each latent fires, what it takes in all, and activations of the base for directions at random."""
    parts: list[tuple[Ints, Ints, Ints, Floats]] = []
    rows = []
    for block in source.read(range(len(source.corpus)), check):
        document, position = block.document.numpy(), block.position.numpy()
        counts = source.corpus.wanted(["text"])[source.corpus.data.offsets[document] + position]
        kept = np.flatnonzero(counts)
        pairs = block.values[torch.from_numpy(kept).to(block.values.device), 0]
        found = dictionary.encode(pairs)
        row = kept[found.row.cpu().numpy()]
        latent, value = found.latent.cpu().numpy(), found.value.double().cpu().numpy()
        parts.append((latent, document[row], position[row], value))
        rows.append(pairs[:: max(1, len(pairs) // 64), BASE].float().cpu())
    if not parts:
        raise UserError("There are no texts to try latents on; give some.")
    latent, document, position, value = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((position, document, latent))
    edges = np.searchsorted(latent[order], np.arange(dictionary.shape.latents + 1))
    firing = {}
    for number in np.unique(latent).tolist():
        mine = order[edges[number] : edges[number + 1]]
        firing[number] = Firing(document[mine], position[mine], value[mine])
    lengths = gaps(dictionary).norm(dim=1).double().cpu().numpy()
    amount = np.bincount(latent, value, dictionary.shape.latents) * lengths
    return firing, amount, torch.cat(rows)


def gaps(dictionary: Dictionary) -> Tensor:
    """What an activation of 1 of each latent says that the variant has and the base has not: [latents, width]."""
    written = dictionary.written()
    return written[:, 0] if dictionary.shape.sides == 1 else written[:, VARIANT] - written[:, BASE]


class Trial:
    """A pair in which latents are tried, one after another."""

    def __init__(
        self,
        pair: Pair,
        source: Source,
        dictionary: Dictionary,
        firing: Mapping[int, Firing],
        options: Options,
        around: Tensor,
    ) -> None:
        self.pair, self.source, self.options, self.firing = pair, source, options, firing
        self.gaps = gaps(dictionary).float().cpu()
        self.around = around
        """Activations of the base: two of them are a direction that its streams go along."""

    def of(self, latent: int, controlled: bool) -> Effect | None:
        """What a latent does; None where it fires in fewer than two texts."""
        places = self._places(latent)
        if places is None:
            return None
        own = self.gaps[latent][None]
        others = self._directions(latent, float(own.norm())) if controlled and self.options.controls else own[:0]
        with self.pair.variant(self.pair.dose.alpha, self.pair.dose.groups) as whole:
            variant = self._said(whole, places)
            known = variant.shape[1]
        with self.pair.base() as whole:
            base = self._said(whole, places)
            known = min(known, base.shape[1])
            variant, base = (each[:, :known].log_softmax(-1) for each in (variant, base))
            start = kl(variant, base)
            steered, likelier = [], torch.zeros(known)
            for n, said in enumerate(self._pushed(whole, places, torch.cat([own, others]))):
                logs = said[:, :known].log_softmax(-1)
                steered.append(start - kl(variant, logs))
                if not n:
                    likelier = (logs.exp() - base.exp()).mean(0)
        start = kl(base, variant)
        ablated = []
        with self.pair.variant(self.pair.dose.alpha, self.pair.dose.groups) as whole:
            for said in self._pushed(whole, places, -torch.cat([own, others])):
                ablated.append(start - kl(base, said[:, :known].log_softmax(-1)))
        document = places.told.nonzero()[:, 0]
        by_text = [self._by_text(torch.stack(each), document) for each in (steered, ablated)]
        mean = ((by_text[0] + by_text[1]) / 2).mean(1)
        top = likelier.topk(min(self.options.tokens, known)).indices.tolist()
        raises = "".join(f"“{self.pair.tokenizer.decode([token])}” " for token in top if likelier[token] > 0)
        return Effect(by_text[0][0], by_text[1][0], mean[1:], raises.strip())

    @staticmethod
    def _by_text(gains: Tensor, document: Tensor) -> Floats:
        """Means over each text's places, so that no text counts for more than one."""
        texts = int(document.max()) + 1
        sums = torch.zeros(len(gains), texts, dtype=torch.float64).index_add_(1, document, gains.double())
        found: Floats = (sums / torch.bincount(document, minlength=texts)).numpy()
        return found

    def _places(self, latent: int) -> Places | None:
        """The texts in which a latent fires most, and where in them."""
        if latent not in self.firing:
            return None
        fired = self.firing[latent]
        texts, of = np.unique(fired.document, return_inverse=True)
        if len(texts) < 2:
            return None
        strongest = np.zeros(len(texts))
        np.maximum.at(strongest, of, fired.value)
        chosen = np.argsort(-strongest, kind="stable")[: self.options.texts]
        lengths = self.source.corpus.lengths[texts[chosen]]
        push = torch.zeros(len(chosen), int(lengths.max()))
        told = torch.zeros(push.shape, dtype=torch.bool)
        for row, text in enumerate(chosen):
            mine = np.flatnonzero(of == text)
            push[row, fired.position[mine]] = torch.from_numpy(fired.value[mine]).float()
            best = mine[np.argsort(-fired.value[mine], kind="stable")[: self.options.places]]
            told[row, fired.position[best]] = True
        return Places(texts[chosen].tolist(), push, told)

    def _directions(self, latent: int, length: float) -> Tensor:
        """Directions between two tokens of the base, as long as what the latent writes."""
        draws = np.random.default_rng([self.options.seed, latent])
        pairs = np.stack([draws.choice(len(self.around), 2, replace=False) for _ in range(self.options.controls)])
        apart = self.around[pairs[:, 0]] - self.around[pairs[:, 1]]
        return nn.functional.normalize(apart, dim=1) * length

    def _said(self, whole: Whole, places: Places) -> Tensor:
        return next(iter(self._pushed(whole, places, torch.zeros(1, self.gaps.shape[1]))))

    def _pushed(self, whole: Whole, places: Places, directions: Tensor) -> Iterator[Tensor]:
        """The logits at the places told, with each direction in turn in the latent's place."""
        rows = self.source.corpus.rows(places.documents)
        each = max(1, TOGETHER // places.push.numel())
        ids = torch.zeros(places.push.shape, dtype=torch.long)
        for n, row in enumerate(rows):
            # Padded on the right, where no token of the text looks.
            ids[n, : len(row)] = torch.tensor(row)
        for part in torch.split(directions, each):
            added = (places.push[None, :, :, None] * part[:, None, None, :]).flatten(0, 1)
            told = places.told.repeat(len(part), 1).to(whole.device)
            with torch.inference_mode(), _adding(whole, self.source.layers[0], added.to(whole.device)):
                given = ids.repeat(len(part), 1).to(whole.device)
                last = whole.model(input_ids=given, use_cache=False).last_hidden_state[told]
            logits = whole.logits(last).cpu()
            yield from torch.split(logits, int(places.told.sum()))


@contextmanager
def _adding(whole: Whole, layer: int, added: Tensor) -> Iterator[None]:
    """The model with something added to what a layer gives."""

    def add(_module: nn.Module, _args: Any, output: Any) -> Any:
        # Some layers give their hidden states alone, others a tuple that begins with them.
        hidden = output[0] if isinstance(output, tuple) else output
        moved = (hidden.float() + added).to(hidden.dtype)
        return (moved, *output[1:]) if isinstance(output, tuple) else moved

    handle = layers_of(whole.model)[layer].register_forward_hook(add)
    try:
        yield
    finally:
        handle.remove()
