"""Which nulls stand beside a pair: as people write them, and which ones where nobody does.

`rotated:N`, `self:N` and `control:N` are so many seeds of a kind, `given:SOURCE` somebody's variant of the same
base, `same` the same weights twice, `auto` takes what fits the pair, and `few` two of these. Promises the same
nulls for the same words, in their order, and names that tell apart all that would give other numbers. Makes none:
each is made when its turn comes (`nulls`).
"""

from collections.abc import Iterator, Sequence
from functools import partial

from diffing.common import files, tables
from diffing.common.errors import UserError
from diffing.study import sample
from diffing.whitebox import organisms, texts
from diffing.whitebox.method import Check
from diffing.whitebox.pairs import nulls, opening
from diffing.whitebox.pairs.pair import Pair
from diffing.whitebox.run import Null
from diffing.whitebox.texts import Choice, Document

AUTO, FEW = "auto", "few"
KINDS = ("rotated", "self", "control", "given", "same")
SMALL = 300_000_000
"""Parameters of a model of which controls are trained on the spot. Two cores do some 10¹¹ operations a second, and
each of the 16,000 tokens takes six for every parameter: five minutes a control, where a reading takes longer."""
MANY = 20
"""Nulls of a kind at most: as many as a null's own claims were ever counted over."""
UNRELATED = Choice(count=256, length=64, held_out=0.0)
"""Of the bundled sample's answers, on which controls are trained: as much as a base tuned on itself reads."""


def chosen(
    words: Sequence[str],
    pair: Pair,
    documents: Sequence[Document],
    organism: str = "",
    check: Check = lambda: None,
) -> list[Null]:
    """The nulls that words name; `organism` is what the registry calls the pair, where it does."""
    fitting = {AUTO: auto, FEW: few}
    written = [each for word in words for each in (fitting[word](pair, organism) if word in fitting else [word])]
    found = [null for word in dict.fromkeys(written) for null in _of(word, pair, documents, check)]
    # `auto` may name what was named beside it.
    return list({null.name: null for null in found}.values())


def auto(pair: Pair, organism: str = "") -> list[str]:
    """What fits: the controls that the registry gives, else trained ones, and turned changes."""
    if given := _controls(organism):
        return [*(f"given:{source}" for source in given), "rotated:2"]
    if sum(tensor.numel() for tensor in pair.whole.causal.parameters()) <= SMALL:
        return ["control:2", "rotated:2"]
    return ["rotated:3"]


def few(pair: Pair, organism: str = "") -> list[str]:
    """Two of these, the fewest there can be: a control, where one is to be had, and a turned change."""
    first = auto(pair, organism)[0]
    if first.startswith("rotated"):
        return ["rotated:2"]
    return [first if first.startswith("given:") else "control:1", "rotated:1"]


def _controls(organism: str) -> list[str]:
    """Sources of the controls of an organism, of those made on the same model."""
    if not organism:
        return []
    found = organisms.find(organism)
    known = organisms.registry()
    made = [(name, known[name]) for name in found.organism.controls]
    model = found.variant.model
    there = [name for name, each in made if any(variant.model == model for variant in each.variants)]
    return [organisms.find(f"{name}:{model}").variant.written for name in there]


def _of(word: str, pair: Pair, documents: Sequence[Document], check: Check) -> Iterator[Null]:
    kind, _, rest = word.partition(":")
    if kind not in KINDS or (kind == "given" and not rest):
        raise UserError(
            f"'{word}' is no null; write {AUTO}, {FEW}, same, rotated:N, self:N, control:N or given:SOURCE, N of "
            "them."
        )
    if kind == "same":
        yield Null("same", nulls.same)
        return
    if kind == "given":
        yield _given(rest, pair)
        return
    for seed in range(_number(word, rest)):
        if kind == "rotated":
            making = partial(nulls.rotated, documents=documents, seed=seed, check=check)
        elif kind == "self":
            making = partial(nulls.self_tuned, seed=seed, check=check)
        else:
            making = partial(nulls.control, documents=unrelated(pair), seed=seed, check=check)
        yield Null(f"{kind}-{seed}", making)


def _given(source: str, pair: Pair) -> Null:
    # By its content: a control that was trained anew in its folder is another one.
    identity = opening.identity_of(opening.find(pair.written, source).variant)
    return Null(f"given-{files.content_hash([source, identity], 8)}", partial(nulls.given, variant=source), source)


def _number(word: str, text: str) -> int:
    if not text:
        return 1
    if not (text.isascii() and text.isdigit() and 0 < int(text[:9]) <= MANY):
        raise UserError(f"'{word}' names no number of nulls; write one from 1 to {MANY} behind the colon.")
    return int(text)


def unrelated(pair: Pair) -> list[Document]:
    """Ordinary text for a control to be trained on."""
    maker = texts.Maker(pair.tokenizer, UNRELATED)
    rows = tables.read(sample.FOLDER / "responses.csv")["text"]
    made = [maker.text(f"sample {n}", str(text)) for n, text in enumerate(rows)]
    return [document for document in made if document is not None][: UNRELATED.count]
