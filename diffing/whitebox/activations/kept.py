"""Activations on disk: a validation set, or, where somebody asks for it, all that several trainings read.

A folder of shards under `cache/activations`, named by all that changes a number; each is put in place whole, so a
killed run goes on with the next one. Promises that what is read back is what the passes gave, bit for bit, that it
is mapped and not loaded, and that no more than `FREELY` tokens are kept unless it was asked for: a hundred million
tokens of a layer of an 8B model are 1.6 TB.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from diffing.common import damage, files
from diffing.common.arrays import Ints
from diffing.common.errors import UserError
from diffing.whitebox.activations.source import Block, Check, Passes, Source
from diffing.whitebox.pairs import room

VERSION = 1
"""Part of a folder's name: raised when the same passes would be written in another way."""
FREELY = 10_000_000
"""Tokens that are kept without anybody asking."""
SHARD = 65_536
"""Tokens of a shard, but for the document that crosses it: a gigabyte for one layer of an 8B model's pair."""
VALUES = "values"


class Kept:
    """Activations that lie on disk, read like a source."""

    def __init__(self, source: Passes, folder: Path) -> None:
        self.corpus = source.corpus
        self.layers = source.layers
        self.width = source.width
        self.dtype = source.dtype
        self.device = torch.device("cpu")
        self.folder = folder
        # Other company in a batch may change the last bit: these are not what the passes would give for a portion.
        self.key = f"kept {VERSION} {source.key}"
        self.firsts = shards(source.corpus.lengths)

    @property
    def files(self) -> list[Path]:
        return [self.folder / f"{number:05d}.safetensors" for number in range(len(self.firsts) - 1)]

    @property
    def bytes(self) -> int:
        return self.corpus.tokens * len(self.layers) * 2 * self.width * self.dtype.itemsize

    def read(self, documents: Sequence[int], check: Check) -> Iterator[Block]:
        wanted = np.sort(np.asarray(documents, np.int64))
        of = np.searchsorted(self.firsts, wanted, side="right") - 1
        for number in np.unique(of).tolist():
            check()
            yield self._some(number, wanted[of == number])

    def _some(self, number: int, documents: Ints) -> Block:
        """Documents of one shard."""
        offsets, lengths = self.corpus.data.offsets, self.corpus.lengths[documents]
        begins = offsets[documents] - offsets[self.firsts[number]]
        path = self.files[number]
        try:
            with safe_open(path, framework="pt") as shard:
                values = shard.get_slice(VALUES)
                parts = [values[int(a) : int(a + n)] for a, n in zip(begins, lengths, strict=True)]
        except (OSError, SafetensorError) as error:
            raise damage.Damaged(path, damage.reason(error), "remove it, it is made anew") from error
        position = np.concatenate([np.arange(length) for length in lengths])
        document = np.repeat(documents, lengths)
        return Block(torch.from_numpy(document), torch.from_numpy(position), torch.cat(parts))


def keep(
    source: Passes,
    asked: bool = False,
    check: Check = lambda: None,
    tell: Callable[[str], None] = lambda _: None,
) -> Kept:
    """All of a source's activations on disk; what is there already is not computed again."""
    tokens = source.corpus.tokens
    if tokens > FREELY and not asked:
        raise UserError(
            f"Activations of {tokens:,} tokens would be kept, where {FREELY:,} are the most without asking; "
            "choose fewer texts, or ask for all to be kept."
        )
    folder = files.cache_dir("activations") / files.content_hash([VERSION, source.key])
    kept = Kept(source, folder)
    missing = [number for number, path in enumerate(kept.files) if not path.exists()]
    if not missing:
        return kept
    _fits(kept)
    tell(f"Keeping activations of {tokens:,} tokens: {kept.bytes / room.GIB:.2f} GiB.")
    folder.mkdir(mode=files.PRIVATE_FOLDER, parents=True, exist_ok=True)
    data = source.corpus.data
    names = {"documents": list(data.names), "held_out": data.held_out.tolist()}
    files.write_json(folder / "texts.json", {"pair": source.pair.name, "layers": list(source.layers)} | names)
    for number in missing:
        check()
        _write(source, kept, number, check)
    return kept


def _write(source: Source, kept: Kept, number: int, check: Check) -> None:
    first, last = int(kept.firsts[number]), int(kept.firsts[number + 1])
    data = source.corpus.data
    begin, end = int(data.offsets[first]), int(data.offsets[last])
    values = torch.empty((end - begin, len(source.layers), 2, source.width), dtype=source.dtype)
    for block in source.read(range(first, last), check):
        at = data.offsets[block.document.numpy()] + block.position.numpy() - begin
        values[torch.from_numpy(at)] = block.values.cpu()
    lengths = source.corpus.lengths[first:last]
    document = np.repeat(np.arange(first, last), lengths)
    shard = {
        VALUES: values,
        "token": torch.from_numpy(data.ids[begin:end]),
        "role": torch.from_numpy(data.roles[begin:end]),
        "document": torch.from_numpy(document),
        "position": torch.from_numpy(np.arange(begin, end) - data.offsets[document]),
    }
    path = kept.files[number]
    try:
        with files.replacing(path) as temporary:
            save_file(shard, temporary)
    except (OSError, SafetensorError) as error:
        raise UserError(
            f"Activations cannot be written to '{damage.shown(path)}' ({damage.reason(error)}); free some space "
            "or keep fewer texts, what is stored stays."
        ) from error


def _fits(kept: Kept) -> None:
    """Raise before anything is computed where the disk is too small."""
    there = sum(path.stat().st_size for path in kept.files if path.exists())
    needed, free = kept.bytes - there, shutil.disk_usage(files.cache_dir("activations")).free
    if needed > free:
        raise UserError(
            f"Activations of {kept.corpus.tokens:,} tokens take {needed / room.GIB:.1f} GiB more on disk, where "
            f"{free / room.GIB:.1f} GiB are free; free some space or keep fewer texts."
        )


def shards(lengths: Ints) -> Ints:
    """The first document of each shard, and one behind the last."""
    firsts = [0]
    tokens = 0
    for number, length in enumerate(lengths.tolist()):
        tokens += length
        if tokens >= SHARD and number + 1 < len(lengths):
            firsts.append(number + 1)
            tokens = 0
    return np.array([*firsts, len(lengths)])
