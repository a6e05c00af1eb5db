"""A dictionary in use: what is active in a pair's activations, and what of them it gives back.

The same for a crosscoder, which reads both models, and a difference SAE, which is given both models and takes
their difference itself: fed with one model's activations it would show latents that mean nothing there. Promises
that each token is read by itself, with the threshold learnt in training, whatever company it comes in, and figures
in the models' own units where they are called written or given back. How it came to be is `step`, where it lies
`files`.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from diffing.whitebox.dictionaries import sparse
from diffing.whitebox.dictionaries.shape import BASE, VARIANT, Scale, Shape, sides_of
from diffing.whitebox.dictionaries.sparse import Entries
from diffing.whitebox.dictionaries.step import Learner

TENSORS = ("encoder", "encoder_bias", "decoder", "decoder_bias", "threshold")


@dataclass(frozen=True)
class Dictionary:
    """Sparse latents of a pair."""

    shape: Shape
    scale: Scale
    encoder: Tensor
    """[latents, inputs], in the dictionary's own scale like all below."""
    encoder_bias: Tensor
    decoder: Tensor
    """[latents, inputs]."""
    decoder_bias: Tensor
    threshold: Tensor
    """[latents]: an activation counts above it."""
    active: float
    """Latents a token, in training."""

    @classmethod
    def of(cls, learner: Learner, scale: Scale) -> "Dictionary":
        """What a learner has learnt so far; the tensors are copies."""
        kept = [part.weights.detach().clone() for part in (learner.encoder, learner.encoder_bias)]
        kept += [part.weights.detach().clone() for part in (learner.decoder, learner.decoder_bias)]
        threshold = learner.bar_in_use() / learner.norm.clamp(min=sparse.SMALL)
        own = scale.to(kept[0].device, kept[0].dtype)
        return cls(learner.shape, own, kept[0], kept[1], kept[2], kept[3], threshold, learner.recipe.k)

    def to(self, device: torch.device, dtype: torch.dtype) -> "Dictionary":
        moved = {name: getattr(self, name).to(device, dtype) for name in TENSORS}
        return replace(self, scale=self.scale.to(device, dtype), **moved)

    def inputs(self, pairs: Tensor) -> Tensor:
        """Paired activations [tokens, 2, width] as the encoder reads them."""
        mean = self.scale.mean
        return self.scale.apply(sides_of(pairs.to(mean.device, mean.dtype), self.shape.sides))

    def encode(self, pairs: Tensor) -> Entries:
        """What is active in paired activations, by row then latent."""
        return self.read(self.inputs(pairs))

    def read(self, inputs: Tensor) -> Entries:
        """What is active in activations that are brought to the dictionary's scale already."""
        with torch.no_grad():
            return sparse.active(inputs, self.encoder, self.encoder_bias, self.threshold, self.encoder.dtype)

    def decode(self, found: Entries, rows: int) -> Tensor:
        """What entries that are sorted by row give back: [tokens, sides, width] in the models' own units."""
        start = sparse.starts(found.row, rows)
        with torch.no_grad():
            sums = sparse.bags(self.decoder, found.latent, found.value, start)[0]
            return self.scale.undo(sums + self.decoder_bias)

    def written(self) -> Tensor:
        """What an activation of 1 of each latent writes, in the models' own units: [latents, sides, width]."""
        return self.decoder.view(self.shape.latents, self.shape.sides, -1) / self.scale.factor[:, None]

    def lengths(self) -> Tensor:
        """Lengths of the decoder's rows by side, each side in its own scale: [latents, sides]."""
        rows = self.decoder.view(self.shape.latents, self.shape.sides, -1)
        lengths: Tensor = torch.linalg.vector_norm(rows, dim=2)
        return lengths

    def leaning(self) -> Tensor:
        """Which side a crosscoder's latents write: 0 the base alone, 1 the variant alone, 1/2 both alike.

        Published as Δnorm or relative decoder norm. It says where a latent was needed, not what the models hold:
        alone it is no finding.
        """
        lengths = self.lengths()
        largest = lengths.amax(1).clamp(min=sparse.SMALL)
        return ((lengths[:, VARIANT] - lengths[:, BASE]) / largest + 1) / 2

    def likeness(self) -> Tensor:
        """Cosine of what a crosscoder's latents write on the two sides; 0 where one side is nothing."""
        sides = self.decoder.view(self.shape.latents, self.shape.sides, -1)
        return torch.nn.functional.cosine_similarity(sides[:, BASE], sides[:, VARIANT], dim=1)

    def towards(self) -> tuple[Tensor, Tensor]:
        """The side that each latent writes more on, and what it writes there: [latents], [latents, width].

        A difference SAE writes on one side only, which is the difference.
        """
        written, rows = self.written(), torch.arange(self.shape.latents, device=self.decoder.device)
        side = self.lengths().argmax(1)
        return side, written[rows, side]
