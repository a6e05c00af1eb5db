"""Which weights moved, by how much and in how many directions, and which tokens these directions write or read.

Needs no text and no pass. Promises exact singular values, matrix by matrix, of the change as it is applied;
embeddings and norms are told apart from matrices. Tokens are those whose rows of the unembedding lie along the
first directions that a matrix adds to the residual stream, and those whose embeddings lie along the first ones
that it looks for there: layers and norms in between are left out, so this is a hint and not what the model says.

The size of a change says nothing about behaviour: an adapter tuned on its base's own samples, with nothing to
learn, was of the size of one that speaks Swedish. A full finetune published in 16-bit numbers carries their
rounding for good, which is of about the change's own size where that is small; it is told beside each matrix, and
directions of such a matrix may be rounding's own.

Of what this points at, `weight` is a module's share of the squared change. It is exact: there is nothing to draw
anew, so low end, figure and high end are one. A null of the same singular values (`rotated`) has the very same
shares, so beside one no module ever stands above. `token` is how far a token is written, beyond the token in the
middle of the vocabulary; its interval is over matrices, as there are no documents, and nothing is held out.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from pydantic import Field
from torch import Tensor
from transformers.pytorch_utils import Conv1D

from diffing.common import resampling
from diffing.common.arrays import Floats
from diffing.common.errors import UserError
from diffing.common.step import Settings
from diffing.whitebox.measures import spectrum
from diffing.whitebox.measures.spectrum import Spectrum
from diffing.whitebox.method import Check, Cost
from diffing.whitebox.pairs.changes import Delta, Factors, OfAdapter, OfModel
from diffing.whitebox.pairs.doses import block_of
from diffing.whitebox.pairs.pair import Pair
from diffing.whitebox.results import Result
from diffing.whitebox.sight.evidence import COLUMNS
from diffing.whitebox.texts import Document

NAME = "weights"
TITLE = "Weights that moved"
VERSION = 1
NEEDS = frozenset({"weights"})

WRITES = frozenset({"o_proj", "down_proj", "c_proj", "out_proj", "dense", "fc2"})
"""Modules whose output is added to the residual stream, by the names that architectures give them."""
READS = frozenset(
    {"q_proj", "k_proj", "v_proj", "gate_proj", "up_proj", "qkv_proj", "gate_up_proj", "c_attn", "c_fc"}
)
"""Modules that look at it, behind a norm."""
BITS = {torch.bfloat16: 8, torch.float16: 11}
"""Binary digits that a number of 16 bits keeps."""
SIZES = ("norm", "of", "relative")
RANKS = ("rank", "stable_rank", "entropy_rank")
MATRIX = ("path", "block", "kind", *SIZES, *RANKS, "values", "unchanged", "rounding")
OTHER = ("path", "kind", *SIZES, "rows_changed", "rows", "rows_added")
NEAR = ("path", "role", "direction", "value", "token", "text", "cosine")
"""Columns of tables, whether they have rows or not."""


class Options(Settings):
    """How much is kept."""

    directions: int = Field(default=4, ge=1, le=64)
    """First directions of a matrix that are looked at: adapters' first few hold most of them."""
    nearest: int = Field(default=10, ge=1, le=100)
    """Tokens told of each direction."""
    shown: int = Field(default=500, ge=1)
    """Tokens of the evidence: a null's as well, so that what it shows of them is known."""
    resamples: int = Field(default=1000, ge=100)
    """Of matrices, for the interval of what a token is written."""
    seed: int = Field(default=0, ge=0)


class Moved(NamedTuple):
    """A tensor and its change as it is applied."""

    path: str
    """The module's, without what the tensor is called in it."""
    before: Tensor
    delta: Delta

    @property
    def kind(self) -> str:
        return self.path.rsplit(".", 1)[-1]


def cost(_pair: Pair, _documents: Sequence[Document], _options: Options) -> Cost:
    """Nothing is written and nothing read."""
    return Cost()


