"""One step of training a dictionary, touching only the entries that are active.

Dense is the encoder's product alone: from then on a batch is its k strongest entries a token (BatchTopK), and
decoder, loss and all gradients go over these. Promises the gradients of the dense loss, up to the rounding of the
format; Adam over every weight, in float32 masters, where products are taken in bfloat16 on a GPU; and that a
learner restored from its state goes on as if nothing had happened, on a CPU to the bit. The loop is `training`.

There is no second way for small dictionaries: SAELens's trainer took four to eight times as long a step on a CPU
(docs/performance.md), and knows neither two sides nor a state that goes on to the bit.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from diffing.whitebox.dictionaries import sparse
from diffing.whitebox.dictionaries.shape import Shape
from diffing.whitebox.dictionaries.sparse import Entries, Moments

REFRESH = 16
"""Steps between two looks at which latents are dead: a look makes a GPU wait, and death comes slowly."""
FORGET = 0.01
"""Share of the learned threshold that a step replaces: a hundred steps' mean, as SAELens has it."""


PARTS = ("encoder", "encoder_bias", "decoder", "decoder_bias")
KEPT = ("weights", "mean", "square")
BARS = ("bar", "spare_bar")
"""Names of what a state holds of a learner."""


class Recipe(NamedTuple):
    """How a dictionary is trained."""

    steps: int
    k: float = 32
    """Active latents a token, in the mean over a batch."""
    rate: float = 2e-4
    warm_up: int = 1000
    """Steps over which the rate rises; published trainers' usual."""
    decay: float = 0.2
    """Last share of the steps, over which it falls to 0."""
    anneal: int = 2000
    """Steps over which k falls from ten times itself: many latents learn something before few are chosen."""
    clip: float = 1.0
    """Length that the gradient is cut to."""
    revive: float = 1 / 32
    """Weight of the loss by which dead latents explain what the others leave; as published."""
    dead_after: int = 10_000_000
    """Tokens without firing after which a latent is dead; twice as many, and it begins anew."""
    seed: int = 0

    def k_at(self, step: int) -> float:
        return self.k * (1 + 9 * max(0.0, 1 - step / self.anneal)) if self.anneal else self.k

    def rate_at(self, step: int) -> float:
        """The rate of a step, counted from 1."""
        end = self.decay * self.steps
        left = (self.steps - step + 1) / end if end else 1.0
        return self.rate * max(0.0, min(1.0, step / max(1, self.warm_up), left))


class Told(NamedTuple):
    """What a step saw, left on the device."""

    loss: Tensor
    """Mean squared error a token, over all nested groups, in the dictionary's own scale."""
    errors: Tensor
    """[tokens, inputs]: what the whole dictionary leaves."""
    active: float
    """Entries a token."""
    length: Tensor
    """The gradient's, before it was cut."""


class Pulled(NamedTuple):
    """What a batch asks of the weights."""

    loss: Tensor
    errors: Tensor
    gradients: tuple[Tensor, Tensor, Tensor, Tensor]
    """Of encoder, its bias, decoder, its bias."""
    length: Tensor
    spare: sparse.Choice | None
    """Which entries of dead latents took part."""


def weighed(errors: Tensor, shape: Shape) -> Tensor:
    """Half the derivative of the loss by the errors: its product with them is the loss.

    (1 + λ)|u|² + (1 - λ)|v|² is |e_base|² + |e_variant|² + 2λ e_base·e_variant.
    """
    if not shape.difference:
        return errors
    base, variant = torch.split(errors, shape.width, dim=-1)
    return errors + shape.difference * torch.cat([variant, base], dim=-1)


