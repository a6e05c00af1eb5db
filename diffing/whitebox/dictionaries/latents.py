"""What each latent of a dictionary says of two models: where it writes, how often it fires, which has it.

Latent scaling asks how much of a latent's direction is in each model where it fires: β is the slope, with an
intercept, of what a model has along the direction on what the latent says it has. Promises least squares in
float64 over all tokens, the silent ones too, in the models' own units, so that β of the variant less β of the base
is β of their difference; 95 % intervals over blocks of documents, since tokens of one text are no independent
witnesses; and a sentence where a dictionary is fed with what it was not trained on. Which latents are real is not
said here.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from diffing.common.arrays import Array, Floats, Ints
from diffing.common.errors import UserError
from diffing.common.resampling import reach
from diffing.whitebox.dictionaries import sparse
from diffing.whitebox.dictionaries.dictionary import Dictionary
from diffing.whitebox.dictionaries.shape import BASE, VARIANT

BLOCKS = 20
"""Blocks of documents that intervals rest on: with fewer t is far from its limit, with more many hold nothing."""
FED = 5
"""How often as many latents a token may be active as in training, either way, as for a reader: other texts than it
was trained on change that, and so does what is no difference at all."""
EXACT = 1e-6
"""What float64 may lose between two ways to the same slope."""
SIDES = ("base", "variant")


class Unfit(UserError):
    """A dictionary that is active as never in training, or gives back less than the mean alone would."""

    def __init__(self, fault: str, reads: str) -> None:
        super().__init__(f"{fault}: it reads {reads} at the place that it was trained on; feed it with these.")
        self.fault = fault


class Seen(NamedTuple):
    """Paired activations, and where they come from."""

    pairs: Tensor
    """[tokens, 2, width], the base first."""
    document: Ints
    text: Ints | None = None
    """Which kind of text each token belongs to, as a place in the names of `measured`."""


class Slopes(NamedTuple):
    """Sums from which β of one target comes, by block and latent."""

    along: Tensor
    """Of activation times what the target has along the latent's direction."""
    total: Tensor
    """[blocks, width]: of the target."""


class Sums:
    """What is added up over tokens, by block."""

    def __init__(self, dictionary: Dictionary, texts: int) -> None:
        self.dictionary = dictionary
        self.sides = dictionary.shape.sides
        device, latents = dictionary.decoder.device, dictionary.shape.latents
        self.directions = dictionary.towards()[1].double()

        def zeros(*size: int) -> Tensor:
            return torch.zeros(*size, dtype=torch.float64, device=device)

        self.tokens = zeros(BLOCKS)
        self.fired, self.sum, self.square = (zeros(BLOCKS, latents) for _ in range(3))
        self.largest = zeros(latents)
        self.texts, self.by_text = zeros(texts), zeros(texts, latents)
        self.read, self.read_square, self.lost = zeros(dictionary.shape.inputs), zeros(1), zeros(1)
        """Of what the dictionary reads, in its own scale, and of what it leaves of it."""
        width = dictionary.shape.width
        names = [*SIDES, "difference"]
        names += [f"error_{side}" for side in SIDES] if self.sides == 2 else ["error_difference"]
        self.slopes = {name: Slopes(zeros(BLOCKS, latents), zeros(BLOCKS, width)) for name in names}

    def add(self, seen: Seen) -> None:
        dictionary, device = self.dictionary, self.tokens.device
        block = torch.from_numpy(np.asarray(seen.document, np.int64) % BLOCKS).to(device)
        pairs = seen.pairs.to(device)
        found = dictionary.encode(pairs)
        back = dictionary.decode(found, len(pairs)).double()
        inputs = dictionary.inputs(pairs).double()
        self.read += inputs.sum(0)
        self.read_square += inputs.square().sum()
        self.lost += (inputs - dictionary.scale.to(back.device, back.dtype).apply(back)).square().sum()
        pairs = pairs.double()
        self.tokens.index_add_(0, block, torch.ones_like(block, dtype=torch.float64))
        latents = dictionary.shape.latents
        latent, order = found.latent.sort(stable=True)
        row, value = found.row[order], found.value[order].double()
        start = sparse.starts(latent, latents)
        place = block[row] * latents + latent
        for sums, terms in (
            (self.fired, torch.ones_like(value)),
            (self.sum, value),
            (self.square, value.square()),
        ):
            sums.view(-1).index_add_(0, place, terms)
        self.largest.scatter_reduce_(0, latent, value, "amax")
        difference = pairs[:, VARIANT] - pairs[:, BASE]
        targets = {"base": pairs[:, BASE], "variant": pairs[:, VARIANT], "difference": difference}
        if self.sides == 2:
            targets |= {f"error_{side}": (pairs - back)[:, n] for n, side in enumerate(SIDES)}
        else:
            targets["error_difference"] = difference - back[:, 0]
        for name, target in targets.items():
            rows = target.contiguous()
            along = value * sparse.products(self.directions, latent, start, rows, row)
            self.slopes[name].along.view(-1).index_add_(0, place, along)
            self.slopes[name].total.index_add_(0, block, rows)
        if seen.text is not None and len(self.texts):
            text = torch.from_numpy(np.asarray(seen.text, np.int64)).to(device)
            self.texts.index_add_(0, text, torch.ones_like(text, dtype=torch.float64))
            ones = torch.ones_like(value)
            self.by_text.view(-1).index_add_(0, text[row] * latents + latent, ones)

    def settle(self) -> None:
        """Leave out blocks that hold nothing: they are no witnesses."""
        held = self.tokens > 0
        self.tokens, self.fired = self.tokens[held], self.fired[held]
        self.sum, self.square = self.sum[held], self.square[held]
        self.slopes = {name: Slopes(one.along[held], one.total[held]) for name, one in self.slopes.items()}


