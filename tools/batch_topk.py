"""A BatchTopK sparse autoencoder, trained in plain torch and saved as SAELens saves one: as a JumpReLU SAE.

While it trains, the k strongest activations a token are kept on average over a batch. Afterwards
thresholds take the batch's place: the value above which the training tokens show k activations each, or,
where that is more, a share of what the feature reaches when it fires strongly. Weak firings are where a
feature means least; dropping them costs little variance and leaves contexts that agree.
The file layout is SAELens's; `encode` here and there are the same arithmetic, which a test compares.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import save_file
from torch import nn

STRONG = 0.98  # the quantile of a feature's firings that counts as strong


class SaeRecipe(NamedTuple):
    features: int = 4096
    k: int = 18
    steps: int = 20_000
    batch: int = 4096
    lr: float = 1e-3
    nested: tuple[int, ...] = ()  # Matryoshka prefixes that must also reconstruct on their own
    floor: float = 0.2  # the share of its own strong activation that a feature must reach
    dead_after: int = 1_000_000  # tokens without firing
    revive: float = 1 / 32  # weight of the loss that lets dead features explain the error


class SaeFigures(NamedTuple):
    unexplained: float  # share of the variance
    active: float  # features a token
    dead: float  # share of features that never fire
    one_token: float  # median over features of the commonest token's share of the firings


class BatchTopK(nn.Module):
    def __init__(self, width: int, features: int) -> None:
        super().__init__()
        directions = nn.functional.normalize(torch.randn(features, width), dim=1)
        self.W_dec = nn.Parameter(directions)
        self.W_enc = nn.Parameter(directions.T.clone().contiguous())
        self.b_enc = nn.Parameter(torch.zeros(features))
        self.b_dec = nn.Parameter(torch.zeros(width))
        self.register_buffer("threshold", torch.zeros(features))
        self.threshold: torch.Tensor

    def before(self, x: torch.Tensor) -> torch.Tensor:
        return (x - self.b_dec) @ self.W_enc + self.b_enc

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.before(x)
        return hidden.relu() * (hidden > self.threshold)

    def decode(self, features: torch.Tensor) -> torch.Tensor:
        return features @ self.W_dec + self.b_dec

    def save(self, folder: Path, metadata: dict[str, Any]) -> None:
        """The large matrices as float16: `cfg.json` asks SAELens for float32, so arithmetic stays exact."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.state_dict().items()}
        for name in ("W_enc", "W_dec"):
            tensors[name] = tensors[name].half()
        save_file(tensors, folder / "sae_weights.safetensors")
        config = {
            "architecture": "jumprelu",
            "d_in": self.W_dec.shape[1],
            "d_sae": self.W_dec.shape[0],
            "dtype": "float32",
            "device": "cpu",
            "apply_b_dec_to_input": True,
            "normalize_activations": "none",
            "reshape_activations": "none",
            "metadata": metadata,
        }
        (folder / "cfg.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

    @torch.no_grad()
    def round_weights(self) -> None:
        for weights in (self.W_enc, self.W_dec):
            weights.copy_(weights.half().float())

    @torch.no_grad()
    def calibrate(self, activations: torch.Tensor, k: float, floor: float) -> None:
        hidden = self.before(activations).relu()
        least = hidden.flatten().topk(round(k * len(hidden)), sorted=False).values.min()
        fired = hidden.masked_fill_(hidden <= least, torch.nan)
        strong = torch.cat([some.nanquantile(STRONG, dim=0) for some in torch.split(fired, 32, dim=1)])
        self.threshold.copy_((floor * strong.nan_to_num(0.0)).clamp(min=least))


def _keep_strongest(hidden: torch.Tensor, count: int) -> torch.Tensor:
    positive = hidden.relu()
    least = positive.detach().flatten().topk(count, sorted=False).values.min()
    return positive * (positive >= least)


def _nested_losses(
    sae: BatchTopK, x: torch.Tensor, features: torch.Tensor, prefixes: Sequence[int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss over all prefixes, and the error of the whole dictionary."""
    losses, start = [], 0
    output: torch.Tensor = sae.b_dec
    for end in (*prefixes, features.shape[1]):
        output = output + features[:, start:end] @ sae.W_dec[start:end]
        losses.append((output - x).square().sum(1).mean())
        start = end
    return torch.stack(losses).mean(), (x - output).detach()


def _revival_loss(sae: BatchTopK, hidden: torch.Tensor, dead: torch.Tensor, error: torch.Tensor) -> torch.Tensor:
    """How badly the features that no longer fire would explain what the others leave over."""
    spare = hidden.relu() * dead
    strongest = spare.topk(error.shape[1] // 2, dim=1)
    revived = torch.zeros_like(spare).scatter(1, strongest.indices, strongest.values)
    return (revived @ sae.W_dec - error).square().sum(1).mean()


def train_sae(activations: torch.Tensor, recipe: SaeRecipe, seed: int) -> BatchTopK:
    """Fit an SAE to `activations` (tokens × width), which stay where they are."""
    device, width = activations.device, activations.shape[1]
    torch.manual_seed(seed)
    sample = activations[torch.randint(len(activations), (200_000,), device=device)].float()
    mean = sample.mean(0)
    scale = (sample - mean).square().sum(1).mean().div(width).sqrt()
    sae = BatchTopK(width, recipe.features).to(device)
    optimizer = torch.optim.Adam(sae.parameters(), lr=recipe.lr, betas=(0.9, 0.99), fused=device.type == "cuda")
    warm, cool = recipe.steps // 50 + 1, recipe.steps // 4 + 1
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / warm, (recipe.steps - step) / cool)
    )
    silent = torch.zeros(recipe.features, device=device)
    for _ in range(recipe.steps):
        rows = torch.randint(len(activations), (recipe.batch,), device=device)
        x = (activations[rows].float() - mean) / scale
        hidden = sae.before(x)
        features = _keep_strongest(hidden, recipe.k * recipe.batch)
        loss, error = _nested_losses(sae, x, features, recipe.nested)
        dead = silent > recipe.dead_after
        if dead.any():
            loss = loss + recipe.revive * _revival_loss(sae, hidden, dead, error)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        with torch.no_grad():
            gradient = sae.W_dec.grad
            assert gradient is not None
            gradient -= (gradient * sae.W_dec).sum(1, keepdim=True) * sae.W_dec
            nn.utils.clip_grad_norm_(sae.parameters(), 1.0)
            optimizer.step()
            sae.W_dec.copy_(nn.functional.normalize(sae.W_dec, dim=1))
            silent = (silent + recipe.batch) * ~(features > 0).any(0)
        schedule.step()
    with torch.no_grad():  # back to the reader's own scale
        sae.W_enc.div_(scale)
        sae.W_dec.mul_(scale)
        sae.b_dec.mul_(scale).add_(mean)
        norms = sae.W_dec.norm(dim=1)
        sae.W_dec.div_(norms[:, None])
        sae.W_enc.mul_(norms)
        sae.b_enc.mul_(norms)
    sae.round_weights()
    sae.calibrate(sample, recipe.k, recipe.floor)
    return sae


@torch.no_grad()
def measure_sae(sae: BatchTopK, activations: torch.Tensor, tokens: torch.Tensor, vocabulary: int) -> SaeFigures:
    """Figures on activations that the SAE was not trained on; `tokens` are their token ids."""
    mean = activations.float().mean(0)
    firings = torch.zeros(sae.W_dec.shape[0], vocabulary, device=activations.device)
    error = variance = 0.0
    for x, ids in zip(torch.split(activations, 8192), torch.split(tokens, 8192), strict=True):
        x = x.float()
        features = sae.encode(x)
        error += (sae.decode(features) - x).square().sum().item()
        variance += (x - mean).square().sum().item()
        firings.index_add_(1, ids, (features > 0).float().T)
    total = firings.sum(1)
    alive = total > 0
    one_token = (firings.amax(1) / total)[alive].median().item()
    return SaeFigures(
        error / variance, total.sum().item() / len(tokens), (~alive).float().mean().item(), one_token
    )
