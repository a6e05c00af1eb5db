"""A dictionary's training from the first batch to the last: its curves, its state, and what ends it early.

Batches come from whatever gives paired activations and can be taken up again (`activations.stream` does). Promises
that a training which was killed, stopped or fell over goes on from its last state with the very batches that would
have come, on a CPU to the same weights bit for bit, and that a state is only put down while all of it is a number.
"""

import math
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol

import pandas as pd
import torch
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from diffing.common import damage
from diffing.common import files as disk
from diffing.common.errors import Cancelled, UserError
from diffing.common.step import Settings
from diffing.whitebox.dictionaries import about, files
from diffing.whitebox.dictionaries.dictionary import Dictionary
from diffing.whitebox.dictionaries.shape import BASE, VARIANT, Scale, Shape, sides_of
from diffing.whitebox.dictionaries.step import Learner, Recipe, Told

VERSION = 1
"""Part of what a state must fit: raised when the same batches would give other weights."""
LOOK = 50
"""Steps of a row of the curves: a row makes a GPU wait, and a page draws a few thousand at most."""
DEAD_SHARE = 0.05
"""Share of the training after which a silent latent is dead, where that is less than ten million tokens."""


class Options(Settings):
    """How a dictionary is trained; what is None follows from the sizes."""

    kind: Literal["crosscoder", "difference"] = "crosscoder"
    latents: int | None = Field(default=None, ge=2)
    """None: eight times the width for a crosscoder, twice for a difference, which seldom fills as many."""
    k: float | None = Field(default=None, gt=0)
    """Latents a token. None: 64 for a crosscoder, 32 for a difference."""
    rate: float | None = Field(default=None, gt=0)
    """None: 2e-4 at 16,384 latents, by one over the root of their number, as published."""
    base_only: int = Field(default=0, ge=0)
    variant_only: int = Field(default=0, ge=0)
    groups: tuple[int, ...] = ()
    difference: float = Field(default=0.0, ge=-1, le=0)
    """Weight of the models' difference; `shape` has the formula."""
    clip: float = Field(default=1.0, ge=0)
    revive: float = Field(default=1 / 32, ge=0)
    seed: int = Field(default=0, ge=0)
    minutes: float = Field(default=10, ge=0)
    """Between two states on disk: at 73,728 latents of 2 · 2,304 numbers one takes 8 GB."""

    def shape(self, width: int) -> Shape:
        """The form for activations of a width."""
        cross = self.kind == "crosscoder"
        latents = self.latents or width * (8 if cross else 2)
        form = Shape(width, latents, 1 + cross, self.base_only, self.variant_only, self.groups, self.difference)
        form.check()
        return form

    def recipe(self, latents: int, steps: int, rows: int) -> Recipe:
        return Recipe(
            steps,
            k=self.k or (64 if self.kind == "crosscoder" else 32),
            rate=self.rate or 2e-4 * (16_384 / latents) ** 0.5,
            # The usual numbers, in a short training no more than a part of it.
            warm_up=min(1000, steps // 10),
            anneal=min(2000, steps // 5),
            clip=self.clip,
            revive=self.revive,
            dead_after=max(1, min(10_000_000, round(DEAD_SHARE * rows))),
            seed=self.seed,
        )


class Flow(Protocol):
    """What gives paired activations."""

    @property
    def rows(self) -> int:
        """In all."""

    def __iter__(self) -> Iterator[Tensor]:
        """Batches [rows, 2, width], the base first, from where it stands."""

    def state(self) -> dict[str, Any]:
        """Where it stands, as JSON; behind the batch that was given last."""

    def restore(self, state: dict[str, Any]) -> None: ...


class Place(NamedTuple):
    """Where a dictionary will lie, and what is told of it there."""

    folder: Path
    hook: str = ""
    """As SAELens names the place in the model; where it is named, SAELens can load a difference SAE."""
    model: str = ""
    facts: Mapping[str, Any] = MappingProxyType({})
    """What else is known of it."""

    @property
    def state(self) -> Path:
        """Where the training stands, while it lasts."""
        return self.folder.parent / f"{self.folder.name}.training"


class Training:
    """A training under way."""

    def __init__(
        self, flow: Flow, steps: int, scale: Scale, options: Options, place: Place, device: torch.device
    ) -> None:
        """`steps`: batches that the flow gives in all."""
        if not bool(scale.factor.isfinite().all() and scale.mean.isfinite().all() and (scale.factor > 0).all()):
            raise UserError(
                "The activations have no spread (they are all alike, or hold what is no number); check that the "
                "pair is the right one."
            )
        if options.difference and len(set(scale.factor.tolist())) > 1:
            raise UserError(
                "A weight of the difference needs one scale for both models; make the scale with that weight."
            )
        self.flow, self.place, self.options = flow, place, options
        shape = options.shape(scale.mean.shape[1])
        self.learner = Learner(shape, options.recipe(shape.latents, steps, flow.rows), device)
        self.scale = scale.to(device, self.learner.norm.dtype)
        self.rows: list[dict[str, float]] = []
        self.lost = torch.zeros((), dtype=torch.float64, device=device)
        """Sum of the losses since the last row of the curves."""
        self.kept = 0
        """Steps that are safe on disk."""
        # What a state must fit. How often it is put down changes no weight.
        told = options.model_dump(mode="json", exclude={"minutes"})
        given = [scale.mean.double().tolist(), scale.factor.double().tolist()]
        self.key = disk.content_hash([VERSION, told, list(self.learner.recipe), given])
        if self.place.state.exists():
            self._restore()

    @property
    def curves(self) -> pd.DataFrame:
        return pd.DataFrame(self.rows)

    def run(self, check: Callable[[], None], look: Callable[[dict[str, float]], None]) -> Dictionary:
        """Learn from what is left of the flow; `look` is told of each row of the curves."""
        steps, kept = self.learner.recipe.steps, time.monotonic()
        try:
            for pairs in self.flow:
                if self.learner.steps == steps:
                    break
                self._step(pairs, look)
                # Behind the step: a batch that was given counts as learnt.
                check()
                if time.monotonic() - kept >= 60 * self.options.minutes and self.learner.steps < steps:
                    self.keep()
                    kept = time.monotonic()
        except Cancelled:
            self.keep()
            raise
        except torch.OutOfMemoryError as error:
            raise UserError(
                f"The device's memory does not hold a step with {self.learner.shape.latents:,} latents; choose "
                f"fewer, or a smaller batch. {self._safe()}"
            ) from error
        if self.learner.steps < steps:
            self.keep()
            raise UserError(
                f"The activations ended after {self.learner.steps:,} of {steps:,} steps; give more texts. "
                f"{self._safe()}"
            )
        return self._finished()

    def _step(self, pairs: Tensor, look: Callable[[dict[str, float]], None]) -> None:
        device, dtype = self.scale.mean.device, self.scale.mean.dtype
        inputs = self.scale.apply(sides_of(pairs.to(device, dtype), self.learner.shape.sides))
        told = self.learner.learn(inputs)
        self.lost += told.loss
        if self.learner.steps % LOOK == 0 or self.learner.steps == self.learner.recipe.steps:
            row = self._row(inputs, told)
            self.rows.append(row)
            look(row)

    def _row(self, inputs: Tensor, told: Told) -> dict[str, float]:
        """A row of the curves: means since the last one, and shares of the variance of this batch."""
        learner = self.learner
        before = int(self.rows[-1]["step"]) if self.rows else 0
        loss = float(self.lost) / (learner.steps - before)
        self.lost.zero_()
        if not math.isfinite(loss):
            raise UserError(
                f"Training broke down by step {learner.steps:,}: the loss is no number any more; choose a lower "
                f"rate. {self._safe()}"
            )
        if not told.active:
            raise UserError(
                f"Nothing is active at step {learner.steps:,}: the activations hold nothing to learn, or the rate "
                f"is too high. {self._safe()}"
            )
        explained = shares(inputs, told.errors, self.scale)
        dead = float((learner.silent >= learner.recipe.dead_after).float().mean())
        return {
            "step": learner.steps,
            "tokens": learner.tokens,
            "loss": loss,
            "active": told.active,
            "dead": dead,
            **explained,
            "threshold": float(learner.bar_in_use()),
            "rate": learner.recipe.rate_at(learner.steps),
            "k": learner.recipe.k_at(learner.steps - 1),
        }

    def _safe(self) -> str:
        return f"What was learnt in {self.kept:,} steps is kept." if self.kept else "Nothing was kept so far."

    def keep(self) -> None:
        """Put the state down, unless something in it is no number."""
        state = self.learner.state()
        numbers = [value for value in state.values() if value.is_floating_point()]
        if not all(bool(value.isfinite().all()) for value in numbers):
            return
        told = {"key": self.key, "flow": self.flow.state(), "rows": self.rows, "lost": float(self.lost)}
        try:
            with disk.fresh_folder(self.place.state.parent, f".new-{self.place.state.name}-") as fresh:
                save_file(state, fresh / "learner.safetensors")
                disk.write_json(fresh / "training.json", told)
                disk.put_folder(fresh, self.place.state)
        except (OSError, SafetensorError) as error:
            raise UserError(
                f"The training's state cannot be written ({damage.reason(error)}); free some space and train on. "
                f"{self._safe()}"
            ) from error
        self.kept = self.learner.steps

    def _restore(self) -> None:
        path = self.place.state
        told = disk.read_json(path / "training.json")
        if told["key"] != self.key:
            raise UserError(
                f"The training that was interrupted in '{damage.shown(path)}' had other settings; take these up, "
                "or remove the folder to begin anew."
            )
        with damage.reading(path / "learner.safetensors", f"remove '{damage.shown(path)}' and train again"):
            self.learner.restore(load_file(path / "learner.safetensors"))
        self.flow.restore(told["flow"])
        self.rows, self.kept = told["rows"], self.learner.steps
        self.lost.fill_(told["lost"])

    def _finished(self) -> Dictionary:
        learner = self.learner
        found = Dictionary.of(learner, self.scale)
        if not all(bool(getattr(found, name).isfinite().all()) for name in ("encoder", "decoder", "threshold")):
            raise UserError(
                f"Training broke down at its end: weights are no numbers any more; choose a lower rate. "
                f"{self._safe()}"
            )
        told = {"options": self.options.model_dump(mode="json"), "steps": learner.steps, "tokens": learner.tokens}
        files.save(
            self.place.folder, found, {**self.place.facts, **told}, self.curves, self.place.hook, self.place.model
        )
        # Only now: killed before, the training goes on from its last state.
        shutil.rmtree(self.place.state, ignore_errors=True)
        return found


def train(
    flow: Flow,
    steps: int,
    scale: Scale,
    options: Options,
    place: Place,
    device: torch.device,
    check: Callable[[], None] = lambda: None,
    look: Callable[[dict[str, float]], None] = lambda _: None,
) -> Dictionary:
    """A trained dictionary, put in its place; one that lies there already is handed back as it is."""
    if about.exists(place.folder):
        return files.load(place.folder).to(device, torch.float32)
    return Training(flow, steps, scale, options, place, device).run(check, look)


def shares(inputs: Tensor, errors: Tensor, scale: Scale) -> dict[str, float]:
    """Shares of the variance of a batch that are explained: each model's, and their difference's in true units."""
    found = {}
    sides = [part.view(len(part), *scale.mean.shape) / scale.factor[:, None] for part in (inputs, errors)]
    if len(scale.factor) == 2:
        both = zip(*(part.unbind(1) for part in sides), strict=True)
        for name, (seen, left) in zip(("explained_base", "explained_variant"), both, strict=True):
            found[name] = _share(seen, left)
        sides = [(part[:, VARIANT] - part[:, BASE])[:, None] for part in sides]
    found["explained_difference"] = _share(sides[0][:, 0], sides[1][:, 0])
    return found


def _share(seen: Tensor, left: Tensor) -> float:
    spread = (seen - seen.mean(0)).double().square().sum()
    # Where a batch has no spread, nothing of it can be explained.
    return float(1 - left.double().square().sum() / spread) if spread > 0 else 0.0