def measured(dictionary: Dictionary, batches: Iterable[Seen], texts: Sequence[str] = ()) -> pd.DataFrame:
    """A row a latent; `texts` names the kinds of text that tokens belong to, where they are told apart.

    A crosscoder's β are along what the latent writes on the side where it writes more, a difference SAE's along
    what it writes. Columns that end in `_low` and `_high` are 95 % intervals; NaN where a latent fired in too few
    blocks to have one. `nu` is β of the other model over β of the one that the latent belongs to: which it writes
    more to, or, of a difference, which has more of it; `nu_error` and `nu_reconstruction` are the same of its two
    parts.
    """
    sums = Sums(dictionary, len(texts))
    for seen in batches:
        sums.add(seen)
    tokens = float(sums.tokens.sum())
    if not tokens:
        raise UserError("There are no activations to measure latents on; give some texts.")
    _fed(sums, tokens)
    sums.settle()
    columns = {"latent": np.arange(dictionary.shape.latents), **_written(dictionary), **_often(sums)}
    slopes, side = _slopes(sums)
    columns["side"] = np.array(SIDES)[side]
    for name, values in slopes.items():
        columns |= dict(zip((name, f"{name}_low", f"{name}_high"), interval(values), strict=True))
    share = (sums.by_text / sums.texts[:, None]).cpu().numpy()
    columns |= {f"frequency_{text}": share[n] for n, text in enumerate(texts)}
    return pd.DataFrame(columns)


def _fed(sums: Sums, tokens: float) -> None:
    """Raise where a dictionary is active as never in training, or gives back less than the mean alone would."""
    dictionary = sums.dictionary
    active, usual = float(sums.fired.sum()) / tokens, dictionary.active
    spread = float(sums.read_square - (sums.read.square() / tokens).sum())
    if usual and not usual / FED <= active <= usual * FED:
        fault = f"{active:.3g} latents are active a token, where {usual:.3g} were in training"
    elif float(sums.lost) >= spread:
        fault = "What the dictionary gives back is worse than the mean"
    else:
        return
    reads = "the variant's activations less the base's" if sums.sides == 1 else "both models' activations"
    raise Unfit(fault, reads)


def _written(dictionary: Dictionary) -> dict[str, Array]:
    if dictionary.shape.sides == 1:
        return {"length": dictionary.lengths()[:, 0].cpu().numpy()}
    lengths = dictionary.lengths().cpu().numpy()
    return {
        "length_base": lengths[:, BASE],
        "length_variant": lengths[:, VARIANT],
        "leaning": dictionary.leaning().cpu().numpy(),
        "likeness": dictionary.likeness().cpu().numpy(),
    }


