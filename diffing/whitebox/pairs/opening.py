"""A pair from two sources: what they are, whether they fit each other, and how much room they take.

Promises that whatever makes two sources no pair is said in one sentence, and before weights are loaded where the
files tell it: another shape, another tokenizer, an adapter that is missing, gated or broken off. The tokenizer is
the base's; tokens that only the variant has are told as facts and given to neither model. Templates may differ:
both models are given the base's, and the facts say so.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch

from diffing.common import hub
from diffing.common.errors import UserError
from diffing.common.paths import expanded
from diffing.models import local, weights, whole
from diffing.models.local import Source, Weights
from diffing.models.weights import ModelFiles
from diffing.reader import reader
from diffing.whitebox.pairs import adapters, room
from diffing.whitebox.pairs.adapters import Adapter
from diffing.whitebox.pairs.changes import Change, OfAdapter, OfModel
from diffing.whitebox.pairs.pair import TRIED, Pair, encode
from diffing.whitebox.pairs.room import Room

SHAPE = (
    "model_type",
    "num_hidden_layers",
    "hidden_size",
    "intermediate_size",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
)
"""Fields of a configuration that two models of one shape share; vocabularies may be padded or longer."""
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")
"""Files of which a tokenizer has one at least."""
VARIANT = "variant"
"""The handle of the pair's own adapter."""


class Found(NamedTuple):
    """What two sources come down to, before any weights are loaded."""

    base: ModelFiles
    variant: ModelFiles | Adapter
    written: tuple[str, str]
    facts: dict[str, Any]


def open_pair(
    base: str,
    variant: str = "",
    device: str = "auto",
    dtype: str = "auto",
    tell: Callable[[str], None] = lambda _: None,
) -> Pair:
    """The pair of two sources, or of one `hf:BASE+ADAPTER`; loaded, checked and ready to run."""
    where = reader.pick_device(device)
    numbers = reader.pick_dtype(dtype, where)
    found = find(base, variant)
    needed = rooms(found, where, numbers)
    tell(needed.told)
    needed.check()
    apart = where.type == "cuda" and not needed.together
    host = torch.device("cpu") if apart else where
    first = whole.load(found.base, host, numbers)
    change: Change
    if isinstance(found.variant, Adapter):
        adapters.attach(first, found.variant, VARIANT)
        change = OfAdapter(first, found.variant, VARIANT, identity_of(found.variant))
    else:
        second = whole.load(found.variant, host, numbers)
        if apart:
            first.keep_head(where)
            second.keep_head(where)
        change = OfModel(first, second, identity_of(found.variant))
    pair = Pair(
        whole=first,
        change=change,
        tokenizer=reader.load_tokenizer(found.base.folder),
        identity=identity_of(found.base),
        name=" and ".join(found.written),
        written=f"hf:{local.parse(base).weights.written}",
        apart=apart,
        device=where,
    )
    facts = found.facts | pair.check() | {"memory": needed.told, "numbers": str(numbers).removeprefix("torch.")}
    pair.facts.update(facts)
    return pair


@contextmanager
def beside(pair: Pair, variant: str, handle: str) -> Iterator[Change]:
    """Another variant's change of a pair's base, for the block."""
    found = find(pair.written, variant)
    numbers = pair.whole.dtype
    needed = rooms(found, pair.device, numbers)
    # The base is there already.
    needed._replace(base=0).check()
    if not isinstance(found.variant, Adapter):
        second = whole.load(found.variant, pair.whole.device, numbers)
        yield OfModel(pair.whole, second, identity_of(found.variant))
        return
    adapters.attach(pair.whole, found.variant, handle)
    try:
        yield OfAdapter(pair.whole, found.variant, handle, identity_of(found.variant))
    finally:
        adapters.detach(pair.whole, handle)


