"""Answers of checkpoints that are made of others (`made`): with a change made larger, contrasted, steered.

One model with its change on, larger or smaller, is sampled as any other model is. What is contrasted or steered is
written token by token by a pair (`writing`), which knows a temperature and no other way to sample: where a study
or the model's own settings ask for one, that is refused in a sentence, since its answers would differ from the
plain checkpoint's for that alone. Tokenizer and template are those of the checkpoint that it stands for. Promises
that amplified or interpolated by 1 it answers as B, by 0 as A, and that contrasted or steered by 0 it answers as
the plain checkpoint, up to rounding. How answers are kept is told in `diffing.models.generate`.
"""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from diffing.common import tables
from diffing.common.errors import UserError
from diffing.models import generate, local, made, weights, whole
from diffing.models.generate import Check, Model, Writer
from diffing.models.local import Source
from diffing.models.made import Made
from diffing.models.replies import Reply, Request
from diffing.reader import reader
from diffing.whitebox.pairs import opening
from diffing.whitebox.pairs.changes import Nothing, OfModel
from diffing.whitebox.pairs.pair import Pair
from diffing.whitebox.writing.recipe import Recipe, Steering
from diffing.whitebox.writing.writer import grown

PLAIN: Mapping[str, float] = {"top_p": 1.0, "top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0}
"""Ways to sample beside a temperature, and the value of each that changes nothing."""
DIRECTION = "direction"
"""What a recipe calls the direction that is added: there is one alone."""


@contextmanager
def opened(source: str) -> Iterator[Writer]:
    """Whoever answers for a source, for the block."""
    wanted = made.parse(source)
    if wanted.kind == "steer":
        yield _steered(wanted)
        return
    pair = opening.open_pair(wanted.base, wanted.variant)
    tokenizer = generate.tokenizer(local.parse(wanted.variant))
    if wanted.kind == "cdd":
        yield Maker(wanted, pair, tokenizer, Recipe(contrast=wanted.strength))
        return
    with pair.variant(wanted.strength) as changed:
        yield Model(changed.causal, tokenizer)


class Maker(NamedTuple):
    """A pair that writes by a recipe."""

    source: Made
    pair: Pair
    tokenizer: Any
    recipe: Recipe
    directions: Mapping[str, Tensor] = MappingProxyType({})

    @property
    def most(self) -> int:
        # Only texts of one length are written together: among more of them there are more of each.
        return 4 * generate.BATCH

    @property
    def plain(self) -> Any:
        """The model that the checkpoint stands for, as far as its files go."""
        change = self.pair.change
        return (change.variant if isinstance(change, OfModel) else self.pair.whole).causal

    def read(self, asked: Request) -> tuple[str, str]:
        text, fault = generate.rendered(self.pair.whole.config, self.tokenizer, asked)
        if fault:
            return text, fault
        ids, window = self._ids(text), self.pair.whole.window
        if len(ids) >= window:
            return "", f"the prompt has {len(ids)} tokens, the model takes {window} with its answer"
        # Of two models only tokens that both know are written, and read.
        known = min(int(each.vocab_size) for each in (self.pair.whole.config, self.plain.config))
        return (
            (text, "")
            if max(ids, default=0) < known
            else ("", "the prompt has tokens that only one of the two models knows")
        )

    def _ids(self, text: str) -> list[int]:
        # The template has written the special tokens already.
        ids: list[int] = self.tokenizer(text, add_special_tokens=not self.tokenizer.chat_template)["input_ids"]
        return ids

    def write(self, texts: list[str], asked: list[Request], check: Check) -> list[Reply]:
        started = time.perf_counter()
        parameters = asked[0].parameters
        temperature = parameters.get("temperature", 1.0)
        self._refuse_other_ways(parameters, temperature)
        # From the keys, which hold the study's seed: a batch writes the same whatever was written before it.
        told = {"temperature": temperature, "seed": generate.seed_of(asked) % 2**31}
        prefixes = [self._ids(text) for text in texts]
        longest = parameters.get("max_tokens") or generate.USUAL_LENGTH
        rows = grown(self.pair, prefixes, self.recipe.model_copy(update=told), longest, check, self.directions)
        latency = round((time.perf_counter() - started) / len(texts), 3)
        stops = generate.ends(self.plain)
        return [
            generate.reply(each, self.tokenizer, row[len(prefix) :], stops, len(prefix), latency)
            for each, row, prefix in zip(asked, rows, prefixes, strict=True)
        ]

    def _refuse_other_ways(self, parameters: Mapping[str, Any], temperature: float) -> None:
        own = self.plain.generation_config
        # Where the likeliest token is taken, no other is to be cut away.
        for name, usual in PLAIN.items() if temperature else [("repetition_penalty", 1.0)]:
            value = parameters.get(name, getattr(own, name, None))
            if value is not None and value != usual:
                whose = "the study" if name in parameters else "the model's generation_config.json"
                raise UserError(
                    f"'{self.source.short}' is sampled at a temperature alone, and {whose} sets {name} to "
                    f"{value}; set {name} to {usual:g} in the study's extra_body, for all its checkpoints."
                )


def _steered(source: Made) -> Maker:
    own = local.parse(source.base)
    pair = opening.open_pair(source.base) if own.adapter else _alone(own)
    part = Steering(direction=DIRECTION, layer=source.layer, strength=source.strength)
    # One set of weights has no change that could be on.
    recipe = Recipe(alpha=float(own.adapter is not None), steering=(part,))
    return Maker(source, pair, generate.tokenizer(own), recipe, {DIRECTION: direction(source)})


def _alone(source: Source) -> Pair:
    """One set of weights as a pair without a change."""
    at = source.weights
    files = weights.find(at.model, None, at.revision, at.subfolder)
    device = reader.pick_device("auto")
    loaded = whole.load(files, device, reader.pick_dtype("auto", device))
    return Pair(
        whole=loaded,
        change=Nothing(loaded),
        tokenizer=reader.load_tokenizer(files.folder),
        identity=opening.identity_of(files),
        name=at.written,
        device=loaded.device,
    )


def direction(source: Made) -> Tensor:
    """The direction that a source names: a vector of its file, or `NAME[ROW]` of a matrix."""
    name, row = re.fullmatch(r"(.*?)(?:\[(\d+)\])?", source.name, re.DOTALL).groups()  # type: ignore[union-attr]
    try:
        with safe_open(Path(source.file), framework="pt") as opened:
            if name not in opened.keys():  # noqa: SIM118 - no dictionary
                known = ", ".join(sorted(opened.keys())[:8])
                raise UserError(f"'{Path(source.file).name}' holds no '{name}'; it holds {known}.")
            found: Tensor = opened.get_tensor(name)
    except (SafetensorError, OSError) as error:
        raise UserError(
            f"Direction '{source.name}' cannot be read from '{Path(source.file).name}' ({error}); name a "
            "safetensors file."
        ) from error
    number = tables.number(row or "")
    if number is not None and found.ndim == 2 and number < len(found):
        found = found[number]
    if found.ndim != 1:
        shape = " × ".join(map(str, found.shape))
        raise UserError(
            f"'{source.name}' is no direction but {shape} numbers; name a vector, or NAME[ROW] of a matrix."
        )
    if not torch.isfinite(found).all():
        raise UserError(f"Direction '{source.name}' holds numbers that are not finite; name another one.")
    return found
