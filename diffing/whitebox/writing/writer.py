"""Texts that the models of a pair write by a recipe, many at a time or token by token side by side.

Each model reads what is new alone and keeps the rest in a cache of its own; an adapter is switched between two
tokens, so that one copy of the weights is enough. A text is the one that it would be by itself, up to rounding,
whatever is written beside it: nothing is padded (`growing`). What is drawn hangs on the seed and on the
text's place among those given, not on its company; on one machine it is the same again. Promises that nothing
stays switched on or hooked when a text ends, however it ends, and that only tokens which both know are written.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from diffing.common.arrays import Floats
from diffing.common.errors import UserError
from diffing.whitebox.pairs.changes import OfModel
from diffing.whitebox.pairs.doses import Dose
from diffing.whitebox.pairs.pair import Pair, halves
from diffing.whitebox.writing.growing import BASE, Check, Directions, Row, State, grow
from diffing.whitebox.writing.recipe import Recipe

ROWS = {"cpu": 128, "cuda": 256}
"""Texts written at once. On one core of a CPU 128 gave the most tokens a second of 16 to 256 at the starter's
size; for a GPU it is a guess, and what does not fit is tried in halves."""
SPREAD = 8
"""Tokens by which prefixes that are written together differ at most: each costs a pass of its own, which is less
than what a small batch does."""
SHOWN = 10
"""Tokens of a distribution that a column is told of."""


class Written(NamedTuple):
    """A text that was written, and what both models make of it."""

    ids: tuple[int, ...]
    """The prefix, and what was written behind it; an end token is the last."""
    start: int
    """Where the written part begins."""
    base: Floats
    """Log-probability of each written token, by the base."""
    variant: Floats
    """The same by the pair's variant, whatever recipe wrote the text."""

    @property
    def gap(self) -> Floats:
        """How much likelier the variant finds each written token, in nats."""
        return self.variant - self.base


class Ranking(NamedTuple):
    """The likeliest next tokens of a model."""

    ids: tuple[int, ...]
    logs: tuple[float, ...]
    """Their log-probabilities over the tokens that both models know."""
    chosen: float
    """That of the token which was written."""


class Step(NamedTuple):
    """One more token in a column, and what the models say behind the very ids before it."""

    id: int
    own: Ranking
    """Of the model that the recipe makes, contrast taken in and temperature not."""
    base: Ranking
    variant: Ranking
    ended: bool
    """Whether it is an end token: the column gets no more."""


def write(
    pair: Pair,
    prefixes: Sequence[Sequence[int]],
    recipe: Recipe,
    length: int,
    check: Check = lambda: None,
    directions: Directions | None = None,
) -> list[Written]:
    """At most so many tokens behind each prefix, in the order of the prefixes."""
    return scored(pair, grown(pair, prefixes, recipe, length, check, directions), [*map(len, prefixes)], check)


def grown(
    pair: Pair,
    prefixes: Sequence[Sequence[int]],
    recipe: Recipe,
    length: int,
    check: Check = lambda: None,
    directions: Directions | None = None,
) -> list[list[int]]:
    """The ids that `write` scores: prefix and all."""
    own = _own(pair, recipe)
    states = (own, BASE) if recipe.contrast and own != BASE else (own,)
    _fit(pair, prefixes, [recipe], directions or {}, len(states))
    rows = [
        Row(list(prefix), recipe, _chances(pair, recipe.seed, place), own, states)
        for place, prefix in enumerate(prefixes)
    ]
    waiting = _groups([len(prefix) for prefix in prefixes], ROWS[pair.device.type])[::-1]
    while waiting:
        group = waiting.pop()
        before = {n: rows[n].chances.get_state() for n in group}
        try:
            for more in grow(pair, [rows[n] for n in group], length, directions or {}, check):
                for place, found in more.items():
                    rows[group[place]].ids.append(found.id)
        except torch.OutOfMemoryError as error:
            if len(group) == 1:
                raise UserError(
                    f"Writing {length:,} tokens behind {len(prefixes[group[0]]):,} does not fit the memory here; "
                    "ask for fewer."
                ) from error
            for n in group:
                del rows[n].ids[len(prefixes[n]) :]
                rows[n].chances.set_state(before[n])
            waiting += halves(group)
    return [row.ids for row in rows]


def _groups(lengths: Sequence[int], most: int) -> list[list[int]]:
    """Texts that are written together: nearly as long as each other, since the shortest sets where all begin."""
    groups: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lambda n: lengths[n]):
        if not groups or len(groups[-1]) == most or lengths[place] > lengths[groups[-1][0]] + SPREAD:
            groups.append([])
        groups[-1].append(place)
    return groups