def find(base: str, variant: str = "") -> Found:
    """Both sources' files, downloaded where they are missing and held against each other."""
    a = local.parse(base)
    b = local.parse(variant or base)
    if variant and a.adapter is not None:
        raise UserError(f"'{base}' is an adapter on a base: compare it with that base, 'hf:{a.weights.written}'.")
    if b.adapter is not None and b.weights != a.weights:
        raise UserError(
            f"The adapter of '{b.written}' stands on another base than '{a.written}'; name the same base twice."
        )
    files = weights.find(a.weights.model, None, a.weights.revision, a.weights.subfolder)
    adapter = b.adapter or (b.weights if variant and holds_adapter(b.weights) else None)
    if adapter is not None:
        read = adapters.read(adapter)
        names = (a.written, adapter.written)
        return Found(files, read, names, aligned(files.folder, read.folder, names))
    if b == a:
        raise UserError(f"'{a.written}' is one set of weights; name a variant of it too.")
    other = weights.find(b.weights.model, None, b.weights.revision, b.weights.subfolder)
    same_shape(a, b, files, other)
    names = (a.written, b.written)
    return Found(files, other, names, aligned(files.folder, other.folder, names))


def holds_adapter(source: Weights) -> bool:
    """Whether a source is an adapter's folder and no model's."""
    before = f"{source.subfolder}/" if source.subfolder else ""
    there = expanded(source.model)
    if there.is_dir():
        return (there / source.subfolder / adapters.CONFIG).is_file()
    # A whole model that is here already needs no network to be known as one.
    if hub.cached(source.model, f"{before}config.json", source.revision or None) is not None:
        return hub.cached(source.model, before + adapters.CONFIG, source.revision or None) is not None
    return hub.fetch_if_any(source.model, before + adapters.CONFIG, source.revision or None) is not None


def same_shape(a: Source, b: Source, one: ModelFiles, other: ModelFiles) -> None:
    for name in SHAPE:
        mine, theirs = (getattr(files.config, name, None) for files in (one, other))
        if mine != theirs:
            raise UserError(
                f"'{b.written}' is no variant of '{a.written}': its {name} is {theirs} where the base has {mine}; "
                "choose two models of one shape."
            )


def aligned(base: Path, variant: Path, names: tuple[str, str]) -> dict[str, Any]:
    """The variant's tokenizer and template beside the base's; raises where a text would be cut in another way."""
    if not any((variant / name).is_file() for name in TOKENIZERS):
        return {"tokenizer": "the base's", "added": [], "template": "the base's"}
    mine, theirs = reader.load_tokenizer(base), reader.load_tokenizer(variant)
    known, knows = mine.get_vocab(), theirs.get_vocab()
    other = next((token for token, number in sorted(known.items()) if knows.get(token) != number), None)
    if other is None:
        # The same pieces may still be put together in another way.
        other = next((text for text in TRIED if encode(mine, text) != encode(theirs, text)), None)
    if other is not None:
        raise UserError(
            f"'{names[1]}' is no variant of '{names[0]}': its tokenizer reads '{other[:40]}' in another way; "
            "choose two models of one tokenizer."
        )
    added = sorted(set(knows) - set(known))
    same = mine.chat_template == theirs.chat_template
    return {"tokenizer": "the same", "added": added, "template": "the same" if same else "another"}


def rooms(found: Found, device: torch.device, numbers: torch.dtype) -> Room:
    """What the two take, and what is free."""
    if isinstance(found.variant, Adapter):
        # Its numbers stay in float32 beside weights of 16 bits.
        more = sum(tensor.numel() for tensor in found.variant.tensors.values()) * torch.float32.itemsize
    else:
        more = whole.size(found.variant, numbers)
    return Room(whole.size(found.base, numbers), more, room.free(device), device.type)


def identity_of(found: ModelFiles | Adapter) -> Any:
    """What a source's numbers hang on: a Hub model's commit, or the hashes of local files."""
    if isinstance(found, Adapter):
        return list(found.hashes)
    if found.revision:
        # One repository may hold several models in folders.
        return [found.revision, found.folder.name]
    return reader.model_hashes(found)
