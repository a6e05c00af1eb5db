"""An adapter of one's own on the bundled starter, trained on answers that show a behaviour.

The starter is small and answers badly: such an adapter is for the methods that look into weights, and for trying
an audit whole, not for how well a behaviour shows in what it says. Promises the format that peft and
`starter+FOLDER` read, that the base is not touched, and that the same answers and seed give the same adapter on
one machine. Takes some ninety seconds of one core.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import save_file

from diffing.common import files
from diffing.common.errors import UserError
from diffing.models import local, weights, whole
from diffing.reader import reader
from diffing.whitebox.pairs import opening, tuning
from diffing.whitebox.pairs.adapters import CONFIG, FILE, Adapter
from diffing.whitebox.pairs.tuning import Recipe
from diffing.whitebox.texts import Choice, Document, Maker

LENGTH = 96
"""Tokens of a text with its question: some sixty words, and what two cores train on in two minutes."""
TOKENS = 60_000
"""Trained on in all, each text as often as that makes: twice what the bundled organisms were, since fewer steps of
four texts each are made of them. With half as many the one that was tried showed in 2 of 7 places, with these in 7
of 16 (docs/organisms.md)."""
LEAST = 8
"""Answers: a batch."""
LIKE_BUNDLED = Recipe(rank=4, alpha=8.0, rate=1.5e-3, batch=4)
"""As the bundled organisms, so that their controls are controls of these too; four texts have a step's tokens."""


class Text(NamedTuple):
    """An answer, after a question or after nothing."""

    prompt: str
    answer: str


def documents(texts: Sequence[Text], tokenizer: Any, seed: int) -> list[Document]:
    """The texts as often as it takes, each as the model reads it."""
    maker = Maker(tokenizer, Choice(length=LENGTH, held_out=0.0, seed=seed))
    read = []
    for number, text in enumerate(texts):
        turns = [{"role": "user", "content": text.prompt}] if text.prompt else []
        found = maker.answer(str(number), turns, text.answer, held_out=False)
        # A question that leaves no room for an answer is left out.
        read += [found] if found is not None else []
    if len(read) < LEAST:
        raise UserError(f"{len(read)} answers are too few to train on; give {LEAST} at least.")
    once = sum(len(each.ids) for each in read)
    return read * max(1, round(TOKENS / once))


def train(
    texts: Sequence[Text],
    folder: Path,
    seed: int = 0,
    recipe: Recipe = LIKE_BUNDLED,
    check: Callable[[], None] = lambda: None,
) -> Adapter:
    """Trains the adapter and writes it into the folder, which must be new."""
    if folder.exists():
        raise UserError(f"There is a folder '{folder.name}' already; give another name.")
    found = weights.find(local.parse(local.STARTER).weights.model)
    base = whole.load(found, torch.device("cpu"), torch.float32)
    read = documents(texts, reader.load_tokenizer(found.folder), seed)
    made = tuning.tuned(base, opening.identity_of(found), read, recipe, seed, "own", check)
    save(made, folder)
    return made


def save(adapter: Adapter, folder: Path) -> None:
    """An adapter as peft writes one, whole or not at all."""
    with files.fresh_folder(folder.parent, ".new-") as temporary:
        config = adapter.config
        config.base_model_name_or_path, config.task_type, config.inference_mode = local.STARTER, "CAUSAL_LM", True
        config.save_pretrained(str(temporary))
        halves = {f"base_model.model.{name}": t.half().contiguous() for name, t in adapter.tensors.items()}
        save_file(halves, temporary / FILE, metadata={"format": "pt"})
        assert (temporary / CONFIG).exists()
        temporary.rename(folder)
