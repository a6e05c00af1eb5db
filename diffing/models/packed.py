"""The fast forward pass: sequences end to end without padding, and a layer's products fused.

For models built like Llama (Llama, Mistral, Qwen 2 and 3) whose hook is the residual stream behind a layer; other
readers keep the plain pass of `forward.py`. Promises the plain pass's values up to rounding: on a CPU in float32
to 1e-5 of the largest. On a GPU in bfloat16 it was no further from float32 than the plain pass is
(`docs/performance.md`); no test holds that without a GPU. Shares the model's weights: query, key and value, and
gate and up, become parts of one matrix each. Low-rank adapters on a layer's products are added beside them, as
they are switched on at the moment of the pass. `kernels` needs Triton: it is imported only where a GPU is at work.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffing.models.hooks import Hook

LIKE_LLAMA = {"llama", "mistral", "qwen2", "qwen3"}
"""Two norms a layer, each before what it feeds, and a gated MLP; Gemma's norms and gate are others."""
FIXED_ROTATION = {"default", "linear", "llama3"}
"""Rotary positions whose angles do not depend on the sequence's length."""


PRODUCTS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""A layer's products, the only places where an adapter is computed here."""


class Computed(Protocol):
    """A model as far as the hook, or whole."""

    model: Any
    config: Any
    hook: Hook

    @property
    def device(self) -> torch.device: ...
    @property
    def layer(self) -> nn.Module:
        """The hook's own."""


class Layer(NamedTuple):
    """One layer's weights."""

    norm: Tensor
    qkv: Tensor
    qkv_bias: Tensor | None
    q_norm: Tensor | None
    k_norm: Tensor | None
    out: Tensor
    mlp_norm: Tensor
    gate_up: Tensor
    down: Tensor
    attention: Any
    mlp: Any
    """The modules themselves, for the adapters on them."""


def fits(forward: Computed, window: int) -> bool:
    """Whether the packed pass computes this model's hook for sequences up to the window."""
    config = forward.config
    if config.model_type not in LIKE_LLAMA or forward.hook.kind != "resid_post":
        return False
    rope = getattr(config, "rope_parameters", None) or {}
    slide = getattr(config, "sliding_window", None)
    # Qwen's configurations name a width that no layer may be using.
    if set(getattr(config, "layer_types", None) or []) == {"full_attention"}:
        slide = None
    device, dtype = forward.device, forward.model.embed_tokens.weight.dtype
    # Whatever is not computed here must be absent: another gate, a bias, angles that depend on the length, a slide
    # that cuts off what a token sees. FlashAttention, which the GPU uses, takes no float32.
    return (
        config.hidden_act == "silu"
        and not getattr(config, "mlp_bias", False)
        and forward.layer.get_submodule("self_attn.o_proj").bias is None
        and all(_simple(name, module) for name, module in forward.model.named_modules())
        and rope.get("rope_type", "default") in FIXED_ROTATION
        and (slide is None or window <= slide)
        and (
            (device.type == "cpu" and dtype == torch.float32)
            or (device.type == "cuda" and dtype in (torch.bfloat16, torch.float16))
        )
    )


def _simple(name: str, module: nn.Module) -> bool:
    """Whether a module is no adapter's, or one's whose product is added here."""
    # What wraps a module that was trained as a whole, or single rows of one.
    if hasattr(module, "token_adapter") or hasattr(module, "modules_to_save"):
        return False
    if not hasattr(module, "lora_A"):
        return True
    # DoRA and its kin compute something else, and few adapters have a bias of their own.
    return name.endswith(PRODUCTS) and not module.lora_variant and not any(module.lora_bias.values())  # type: ignore[operator]


