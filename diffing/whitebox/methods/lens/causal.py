"""What a direction does in the variant: its loss on texts once the direction is put back or taken away.

In the variant, at one layer and every token, the part along the direction is replaced by the base's own
(`put back`) or dropped (`taken away`). Random directions are the controls: a direction matters where it moves the
loss further than they do. Promises the loss of tokens that count, in nats, over the same texts for all.
"""

from collections.abc import Sequence

import pandas as pd
import torch
from torch import Tensor

from diffing.whitebox.method import Check
from diffing.whitebox.methods.lens.patching import Change, logits
from diffing.whitebox.pairs.pair import Pair, batches, places
from diffing.whitebox.texts import Document

TOKENS = 2048
"""Of a batch: it holds the logits of all its tokens at once."""


def effects(
    pair: Pair, documents: Sequence[Document], layer: int, direction: Tensor, controls: int, check: Check
) -> pd.DataFrame:
    """Loss of base, variant and changed variants; `share` is how far a change leads back from variant to base."""
    draws = torch.randn(controls, len(direction), generator=torch.Generator().manual_seed(0))
    lines = torch.cat([direction.float()[None], draws])
    lines = lines / lines.norm(dim=-1, keepdim=True)
    names = [("base", ""), ("variant", "")]
    for n in range(len(lines)):
        names += [(change, "own" if n == 0 else f"random {n}") for change in ("put back", "taken away")]
    totals, count = torch.zeros(len(names), dtype=torch.float64), 0
    ids = [document.ids for document in documents]
    for batch in batches([len(row) for row in ids], TOKENS):
        check()
        taken = [ids[n] for n in batch]
        row, target = _predicted([documents[n] for n in batch], *places(ids, batch)[1:])
        with pair.base() as whole:
            u = lines.to(whole.device)
            along = whole(taken, (layer,)).hidden[layer].float() @ u.T
            losses = [_loss(logits(whole, taken, layer, lambda h: h), row, target)]
        with pair.variant(pair.dose.alpha, pair.dose.groups) as whole:
            losses.append(_loss(logits(whole, taken, layer, lambda h: h), row, target))
            for n in range(len(u)):
                for change in (_put_back(u[n], along[:, n]), _put_back(u[n], torch.zeros_like(along[:, n]))):
                    losses.append(_loss(logits(whole, taken, layer, change), row, target))
        totals += torch.tensor(losses, dtype=torch.float64)
        count += len(row)
    table = pd.DataFrame(names, columns=["change", "direction"]).assign(layer=layer, loss=(totals / count).numpy())
    base, variant = table["loss"][:2]
    # Where both have one loss there is no way back to speak of.
    table["share"] = (table["loss"] - variant) / (base - variant) if base != variant else float("nan")
    return table


def _put_back(line: Tensor, along: Tensor) -> Change:
    return lambda hidden: hidden + (along - hidden @ line)[:, None] * line


def _predicted(documents: Sequence[Document], position: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Rows that predict a token that counts, and that token."""
    sizes = torch.tensor([len(document.ids) for document in documents])
    start, stop = (
        torch.repeat_interleave(torch.tensor([getattr(d, side) for d in documents]), sizes)
        for side in ("start", "stop")
    )
    row = ((position >= start - 1) & (position < stop - 1)).nonzero()[:, 0]
    return row, ids[row + 1]


def _loss(found: Tensor, row: Tensor, target: Tensor) -> float:
    here = found[row.to(found.device)].log_softmax(-1)
    return float(-here.gather(1, target.to(found.device)[:, None]).double().sum())
