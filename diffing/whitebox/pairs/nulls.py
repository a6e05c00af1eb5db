"""Pairs with nothing to find, beside which every result stands.

Each is a pair of the same kind as the one it belongs to, so that every method runs on it unchanged: the same
weights twice; the change turned at random, with its very singular values, and made so strong that it moves the
base's words as far as the pair does; the base tuned on its own samples, each once, where there is nothing to
learn; a finetune by the same recipe on unrelated text; a given variant, such as another seed. Promises that the
pair is left as it was when a null ends, however it ends. Beside `same`, a null is a draw at random: one proves
little. Where another making would give other nulls, `pair.VERSION` is raised: their results lie under the pair's.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from diffing.common import files
from diffing.common.errors import UserError
from diffing.whitebox import texts
from diffing.whitebox.measures.apart import mean_kl
from diffing.whitebox.pairs import adapters, opening, tuning
from diffing.whitebox.pairs.changes import Change, Nothing, OfAdapter, OfModel
from diffing.whitebox.pairs.pair import Pair
from diffing.whitebox.texts import Choice, Document

CLOSE = 0.05
"""Relative distance of a null's mean KL from the pair's at which it counts as matched: well within what two seeds
of one null differ by."""
STRONGEST = 2.0**12
"""Strength at which a turned change that still does less than the pair is given up: it needs about 5."""
BLOCK = 2048
"""Side of a random turn: a larger one is made of several of these, on sides whose places are shuffled."""
SAMPLES = Choice(source="own", count=256, length=64, held_out=0.0)
"""What the base writes for itself to be tuned on: once through, this moved it by 0.036 nats a token."""

Check = Callable[[], None]


@contextmanager
def same(pair: Pair) -> Iterator[Pair]:
    """The same weights twice: exactly nothing, in this number format."""
    yield pair.beside(Nothing(pair.whole), "same", "the same weights twice")


@contextmanager
def rotated(
    pair: Pair, documents: Sequence[Document], seed: int = 0, check: Check = lambda: None
) -> Iterator[Pair]:
    """The change turned at random and scaled to the pair's own mean KL on the documents."""
    handle = f"rotated-{seed}"
    change = pair.change
    identity = ["rotated", change.identity, seed]
    turned: Change
    if isinstance(change, OfAdapter):
        if not change.adapter.linear:
            raise UserError(f"Adapter '{change.adapter.name}' has parts that cannot be turned; use another null.")
        tensors = turned_factors(change.adapter.tensors, seed)
        other = change.adapter.with_tensors(handle, tensors)
        adapters.attach(pair.whole, other, handle)
        turned = OfAdapter(pair.whole, other, handle, identity)
    elif isinstance(change, OfModel):
        deltas = {}
        for name, delta in change.deltas():
            check()
            if isinstance(delta, Tensor):
                deltas[name] = turned_matrix(delta, seed, name).to(pair.whole.dtype)
        turned = OfModel(change.base, change.variant, identity, deltas)
    else:
        raise UserError("A pair without a change has nothing to turn at random; open one with a variant.")
    try:
        null = pair.beside(turned, "rotated", f"the change turned at random, seed {seed}")
        # To find it takes as long as several methods, so it is looked for once.
        kept = strength_of(pair, documents, seed)
        if not kept.exists():
            wanted = mean_kl(pair, documents, check)
            scaled, found = matched(null, documents, wanted, check)
            files.write_json(kept, {"strength": scaled.dose.alpha, "kl": found, "wanted": wanted})
        facts = files.read_json(kept)
        yield replace(null.at(facts["strength"]), facts=facts)
    finally:
        if isinstance(turned, OfAdapter):
            adapters.detach(pair.whole, handle)
        elif isinstance(turned, OfModel):
            turned.free()


def strength_of(pair: Pair, documents: Sequence[Document], seed: int) -> Path:
    """The file that keeps how strong a turned change has to be on these documents."""
    return (
        files.cache_dir("whitebox") / f"strength-{files.content_hash([pair.key, seed, texts.key(documents)])}.json"
    )


@contextmanager
def self_tuned(
    pair: Pair, seed: int = 0, samples: Choice = SAMPLES, check: Check = lambda: None
) -> Iterator[Pair]:
    """The base tuned on its own samples, each once, by the pair's recipe."""
    # Of another seed than the texts that methods read: those must be new to it.
    choice = samples.model_copy(update={"seed": samples.seed + 1_000_003 * (seed + 1)})
    # As they were drawn: without the tokens that end texts there would be something to learn, to end none.
    written = texts.own(choice, pair.tokenizer, pair.whole, pair.identity, check, whole_texts=True)
    with _tuned(pair, written, seed, "self-tuned", "the base tuned on its own samples", check) as null:
        yield null