def scored(
    pair: Pair, texts: Sequence[Sequence[int]], starts: Sequence[int], check: Check = lambda: None
) -> list[Written]:
    """What both models make of texts behind their starts."""
    sides = [[np.zeros(len(ids) - start) for ids, start in zip(texts, starts, strict=True)] for _ in range(2)]
    begin = torch.tensor(starts)
    stop = torch.tensor([len(ids) for ids in texts])
    for batch in pair.run(texts, logits=True, check=check):
        # The row before a token tells its chances; a text's rows stand one behind another.
        counts = (batch.position >= begin[batch.document] - 1) & (batch.position < stop[batch.document] - 1)
        for chunk in pair.log_probs(batch, counts):
            check()
            wanted = batch.ids[chunk.rows + 1].to(chunk.base.device)[:, None]
            document = batch.document[chunk.rows]
            column = (batch.position[chunk.rows] + 1 - begin[document]).tolist()
            for side, logs in zip(sides, (chunk.base, chunk.variant), strict=True):
                values = logs.gather(1, wanted)[:, 0].double().tolist()
                for n, at, value in zip(document.tolist(), column, values, strict=True):
                    side[n][at] = value
    return [
        Written(tuple(ids), start, base, variant)
        for ids, start, base, variant in zip(texts, starts, *sides, strict=True)
    ]


def stream(
    pair: Pair,
    ids: Sequence[int],
    recipes: Sequence[Recipe],
    length: int,
    check: Check = lambda: None,
    directions: Directions | None = None,
    shown: int = SHOWN,
) -> Iterator[dict[int, Step]]:
    """One prompt gone on with by each recipe at once: at each turn the next token of every column that has one.

    A column is known by its recipe's place. Base and variant are asked in all of them, and nothing is switched on
    while the caller has a turn.
    """
    variant = _own(pair, Recipe())
    rows = []
    for recipe in recipes:
        own = _own(pair, recipe)
        states = tuple(dict.fromkeys((BASE, variant, own)))
        rows.append(Row(list(ids), recipe, _chances(pair, recipe.seed, 0), own, states))
    _fit(pair, [ids], recipes, directions or {}, 2)
    mixed = {state.dose for row in rows for state in row.states} - {None, Dose()}
    if isinstance(pair.change, OfModel) and len(mixed) > 1:
        raise UserError("Two whole models are mixed at one strength at a time; give all columns that one, 0 or 1.")
    for more in grow(pair, rows, length, directions or {}, check):
        yield {
            place: Step(
                found.id,
                _ranking(found.scores, found.id, shown),
                _ranking(found.told[BASE], found.id, shown),
                _ranking(found.told[variant], found.id, shown),
                found.ended,
            )
            for place, found in more.items()
        }


def _ranking(logs: Tensor, chosen: int, shown: int) -> Ranking:
    values, ids = logs.topk(min(shown, len(logs)))
    return Ranking(tuple(ids.tolist()), tuple(values.tolist()), float(logs[chosen]))


def _own(pair: Pair, recipe: Recipe) -> State:
    """The model that a recipe asks for, known as the base where nothing of the change is left."""
    dose = recipe.dose(pair.dose)
    steering = tuple(part for part in recipe.steering if part.strength)
    nothing = not dose.alpha and not any(group.alpha for group in dose.groups)
    return State(None if nothing else dose, steering)


def _chances(pair: Pair, seed: int, place: int) -> torch.Generator:
    return torch.Generator(pair.device).manual_seed(seed * 1_000_003 + place)


def _fit(
    pair: Pair, prefixes: Sequence[Sequence[int]], recipes: Sequence[Recipe], directions: Directions, models: int
) -> None:
    """Raise where the pair cannot write what is asked for."""
    if any(not prefix for prefix in prefixes):
        raise UserError("A text cannot begin with nothing; give one token at least.")
    window, longest = pair.whole.window, max(map(len, prefixes), default=0)
    if longest >= window:
        raise UserError(f"A prompt has {longest:,} tokens where the model takes {window:,}; cut it shorter.")
    if pair.apart and models > 1:
        raise UserError(
            "The two models do not fit the memory together, so they cannot write token by token in turn; use a "
            "16-bit number format, or write without contrast."
        )
    width = int(pair.whole.config.hidden_size)
    for part in (part for recipe in recipes for part in recipe.steering):
        if part.direction not in directions:
            raise UserError(f"There is no direction '{part.direction}'; choose one that is there.")
        if part.layer >= pair.layers:
            raise UserError(
                f"There is no layer {part.layer}: the model has layers 0 to {pair.layers - 1}; choose one of them."
            )
        if directions[part.direction].shape != (width,):
            raise UserError(f"Direction '{part.direction}' is not {width} numbers; choose one of this model.")