class Learner:
    """A dictionary in training."""

    def __init__(
        self, shape: Shape, recipe: Recipe, device: torch.device, dtype: torch.dtype = torch.float32
    ) -> None:
        shape.check()
        self.shape, self.recipe = shape, recipe
        draws = torch.Generator(device).manual_seed(recipe.seed)
        # The same direction on both sides: most of what two models hold is the same.
        rows = torch.randn(shape.latents, shape.width, generator=draws, device=device, dtype=dtype)
        rows = rows.repeat(1, shape.sides)
        for latents, columns in shape.masked():
            rows[latents, columns] = 0
        rows /= rows.norm(dim=1, keepdim=True)
        self.kind = torch.bfloat16 if sparse.by_kernels(rows) else dtype
        """The format that products are taken in."""
        self.encoder, self.decoder = Moments.of(rows.clone(), self.kind), Moments.of(rows, self.kind)
        self.encoder_bias = Moments.of(rows.new_zeros(shape.latents), self.kind)
        self.decoder_bias = Moments.of(rows.new_zeros(shape.inputs), dtype)
        self.norm = rows.norm(dim=1)
        """Lengths of the decoder's rows."""
        self.silent = torch.zeros(shape.latents, dtype=torch.long, device=device)
        """Tokens since each latent fired."""
        self.spare = torch.zeros(0, dtype=torch.long, device=device)
        """Latents that are dead, by the last look."""
        self.ends = torch.tensor(shape.prefixes, device=device)
        """Where nested groups end."""
        self.bar: Tensor | None = None
        self.spare_bar: Tensor | None = None
        self.threshold = rows.new_zeros(())
        """Moving mean of the least scaled activation of a batch, before it is divided by the weights' sum."""
        self.steps = self.tokens = self.checked = 0
        self.draws = torch.Generator().manual_seed(recipe.seed)

    @torch.no_grad()
    def learn(self, inputs: Tensor) -> Told:
        """One step on [tokens, inputs] in the dictionary's own scale."""
        short = inputs.to(self.kind)
        count = round(self.recipe.k_at(self.steps) * len(inputs))
        own = self._side(None)
        choice = sparse.choose(short, *own, count, self.bar)
        pulled = self._pulled(inputs, short, choice.found, count)
        if not (choice.sure() and (pulled.spare is None or pulled.spare.sure())):
            # Rare: the bar fell far since the batch before. Then nobody guesses.
            found, least = sparse.strongest(short, *own, count, None)
            choice = sparse.Choice(found, least, lambda: True)
            pulled = self._pulled(inputs, short, found, count, certain=True)
        self.steps += 1
        self.tokens += len(inputs)
        self.bar = choice.least
        if pulled.spare is not None:
            self.spare_bar = pulled.spare.least
        self.threshold += FORGET * (choice.least - self.threshold)
        length = self._descend(pulled)
        active = len(choice.found.row) / len(inputs)
        self._count(choice.found, len(inputs), pulled.errors)
        return Told(pulled.loss, pulled.errors, active, length)

    def _side(self, rows: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Encoder, its bias and the decoder's lengths, of all latents or some."""
        parts = (self.encoder.copy, self.encoder_bias.copy, self.norm)
        return parts if rows is None else (parts[0][rows], parts[1][rows], parts[2][rows])

    def _pulled(self, inputs: Tensor, short: Tensor, found: Entries, count: int, certain: bool = False) -> Pulled:
        """Loss and gradients of a batch through its active entries; changes nothing."""
        batch, groups = len(inputs), len(self.shape.prefixes)
        errors = self._errors(inputs, found)
        pulls = weighed(errors, self.shape)
        if groups > 1:
            pulls = pulls / groups
        loss = errors.flatten().dot(pulls.flatten()) / batch
        # What a group writes stands in its own prefix and in all later ones.
        table = pulls if groups == 1 else pulls.flip(0).cumsum(0).flip(0)
        drift = table[0].sum(0) * (-2 / batch)
        table = table.flatten(0, 1).to(self.kind)
        places = [self._group(found.latent) * batch + found.row]
        entries = [found]
        spare = None
        if len(self.spare):
            spare = self._spare(short, count, certain)
            left = errors[-1] - self._written(spare.found.row, spare.found, batch)
            table = torch.cat([table, (self.recipe.revive * weighed(left, self.shape)).to(self.kind)])
            places.append(spare.found.row + groups * batch)
            entries.append(spare.found)
        active = Entries(*(torch.cat(column) for column in zip(*entries, strict=True)))
        return self._gradients(short, table, torch.cat(places), active, drift, loss, errors[-1], spare)

    def _spare(self, short: Tensor, count: int, certain: bool) -> sparse.Choice:
        """The strongest entries of dead latents."""
        own = self._side(self.spare)
        choice = sparse.choose(short, *own, count, None if certain else self.spare_bar)
        return choice._replace(found=choice.found._replace(latent=self.spare[choice.found.latent]))

    def _group(self, latent: Tensor) -> Tensor:
        """Which nested group latents first stand in."""
        prefixes = self.shape.prefixes
        if len(prefixes) == 1:
            return torch.zeros_like(latent)
        return torch.bucketize(latent, self.ends, right=True)

    def _written(self, place: Tensor, found: Entries, rows: int) -> Tensor:
        """What entries write, added up by place; entries are sorted by it."""
        return sparse.bags(self.decoder.copy, found.latent, found.value, sparse.starts(place, rows))[0]

    def _errors(self, inputs: Tensor, found: Entries) -> Tensor:
        """What each nested prefix leaves: [groups, tokens, inputs]."""
        groups, batch = len(self.shape.prefixes), len(inputs)
        wanted = inputs - self.decoder_bias.weights
        if groups == 1:
            return (wanted - self._written(found.row, found, batch))[None]
        place, order = (self._group(found.latent) * batch + found.row).sort(stable=True)
        parts = self._written(place, Entries(*(column[order] for column in found)), groups * batch)
        return wanted - parts.view(groups, batch, -1).cumsum(0)

    def _gradients(
        self,
        short: Tensor,
        table: Tensor,
        place: Tensor,
        active: Entries,
        drift: Tensor,
        loss: Tensor,
        errors: Tensor,
        spare: sparse.Choice | None,
    ) -> Pulled:
        shape, by = self.shape, -2 / len(short)
        latent, order = active.latent.to(torch.int32).sort(stable=True)
        start = sparse.starts(latent, shape.latents)
        latent, place, token = latent.long(), place[order], active.row[order]
        value = active.value[order] * by
        pull = sparse.products(self.decoder.copy, latent, start, table, place) * by * (value != 0)
        decoder, power = sparse.bags(table, place, value, start)
        encoder, more = sparse.bags(short, token, pull, start)
        power += more
        for rows, columns in shape.masked():
            for gradient in (decoder, encoder):
                power -= torch.linalg.vector_norm(gradient[rows, columns]).square()
                gradient[rows, columns] = 0
        bias = torch.zeros_like(self.norm).index_add_(0, latent, pull)
        power += bias.square().sum() + drift.square().sum()
        return Pulled(loss, errors, (encoder, bias, decoder, drift), power.sqrt(), spare)

    def _descend(self, pulled: Pulled) -> Tensor:
        """A step of Adam on all parts; the gradient's length before it was cut."""
        length = pulled.length
        clip = (self.recipe.clip / length).clamp(max=1) if self.recipe.clip else torch.ones_like(length)
        rate = self.recipe.rate_at(self.steps)
        encoder, bias, decoder, drift = pulled.gradients
        sparse.adam(self.encoder, encoder, clip, rate, self.steps)
        sparse.adam(self.encoder_bias, bias, clip, rate, self.steps)
        sparse.adam(self.decoder_bias, drift, clip, rate, self.steps)
        norm = sparse.adam(self.decoder, decoder, clip, rate, self.steps)
        if norm is not None:
            self.norm = norm
        return length

    def _count(self, found: Entries, batch: int, errors: Tensor) -> None:
        """Keep count of who fired, and see to the dead."""
        fired = torch.zeros_like(self.norm).scatter_reduce_(0, found.latent, found.value, "amax") > 0
        self.silent = (self.silent + batch) * ~fired
        if self.steps % REFRESH:
            return
        dead = self.silent >= self.recipe.dead_after
        self.spare = dead.nonzero()[:, 0]
        if self.tokens - self.checked >= self.recipe.dead_after and len(self.spare):
            self.checked = self.tokens
            self._begin_anew((self.silent >= 2 * self.recipe.dead_after).nonzero()[:, 0], errors)

    def _begin_anew(self, latents: Tensor, errors: Tensor) -> None:
        """Give latents that not even their own loss brought back the direction of a token that is badly explained.

        Their encoder begins at a fifth of the others' mean length, so that they do not take over at once.
        """
        chance = errors.square().sum(1).double().cpu().nan_to_num(0, 0)
        latents = latents[: int((chance > 0).sum())]
        if not len(latents):
            return
        token = chance.multinomial(len(latents), generator=self.draws).to(latents.device)
        rows = torch.zeros_like(self.decoder.weights[latents])
        rows.copy_(errors[token])
        for masked, columns in self.shape.masked():
            inside = (latents >= masked.start) & (latents < masked.stop)
            rows[inside, columns] = 0
        rows /= rows.norm(dim=1, keepdim=True).clamp(min=sparse.SMALL)
        length = self.encoder.weights.norm(dim=1).mean()
        self._put(self.decoder, latents, rows)
        self._put(self.encoder, latents, rows * (0.2 * length))
        self._put(self.encoder_bias, latents, torch.zeros_like(self.norm[latents]))
        self.norm[latents] = rows.norm(dim=1)
        self.silent[latents] = 0

    @staticmethod
    def _put(learnt: Moments, rows: Tensor, values: Tensor) -> None:
        learnt.weights[rows] = values
        learnt.copy[rows] = values.to(learnt.copy.dtype)
        learnt.mean[rows] = 0
        learnt.square[rows] = 0

    def state(self) -> dict[str, Tensor]:
        """All that `restore` needs to go on, as tensors; none of them is changed by later steps."""
        parts = {name: getattr(self, name) for name in PARTS}
        kept = {f"{name}.{field}": getattr(part, field) for name, part in parts.items() for field in KEPT}
        kept |= {name: getattr(self, name) for name in ("norm", "silent", "spare", "threshold")}
        kept |= {name: bar for name in BARS if (bar := getattr(self, name)) is not None}
        kept |= {"counts": torch.tensor([self.steps, self.tokens, self.checked]), "draws": self.draws.get_state()}
        return {name: value.detach().cpu().clone() for name, value in kept.items()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a state of a learner of the same shape and recipe."""
        for name in PARTS:
            part: Moments = getattr(self, name)
            for field in KEPT:
                getattr(part, field).copy_(state[f"{name}.{field}"])
            part.copy.copy_(part.weights)
        device = self.norm.device
        for name in ("norm", "silent", "spare", "threshold"):
            setattr(self, name, state[name].to(device))
        for name in BARS:
            setattr(self, name, state[name].to(device) if name in state else None)
        self.steps, self.tokens, self.checked = state["counts"].tolist()
        self.draws.set_state(state["draws"])

    def bar_in_use(self) -> Tensor:
        """The learned threshold of scaled activations."""
        return self.threshold / (1 - (1 - FORGET) ** max(1, self.steps))
