"""One pass for all methods: divergence against its definition, what is kept, and what a kill leaves."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch.distributions import Categorical, kl_divergence

from diffing.common import files
from diffing.common.errors import UserError
from diffing.whitebox import method, results
from diffing.whitebox import run as runs
from diffing.whitebox.methods import divergence
from diffing.whitebox.methods.divergence import Options
from diffing.whitebox.pairs import nulls
from diffing.whitebox.pairs.pair import Pair
from diffing.whitebox.results import Result
from diffing.whitebox.run import Null
from diffing.whitebox.sight import evidence
from diffing.whitebox.sight.evidence import COLUMNS
from diffing.whitebox.texts import Document
from tests.fakes import pairs as fakes
from tests.fakes.pairs import IDS, Folders

DOCUMENTS = [Document(str(n), tuple(row), 1, len(row), "text", n == 3) for n, row in enumerate(IDS)]
ASKED = {"divergence": Options(top=3, resamples=200)}
SAME = Null("same", nulls.same)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return fakes.make(tmp_path_factory.mktemp("pairs"), "gemma2")


@pytest.fixture(scope="module")
def found(pair: Pair) -> Result:
    return runs.passed(pair, DOCUMENTS, ASKED, lambda: None)["divergence"]


def test_divergence_is_that_of_the_plain_models_position_by_position(found: Result, folders: Folders) -> None:
    base = fakes.seen(fakes.plain(folders.base), IDS)[1].double()
    variant = fakes.seen(fakes.plain(folders.whole), IDS)[1].double()
    # Each row but the last of a text predicts the next token.
    predicts = torch.tensor([place < len(row) - 1 for row in IDS for place in range(len(row))])
    real = torch.tensor([token for row in IDS for token in row[1:]])
    p, q = Categorical(logits=variant[predicts]), Categorical(logits=base[predicts])
    mixed = Categorical(probs=(p.probs + q.probs) / 2)
    table = found.tables["positions"]
    gained = (variant - base)[predicts].gather(1, real[:, None])[:, 0]
    for name, wanted in {
        "kl": kl_divergence(p, q),
        "reverse": kl_divergence(q, p),
        "js": (kl_divergence(p, mixed) + kl_divergence(q, mixed)) / 2,
        "gained": gained,
        "token": real,
        "base_top": base[predicts].argmax(-1),
    }.items():
        np.testing.assert_allclose(table[name], wanted.numpy(), rtol=1e-3, atol=1e-4, err_msg=name)
    assert table["position"].tolist() == [place for row in IDS for place in range(1, len(row))]
    # The tokens that add most, and what they add.
    parts = variant.exp() * (variant - base)
    best = parts[predicts].topk(3, dim=-1)
    assert [list(ids) for ids in table["moved"]] == best.indices.tolist()
    held = table["document"].to_numpy() == 3
    each = kl_divergence(p, q)
    assert found.facts["discovery"]["kl"] == pytest.approx(float(each[~held].mean()), rel=1e-4)
    assert found.facts["held_out"]["median"] == pytest.approx(float(each[held].quantile(0.5)), rel=1e-3)
    assert found.facts["outside"] == {"base": 0.0, "variant": 0.0}


def test_divergence_grows_with_the_strength_of_the_change(pair: Pair) -> None:
    grown = [
        runs.passed(pair.at(strength), DOCUMENTS, ASKED, lambda: None)["divergence"].facts["discovery"]["kl"]
        for strength in (0.0, 0.25, 0.5, 1.0)
    ]
    assert grown[0] == 0.0 and grown == sorted(set(grown))


def test_the_interval_is_over_documents() -> None:
    # Ten documents of ten equal positions: the mean of ten draws at random, whatever the positions are.
    document, values = np.repeat(np.arange(10), 10), np.repeat(np.arange(10.0), 10)
    low, high = divergence.interval(document, values, Options(resamples=20_000))
    spread = 1.96 * (np.var(np.arange(10.0)) / 10) ** 0.5
    assert low == pytest.approx(4.5 - spread, abs=0.15) and high == pytest.approx(4.5 + spread, abs=0.15)


def test_figures_are_those_of_the_tokens_that_add_most(pair: Pair, found: Result) -> None:
    told = divergence.figures(found, ASKED["divergence"])
    assert list(told) == list(COLUMNS) and told["key"].is_unique
    assert told["figure"].is_monotonic_decreasing and (told["low"] <= told["figure"]).all()
    # All that was kept of each position, by token, is what the positions add up to.
    kept = found.tables["positions"].query("~held_out")["moved_by"].map(sum).mean()
    assert told["figure"].sum() == pytest.approx(kept, rel=1e-5)
    with nulls.same(pair) as null:
        nothing = runs.passed(null, DOCUMENTS, ASKED, lambda: None)["divergence"]
    assert nothing.facts["discovery"]["kl"] == 0.0 and nothing.facts["discovery"]["same_top"] == 1.0


def test_what_is_there_is_not_computed_again(pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    places = runs.run(tmp_path, pair, DOCUMENTS, ASKED, [SAME], tell=told.append)
    assert len(told) == 2
    result, others = runs.loaded(places["divergence"])
    assert (
        result.facts["positions"] == sum(len(row) - 1 for row in IDS)
        and others["same"].facts["discovery"]["kl"] == 0
    )
    assert (places["divergence"] / "nulls" / "same" / "positions.parquet").is_file()
    # What was judged by then is judged again from the stored figures alone.
    assert "figures" not in result.tables
    pd.testing.assert_frame_equal(
        results.figures(places["divergence"]), divergence.figures(result, ASKED["divergence"])
    )
    assert not results.figures(places["divergence"] / "nulls" / "same")["figure"].any()
    rotated = Null("rotated-0", lambda whole: nulls.rotated(whole, DOCUMENTS))
    runs.run(tmp_path, pair, DOCUMENTS, ASKED, [SAME, rotated], tell=told.append)
    assert told[2:] == ["Reading them with a null: rotated-0."]
    assert len(runs.loaded(places["divergence"])[1]) == 2
    monkeypatch.setattr(runs, "passed", None)
    assert runs.run(tmp_path, pair, DOCUMENTS, ASKED, [SAME, rotated]) == places
    # Anything that changes a number is another result.
    for changed in (
        {"pair": pair.at(2.0)},
        {"documents": DOCUMENTS[:3]},
        {"methods": {"divergence": Options(top=4, resamples=200)}},
    ):
        asked: dict[str, Any] = {"pair": pair, "documents": DOCUMENTS, "methods": ASKED} | changed
        with pytest.raises(TypeError):
            runs.run(tmp_path, **asked)


def test_a_pass_tells_how_many_documents_it_has_read(pair: Pair) -> None:
    counts: list[int] = []
    runs.passed(pair, DOCUMENTS, ASKED, lambda: None, counts.append)
    assert sum(counts) == len(DOCUMENTS)


def test_a_killed_run_leaves_no_half_result(pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(files, "write_parquet", killed)
        runs.run(tmp_path / "made", pair, DOCUMENTS, ASKED)
    assert list((tmp_path / "made").iterdir()) == []
    with pytest.raises(UserError, match="There is no result"):
        results.load(tmp_path / "divergence-0")
    # Between pair and null: the pair's stays.
    with pytest.raises(KeyboardInterrupt):
        runs.run(tmp_path / "made", pair, DOCUMENTS, ASKED, [Null("broken", killed)])  # type: ignore[arg-type]
    (place,) = (tmp_path / "made").iterdir()
    whole = results.load(place)
    assert whole.facts["documents"] == 4 and runs.loaded(place)[1] == {}


def test_a_result_comes_back_as_it_was_put_away(tmp_path: Path, found: Result) -> None:
    made = found._replace(arrays={"sums": torch.arange(6.0).view(2, 3).T})
    results.save(tmp_path / "m-1", {"a": 1}, made)
    back = results.load(tmp_path / "m-1")
    assert back.facts == made.facts and torch.equal(back.arrays["sums"], made.arrays["sums"])
    for name, table in made.tables.items():
        assert [list(map(str, row)) for row in back.tables[name].itertuples(index=False)] == [
            list(map(str, row)) for row in table.itertuples(index=False)
        ]


def test_what_a_method_says_of_itself_is_read_without_torch() -> None:
    for name in method.METHODS:
        module = method.named(name)
        margin = getattr(module, "MARGIN", evidence.MARGIN)
        assert method.said(name) == method.Said(module.TITLE, module.VERSION, margin)
    code = (
        "import sys\nfrom diffing.whitebox import method, results\nfrom diffing.whitebox.sight import evidence\n"
        "[method.said(name) for name in method.METHODS]\nprint('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=files.PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
    with pytest.raises(UserError, match="There is no method 'x'"):
        method.said("x")


def by_document(pair: Pair) -> dict[int, torch.Tensor]:
    return {
        number: batch.variant.hidden[4][batch.document == number]
        for batch in pair.run(IDS, (4,))
        for number in set(batch.document.tolist())
    }


def test_a_batch_that_does_not_fit_is_tried_in_halves(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = type(pair.whole)
    real = whole.__call__
    sizes: list[int] = []

    def short(self: Any, ids: Any, *rest: Any) -> Any:
        sizes.append(len(ids))
        if len(ids) > 2:
            raise torch.OutOfMemoryError
        return real(self, ids, *rest)

    expected = by_document(pair)
    monkeypatch.setattr(whole, "__call__", short)
    got = by_document(pair)
    assert sizes == [4, 2, 2, 2, 2] and got.keys() == expected.keys()
    for document, rows in expected.items():
        torch.testing.assert_close(got[document], rows, rtol=1e-4, atol=1e-4)
    monkeypatch.setattr(whole, "__call__", lambda *_: (_ for _ in ()).throw(torch.OutOfMemoryError()))
    with pytest.raises(UserError, match="does not fit"):
        next(pair.run(IDS, (4,)))
