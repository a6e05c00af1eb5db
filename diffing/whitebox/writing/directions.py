"""Directions by which a model can be pushed: what the lens, the principal directions and dictionaries have found.

Each is named `FILE#LAYER-REST`: a vector of a safetensors file beside what was written live, made when it is first
asked for, so that a recipe can name it, and `steer:A,FILE#NAME,LAYER,STRENGTH` too. A strength of 1 adds what the
change itself brings: the mean difference of a place, one standard deviation along a principal direction, what a
latent usually writes where it fires. Promises that a name stays true: a result that was made anew has another one.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from diffing.common import files
from diffing.common.errors import UserError
from diffing.study.study import Study
from diffing.whitebox import results
from diffing.whitebox.dictionaries import shelf
from diffing.whitebox.sight import seen

if TYPE_CHECKING:
    from torch import Tensor

LENS, PCA, DICTIONARY = "lens", "pca", "dictionary"
OFFERED = 20
"""Latents of a dictionary, those of the largest shares: more would hide what else there is."""


class Found(NamedTuple):
    """A file of directions that can be had."""

    name: str
    """Of the file, without its ending."""
    names: tuple[str, ...]
    """Of its vectors."""
    read: "Callable[[], dict[str, Tensor]]"
    """All of them, by those names."""


def names(study: Study, base: str, variant: str) -> list[str]:
    """All that there are of two checkpoints."""
    return [f"{each.name}#{name}" for each in _all(study, base, variant) for name in each.names]


def file(study: Study, base: str, variant: str, name: str, folder: Path) -> Path:
    """The file in which a direction lies, written where it is missing."""
    for each in _all(study, base, variant):
        if name in [f"{each.name}#{own}" for own in each.names]:
            path = folder / f"{each.name}.safetensors"
            if not path.exists():
                from safetensors.torch import save_file

                with files.replacing(path) as fresh:
                    save_file(each.read(), fresh)
            return path
    raise UserError(
        f"There is no direction '{name}' any more; run the lens, pca or a dictionary, or choose another one."
    )


def _all(study: Study, base: str, variant: str) -> Iterator[Found]:
    for each in seen.of(study, base, variant).methods:
        if each.name == LENS:
            yield _lens(each.place)
        elif each.name == PCA and each.facts()["differs"]:
            yield _pca(each.place)
    for name in shelf.names(study):
        facts = shelf.facts(study, name)
        if (facts.base, facts.variant) == (base, variant) and (
            shelf.folder(study, name) / shelf.DIRECTIONS
        ).exists():
            yield _dictionary(study, name)


def _lens(place: Path) -> Found:
    # Takes a while to load.
    from diffing.whitebox.methods.lens.sums import PLACES, Stream

    layers = results.facts(place)["layers"]

    def read() -> "dict[str, Tensor]":
        stream = Stream(**results.load(place).arrays)
        return {
            f"{layer}-{spot}": stream.shift(n)[column].float().contiguous()
            for n, layer in enumerate(layers)
            for column, spot in enumerate(PLACES)
        }

    return Found(place.name, tuple(f"{layer}-{spot}" for layer in layers for spot in PLACES), read)


def _pca(place: Path) -> Found:
    """The mean, and the directions that are told."""
    layer = int(results.facts(place)["layer"])
    table = results.table(place, "directions", ["direction", "variance", "told"])
    told = table[table["told"]]

    def read() -> "dict[str, Tensor]":
        arrays = results.load(place).arrays
        found = {f"{layer}-mean": arrays["mean"].float().contiguous()}
        for number, variance in zip(told["direction"], told["variance"], strict=True):
            found[f"{layer}-{number}"] = (arrays["directions"][number - 1] * variance**0.5).float().contiguous()
        return found

    return Found(place.name, (f"{layer}-mean", *(f"{layer}-{n}" for n in told["direction"])), read)


def _dictionary(study: Study, name: str) -> Found:
    """The latents that write the largest shares of the difference."""
    facts = shelf.facts(study, name)
    table = shelf.table(study, name, "latents")
    first = table[table["share"] > 0].nlargest(OFFERED, "share")["latent"].tolist()

    def read() -> "dict[str, Tensor]":
        from safetensors import safe_open

        with safe_open(shelf.folder(study, name) / shelf.DIRECTIONS, framework="pt") as opened:
            return {f"{facts.layer}-{n}": opened.get_tensor(f"latent-{n}") for n in first}

    # A dictionary that was removed and trained again under its name is another one.
    mark = files.content_hash([facts.key, facts.date], 8)
    return Found(f"{DICTIONARY}-{name}-{mark}", tuple(f"{facts.layer}-{n}" for n in first), read)
