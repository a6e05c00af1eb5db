"""A trained dictionary at work as a reader: both models of its pair pass over an answer, and it tells what fires.

Whoever wrote an answer, the same two models read it, behind its prompt and framed by the base's own template, so
that a feature means the same on every side of a study. What is encoded is what the dictionary learnt from: both
models' activations, or their difference, at the answer's own tokens and never at a text's first. Promises what
hooks on both whole models followed by `Dictionary.encode` give, up to rounding and whatever company an answer has
in its batch, and a sentence where the pair is not the one that it was trained on.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from diffing.common import files, hub
from diffing.common.errors import UserError
from diffing.models import tokens
from diffing.models.tokens import Framing, Message, Reading
from diffing.reader import reader
from diffing.reader.reader import LONGEST, ReaderCheck
from diffing.reader.sae import SaeFacts
from diffing.study.settings import ReaderChoice
from diffing.whitebox.dictionaries import about, readers
from diffing.whitebox.dictionaries.dictionary import Dictionary
from diffing.whitebox.measures import unembed
from diffing.whitebox.pairs import opening
from diffing.whitebox.pairs.pair import Pair
from diffing.whitebox.texts import copy_of

VERSION = 1
"""Part of a reader's key: raised when the same answer would give other features."""
ROWS = 4096
"""Tokens that are brought to the dictionary's scale at once, in float32: 270 MB for a pair that is 8,192 wide."""


class End(NamedTuple):
    """What stands between the last layer of the variant and its logits."""

    norm: nn.Module
    unembedding: Tensor
    """[vocabulary, width]."""


