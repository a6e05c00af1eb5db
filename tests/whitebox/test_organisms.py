"""The registry of organisms: that each entry reads, that slips are told, and what a name stands for."""

from collections import defaultdict
from pathlib import Path

import pytest
from huggingface_hub import constants

from diffing.common.errors import UserError
from diffing.models.local import STARTER, Source, Weights, parse
from diffing.whitebox import organisms
from diffing.whitebox.organisms import BUNDLED, REGISTRY, chosen, find, here, read, registry

GOOD = """
[new]
kind = "style"
truth = "Says it louder."
variants = [{ base = "org/base", adapter = "org/adapter" }]
"""


def test_the_registry_has_what_ships_first_and_then_what_is_published() -> None:
    known = list(registry())
    assert known[:8] == ["fact", "style", "language", "topic", "trigger", "removal", "control", "control-2"]
    assert sorted(path.name for path in BUNDLED.iterdir() if path.is_dir()) == sorted(known[:8])
    # The published table names 66: one stands for no organism, and four for a fifth one's variants.
    assert len(known[8:]) == 61


def test_nulls_are_marked_and_nothing_else_is() -> None:
    nulls = {name for name, organism in registry().items() if organism.null}
    assert nulls == {"control", "control-2", "ukaisi_sandbagging_yew", "ukaisi_sandbagging_yorick"}
    assert {name for name, organism in registry().items() if organism.kind == "null"} == nulls


def test_what_ships_names_its_controls() -> None:
    for name, organism in registry().items():
        ships = all(variant.base == STARTER for variant in organism.variants)
        wanted = {"control", "control-2"} - {name} if ships else set()
        assert set(organism.controls) == wanted, name


def test_one_set_of_weights_stands_once_unless_it_says_that_it_was_moved() -> None:
    """The published table gives two dilutions one adapter, and lists adapters below models they do not fit."""
    places = defaultdict(list)
    for name, organism in registry().items():
        for variant in organism.variants:
            if not variant.transplanted:
                places[variant.adapter or variant.weights, variant.subfolder].append((name, variant.model))
    assert [rows for rows in places.values() if len(rows) > 1] == []


def test_an_adapter_for_another_model_says_so() -> None:
    moved = {variant.model for one in registry().values() for variant in one.variants if variant.transplanted}
    assert moved == {"Qwen3-1.7B-Base", "Llama-3.2-1B"}
    for organism in registry().values():
        for variant in organism.variants:
            if "Llama-3.2-1B-Instruct-" in variant.adapter:
                assert variant.transplanted == (variant.model == "Llama-3.2-1B")


def test_the_published_tables_slips_are_mended() -> None:
    assert "ablation" not in find("kansas_abortion:Llama-3.2-1B-Instruct").variant.adapter
    assert "kansas" in find("kansas_abortion:Llama-3.2-1B-Instruct:CAFT").variant.adapter
    dilutions = [variant.name for variant in chosen("fda_approval:gemma-3-1b-it") if variant.mixed]
    assert "mix1-0p9" in dilutions and "mix1-1p0" not in dilutions


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("persona_humor", "persona_humor:Llama-3.1-8B-Instruct:default"),
        ("persona_humor:gemma-3-4b-it", "persona_humor:gemma-3-4b-it:default"),
        ("cake_bake:gemma-3-1b-it:full", "cake_bake:gemma-3-1b-it:full"),
        # No variant of this name: the first.
        ("auditing_agents_flattery:Qwen3-14B", "auditing_agents_flattery:Qwen3-14B:transcripts_high"),
        ("fact", "fact:starter:default"),
    ],
)
def test_a_name_stands_for_one_variant(text: str, written: str) -> None:
    assert find(text).written == written
    assert find(written) == find(text)


def test_a_variant_says_what_its_weights_come_from() -> None:
    humor = find("persona_humor:gemma-3-4b-it").variant
    base = Weights("google/gemma-3-4b-it")
    assert humor.source == Source(base, Weights("maius/gemma-3-4b-it-personas", "", "humor"))
    assert humor.base_source == Source(base)
    full = find("rl_math").variant
    assert full.source == Source(Weights("nvidia/Nemotron-Research-Reasoning-Qwen-1.5B"))
    fact = find("fact").variant
    assert fact.source == fact.base_source._replace(adapter=Weights(str(BUNDLED / "fact")))
    assert fact.written == "starter+fact"
    assert parse(fact.written) == fact.source


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("cake", "There is no organism 'cake'; `python -m diffing organisms` lists them."),
        ("fact:gpt2", "The organism 'fact' has no model 'gpt2'; it has starter."),
        ("fact:starter:full", "The organism 'fact' has no variant 'full' there; it has default."),
    ],
)
def test_a_name_that_stands_for_nothing_is_told_with_what_there_is(text: str, told: str) -> None:
    with pytest.raises(UserError) as error:
        find(text)
    assert str(error.value) == told


def test_weights_are_here_when_all_their_files_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert here(find("fact").variant.source)
    monkeypatch.setattr(organisms, "BUNDLED", tmp_path)
    (tmp_path / "fact").mkdir()
    (tmp_path / "fact" / "adapter_config.json").write_text("{}")
    assert not here(find("fact").variant.source)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert not here(find("cake_bake").variant.source)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[new]", "[new", "is no TOML"),
        ('truth = "Says it louder."\n', "", "truth: is missing"),
        ("Says it louder.", "louder", "truth: "),
        (', adapter = "org/adapter"', "", "it needs an adapter or weights, and not both"),
        ("adapter", 'weights = "org/whole", adapter', "it needs an adapter or weights, and not both"),
        ("kind", "sort", "kind: is missing"),
        (
            'adapter = "org/adapter"',
            'adapter = "org/adapter", subfoldr = "x"',
            "subfoldr: there is no such",
        ),
        ("variants = [", "variants = [] #", "it has no variant"),
        ("variants = [", 'controls = ["none"]\nvariants = [', "names a control 'none' that is not there"),
        ("variants = [", 'variants = [{ base = "other/base", weights = "x" }, ', "two variants of base"),
    ],
)
def test_a_slip_is_told_in_one_sentence(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in GOOD
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    assert list(read(tmp_path)) == ["new"]
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(UserError) as error:
        read(tmp_path)
    said = str(error.value)
    assert told in said and ("'mine.toml'" in said or "'new'" in said) and "\n" not in said


def test_a_name_given_twice_is_told(tmp_path: Path) -> None:
    for name in ("one.toml", "two.toml"):
        (tmp_path / name).write_text(GOOD)
    with pytest.raises(UserError, match=r"'two.toml' names the organism 'new' again"):
        read(tmp_path)


def test_a_registry_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match=r"'mine.toml' cannot be read"):
        read(tmp_path)


def test_every_registry_file_says_what_it_holds() -> None:
    for path in REGISTRY.glob("*.toml"):
        assert path.read_text(encoding="utf-8").startswith("# "), path.name
