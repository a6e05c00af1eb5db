"""The model up to a hook against forward hooks on the whole model, and against TransformerLens."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformer_lens import HookedTransformer, HookedTransformerConfig
from transformer_lens.pretrained.weight_conversions.gpt2 import convert_gpt2_weights

from diffing.common.errors import UserError
from tests.fakes import tiny
from tests.fakes.tiny import Whole, assert_close, dense, load

NAMES = list(tiny.configs())
BATCH = [
    [0, *range(20, 60)],
    [0, 7],
    [0, *range(300, 317)],
    [0, *range(399, 340, -1)],
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Whole]:
    root = tmp_path_factory.mktemp("models")
    return {name: Whole(root / name, tiny.model(root / name, config)) for name, config in tiny.configs().items()}


def layers(model: Any) -> Any:
    inner = getattr(model, "model", None) or getattr(model, "transformer", None) or model.gpt_neox
    return inner.layers if hasattr(inner, "layers") else inner.h


def hooked(name: str, model: Any, hook: str, ids: list[int]) -> Tensor:
    """What the hook means, written out for each architecture, on the untruncated model and one sequence alone."""
    number, kind = int(hook.split(".")[1]), hook.split("hook_")[1]
    layer = layers(model)[number]
    sandwich = name in ("gemma2", "gemma3")
    attention = {"gpt2": "attn", "gpt_neox": "attention", "gpt_neox_serial": "attention"}.get(name, "self_attn")
    projection = {"gpt2": "c_proj", "gpt_neox": "dense", "gpt_neox_serial": "dense"}.get(name, "o_proj")
    middle = "ln_2" if name == "gpt2" else "pre_feedforward_layernorm" if sandwich else "post_attention_layernorm"
    module, before = {
        "resid_pre": (layer, True),
        "resid_mid": (layer.get_submodule(middle) if hasattr(layer, middle) else None, True),
        "resid_post": (layer, False),
        "attn_out": (layer.get_submodule("post_attention_layernorm" if sandwich else attention), False),
        "mlp_out": (layer.get_submodule("post_feedforward_layernorm" if sandwich else "mlp"), False),
        "z": (layer.get_submodule(attention).get_submodule(projection), True),
    }[kind]
    seen: list[Tensor] = []
    if before:
        handle = module.register_forward_pre_hook(
            lambda _, args, kwargs: seen.append(args[0] if args else kwargs["hidden_states"]), with_kwargs=True
        )
    else:
        handle = module.register_forward_hook(
            lambda _, __, output: seen.append(output[0] if isinstance(output, tuple) else output)
        )
    with torch.inference_mode():
        model(torch.tensor([ids]))
    handle.remove()
    return seen[0][0]


@pytest.mark.parametrize("kind", ["resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out", "z"])
@pytest.mark.parametrize("name", NAMES)
def test_features_equal_a_hook_on_the_whole_model_and_saelens(
    name: str, kind: str, whole: dict[str, Whole], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.block_network(monkeypatch)
    hook = f"blocks.2.{'attn.' if kind == 'z' else ''}hook_{kind}"
    model = whole[name].model
    if (name, kind) == ("gpt_neox", "resid_mid"):
        tiny.sae(tmp_path, hook=hook)
        with pytest.raises(UserError, match="resid_mid"):
            load(whole[name].folder, tmp_path)
        return
    wanted_hidden = [hooked(name, model, hook, ids) for ids in BATCH]
    sae = tiny.sae(tmp_path, hook=hook, d_in=wanted_hidden[0].shape[1])
    reader = load(whole[name].folder, tmp_path)
    with torch.inference_mode():
        wanted = [sae.encode(hidden) for hidden in wanted_hidden]
    for order in ([0, 1, 2, 3], [3, 1, 0, 2], [2]):
        hidden = reader.hidden([BATCH[i] for i in order])
        assert hidden.dtype == torch.float32
        assert_close(hidden, torch.cat([wanted_hidden[i] for i in order]))
        assert_close(dense(reader, hidden), torch.cat([wanted[i] for i in order]))


@pytest.mark.parametrize("name", NAMES)
def test_residuals_of_the_last_and_first_layers_have_no_norm(
    name: str, whole: dict[str, Whole], tmp_path: Path
) -> None:
    for hook in (f"blocks.{tiny.LAYERS - 1}.hook_resid_post", "blocks.0.hook_resid_pre", "model.layers.1"):
        folder = tmp_path / hook
        tiny.sae(folder, hook=hook)
        real = "blocks.1.hook_resid_post" if hook.startswith("model") else hook
        assert_close(
            load(whole[name].folder, folder).hidden(BATCH[:1]), hooked(name, whole[name].model, real, BATCH[0])
        )


def one_file_a_layer(folder: Path, target: Path) -> None:
    """The same model with each layer's tensors in a file of their own, as with very large models."""
    shutil.copytree(folder, target)
    weight_map = {}
    tensors: dict[str, dict[str, Tensor]] = {}
    for file in sorted(target.glob("*.safetensors")):
        for name, tensor in load_file(file).items():
            layer = name.split(".layers.")[1].split(".")[0] if ".layers." in name else "rest"
            weight_map[name] = f"model-{layer}.safetensors"
            tensors.setdefault(weight_map[name], {})[name] = tensor
        file.unlink()
    for file_name, content in tensors.items():
        save_file(content, target / file_name, metadata={"format": "pt"})
    (target / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


def test_layers_above_the_hook_are_not_loaded(whole: dict[str, Whole], tmp_path: Path) -> None:
    """Their files are not even there."""
    one_file_a_layer(whole["llama"].folder, tmp_path / "model")
    for layer in (3, 4):
        (tmp_path / "model" / f"model-{layer}.safetensors").unlink()
    tiny.sae(tmp_path / "sae")
    reader = load(tmp_path / "model", tmp_path / "sae")
    model: Any = whole["llama"].model.model
    unused = [parameter for layer in model.layers[3:] for parameter in layer.parameters()]
    kept = sum(parameter.numel() for parameter in reader.forward.model.parameters())
    assert kept == sum(p.numel() for p in model.parameters()) - sum(p.numel() for p in unused)
    assert_close(
        reader.hidden(BATCH[:1]), hooked("llama", whole["llama"].model, "blocks.2.hook_resid_post", BATCH[0])
    )


def test_a_text_model_inside_a_multimodal_one_is_read(tmp_path: Path) -> None:
    config = transformers.Gemma3Config(
        text_config={**tiny.GEMMA, **tiny.SLIDING},
        vision_config={
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 28,
            "patch_size": 14,
        },
        image_token_index=399,
        boi_token_index=398,
        eoi_token_index=397,
    )
    torch.manual_seed(0)
    model: Any = transformers.Gemma3ForConditionalGeneration(config)
    model.eval()
    model.save_pretrained(tmp_path / "model")
    tiny.tokenizer().save_pretrained(tmp_path / "model")
    tiny.sae(tmp_path / "sae", hook="blocks.3.hook_resid_post")
    with torch.inference_mode():
        states = model.model.language_model(torch.tensor([BATCH[2]]), output_hidden_states=True).hidden_states
    assert_close(load(tmp_path / "model", tmp_path / "sae").hidden([BATCH[2]]), states[4][0])


@pytest.mark.parametrize("kind", ["resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out", "attn.hook_z"])
def test_centred_gpt2_is_transformerlens_with_centred_writing_weights(
    kind: str, whole: dict[str, Whole], tmp_path: Path
) -> None:
    hook = f"blocks.3.{kind}" if "." in kind else f"blocks.3.hook_{kind}"
    model: Any = whole["gpt2"].model
    config = HookedTransformerConfig(
        n_layers=tiny.LAYERS,
        d_model=tiny.WIDTH,
        n_ctx=256,
        d_head=tiny.WIDTH // 4,
        n_heads=4,
        d_vocab=tiny.VOCABULARY,
        act_fn="gelu_new",
        normalization_type="LN",
        eps=model.config.layer_norm_epsilon,
    )
    reference = HookedTransformer(config)
    reference.load_and_process_state_dict(
        convert_gpt2_weights(model, config),
        fold_ln=False,
        center_writing_weights=True,
        center_unembed=False,
        fold_value_biases=False,
    )
    tiny.sae(tmp_path, hook=hook, metadata={"model_from_pretrained_kwargs": {"center_writing_weights": True}})
    reader = load(whole["gpt2"].folder, tmp_path)
    with torch.inference_mode():
        _, cache = reference.run_with_cache(torch.tensor([BATCH[0]]))
    assert_close(reader.hidden([BATCH[0]]), cache[hook][0].flatten(1))


def test_models_with_rms_norms_are_not_centred(whole: dict[str, Whole], tmp_path: Path) -> None:
    tiny.sae(tmp_path, metadata={"model_from_pretrained_kwargs": {"center_writing_weights": True}})
    assert_close(
        load(whole["llama"].folder, tmp_path).hidden(BATCH[:1]),
        hooked("llama", whole["llama"].model, "blocks.2.hook_resid_post", BATCH[0]),
    )