def work(pair: Pair, _documents: Sequence[Document], options: Options, check: Check) -> Result:
    """Matrix by matrix."""
    matrices: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    near: list[dict[str, Any]] = []
    written: list[tuple[float, Floats]] = []
    reading = _rows(pair.whole.causal.get_input_embeddings())
    writing = _rows(pair.whole.causal.get_output_embeddings())
    for moved in _moved(pair):
        check()
        if moved.before.ndim != 2 or block_of(moved.path) is None:
            other, largest = _other(pair, moved, options)
            others.append(other)
            rows += largest
            continue
        found = spectrum.of(moved.delta, options.directions)
        matrices.append(_matrix(moved, found) | _rounding(pair, moved, found.norm))
        for role, names, frame, tokens in (
            ("writes", WRITES, found.left, writing),
            ("reads", READS, found.right, reading),
        ):
            if moved.kind in names and len(frame) == tokens.shape[1] and found.norm:
                cosines = (tokens @ frame.to(tokens)).abs()
                near += _near(pair, moved.path, role, found, cosines, options)
                if role == "writes":
                    strengths = torch.from_numpy(found.values[: cosines.shape[1]]).to(cosines)
                    sums = (cosines @ strengths).double().cpu().numpy()
                    written.append((float(strengths.sum()), sums))
    table = pd.DataFrame(matrices, columns=list(MATRIX))
    total = float((table["norm"] ** 2).sum())
    table["share"] = table["norm"] ** 2 / total if total else 0.0
    tables = {
        "matrices": table,
        "profile": _profile(table),
        "others": pd.DataFrame(others, columns=list(OTHER)),
        "rows": pd.DataFrame(rows, columns=["path", "token", "text", "norm"]),
        "directions": pd.DataFrame(near, columns=list(NEAR)),
        "tokens": _written(pair, written, options),
    }
    facts = {
        "matrices": len(table),
        "others": len(others),
        "norm": total**0.5,
        "relative": _whole(table["norm"], table["of"]),
        "ranks": sorted({int(rank) for rank in table["rank"]}),
    }
    return Result(facts, tables)


def _moved(pair: Pair) -> Iterator[Moved]:
    """Every tensor that changes, with its change at the pair's strength."""
    change = pair.change
    if isinstance(change, OfAdapter) and not change.adapter.linear:
        raise UserError(
            f"Adapter '{change.adapter.name}' is more than products (DoRA, or a module trained as a whole); merge "
            "it in float32 and give the whole model."
        )
    # A head that is tied to the embedding goes by both names.
    named = pair.whole.causal.named_parameters(remove_duplicate=False)
    base = {name.replace(".base_layer.", "."): tensor.detach() for name, tensor in named if ".lora_" not in name}
    for name, delta in change.deltas():
        path = name.removesuffix(".weight")
        before = base[name if name in base else f"{path}.weight"].to(pair.device)
        strength = pair.dose.of(name)
        if isinstance(delta, Factors):
            yield Moved(path, before, delta._replace(scale=delta.scale * strength))
        else:
            delta = delta.to(pair.device) * strength
            if _lies(pair, path):
                before, delta = before.T, delta.T
            yield Moved(path, before, delta)


def _lies(pair: Pair, path: str) -> bool:
    """Whether a matrix is kept with what goes in first, as GPT-2's layers do."""
    try:
        module = pair.whole.causal.get_submodule(path)
    except AttributeError:
        # A tensor that is no module's `weight`: a bias.
        return False
    return isinstance(getattr(module, "base_layer", module), Conv1D)


def _rows(module: Any) -> Tensor:
    """Tokens' rows at length 1, less what is common to all: to all logits alike it says nothing."""
    rows = getattr(module, "base_layer", module).weight.detach().float()
    rows = rows - rows.mean(0)
    scaled: Tensor = rows / rows.norm(dim=1, keepdim=True).clamp_min(torch.finfo(rows.dtype).tiny)
    return scaled


def _matrix(moved: Moved, found: Spectrum) -> dict[str, Any]:
    size = float(moved.before.double().norm())
    return {
        "path": moved.path,
        "block": block_of(moved.path),
        "kind": moved.kind,
        "norm": found.norm,
        "of": size,
        "relative": found.norm / size if size else np.nan,
        "rank": found.rank,
        "stable_rank": found.stable_rank,
        "entropy_rank": found.entropy_rank,
        "values": found.values[: max(1, found.rank)].tolist(),
    }


def _rounding(pair: Pair, moved: Moved, size: float) -> dict[str, float]:
    """Of a second model: the share of numbers that stayed, and of the change's norm that rounding alone would be.

    That is where the variant's numbers are of 16 bits and were rounded once from ones that fell anywhere between.
    """
    if isinstance(moved.delta, Factors):
        return {"unchanged": np.nan, "rounding": np.nan}
    unchanged = float((moved.delta == 0).double().mean())
    change = pair.change
    if not isinstance(change, OfModel) or change.instead is not None:
        return {"unchanged": unchanged, "rounding": np.nan}
    after = dict(change.variant.causal.named_parameters())[f"{moved.path}.weight"].detach()
    kept = next((kept for kind, kept in BITS.items() if (after == after.to(kind)).all()), None)
    if kept is None or not size:
        return {"unchanged": unchanged, "rounding": np.nan}
    steps = torch.where(after == 0, 0.0, torch.exp2(torch.frexp(after.float()).exponent.double() - kept))
    # What falls anywhere between two steps is off by a step over the root of twelve.
    return {"unchanged": unchanged, "rounding": float((steps**2).sum() / 12) ** 0.5 / size}