def _often(sums: Sums) -> dict[str, Array]:
    """How often and how strongly latents fire."""
    fired, total = sums.fired.sum(0), sums.sum.sum(0)
    rates = (_without(sums.fired) / _without(sums.tokens)[:, None]).cpu().numpy()
    frequency, low, high = interval(rates)
    return {
        "frequency": frequency,
        "frequency_low": np.clip(low, 0, 1),
        "frequency_high": np.clip(high, 0, 1),
        "mean": (total / fired.clamp(min=1)).cpu().numpy(),
        "largest": sums.largest.cpu().numpy(),
    }


def _slopes(sums: Sums) -> tuple[dict[str, Floats], Ints]:
    """Every β and ν over all blocks, and without each in turn: [1 + blocks, latents]; and whose each latent is."""
    beta = {name: _slope(sums, slopes) for name, slopes in sums.slopes.items()}
    gap = np.abs(beta["variant"] - beta["base"] - beta["difference"])
    size = 1 + np.abs(beta["variant"]) + np.abs(beta["base"])
    # A latent that hardly varies divides all by next to nothing, and what is lost in rounding with it.
    if bool((gap > EXACT * size).any()):
        raise AssertionError(f"β of the variant less β of the base is off β of the difference by {np.nanmax(gap)}")
    found = {f"beta_{name}": beta[name] for name in (*SIDES, "difference")}
    own = _own(sums.dictionary)
    for name in SIDES if sums.sides == 2 else ("difference",):
        # What the others leave over has the latent's own part in it, and what they give back has not.
        found[f"error_{name}"] = beta[f"error_{name}"] + own[name]
        found[f"reconstruction_{name}"] = beta[name] - found[f"error_{name}"]
    if sums.sides == 2:
        side: Ints = sums.dictionary.towards()[0].cpu().numpy()
    else:
        # What a silent latent has none of is nobody's; it stands as the base's, with a ν of none.
        side = np.where(np.abs(beta["variant"][0]) >= np.abs(beta["base"][0]), VARIANT, BASE)
    for kind in ("beta", "error", "reconstruction") if sums.sides == 2 else ("beta",):
        base, variant = found[f"{kind}_base"], found[f"{kind}_variant"]
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(side == VARIANT, base / variant, variant / base)
        found["nu" if kind == "beta" else f"nu_{kind}"] = ratio
    return found, side


def _own(dictionary: Dictionary) -> dict[str, Floats]:
    """What each latent itself writes along its direction, in directions' lengths."""
    written, directions = dictionary.written().double(), dictionary.towards()[1].double()
    power = directions.square().sum(1).clamp(min=sparse.SMALL)
    names = SIDES if dictionary.shape.sides == 2 else ("difference",)
    return {name: ((written[:, n] * directions).sum(1) / power).cpu().numpy() for n, name in enumerate(names)}


def _slope(sums: Sums, slopes: Slopes) -> Floats:
    """Covariance of activation and target along the direction, over the activation's variance."""
    tokens = _without(sums.tokens)[:, None]
    mean = _without(sums.sum) / tokens
    spread = _without(sums.square) / tokens - mean.square()
    along = _without(slopes.total) @ sums.directions.T / tokens
    shared = _without(slopes.along) / tokens - mean * along
    power = sums.directions.square().sum(1)
    # Which never fired has no slope.
    slope: Floats = torch.where(spread > 0, shared / (spread * power), torch.nan).cpu().numpy()
    return slope


def _without(blocks: Tensor) -> Tensor:
    """Sums over all blocks, and over all but each: [1 + blocks, …]."""
    return torch.cat([blocks.sum(0, keepdim=True), blocks.sum(0, keepdim=True) - blocks])


def interval(values: Floats) -> tuple[Floats, Floats, Floats]:
    """An estimate and its 95 % interval by the jackknife: values over all blocks, then without each in turn."""
    whole, half = values[0], reach(values[1:])
    return whole, whole - half, whole + half