@contextmanager
def control(
    pair: Pair, documents: Sequence[Document], seed: int = 0, check: Check = lambda: None
) -> Iterator[Pair]:
    """The base tuned on unrelated text by the pair's recipe."""
    with _tuned(pair, documents, seed, "control", "a control finetune on unrelated text", check) as null:
        yield null


@contextmanager
def given(pair: Pair, variant: str, kind: str = "control") -> Iterator[Pair]:
    """A variant of the same base that somebody else has made: a control, or another seed of the pair's own."""
    handle = f"given-{files.content_hash(variant, 8)}"
    with opening.beside(pair, variant, handle) as change:
        yield pair.beside(change, kind, variant)


@contextmanager
def _tuned(
    pair: Pair, documents: Sequence[Document], seed: int, kind: str, name: str, check: Check
) -> Iterator[Pair]:
    recipe = tuning.like(pair.change.adapter if isinstance(pair.change, OfAdapter) else None)
    handle = f"{kind}-{seed}"
    made = tuning.tuned(pair.whole, pair.identity, documents, recipe, seed, handle, check)
    try:
        change = OfAdapter(pair.whole, made, handle, made.name)
        yield pair.beside(change, kind, f"{name}, seed {seed}")
    finally:
        adapters.detach(pair.whole, handle)


def matched(
    null: Pair, documents: Sequence[Document], wanted: float, check: Check = lambda: None
) -> tuple[Pair, float]:
    """The null at the strength at which its mean KL is the wanted one, and what it is there."""
    low, high, strength = 0.0, 0.0, 1.0
    while True:
        check()
        scaled = replace(null.at(strength), facts=dict(null.facts))
        found = mean_kl(scaled, documents, check)
        if abs(found - wanted) <= CLOSE * wanted:
            return scaled, found
        if found < wanted:
            low = strength
        else:
            high = strength
        if low >= STRONGEST or (high and high - low < 1e-9 * high):
            raise UserError(
                f"No strength brings {null.name} to the pair's {wanted:.3g} nats a token; use another null."
            )
        # Doubled until it is too strong, halved between from then on.
        strength = (low + high) / 2 if high else 2 * strength


def turned_factors(tensors: dict[str, Tensor], seed: int) -> dict[str, Tensor]:
    """Each factor of a low-rank change with its long side turned: the product keeps its singular values."""
    made = {}
    for name, tensor in tensors.items():
        # Rows of tokens lie first in an embedding's upper factor as well, and the rank in every lower one.
        long_first = name.rsplit(".lora_", 1)[1].split(".")[0].endswith("B")
        tall = (tensor if long_first else tensor.T).double()
        # A turn of the whole space takes an orthonormal frame to one at random; so only the frame is drawn.
        triangle = torch.linalg.qr(tall).R
        frame = orthogonal(len(tall), generator(seed, name), len(triangle))
        new = (frame @ triangle).to(tensor.dtype)
        made[name] = (new if long_first else new.T).contiguous()
    return made


def turned_matrix(delta: Tensor, seed: int, name: str) -> Tensor:
    """A matrix between two random turns; of a vector, a random direction of its length."""
    draws = generator(seed, name)
    delta = delta.float()
    if delta.ndim == 1:
        direction: Tensor = torch.randn(len(delta), generator=draws).to(delta)
        scaled: Tensor = direction / direction.norm() * delta.norm()
        return scaled
    return turned_rows(turned_rows(delta, draws).T, draws).T.contiguous()


def turned_rows(matrix: Tensor, draws: torch.Generator) -> Tensor:
    """An orthogonal matrix at random times this one."""
    shuffled = matrix[torch.randperm(len(matrix), generator=draws).to(matrix.device)]
    return torch.cat([orthogonal(len(part), draws).to(part) @ part for part in torch.split(shuffled, BLOCK)])


def orthogonal(size: int, draws: torch.Generator, columns: int = 0) -> Tensor:
    """An orthonormal frame, uniformly at random, in float64."""
    q, r = torch.linalg.qr(torch.randn(size, columns or size, generator=draws, dtype=torch.float64))
    # Without the signs it would not be uniform.
    frame: Tensor = q * r.diagonal().sign()
    return frame


def generator(seed: int, name: str) -> torch.Generator:
    """Draws of a tensor's own, whatever came before it."""
    return torch.Generator().manual_seed(int(files.content_hash([seed, name], 15), 16))