class Packed:
    """What the hook sees, computed without padding."""

    def __init__(self, forward: Computed) -> None:
        self.forward = forward
        model: Any = forward.model
        config = forward.config
        self.head = int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)
        self.heads, self.key_heads = int(config.num_attention_heads), int(config.num_key_value_heads)
        self.eps = float(config.rms_norm_eps)
        self.cuda = forward.device.type == "cuda"
        half = torch.arange(self.head).view(2, -1)
        # Query and key agree whatever the order inside a head. On a CPU the two numbers that turn together stand
        # together, as one complex number; the GPU's kernel takes them from the two halves, as the weights have it.
        self.order = half.flatten() if self.cuda else half.T.flatten()
        self.embedding: Tensor = model.embed_tokens.weight
        turned = (self.heads + 2 * self.key_heads) * self.head
        self.rows = self._ordered(torch.arange(turned))
        """Where each row of the joined query, key and value stood before."""
        self.layers = [self._layer(layer) for layer in model.layers]
        self.rotary = model.rotary_emb
        self._angles = torch.zeros(2, 0, self.head // 2)

    def _layer(self, layer: Any) -> Layer:
        attention, mlp = layer.self_attn, layer.mlp
        qkv = [plain(part) for part in (attention.q_proj, attention.k_proj, attention.v_proj)]
        norms = [getattr(attention, name, None) for name in ("q_norm", "k_norm")]
        return Layer(
            norm=layer.input_layernorm.weight,
            qkv=self._ordered(joined(qkv)),
            qkv_bias=None if qkv[0].bias is None else self._ordered(torch.cat([part.bias for part in qkv])),
            q_norm=None if norms[0] is None else norms[0].weight[self.order],
            k_norm=None if norms[1] is None else norms[1].weight[self.order],
            out=plain(attention.o_proj).weight,
            mlp_norm=layer.post_attention_layernorm.weight,
            gate_up=joined([plain(mlp.gate_proj), plain(mlp.up_proj)]),
            down=plain(mlp.down_proj).weight,
            attention=attention,
            mlp=mlp,
        )

    def _ordered(self, rows: Tensor) -> Tensor:
        """The rows of query and key in this pass's order inside each head."""
        if self.cuda:
            return rows
        # Values are not turned and keep theirs, and so does what `out` makes of them.
        turned = (self.heads + self.key_heads) * self.head
        heads = rows[:turned].unflatten(0, (-1, self.head))[:, self.order]  # type: ignore[no-untyped-call]
        return torch.cat([heads.flatten(0, 1), rows[turned:]])

    def __call__(self, ids: Sequence[Sequence[int]]) -> Tensor:
        """Hook activations of all tokens, one sequence after another: [total tokens, width]."""
        top = len(self.layers) - 1
        return self.seen(ids, (top,))[0][top]

    @torch.inference_mode()
    def seen(
        self, ids: Sequence[Sequence[int]], layers: Sequence[int], last: bool = False
    ) -> tuple[dict[int, Tensor], Tensor | None]:
        """What the layers give, and the final norm where it is wanted; nothing above is computed."""
        # Triton launches on the current device, wherever the data lies.
        with torch.cuda.device(self.forward.device) if self.cuda else nullcontext():
            return self._run(ids, layers, last)

    def _run(
        self, ids: Sequence[Sequence[int]], layers: Sequence[int], last: bool
    ) -> tuple[dict[int, Tensor], Tensor | None]:
        lengths = [len(sequence) for sequence in ids]
        token = self._to_device([token for sequence in ids for token in sequence])
        position = self._to_device([place for length in lengths for place in range(length)])
        cos, sin = self._rotation(max(lengths))
        edges = [0]
        for length in lengths:
            edges.append(edges[-1] + length)
        bounds = self._to_device(edges).int() if self.cuda else torch.tensor(edges)
        x = F.embedding(token, self.embedding)
        found: dict[int, Tensor] = {}
        top = len(self.layers) - 1 if last else max(layers)
        for number, layer in enumerate(self.layers[: top + 1]):
            normed = self._norm(x, layer.norm)
            qkv = F.linear(normed, layer.qkv, layer.qkv_bias)
            self._adapt_qkv(qkv, normed, layer.attention)
            self._norm_heads(qkv, layer)
            self._rotate(qkv, cos, sin, position)
            heads = self._attend(qkv, bounds, lengths)
            # Onto the residual stream in the product itself.
            x.addmm_(heads, layer.out.T)
            _adapt(x, heads, layer.attention.o_proj)
            normed = self._norm(x, layer.mlp_norm)
            both = F.linear(normed, layer.gate_up)
            half = both.shape[1] // 2
            _adapt(both[:, :half], normed, layer.mlp.gate_proj)
            _adapt(both[:, half:], normed, layer.mlp.up_proj)
            gated = self._gated(both)
            x.addmm_(gated, layer.down.T)
            _adapt(x, gated, layer.mlp.down_proj)
            if number in layers:
                # The stream goes on in place; what the top layer leaves is nobody else's.
                found[number] = x if number == top and not last else x.clone()
        return found, self._norm(x, self.forward.model.norm.weight) if last else None

    def _adapt_qkv(self, qkv: Tensor, normed: Tensor, attention: Any) -> None:
        start = 0
        for name, heads in (("q_proj", self.heads), ("k_proj", self.key_heads), ("v_proj", self.key_heads)):
            stop = start + heads * self.head
            order = None if self.cuda else self.rows[start:stop] - start
            _adapt(qkv[:, start:stop], normed, getattr(attention, name), order)
            start = stop

    def _to_device(self, numbers: list[int]) -> Tensor:
        tensor = torch.tensor(numbers)
        # From pinned memory, so that the host need not wait for the batch before.
        return tensor.pin_memory().to(self.forward.device, non_blocking=True) if self.cuda else tensor

    def _rotation(self, length: int) -> tuple[Tensor, Tensor]:
        """Cosines and sines by position, in float32; both halves of a head turn by the same angles."""
        if self._angles.shape[1] < length:
            # For 1,024 positions at once, which most answers keep within, so that it is rarely done again.
            position = torch.arange(max(length, 1024), device=self.forward.device)[None]
            # Only its type and place are looked at.
            like = torch.zeros(1, device=self.forward.device)
            both = self.rotary(like, position)
            self._angles = torch.stack([part[0, :, : self.head // 2].contiguous() for part in both])
        return self._angles[0], self._angles[1]

    def _norm(self, x: Tensor, weight: Tensor) -> Tensor:
        if self.cuda:
            from diffing.models import kernels

            return kernels.rms_norm(x, weight, self.eps)
        return F.rms_norm(x, (x.shape[-1],), weight, self.eps)

    def _norm_heads(self, qkv: Tensor, layer: Layer) -> None:
        """Qwen 3 normalises each head of query and key."""
        start = 0
        for heads, weight in ((self.heads, layer.q_norm), (self.key_heads, layer.k_norm)):
            stop = start + heads * self.head
            if weight is not None:
                part = qkv[:, start:stop].reshape(-1, self.head)
                qkv[:, start:stop] = self._norm(part, weight).view(len(qkv), -1)
            start = stop

    def _rotate(self, qkv: Tensor, cos: Tensor, sin: Tensor, position: Tensor) -> None:
        heads = self.heads + self.key_heads
        if self.cuda:
            from diffing.models import kernels

            kernels.rotate_(qkv, cos, sin, position, heads)
            return
        pairs = torch.view_as_complex(qkv[:, : heads * self.head].view(len(qkv), heads, -1, 2))
        pairs.mul_(torch.complex(cos, sin)[position, None])

    def _attend(self, qkv: Tensor, bounds: Tensor, lengths: list[int]) -> Tensor:
        sizes = [self.heads * self.head, self.key_heads * self.head, self.key_heads * self.head]
        q, k, v = (part.view(len(qkv), -1, self.head) for part in torch.split(qkv, sizes, dim=1))
        if self.cuda:
            longest = max(lengths)
            # `torch.nn.attention.varlen` wraps this call, with other arguments in each release.
            out: Tensor = torch.ops.aten._flash_attention_forward(
                q, k, v, bounds, bounds, longest, longest, 0.0, True, return_debug_mask=False
            )[0]
            return out.flatten(1)
        parts = []
        # A CPU has no attention for packed sequences, so each goes alone.
        for sequence in zip(*(torch.split(part, lengths) for part in (q, k, v)), strict=True):
            query, key, value = (part.transpose(0, 1)[None] for part in sequence)
            seen = F.scaled_dot_product_attention(
                query, key, value, is_causal=True, enable_gqa=self.heads != self.key_heads
            )
            parts.append(seen[0].transpose(0, 1).flatten(1))
        return torch.cat(parts)

    def _gated(self, both: Tensor) -> Tensor:
        if self.cuda:
            from diffing.models import kernels

            return kernels.gated(both)
        gate, up = both.chunk(2, dim=1)
        return F.silu(gate).mul_(up)


def _adapt(out: Tensor, x: Tensor, module: Any, order: Tensor | None = None) -> None:
    """Onto a product what the adapters that are switched on add to it, in the order that its columns have here."""
    if getattr(module, "disable_adapters", True):
        return
    for name in module.active_adapters:
        # At nothing it adds nothing, to the bit.
        if name not in module.lora_A or not module.scaling[name]:
            continue
        low, high = module.lora_A[name].weight, module.lora_B[name].weight
        added = F.linear(F.linear(x.to(low.dtype), low), high if order is None else high[order])
        out.add_(added.mul_(module.scaling[name]))


def plain(module: Any) -> nn.Linear:
    """The product itself, under whatever adapter."""
    inner: nn.Linear = module.get_base_layer() if hasattr(module, "lora_A") else module
    return inner


def joined(parts: Sequence[nn.Linear]) -> Tensor:
    """One matrix of several layers' weights; the layers then look into it, so that nothing stands twice."""
    whole = torch.cat([part.weight.data for part in parts])
    for part, piece in zip(parts, torch.split(whole, [part.out_features for part in parts]), strict=True):
        part.weight = nn.Parameter(piece, requires_grad=False)
    return whole
