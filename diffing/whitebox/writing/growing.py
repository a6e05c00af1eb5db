"""Rows of ids that grow token by token, each by the models that its recipe asks for.

A model that several rows ask for reads them together, what is new alone, and keeps the rest in a cache of its own.
Nothing is padded: all begin with as many ids as the shortest has, and the others are given theirs until it is
their turn to grow. Promises that a model is switched on while it reads and no longer; only where all rows ask for
one model alone does it stay on from the first token to the last. Holds nothing of texts: `writing` does.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from diffing.models.hooks import layers_of
from diffing.models.whole import Whole
from diffing.whitebox.pairs.changes import OfModel
from diffing.whitebox.pairs.doses import Dose
from diffing.whitebox.pairs.pair import Pair
from diffing.whitebox.writing.recipe import Recipe, Steering

Check = Callable[[], None]
Directions = Mapping[str, Tensor]


class State(NamedTuple):
    """A set of weights at a strength, steered or not."""

    dose: Dose | None
    """None for the base."""
    steering: tuple[Steering, ...] = ()


class Row(NamedTuple):
    """A text that grows."""

    ids: list[int]
    recipe: Recipe
    chances: torch.Generator
    own: State
    states: tuple[State, ...]
    """Models that are asked for each of its tokens."""


class Grown(NamedTuple):
    """A row's next token, and what it was drawn from."""

    id: int
    scores: Tensor
    told: dict[State, Tensor]
    ended: bool


BASE = State(None)


@contextmanager
def _model(pair: Pair, dose: Dose | None) -> Iterator[Whole]:
    with pair.base() if dose is None else pair.variant(dose.alpha, dose.groups) as whole:
        yield whole


class Side:
    """A model that reads rows as they grow, with its cache."""

    def __init__(self, state: State, rows: list[int], directions: Directions, known: int) -> None:
        self.state = state
        self.rows = rows
        self.logs: Tensor = torch.empty(0)
        """Log-probabilities of the next token: a row each."""
        self.ends: set[int] = set()
        self._directions = directions
        self._known = known
        self._cache: Any = None

    @torch.inference_mode()
    def read(self, whole: Whole, ids: Tensor, written: Tensor) -> None:
        """Take in what is new of each row, which is a prompt's or `written`."""
        if self._cache is None:
            self._cache = DynamicCache(config=whole.causal.config)
            told = whole.causal.generation_config.eos_token_id
            self.ends = set(told if isinstance(told, list) else [told]) - {None}
        with self._steered(whole, written):
            logits = whole.causal(
                input_ids=ids.to(whole.device), past_key_values=self._cache, use_cache=True, logits_to_keep=1
            ).logits
        self.logs = logits[:, -1, : self._known].float().log_softmax(-1)

    def of(self, rows: Sequence[int]) -> Tensor:
        return self.logs[[self.rows.index(row) for row in rows]]

    def keep(self, rows: set[int]) -> None:
        """Forget the other rows."""
        places = [n for n, row in enumerate(self.rows) if row in rows]
        if len(places) == len(self.rows):
            return
        self.rows = [self.rows[n] for n in places]
        if places:
            with torch.inference_mode():
                self._cache.batch_select_indices(torch.tensor(places, device=self.logs.device))

    @contextmanager
    def _steered(self, whole: Whole, written: Tensor) -> Iterator[None]:
        """Hooks that add what is asked for at the tokens that are read now."""
        blocks = layers_of(whole.model)
        handles = []
        try:
            for part in self.state.steering:
                here = {"all": torch.ones_like(written), "answer": written, "prompt": ~written}[part.where]
                added = part.strength * self._directions[part.direction].float()
                handles.append(blocks[part.layer].register_forward_hook(_adding(here[:, None, None] * added)))
            yield
        finally:
            for handle in handles:
                handle.remove()


