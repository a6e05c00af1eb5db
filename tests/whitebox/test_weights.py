"""Which weights moved: against numpy's decomposition, against what was put in, and on what ships."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from diffing.common.errors import UserError
from diffing.whitebox import organisms, texts
from diffing.whitebox.measures import spectrum
from diffing.whitebox.methods import weights
from diffing.whitebox.methods.weights import Options
from diffing.whitebox.pairs import nulls
from diffing.whitebox.pairs.changes import Factors
from diffing.whitebox.pairs.opening import open_pair
from diffing.whitebox.pairs.pair import Pair
from diffing.whitebox.results import Result
from diffing.whitebox.sight import evidence
from diffing.whitebox.texts import Document
from tests.fakes import pairs as fakes
from tests.fakes import tiny
from tests.fakes.pairs import IDS, Folders

ARCHITECTURES = ("llama", "gpt2", "gemma2")
DOCUMENTS = [Document(str(n), tuple(row), 1, len(row), "text", False) for n, row in enumerate(IDS)]
OPTIONS = Options(resamples=200)


def found(pair: Pair, options: Options = OPTIONS) -> Result:
    return weights.work(pair, [], options, lambda: None)


@pytest.fixture(scope="module", params=ARCHITECTURES)
def folders(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return fakes.make(tmp_path_factory.mktemp("pairs"), request.param)


def test_singular_values_are_numpys_for_an_adapter_and_for_a_whole_model(folders: Folders) -> None:
    base, after = (dict(fakes.plain(place).named_parameters()) for place in (folders.base, folders.whole))
    low_rank = found(open_pair(folders.low_rank)).tables["matrices"].set_index("path")
    whole = found(open_pair(str(folders.base), str(folders.whole))).tables["matrices"].set_index("path")
    assert set(low_rank.index) == set(whole.index) and len(whole)
    for path, row in whole.iterrows():
        before = base[f"{path}.weight"].double()
        delta = (after[f"{path}.weight"].double() - before).detach().numpy()
        values = np.linalg.svd(delta, compute_uv=False)
        # Merging rounds to float32, which is seen only where nothing else is.
        kept = values[values > 1e-4 * values[0]]
        shares = values**2 / (values**2).sum()
        for told in (row, low_rank.loc[path]):
            assert told["rank"] == len(kept) == 4, path
            np.testing.assert_allclose(told["values"], kept, rtol=1e-4)
            assert told["norm"] == pytest.approx(np.linalg.norm(delta), rel=1e-5)
            assert told["relative"] == pytest.approx(np.linalg.norm(delta) / float(before.norm()), rel=1e-5)
            assert told["stable_rank"] == pytest.approx(1 / shares[0], rel=1e-5)
            entropy = -(shares[:4] * np.log(shares[:4])).sum()
            assert told["entropy_rank"] == pytest.approx(np.exp(entropy), rel=1e-5)
    pd.testing.assert_series_equal(low_rank["share"], whole["share"].loc[low_rank.index], rtol=1e-5)


def test_directions_are_those_of_the_decomposition_whichever_way_the_matrix_lies() -> None:
    draws = torch.Generator().manual_seed(0)
    high, low = (torch.randn(*shape, generator=draws) for shape in ((30, 3), (3, 20)))
    product = 0.5 * high.double() @ low.double()
    left, values, right = np.linalg.svd(product.numpy(), full_matrices=False)
    for given in (Factors(low, high, 0.5), product):
        got = spectrum.of(given, 2)
        np.testing.assert_allclose(got.values[:3], values[:3], rtol=1e-6)
        np.testing.assert_allclose(np.abs((got.left.numpy() * left[:, :2]).sum(0)), 1, rtol=1e-6)
        np.testing.assert_allclose(np.abs((got.right.numpy() * right[:2].T).sum(0)), 1, rtol=1e-6)
        assert spectrum.norm(given) == pytest.approx(float(np.linalg.norm(values)), rel=1e-6)
    turned = spectrum.of(product.T, 2)
    np.testing.assert_allclose(np.abs((turned.left.numpy() * right[:2].T).sum(0)), 1, rtol=1e-6)


def test_a_turned_change_has_the_same_singular_values(folders: Folders) -> None:
    for pair in (open_pair(folders.low_rank), open_pair(str(folders.base), str(folders.whole))):
        own = found(pair).tables["matrices"].set_index("path")
        with nulls.rotated(pair, DOCUMENTS) as null:
            other = found(null).tables["matrices"].set_index("path")
            strength = null.dose.alpha
        for path, row in own.iterrows():
            # A whole model's turned change is kept in the model's float32.
            np.testing.assert_allclose(
                np.array(other.loc[path]["values"]) / strength, row["values"], rtol=1e-3, err_msg=str(path)
            )
        pd.testing.assert_series_equal(other["share"].loc[own.index], own["share"], rtol=1e-3)


def test_the_change_is_looked_at_as_strong_as_it_is_applied(folders: Folders) -> None:
    pair = open_pair(folders.low_rank)
    once, twice = (found(pair.at(strength)).tables["matrices"]["norm"] for strength in (1.0, 2.0))
    np.testing.assert_allclose(twice, 2 * once)
    assert not len(weights.figures(found(pair.at(0.0)), OPTIONS).query("figure > 0"))
    with nulls.same(pair) as null:
        nothing = found(null)
    assert not len(weights.figures(nothing, OPTIONS)) and nothing.facts["matrices"] == 0


def changed(base: Path, folder: Path, change: Callable[[dict[str, Any], Any], None], **saved: Any) -> Path:
    """A copy of a model with some of its tensors changed."""
    model = fakes.plain(base)
    with torch.no_grad():
        change(dict(model.named_parameters()), model)
    model.to(**saved).save_pretrained(folder)
    tiny.tokenizer().save_pretrained(folder)
    return folder


def test_tokens_that_a_matrix_writes_are_found(folders: Folders, tmp_path: Path) -> None:
    def write(tensors: dict[str, Any], model: Any) -> None:
        rows = model.get_output_embeddings().weight
        for name, tensor in tensors.items():
            if name.endswith(("down_proj.weight", "mlp.c_proj.weight")):
                row = rows[77] - rows.mean(0)
                # GPT-2 keeps what goes in first.
                lies = name.endswith("c_proj.weight")
                inward = torch.randn(tensor.shape[0] if lies else tensor.shape[1])
                outer = torch.outer(row, inward)
                tensor += outer.T if lies else outer

    pair = open_pair(str(folders.base), str(changed(folders.base, tmp_path / "writes", write)))
    result = found(pair)
    told = weights.figures(result, OPTIONS).query("kind == 'token'")
    assert told.iloc[0]["key"] == "77" and (told["low"] <= told["figure"]).all()
    near = result.tables["directions"].query("role == 'writes' and direction == 0")
    best = near.groupby("path").first()
    assert (best["token"] == 77).all() and (best["cosine"] > 0.999).all()


def test_embeddings_and_norms_stand_apart(folders: Folders, tmp_path: Path) -> None:
    def touch(tensors: dict[str, Any], model: Any) -> None:
        model.get_input_embeddings().weight[[5, 9, 300]] += torch.tensor([[1.0], [3.0], [2.0]])
        next(tensor for name, tensor in tensors.items() if "norm" in name or "ln_" in name).add_(0.1)

    result = found(open_pair(str(folders.base), str(changed(folders.base, tmp_path / "rows", touch))))
    assert not len(result.tables["matrices"]) and not len(weights.figures(result, OPTIONS))
    others = result.tables["others"].set_index("kind")
    assert others.loc["embedding", "rows_changed"] == 3 and others.loc["embedding", "rows_added"] == 0
    assert others.loc["other", "norm"] == pytest.approx(0.1 * tiny.WIDTH**0.5, rel=1e-5) and len(others) == 2
    assert result.tables["rows"]["token"].tolist() == [9, 300, 5]


def test_what_rounding_alone_would_be_is_told(tmp_path: Path) -> None:
    tiny.model(tmp_path / "plain", tiny.configs()["llama"])
    base = changed(tmp_path / "plain", tmp_path / "base", lambda *_: None, dtype=torch.bfloat16)
    exact: dict[str, Any] = {}

    def little(tensors: dict[str, Any], _: Any) -> None:
        for name, tensor in tensors.items():
            if "proj" in name:
                tensor += 1e-3 * tensor.abs().mean() * torch.randn_like(tensor)
                exact[name] = tensor.clone()

    rounded = changed(base, tmp_path / "rounded", little, dtype=torch.bfloat16)
    told = found(open_pair(str(base), str(rounded))).tables["matrices"].set_index("path")
    after = dict(fakes.plain(rounded).named_parameters())
    for path, row in told.iterrows():
        off = float((after[f"{path}.weight"] - exact[f"{path}.weight"]).norm())
        # Where most numbers did not move at all, they are off by less than a rounded number is on average.
        assert row["unchanged"] > 0.5 and 0.2 * row["rounding"] < off / row["norm"] < row["rounding"]
    whole = changed(base, tmp_path / "whole", little)
    assert found(open_pair(str(base), str(whole))).tables["matrices"]["rounding"].isna().all()


def test_a_change_that_is_no_product_is_refused(tmp_path: Path) -> None:
    tiny.model(tmp_path / "base", tiny.configs()["llama"])
    fakes.adapter(tmp_path / "base", tmp_path / "dora", use_dora=True)
    with pytest.raises(UserError, match="merge it"):
        found(open_pair(f"hf:{tmp_path / 'base'}+{tmp_path / 'dora'}"))


@pytest.mark.parametrize(
    ("name", "telling"),
    # All organisms are in `bench/inside.py`.
    [("style", {"!"}), ("control", set())],
)
def test_what_ships_writes_what_was_planted_and_a_control_nothing(name: str, telling: set[str]) -> None:
    planted = organisms.find(name)
    pair = open_pair(planted.variant.base_source.written, planted.variant.source.written)
    own = texts.own(texts.Choice(count=8, length=32), pair.tokenizer, pair.whole, pair.identity)
    beside: list[tuple[str, pd.DataFrame]] = []
    for control in sorted({"control", "control-2"} - {name}):
        with nulls.given(pair, organisms.find(control).variant.source.written) as null:
            beside.append((control, weights.figures(found(null), OPTIONS)))
    for seed in (0, 1):
        with nulls.rotated(pair, own, seed) as null:
            beside.append((f"rotated-{seed}", weights.figures(found(null), OPTIONS)))
    above = evidence.judged(weights.figures(found(pair), OPTIONS), beside).above
    assert set(above["kind"]) <= {"token"}
    assert telling <= set(above["text"]) and bool(telling) == bool(len(above))