class PairReader:
    """A pair and a dictionary of its activations; one at a time may run on the pair's base."""

    def __init__(
        self, key: str, pair: Pair, layer: int, dictionary: Dictionary, framing: Framing, facts: SaeFacts
    ):
        self.key = key
        self.pair = pair
        self.layer = layer
        self.dictionary = dictionary
        self.framing = framing
        self.facts = facts
        self.window = framing.window
        self.n_features = dictionary.shape.latents
        self.device = pair.device

    def read(self, messages: Sequence[Message], answer: str) -> Reading:
        """The answer's tokens in windows; before them stand the prompt and the template."""
        reading = self.framing.read(messages, answer)
        first, *rest = reading.windows
        if first.start:
            return reading
        # Nothing stands before it: the first token of all, whose activations are like no other's.
        kept = [first._replace(start=1), *rest] if len(first.ids) > 1 else rest
        spans = reading.spans[1:].copy()
        spans[:1, 0] = 0
        return Reading(kept, spans)

    @torch.inference_mode()
    def hidden(self, ids: Sequence[Sequence[int]]) -> Tensor:
        """Both models' outputs of the layer for every token, one sequence after another: [tokens, 2, width]."""
        with self.pair.base() as whole:
            base = whole(ids, [self.layer]).hidden[self.layer]
        with self.pair.variant() as whole:
            variant = whole(ids, [self.layer]).hidden[self.layer]
        return torch.stack([base, variant], 1)

    @torch.inference_mode()
    def sparse(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Active features as (row, feature, value in float32), by row then feature."""
        none = torch.zeros(0, dtype=torch.long, device=self.device)
        found = [(none, none, none.float())]
        for start, inputs in self._inputs(hidden):
            # No number is above no threshold: such an answer would seem to show nothing.
            if not bool(inputs.isfinite().all()):
                raise UserError("The pair's activations hold numbers that are none (NaN or infinite).")
            row, latent, value = self.dictionary.read(inputs.to(self.dictionary.encoder.dtype))
            found.append((row + start, latent, value.float()))
        row, feature, value = (torch.cat(column) for column in zip(*found, strict=True))
        return row, feature, value

    @torch.inference_mode()
    def unexplained(self, hidden: Tensor) -> float:
        """Share of the variance of what the dictionary reads that it does not give back."""
        lost = square = 0.0
        total: Tensor | float = 0.0
        for _, inputs in self._inputs(hidden):
            found = self.dictionary.read(inputs.to(self.dictionary.encoder.dtype))
            back = self.dictionary.scale.apply(self.dictionary.decode(found, len(inputs)).float())
            lost += float((inputs - back).double().square().sum())
            square += float(inputs.double().square().sum())
            total = total + inputs.double().sum(0)
        spread = square - float((torch.as_tensor(total).square() / max(1, len(hidden))).sum())
        # Tokens that are all alike have no variance: then anything lost at all is all of it.
        return lost / spread if spread > 0 else float(lost > 0)

    def _inputs(self, hidden: Tensor) -> Iterator[tuple[int, Tensor]]:
        """What the dictionary reads, a part at a time, and where the part begins."""
        for start in range(0, len(hidden), ROWS):
            yield start, self.dictionary.inputs(hidden[start : start + ROWS])

    def check(
        self,
        answers: Sequence[str],
        prompts: Sequence[Sequence[Message]] | None = None,
        look: Callable[[], None] = lambda: None,
    ) -> ReaderCheck:
        """Try the dictionary on a study's own texts, as any reader is."""
        return reader.check(self, answers, prompts, look)

    def decoder(self) -> Tensor:
        """What each latent writes, of a crosscoder on both sides, each in its own scale: [latents, inputs]."""
        return self.dictionary.decoder

    # What a latent writes.

    def written(self, features: Sequence[int]) -> Tensor:
        """What latents add to the variant's last norm's output, at one length; a crosscoder's by the side on which
        it writes more."""
        rows = self._towards[torch.tensor(features, device=self.device)]
        rows = rows / rows.norm(dim=-1, keepdim=True).clamp(min=1e-12) * rows.shape[-1] ** 0.5
        rows = rows.to(self._end.unembedding.dtype)
        norm: Any = self._end.norm
        # What the norm adds to anything is no latent's doing.
        written: Tensor = norm(rows) - norm(torch.zeros_like(rows[:1]))
        return written

    def unembedding(self) -> Tensor:
        """One row a token that both models know: [vocabulary, width], of the variant."""
        return self._end.unembedding

    @cached_property
    def _towards(self) -> Tensor:
        return self.dictionary.towards()[1].float()

    @cached_property
    @torch.inference_mode()
    def _end(self) -> End:
        with self.pair.variant() as whole:
            # Copied while the change is on, which may be one of the norm or of the head.
            norm = copy.deepcopy(unembed.final_norm(whole))
            head: Any = whole.causal.get_output_embeddings()
            weight = (
                head.weight if type(head) is nn.Linear else _weight(head, whole.config.hidden_size, whole.dtype)
            )
            known = min(int(self.pair.whole.config.vocab_size), len(weight))
            return End(norm, weight[:known].to(self.device))


def _weight(head: Any, width: int, dtype: torch.dtype) -> Tensor:
    """The matrix of a head that is made of parts, by what it makes of each direction."""
    device = next(head.parameters()).device
    rows = torch.eye(width, dtype=dtype, device=device)
    weight: Tensor = (head(rows) - head(torch.zeros_like(rows[:1]))).T
    return weight


def load(choice: ReaderChoice, device: str = "auto", dtype: str = "auto") -> PairReader:
    """The reader that a choice (`presets.within`) names."""
    meant = readers.meant(choice)
    told = meant.facts
    pair = opening.open_pair(*told.sources, device, dtype)
    weights = [pair.identity, pair.change.identity]
    if files.content_hash(weights) != files.content_hash(list(told.identity)):
        raise UserError(
            f"Dictionary '{meant.written}' was trained on other weights than '{pair.name}' has by now; put those "
            "back, or train one on these."
        )
    learnt, numbers = meant.load(), pair.whole.dtype
    # The scale stays as fine as it was learnt: a mean of 16 bits is off by more than a small difference is long.
    scale = learnt.scale.to(pair.device, torch.float32)
    dictionary = replace(learnt.to(pair.device, numbers), scale=scale)
    with pair.variant() as variant:
        window = min(LONGEST, pair.whole.window, variant.window)
    own = hub.file_hash(meant.folder / about.WEIGHTS)
    key = files.content_hash(
        {
            "dictionary": [VERSION, own],
            "pair": weights,
            "layer": told.layer,
            "dtype": str(numbers),
            "context": choice.context,
            "window": window,
            "framing": tokens.VERSION,
        }
    )
    facts = SaeFacts(
        identity=(own,),
        hook=f"blocks.{told.layer}.hook_resid_post",
        model=pair.name,
        model_revision="",
        architecture=told.kind,
        context_size=None,
        prepend_bos=True,
        centred=False,
        usual_l0=dictionary.active or None,
        notes=_notes(told.texts.get("length"), window),
    )
    framing = Framing(copy_of(pair.tokenizer), window, choice.context)
    return PairReader(key, pair, told.layer, dictionary, framing, facts)


def _notes(length: Any, window: int) -> tuple[str, ...]:
    if not isinstance(length, int) or length >= window:
        return ()
    return (f"it learnt from texts of at most {length:,} tokens, and reads up to {window:,} at once",)
