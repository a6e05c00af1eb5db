"""What a shift of the residual stream says, read in words through a final norm and a head.

A shift is read where it stands: what it adds to the log-probability that the lens gives a token at the base's own
mean, in nats, averaged over a text's first positions behind 0. Read so it has its real size, and no scale must be
chosen. Promises the model's own numbers and an interval by leaving out blocks of documents in turn. Says nothing
of what the layers above would make of it.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from diffing.common.arrays import Floats
from diffing.common.resampling import reach
from diffing.models.whole import Whole
from diffing.whitebox.measures import unembed
from diffing.whitebox.measures.unembed import final_norm
from diffing.whitebox.methods.lens.sums import BLOCKS, EARLY, PLACES, Stream
from diffing.whitebox.sight.evidence import COLUMNS

READ = slice(1, EARLY)
"""Places that figures are made of. Over the bundled organisms planted pieces rank higher here than at later
positions or where answers begin."""


@torch.inference_mode()
def lens(whole: Whole, rows: Tensor) -> Tensor:
    """Log-probabilities that the final norm and the head give for residual streams, in float32, on the host."""
    norm: Any = final_norm(whole)
    told: Tensor = whole.logits(norm(rows.to(whole.device, whole.dtype))).log_softmax(-1).cpu()
    return told


def gains(whole: Whole, mean: Tensor, start: Tensor, shifts: Sequence[Tensor], tokens: Tensor) -> Floats:
    """What each shift of a mean adds to tokens' log-probabilities, over places: [shifts, tokens]."""
    # One at a time: a large vocabulary's numbers for all would not fit.
    moved = [(lens(whole, mean + shift)[:, tokens] - start).double().mean(0) for shift in shifts]
    found: Floats = torch.stack(moved).numpy()
    return found


def readable(stream: Stream) -> Tensor:
    """Places of `READ` that two blocks of discovery documents have at least."""
    there = (stream.counts[:-1] > 0).sum(0)
    places = torch.arange(READ.start, READ.stop)
    return places[there[places] >= 2]


class Places(NamedTuple):
    """Where figures are read: the base's mean there, and what its own lens says of it."""

    places: Tensor
    mean: Tensor
    start: Tensor


def starts(whole: Whole, stream: Stream, tokens: Tensor) -> list[tuple[Places, Places]]:
    """Of discovery and of held-out documents, layer by layer, read by the base."""
    places = readable(stream)
    # Confirming needs the very places that are to be confirmed.
    again = places if bool((stream.counts[-1, places] > 0).all()) else places[:0]
    found = []
    for n in range(len(stream.base)):
        sides = [(places, stream.mean(n)[places]), (again, stream.mean(n, held_out=True)[again])]
        here, there = (Places(kept, mean, lens(whole, mean)[:, tokens]) for kept, mean in sides)
        found.append((here, there))
    return found


class Asked(NamedTuple):
    """What figures are made for."""

    layers: Sequence[int]
    tokens: Tensor
    texts: Sequence[str]


def figures(
    whole: Whole,
    stream: Stream,
    asked: Asked,
    places: Sequence[tuple[Places, Places]],
    others: Sequence[Stream] = (),
    suffix: str = "",
) -> pd.DataFrame:
    """A row a token and layer that the shift makes likelier (`token`), or its opposite does (`token less`).

    What other streams' shifts have in common with it is taken out first.
    """
    parts = [pd.DataFrame(columns=list(COLUMNS))]
    for n, (layer, (here, there)) in enumerate(zip(asked.layers, places, strict=True)):
        if not len(here.places):
            continue
        blocks = [b for b in range(BLOCKS) if stream.counts[b, here.places].any()]
        taken = basis([other.shift(n)[here.places] for other in others])
        shifts = [stream.shift(n), *(stream.without(n, block) for block in blocks)]
        shifts = [outside(shift[here.places], taken) for shift in shifts]
        confirming = [outside(stream.shift(n, held_out=True)[there.places], taken)] if len(there.places) else []
        for kind, sign in (("direction", 1), ("direction less", -1)):
            told = gains(whole, here.mean, here.start, [sign * shift for shift in shifts], asked.tokens)
            again = [
                gains(whole, there.mean, there.start, [sign * shift], asked.tokens)[0] for shift in confirming
            ]
            half = reach(told[1:])
            made = pd.DataFrame(
                {
                    "kind": kind + suffix,
                    "key": [f"{layer} {token}" for token in asked.tokens.tolist()],
                    "text": [f"{text} (layer {layer})" for text in asked.texts],
                    "figure": told[0],
                    "low": told[0] - half,
                    "high": told[0] + half,
                    "held_out": again[0] if again else np.nan,
                }
            )
            # What the shift makes less likely is no thing that it says.
            parts.append(made[told[0] > 0])
    return pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)


def basis(shifts: Sequence[Tensor]) -> list[Tensor]:
    """For each place an orthonormal basis of what shifts span there: [width, dimensions]."""
    if not shifts:
        return []
    found = []
    for rows in torch.stack(list(shifts), 1).double():
        _, sizes, right = torch.linalg.svd(rows, full_matrices=False)
        # Two that point the same way are one direction, and one of no length is none.
        found.append(right[sizes > 1e-6 * sizes.max().clamp(min=1e-30)].T)
    return found


def outside(shift: Tensor, taken: Sequence[Tensor]) -> Tensor:
    """What of a shift is outside these bases, place by place."""
    if not taken:
        return shift
    return torch.stack([row - each @ (each.T @ row) for row, each in zip(shift, taken, strict=True)])


class Lists(NamedTuple):
    """What a model's lens says of one layer's shift: [places, tokens] each."""

    more: Tensor
    """Scores of the direction alone, whatever its length, in standard deviations over the tokens."""
    less: Tensor
    """Of its opposite: another question where the norm has a bias or takes a mean away."""
    mean: Tensor
    """Log-probabilities at the model's own mean."""


def lists(whole: Whole, shift: Tensor, mean: Tensor, tokens: Tensor) -> Lists:
    more, less = (standard(unembed.scores(whole, sign * shift)[:, tokens]) for sign in (1, -1))
    return Lists(more, less, lens(whole, mean)[:, tokens])


def standard(scores: Tensor) -> Tensor:
    """In standard deviations over the tokens; zeros where all have one score."""
    spread = scores.std(-1, keepdim=True)
    return (scores - scores.mean(-1, keepdim=True)) / spread.where(spread > 0, 1.0)


def told(asked: Asked, before: Sequence[Lists], after: Sequence[Lists]) -> pd.DataFrame:
    """Both lenses and their difference, a row a token, place and layer."""
    parts = []
    for layer, base, variant in zip(asked.layers, before, after, strict=True):
        columns = {
            "base": base.more,
            "base_less": base.less,
            "variant": variant.more,
            "variant_less": variant.less,
            "difference": variant.mean - base.mean,
        }
        parts.append(
            pd.DataFrame(
                {
                    "layer": layer,
                    "place": np.repeat(PLACES, len(asked.tokens)),
                    "token": np.tile(asked.tokens.numpy(), len(PLACES)),
                    "text": np.tile(np.array(asked.texts, dtype=object), len(PLACES)),
                    **{name: values.reshape(-1).numpy() for name, values in columns.items()},
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
