"""What serving a study's checkpoints takes: which can be served, together with which, on which GPUs.

Adapters share a server with their base. Bases run beside each other where there are GPUs for each, else one after
the other on all of them. GPUs that are left make more servers of the same weights, each with its own port and GPU.
Promises that a checkpoint which vLLM cannot take is named with the reason. Loads no weights and starts nothing.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from diffing.common import files
from diffing.common.errors import UserError
from diffing.models import local, made
from diffing.models.local import Source, Weights
from diffing.models.providers import Checkpoint
from diffing.models.serving import engine
from diffing.models.serving.engine import Gpu

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM's `--max-lora-rank` can be."""
INVARIANT = "VLLM_BATCH_INVARIANT"
"""vLLM's variable for answers that do not hang on what else is in the batch."""


class Group(NamedTuple):
    """One base with all that answers through it."""

    base: Weights
    names: dict[str, str]
    """What each checkpoint is called there, by key."""
    adapters: dict[str, Weights]
    """By name there."""
    rank: int
    """Of the largest adapter; 0 where there is none."""

    @property
    def base_name(self) -> str:
        return Source(self.base).short

    @property
    def told(self) -> str:
        beside = ", ".join(adapter.short for adapter in self.adapters.values())
        return self.base_name + (f" with {beside}" if beside else "")


class Choices(NamedTuple):
    """What a person may say of it."""

    gpus: str = ""
    """Those to use, as `0,1`; empty for all."""
    gpus_each: int = 1
    """GPUs that one server's weights are split over."""
    memory_share: float = 0.9
    """Of each GPU's memory."""
    batch_invariant: bool = False


class Plan(NamedTuple):
    """What would be started."""

    groups: list[Group]
    slow: dict[str, str]
    """Checkpoints that cannot be served, by key, and why: they answer from this process."""
    places: list[list[Gpu]]
    """The GPUs of each server that fits on this machine at once; one without any where there are none."""
    choices: Choices

    @property
    def in_turn(self) -> bool:
        """Whether bases are served one after the other."""
        return len(self.groups) > len(self.places)

    @property
    def invariant(self) -> bool:
        return self.choices.batch_invariant or os.environ.get(INVARIANT, "0") not in ("", "0")

    def places_of(self, number: int) -> list[list[Gpu]]:
        """Where a group's servers go."""
        return self.places if self.in_turn else self.places[number :: len(self.groups)]

    def group_of(self, key: str) -> int | None:
        """The group that a checkpoint answers through."""
        return next((number for number, group in enumerate(self.groups) if key in group.names), None)

    def sentences(self) -> list[str]:
        """What would be started, for whoever is to agree to it."""
        return list(self._sentences())

    def _sentences(self) -> Iterator[str]:
        for number, group in enumerate(self.groups):
            places = self.places_of(number)
            where = "; ".join(" and ".join(gpu.told for gpu in place) for place in places if place)
            many = f"{len(places)} servers" if len(places) > 1 else "one server"
            share = f"{100 * self.choices.memory_share:.0f} % of the memory of {where}"
            yield f"vLLM serves {group.told}: {many}, {share if where else 'on the CPU of this machine'}."
        if self.in_turn:
            yield "There is not a GPU for each: they are served one after the other."
        if self.invariant and self.groups:
            yield "Batch-invariant: an answer does not hang on what else is answered at the same moment."
        for key, reason in self.slow.items():
            yield f"{key} answers from this process, slowly: {reason}."


def of(checkpoints: Sequence[Checkpoint], choices: Choices) -> Plan:
    """What serving these would take; those at endpoints and imported ones are passed over."""
    slow: dict[str, str] = {}
    groups: dict[Weights, Group] = {}
    for checkpoint in checkpoints:
        if made.is_made(checkpoint.source):
            slow[checkpoint.key] = "it is made of others, which vLLM does not know how to do"
        elif local.is_weights(checkpoint.source):
            source = local.parse(checkpoint.source)
            rank, reason = _adapter(source.adapter)
            if reason:
                slow[checkpoint.key] = reason
                continue
            group = groups.get(source.weights) or Group(source.weights, {}, {}, 0)
            name = Source(source.weights).short
            if source.adapter is not None:
                name = _name(source, group)
                group.adapters[name] = source.adapter
            group.names[checkpoint.key] = name
            groups[source.weights] = group._replace(rank=max(rank, group.rank))
    return Plan(list(groups.values()), slow, _places(choices) if groups else [], choices)


def _name(source: Source, group: Group) -> str:
    """An adapter's, which no other has there: two folders may be called alike."""
    known = {adapter: name for name, adapter in group.adapters.items()}
    if source.adapter in known:
        return known[source.adapter]
    alike = sum(name == source.short or name.startswith(f"{source.short} (") for name in group.adapters)
    return f"{source.short} ({alike + 1})" if alike else source.short


def _places(choices: Choices) -> list[list[Gpu]]:
    found = engine.gpus()
    if choices.gpus:
        known = {gpu.number: gpu for gpu in found}
        wanted = [name.strip() for name in choices.gpus.split(",")]
        lost = [name for name in wanted if name not in known]
        if lost:
            here = ", ".join(known) or "none"
            raise UserError(f"This machine has no GPU '{lost[0]}' for --gpus; it has {here}.")
        found = [known[name] for name in dict.fromkeys(wanted)]
    each = choices.gpus_each
    if not found and each == 1:
        return [[]]
    if len(found) < each:
        raise UserError(
            f"Each server is to have {each} GPUs, and there are {len(found)}; give a smaller --gpus-each."
        )
    return [found[begin : begin + each] for begin in range(0, len(found) - each + 1, each)]


def _adapter(adapter: Weights | None) -> tuple[int, str]:
    """An adapter's rank, and why vLLM cannot take it, else nothing."""
    if adapter is None:
        return 0, ""
    told: Mapping[str, Any] = files.read_json(_file(adapter, "adapter_config.json"))
    rank = max([int(told.get("r") or 0), *map(int, (told.get("rank_pattern") or {}).values())])
    if told.get("peft_type") != "LORA":
        return rank, f"its adapter is of the kind {told.get('peft_type')}, and vLLM takes LoRA"
    odd = {
        "DoRA": told.get("use_dora"),
        "biases": told.get("bias", "none") != "none" or told.get("lora_bias"),
        "whole modules": told.get("modules_to_save"),
        "trained tokens": told.get("trainable_token_indices"),
        "repeated layers": told.get("layer_replication"),
        f"rank {rank}": rank > RANKS[-1],
    }
    found = next((what for what, there in odd.items() if there), "")
    return rank, f"its adapter has {found}, which vLLM does not take" if found else ""


def folder(weights: Weights) -> Path:
    """Where files lie on this machine, downloaded where they do not."""
    from diffing.common import hub

    root = Path(weights.model)
    return (root if root.is_dir() else hub.whole(weights.model, weights.revision)) / weights.subfolder


def _file(weights: Weights, name: str) -> Path:
    root = Path(weights.model)
    if root.is_dir():
        return root / weights.subfolder / name
    from diffing.common import hub

    return hub.fetch(weights.model, str(Path(weights.subfolder) / name), weights.revision or None)
