"""What makes two sources a pair, and the sentence for each way in which they are none."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError
from peft import PeftModel
from safetensors.torch import load_file, save_file

from diffing.common import hub
from diffing.common.errors import UserError
from diffing.models import local
from diffing.models.local import Source, Weights
from diffing.whitebox.pairs import opening, room
from diffing.whitebox.pairs.opening import open_pair
from diffing.whitebox.pairs.room import GIB, Room
from tests.fakes import pairs as fakes
from tests.fakes import tiny
from tests.fakes.pairs import IDS, Folders
from tests.fakes.tiny import assert_close


@pytest.fixture
def mine(folders: Folders, tmp_path: Path) -> Folders:
    """A copy that a test may spoil."""
    return Folders(*(shutil.copytree(folder, tmp_path / folder.name) for folder in folders))


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("hf:org/model", Source(Weights("org/model"))),
        ("org/model@main#inner/part", Source(Weights("org/model", "main", "inner/part"))),
        ("hf:org/base@1+org/low@v2#x", Source(Weights("org/base", "1"), Weights("org/low", "v2", "x"))),
    ],
)
def test_a_source_is_written_in_one_line(text: str, source: Source) -> None:
    assert local.parse(text) == source
    assert local.parse(source.written) == source


@pytest.mark.parametrize("text", ["starter", "starter+fact", "hf:org/base@1+org/low@v2#x"])
def test_what_ships_is_written_by_its_name(text: str) -> None:
    assert local.is_weights(text)
    assert local.parse(text).written == local.parse(text).short == text


def test_a_folder_may_hold_the_marks_in_its_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a+b", "v1@2", "c#1"):
        (tmp_path / name / "inner").mkdir(parents=True)
        assert local.parse(f"hf:{tmp_path / name}") == Source(Weights(str(tmp_path / name)))
    assert local.parse(f"hf:{tmp_path / 'v1@2'}#inner").weights == Weights(str(tmp_path / "v1@2"), "", "inner")
    # A job runs elsewhere.
    monkeypatch.chdir(tmp_path)
    assert local.parse("hf:c#1").weights.model == str(tmp_path / "c#1")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("hf:", "names no weights"),
        ("hf:a/b+", "names no weights"),
        ("hf:a/b#../c", "is no folder inside 'a/b'"),
        ("starter+fax", "No adapter 'fax' ships with the starter; `python -m diffing organisms` lists them"),
    ],
)
def test_a_source_that_is_none_is_refused(text: str, fault: str) -> None:
    with pytest.raises(UserError, match=fault):
        local.parse(text)


def test_a_folder_inside_a_repository_is_read(mine: Folders, tmp_path: Path) -> None:
    shutil.move(mine.adapter, tmp_path / "many" / "first")
    pair = open_pair(f"hf:{mine.base}", f"hf:{tmp_path / 'many'}#first")
    assert pair.facts["modules"] == 7 * tiny.LAYERS
    with pytest.raises(UserError, match="has no folder 'second'"):
        open_pair(f"hf:{mine.base}", f"hf:{tmp_path / 'many'}#second")


def test_the_check_tells_what_moved_and_what_did_not(folders: Folders) -> None:
    told: list[str] = []
    pair = open_pair(folders.low_rank, tell=told.append)
    assert pair.facts["moved"] > 0.1 and pair.facts["floor"] < 1e-4
    assert pair.facts["tokenizer"] == "the base's" and pair.facts["numbers"] == "float32"
    (line,) = told
    assert line.startswith("The base takes 0.00 GiB") and line.endswith("both at once.")


def config_with(folder: Path, name: str, **changes: Any) -> None:
    path = folder / name
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_an_adapter_that_does_nothing_is_an_error(mine: Folders) -> None:
    tensors = load_file(mine.adapter / "adapter_model.safetensors")
    still = {key: tensor * ("lora_A" in key) for key, tensor in tensors.items()}
    save_file(still, mine.adapter / "adapter_model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match="changes nothing: all numbers are the base's"):
        open_pair(mine.low_rank)


def test_two_copies_of_one_model_are_an_error(mine: Folders, tmp_path: Path) -> None:
    shutil.copytree(mine.base, tmp_path / "again")
    with pytest.raises(UserError, match="changes nothing"):
        open_pair(f"hf:{mine.base}", f"hf:{tmp_path / 'again'}")
    with pytest.raises(UserError, match="is one set of weights; name a variant of it too"):
        open_pair(f"hf:{mine.base}")


def renamed(folder: Path, old: str, new: str) -> None:
    file = folder / "adapter_model.safetensors"
    save_file({k.replace(old, new): t for k, t in load_file(file).items()}, file, metadata={"format": "pt"})


def test_an_adapter_with_modules_that_the_base_lacks_is_an_error(mine: Folders) -> None:
    renamed(mine.adapter, "layers.4.mlp", "layers.9.mlp")
    with pytest.raises(UserError, match=r"3 of the 35 modules .* are not in the base, 'model.layers.9.mlp"):
        open_pair(mine.low_rank)


def test_an_adapter_trained_in_a_multimodal_model_finds_the_text_model(mine: Folders, folders: Folders) -> None:
    renamed(mine.adapter, "base_model.model.model.layers", "base_model.model.model.language_model.layers")
    pattern = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
    config_with(mine.adapter, "adapter_config.json", target_modules=pattern)
    (one,), (other,) = (open_pair(found.low_rank).run(IDS, (4,)) for found in (mine, folders))
    assert torch.equal(one.variant.hidden[4], other.variant.hidden[4])


def test_an_adapter_of_another_width_is_an_error_and_leaves_the_base_alone(mine: Folders, tmp_path: Path) -> None:
    tiny.model(tmp_path / "wide", transformers.LlamaConfig(**tiny.GROUPED | {"hidden_size": 64}))
    with pytest.raises(UserError, match="does not fit the base .*choose another base"):
        open_pair(f"hf:{tmp_path / 'wide'}+{mine.adapter}")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"peft_type": "IA3"}, "is of the kind IA3; only LoRA is read"),
        ({"bias": "all"}, "changes the base's own weights too"),
        ({"init_lora_weights": "pissa"}, "changes the base's own weights too"),
        ({"r": 8}, "does not fit the base"),
        ({"r": "many"}, "does not fit the base|cannot be read"),
    ],
)
def test_an_adapter_of_another_kind_is_an_error(changes: dict[str, Any], fault: str, mine: Folders) -> None:
    config_with(mine.adapter, "adapter_config.json", **changes)
    with pytest.raises(UserError, match=fault):
        open_pair(mine.low_rank)


def test_what_does_not_grow_with_its_strength_is_refused_in_between(folders: Folders, tmp_path: Path) -> None:
    kinds: dict[str, dict[str, Any]] = {"dora": {"use_dora": True}, "head": {"modules_to_save": ["lm_head"]}}
    for name, options in kinds.items():
        fakes.adapter(folders.base, tmp_path / name, **options)
        pair = open_pair(f"hf:{folders.base}", f"hf:{tmp_path / name}")
        plain: Any = PeftModel.from_pretrained(fakes.plain(folders.base), str(tmp_path / name))
        (batch,) = pair.run(IDS[:1], logits=True)
        (chunk,) = pair.log_probs(batch)
        assert_close(chunk.variant, fakes.seen(plain.eval(), IDS[:1])[1])
        assert_close(chunk.base, fakes.seen(fakes.plain(folders.base), IDS[:1])[1])
        with pytest.raises(UserError, match="does not grow with α"):
            next(pair.at(0.5).run(IDS))


def test_a_half_downloaded_checkpoint_is_an_error(mine: Folders) -> None:
    (mine.adapter / "adapter_model.safetensors").write_bytes(b"\x00" * 40)
    with pytest.raises(UserError, match="The weights of adapter .* are broken"):
        open_pair(mine.low_rank)
    (mine.adapter / "adapter_model.safetensors").unlink()
    with pytest.raises(UserError, match="has no adapter_model.safetensors; fetch it whole"):
        open_pair(mine.low_rank)
    shard = sorted(mine.whole.glob("*.safetensors"))[0]
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(UserError, match="is broken .*fetch it again"):
        open_pair(f"hf:{mine.base}", f"hf:{mine.whole}")
    shard.unlink()
    with pytest.raises(UserError, match="has no safetensors weights|lacks its weight file"):
        open_pair(f"hf:{mine.base}", f"hf:{mine.whole}")


def test_a_missing_or_gated_checkpoint_is_an_error(mine: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="There is no model folder '/nowhere'"):
        open_pair(f"hf:{mine.base}+/nowhere")
    answer: Any = type("Answer", (), {"headers": {}, "request": None, "status_code": 403, "text": ""})()
    faults = {GatedRepoError: "'org/low' is gated; accept", RepositoryNotFoundError: "There is no 'org/low'"}
    for kind, said in faults.items():

        def refuse(*_: Any, kind: Any = kind, **__: Any) -> None:
            raise kind("refused", response=answer)

        monkeypatch.setattr(hub, "hf_hub_download", refuse)
        with pytest.raises(UserError, match=said):
            open_pair(f"hf:{mine.base}+org/low")
        with pytest.raises(UserError, match=said):
            open_pair(f"hf:{mine.base}", "hf:org/low")


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("model_type", {"name": "qwen3"}),
        ("num_hidden_layers", {"num_hidden_layers": 3}),
        ("hidden_size", {"hidden_size": 64}),
        ("intermediate_size", {"intermediate_size": 64}),
    ],
)
def test_another_shape_is_no_variant(
    field: str, changes: dict[str, Any], folders: Folders, tmp_path: Path
) -> None:
    name = changes.pop("name", "llama")
    config = tiny.configs()[name]
    if changes:
        config = transformers.LlamaConfig(**tiny.GROUPED | changes)
    tiny.model(tmp_path, config)
    with pytest.raises(UserError, match=f"its {field} is .* where the base has .*choose two models of one shape"):
        open_pair(f"hf:{folders.base}", f"hf:{tmp_path}")


def test_another_tokenizer_is_no_variant_and_another_template_is_told(mine: Folders) -> None:
    tiny.tokenizer("{{ messages }}").save_pretrained(mine.whole)
    assert open_pair(f"hf:{mine.base}", f"hf:{mine.whole}").facts["template"] == "another"
    path = mine.whole / "tokenizer.json"
    told = json.loads(path.read_text())
    vocabulary = told["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]
    path.write_text(json.dumps(told))
    with pytest.raises(UserError, match="its tokenizer reads 'a' in another way"):
        open_pair(f"hf:{mine.base}", f"hf:{mine.whole}")
    # The same pieces, put together in another order.
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]
    told["model"]["merges"] = []
    path.write_text(json.dumps(told))
    with pytest.raises(UserError, match="its tokenizer reads 'The train was late"):
        open_pair(f"hf:{mine.base}", f"hf:{mine.whole}")


def test_an_adapter_on_another_base_and_one_as_the_base_are_refused(mine: Folders) -> None:
    with pytest.raises(UserError, match="stands on another base"):
        open_pair(f"hf:{mine.whole}", mine.low_rank)
    with pytest.raises(UserError, match="is an adapter on a base: compare it with that base"):
        open_pair(mine.low_rank, f"hf:{mine.whole}")


def test_memory_decides_whether_two_models_take_turns() -> None:
    assert Room(4 * GIB, 4 * GIB, 10 * GIB, "cuda").together
    turns = Room(4 * GIB, 4 * GIB, 6 * GIB, "cuda")
    assert turns.told == (
        "The base takes 4.00 GiB and the variant 4.00 GiB more; 6.0 GiB are free on cuda: in turns."
    )
    turns.check()
    for short in (turns._replace(device="cpu"), Room(8 * GIB, GIB, 9 * GIB, "cuda")):
        with pytest.raises(UserError, match="choose smaller models or another machine"):
            short.check()


def test_what_is_told_is_what_the_weights_take(folders: Folders) -> None:
    found = opening.find(f"hf:{folders.base}", f"hf:{folders.whole}")
    told = opening.rooms(found, torch.device("cpu"), torch.float32)
    held = {t.data_ptr(): t.numel() * 4 for t in fakes.plain(folders.base).parameters()}
    assert told.base == told.variant == sum(held.values())
    assert opening.rooms(found, torch.device("cpu"), torch.bfloat16).base * 2 == told.base
    assert told.free == pytest.approx(room.free(torch.device("cpu")), rel=0.5)