def _other(pair: Pair, moved: Moved, options: Options) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What is no matrix of a block: its size, and of an embedding the rows that changed, the largest first."""
    size, before = spectrum.norm(moved.delta), float(moved.before.double().norm())
    told = {"path": moved.path, "kind": "other", "norm": size, "of": before}
    told["relative"] = size / before if before else np.nan
    known = len(pair.whole.causal.get_input_embeddings().weight)
    by_row = _by_row(moved.delta, known) if moved.before.ndim == 2 and len(moved.before) == known else None
    if by_row is None:
        return told | dict.fromkeys(("rows_changed", "rows", "rows_added"), np.nan), []
    changed = int((by_row > 0).sum())
    told |= {"kind": "embedding", "rows_changed": changed, "rows": known, "rows_added": len(by_row) - known}
    top = by_row.topk(min(options.nearest, changed))
    return told, [
        {"path": moved.path, "token": token, "text": pair.tokenizer.decode([token]), "norm": value}
        for token, value in zip(top.indices.tolist(), top.values.tolist(), strict=True)
    ]


def _by_row(delta: Delta, known: int) -> Tensor:
    """How far each token's row moved."""
    if not isinstance(delta, Factors):
        whole: Tensor = delta.double().norm(dim=1)
        return whole
    # Of an embedding's factors the lower one has the tokens, of a head's the upper one.
    tokens, rest = (delta.high, delta.low.T) if len(delta.high) == known else (delta.low.T, delta.high)
    moved: Tensor = (tokens.double() @ torch.linalg.qr(rest.double()).R.T * delta.scale).norm(dim=1)
    return moved


def _near(
    pair: Pair, path: str, role: str, found: Spectrum, cosines: Tensor, options: Options
) -> list[dict[str, Any]]:
    """The tokens along each direction, whichever way it points."""
    top = cosines.topk(min(options.nearest, len(cosines)), dim=0)
    return [
        {
            "path": path,
            "role": role,
            "direction": number,
            "value": float(found.values[number]),
            "token": int(token),
            "text": pair.tokenizer.decode([int(token)]),
            "cosine": float(cosine),
        }
        for number in range(cosines.shape[1])
        for token, cosine in zip(top.indices[:, number], top.values[:, number], strict=True)
    ]


def _written(pair: Pair, written: Sequence[tuple[float, Floats]], options: Options) -> pd.DataFrame:
    """How far all matrices together write a token, weighted by singular values, beyond the middle token."""
    if not written:
        return pd.DataFrame(columns=["token", "text", "figure", "low", "high"])
    weights = np.array([weight for weight, _ in written])
    sums = np.stack([sums for _, sums in written])
    whole = sums.sum(0) / weights.sum()
    middle = float(np.median(whole))
    top = np.argsort(-whole, kind="stable")[: options.shown]
    low, high = resampling.drawn(sums[:, top], weights, options.resamples, options.seed)
    return pd.DataFrame(
        {
            "token": top,
            "text": [pair.tokenizer.decode([int(token)]) for token in top],
            "figure": whole[top] - middle,
            "low": low - middle,
            "high": high - middle,
        }
    )


def _profile(table: pd.DataFrame) -> pd.DataFrame:
    """By block and kind of module: share of the squared change, and its size beside what it changes."""
    groups = table.groupby(["block", "kind"], sort=True)
    rows = [
        {"block": block, "kind": kind, "share": of["share"].sum(), "relative": _whole(of["norm"], of["of"])}
        for (block, kind), of in groups
    ]
    return pd.DataFrame(rows, columns=["block", "kind", "share", "relative"])


def _whole(norms: "pd.Series[float]", of: "pd.Series[float]") -> float:
    """Several changes' size beside that of what they change."""
    size = float((of**2).sum())
    return float((norms**2).sum() / size) ** 0.5 if size else 0.0


def figures(result: Result, _options: Options) -> pd.DataFrame:
    """Modules by their share of the change, and tokens by how far they are written."""
    rows = [
        ("weight", row.path, row.path, row.share, row.share, row.share, np.nan)
        for row in result.tables["matrices"].sort_values("share", ascending=False, kind="stable").itertuples()
    ]
    rows += [
        ("token", str(row.token), row.text, row.figure, row.low, row.high, np.nan)
        for row in result.tables["tokens"].itertuples()
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))