def _adding(directions: Tensor) -> Callable[[nn.Module, Any, Any], Any]:
    def add(_module: nn.Module, _args: Any, output: Any) -> Any:
        # Some layers give their hidden states alone, others a tuple that begins with them.
        hidden = output[0] if isinstance(output, tuple) else output
        moved = (hidden.float() + directions.to(hidden.device)).to(hidden.dtype)
        return (moved, *output[1:]) if isinstance(output, tuple) else moved

    return add


def grow(
    pair: Pair, rows: Sequence[Row], length: int, directions: Directions, check: Check
) -> Iterator[dict[int, Grown]]:
    """So many tokens more in each row, or as many as there is room for, until all have ended."""
    both = (pair.whole, pair.change.variant if isinstance(pair.change, OfModel) else pair.whole)
    known = min(int(whole.config.vocab_size) for whole in both)
    sides: dict[State, Side] = {}
    for place, row in enumerate(rows):
        for state in row.states:
            sides.setdefault(state, Side(state, [], directions, known)).rows.append(place)
    starts = [len(row.ids) for row in rows]
    stops = [min(start + length, pair.whole.window) for start in starts]
    have = min(starts)
    new = {place: row.ids[:have] for place, row in enumerate(rows)}
    with ExitStack() as held:
        # One model alone is switched on once; several are, one after another, for each token.
        alone = held.enter_context(_model(pair, next(iter(sides)).dose)) if len(sides) == 1 else None
        while new:
            for state, side in sides.items():
                check()
                written = torch.tensor([have > starts[n] for n in side.rows])
                with nullcontext(alone) if alone is not None else _model(pair, state.dose) as model:
                    side.read(model, torch.tensor([new[n] for n in side.rows]), written)
            found = _drawn(rows, [n for n in new if have >= starts[n]], sides)
            given = {n: rows[n].ids[have] for n in new if have < starts[n]}
            if found:
                yield found
            have += 1
            new = {n: [token] for n, token in given.items()}
            new |= {n: [more.id] for n, more in found.items() if not more.ended and have < stops[n]}
            for side in sides.values():
                side.keep(set(new))
            sides = {state: side for state, side in sides.items() if side.rows}


def _drawn(rows: Sequence[Row], places: Sequence[int], sides: Mapping[State, Side]) -> dict[int, Grown]:
    """The next token of each row, those of one recipe together."""
    found = {}
    for recipe in dict.fromkeys(rows[n].recipe for n in places):
        alike = [n for n in places if rows[n].recipe == recipe]
        first = rows[alike[0]]
        told = {state: sides[state].of(alike) for state in first.states}
        scores = told[first.own]
        if recipe.contrast and first.own != BASE:
            scores = contrasted(scores, told[BASE], recipe.contrast, recipe.floor)
        ids = picked(scores, recipe.temperature, [rows[n].chances for n in alike])
        for n, place in enumerate(alike):
            own = {state: logs[n] for state, logs in told.items()}
            found[place] = Grown(ids[n], scores[n], own, ids[n] in sides[first.own].ends)
    return found


def contrasted(own: Tensor, base: Tensor, contrast: float, floor: float) -> Tensor:
    """Log-probabilities of a model seen from its base, over the tokens that it finds likely enough by itself."""
    scores = own + contrast * (own - base)
    if floor:
        scores = scores.masked_fill(own < own.amax(-1, keepdim=True) + math.log(floor), -math.inf)
    return scores.log_softmax(-1)


def picked(scores: Tensor, temperature: float, chances: Sequence[torch.Generator]) -> list[int]:
    """A token of each row: the likeliest, or drawn by the row's own chances.

    The draw adds a Gumbel number to each token's log-probability and takes the largest sum, so that two
    distributions that are nearly alike nearly always give the same token for the same numbers.
    """
    if temperature:
        shape = scores.shape[-1]
        even = torch.stack([torch.rand(shape, generator=own, device=own.device) for own in chances])
        scores = scores / temperature - torch.log(-torch.log(even.to(scores.device)))
    ids: list[int] = scores.argmax(-1).tolist()
    return ids
