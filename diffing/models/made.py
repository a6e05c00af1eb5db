"""Checkpoints made of others, and how they are written: a change made large enough to be seen, and the like.

`amplify:A,B,2` is A with twice the change to B in its weights; `interpolate:A,B,0.5` lies half-way between them;
`cdd:A,B,1` (contrastive decoding) is B, with what it finds likelier than A does made likelier once more;
`steer:A,FILE#NAME,LAYER,STRENGTH` is A with a direction of a safetensors file added to what a layer gives. A and B
are keys of checkpoints of the same study, or weights as `local` has them. Knows words and no weights: how such a
checkpoint answers is not told here.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from diffing.common import tables
from diffing.common.errors import UserError
from diffing.common.paths import expanded
from diffing.models import local

Kind = Literal["amplify", "interpolate", "cdd", "steer"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FORMS: Mapping[Kind, str] = {
    "amplify": "amplify:A,B,2",
    "interpolate": "interpolate:A,B,0.5",
    "cdd": "cdd:A,B,1",
    "steer": "steer:A,FILE#NAME,LAYER,STRENGTH",
}


MOST: Mapping[Kind, float] = {"amplify": 100, "interpolate": 1, "cdd": 100, "steer": 1e6}
"""Largest strength: far below it nothing is written that anybody could read. A direction may be of any length."""


class Made(NamedTuple):
    """A checkpoint that is made of others."""

    kind: Kind
    base: str
    """A: a key, or weights."""
    strength: float
    variant: str = ""
    """B; none where a direction is added."""
    file: str = ""
    """Of the direction."""
    name: str = ""
    """Of the direction in its file."""
    layer: int = 0

    @property
    def parts(self) -> tuple[str, ...]:
        """The checkpoints that it is made of."""
        return (self.base, self.variant) if self.variant else (self.base,)

    @property
    def plain(self) -> str:
        """The checkpoint that it stands for: what is seen in this one is to be looked for in that one."""
        return self.variant or self.base

    @property
    def written(self) -> str:
        return self._spelled(*self.parts, self.file)

    @property
    def short(self) -> str:
        """The same without where folders and files lie."""
        parts = (local.parse(part).short if local.is_weights(part) else part for part in self.parts)
        return self._spelled(*parts, Path(self.file).name)

    def _spelled(self, *words: str) -> str:
        *parts, file = words
        if self.kind == "steer":
            return f"steer:{parts[0]},{file}#{self.name},{self.layer},{self.strength:.12g}"
        return f"{self.kind}:{','.join(parts)},{self.strength:.12g}"

    def told(self, names: Mapping[str, str]) -> str:
        """What it is, as the end of a sentence; `names` are what people call the checkpoints, by key."""
        base, plain = (names.get(part, part) for part in (self.base, self.plain))
        if self.kind == "amplify":
            return f"{base} with {self.strength:.12g} times the change to {plain}"
        if self.kind == "interpolate":
            return f"{base} with {self.strength:.12g} of the change to {plain}"
        if self.kind == "cdd":
            return f"{plain} decoded against {base} with contrast {self.strength:.12g}"
        return f"{base} with the direction {self.name} added at layer {self.layer}, {self.strength:.12g} times"


def is_made(text: str) -> bool:
    return text.partition(":")[0] in KINDS and ":" in text


def parse(text: str) -> Made:
    """What a text such as `amplify:a,b,2` stands for; folders and files are then written from the root on."""
    kind = next((kind for kind in KINDS if text.startswith(f"{kind}:")), None)
    if kind is None:
        raise UserError(f"'{text}' is made of no checkpoints; write {' or '.join(FORMS.values())}.")
    words = [word.strip() for word in text.partition(":")[2].split(",")]
    if len(words) != FORMS[kind].count(",") + 1 or not all(words):
        raise UserError(
            f"'{text}' is not written as {FORMS[kind]}; A and B are keys of the study's checkpoints, or weights "
            "(hf:… or starter) without a comma in their names."
        )
    strength = _number(text, words[-1])
    least = 0 if kind == "interpolate" else -MOST[kind]
    if not least <= strength <= MOST[kind]:
        raise UserError(
            f"The strength of '{text}' is out of range; take a number from {least:g} to {MOST[kind]:g}."
        )
    base = _part(text, words[0])
    if kind == "steer":
        file, _, name = words[1].rpartition("#")
        layer = tables.number(words[2])
        if not file or not name or layer is None:
            raise UserError(
                f"'{text}' is not written as {FORMS[kind]}; name a safetensors file and a layer from 0."
            )
        return Made(kind, base, strength, file=str(expanded(file).resolve()), name=name, layer=layer)
    variant = _part(text, words[1])
    if variant == base:
        raise UserError(f"'{text}' names one checkpoint twice; name the one before and the one after.")
    return Made(kind, base, strength, variant)


def _number(text: str, word: str) -> float:
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UserError(f"'{word[:40]}' in '{text}' is no number; write how strong it is to be, such as 2.")
    return number


def _part(text: str, word: str) -> str:
    if local.is_weights(word):
        return local.parse(word).written
    # A key has none of these; whether there is such a checkpoint the study knows.
    if ":" in word or "/" in word:
        raise UserError(
            f"'{word}' in '{text}' is neither a checkpoint's key nor weights; write a key or hf:{word}."
        )
    return word


def resolved(source: str, sources: Mapping[str, str]) -> str:
    """A source with the weights in place of their keys; as it is where it is made of nothing."""
    if not is_made(source):
        return source
    made = parse(source)
    weights = [_weights(source, part, sources) for part in made.parts]
    return made._replace(base=weights[0], variant=weights[1] if made.variant else "").written


def _weights(text: str, part: str, sources: Mapping[str, str]) -> str:
    if local.is_weights(part):
        return part
    found = sources.get(part)
    if found is None:
        raise UserError(
            f"'{text}' is made of '{part}', which is no checkpoint here; name one of: {', '.join(sources)}."
        )
    if not local.is_weights(found):
        raise UserError(
            f"'{text}' is made of '{part}', which is no weights ('{found}'); name one of hf:… or starter."
        )
    return found
