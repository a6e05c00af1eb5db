"""The change turned up: what is written against plain models, and what is counted against counting.

What it finds in the organisms that ship, and that it claims nothing in their nulls, is `bench/inside.py`, with a
table in docs/inside.md.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from diffing.common.errors import UserError
from diffing.probes.probes import PROBES
from diffing.whitebox.measures import shown
from diffing.whitebox.methods import amplification
from diffing.whitebox.methods.amplification import Options
from diffing.whitebox.pairs import nulls
from diffing.whitebox.pairs.opening import open_pair
from diffing.whitebox.pairs.pair import Pair
from diffing.whitebox.results import Result
from diffing.whitebox.texts import Document
from tests.fakes import pairs as fakes
from tests.fakes.pairs import Folders

DOCUMENTS = [Document(str(n), (0, 20 + n, *range(30, 50)), 1, 22, "text", n % 3 == 0) for n in range(6)]
OPTIONS = Options(alphas=(0.5, 1.5), texts=12, length=8, opening=3, resamples=200)


def found(pair: Pair, options: Options = OPTIONS, documents: list[Document] = DOCUMENTS) -> Result:
    return amplification.work(pair, documents, options, lambda: None)


@pytest.fixture(scope="module")
def result(pair: Pair) -> Result:
    return found(pair)


def test_nothing_of_the_change_writes_as_the_base_and_all_of_it_as_the_variant(folders: Folders) -> None:
    greedy = OPTIONS.model_copy(update={"temperature": 0.0, "texts": 6})
    for opened in (open_pair(folders.low_rank), open_pair(str(folders.base), str(folders.whole))):
        said = found(opened, greedy).tables["texts"]
        for alpha, folder in ((0.0, folders.base), (1.0, folders.whole)):
            plain = fakes.plain(folder)
            for document, row in zip(DOCUMENTS, said[said["alpha"] == alpha].itertuples(), strict=True):
                given = torch.tensor([document.ids[:4]])
                ids = plain.generate(given, do_sample=False, max_new_tokens=8, pad_token_id=1)[0, 4:]
                assert row.text == opened.tokenizer.decode(ids, skip_special_tokens=True)


def test_at_nothing_there_is_no_distance_and_it_grows_with_the_strength(result: Result) -> None:
    curve = result.tables["curve"].set_index("alpha")
    assert list(curve.index) == [0.0, 0.5, 1.0, 1.5]
    assert curve.loc[0.0, "kl"] == 0.0 and curve.loc[1.5, "kl"] > curve.loc[0.5, "kl"] > 0.0
    assert curve.loc[result.facts["alpha"], "coherent"] and result.facts["alpha"] > 0
    assert curve.loc[1.0, "coherent"] and (curve["distinct"] <= 1).all()


def test_the_same_weights_show_nothing(pair: Pair) -> None:
    with nulls.same(pair) as null:
        nothing = found(null)
    assert not len(amplification.figures(nothing, OPTIONS)) and (nothing.tables["curve"]["kl"] == 0).all()


def test_shares_are_those_that_counting_gives(result: Result) -> None:
    said, shares = result.tables["texts"], result.tables["shares"]
    assert {"habit", "word"} <= set(shares["kind"])
    for row in shares.itertuples():
        own = said[said["alpha"] == row.alpha]
        if row.kind == "word":
            has = [
                bool(shown.read([text]).has[0, -1]) and row.key in shown.read([text]).words for text in own["text"]
            ]
        else:
            has = [PROBES[row.key].count(text) > 0 for text in own["text"]]
        # Every prompt was gone on with as often.
        assert row.share == pytest.approx(np.mean(has)), row.key
    chosen = shares[shares["alpha"] == result.facts["alpha"]]["share"].to_numpy()
    before = shares[shares["alpha"] == 0]["share"].to_numpy()
    told = amplification.figures(result, OPTIONS)
    sign = np.where(told["kind"] == "habit less", -1, 1)
    held = result.facts["held_out"] / result.facts["prompts"]
    both = told["figure"] * (1 - held) + told["held_out"] * held
    np.testing.assert_allclose(sign * both, chosen - before, atol=1e-9)
    assert (told["figure"] > 0).all() and not told.duplicated(["kind", "key"]).any()
    assert (told["low"] <= told["figure"]).all() and (told["figure"] <= told["high"]).all()


def test_the_interval_is_over_prompts() -> None:
    draws = np.random.default_rng(0)
    change = draws.normal(0.3, 1.0, (200, len(shown.read([""]).habits)))
    given = amplification.Prefixes([], np.arange(200), np.zeros(200, bool))
    told = amplification._things(shown.read([""]), change, given, Options(resamples=4000))
    wide = (told["high"] - told["low"]).mean()
    assert wide == pytest.approx(2 * 1.96 / 200**0.5, rel=0.1) and told["held_out"].isna().all()


def test_prefixes_are_prompts_of_answers_and_beginnings_of_other_texts() -> None:
    answers = [
        Document("a A", (0, 5, 6, 7, 8), 3, 5, "answer", False),
        Document("a B", (0, 5, 6, 9, 9), 3, 5, "answer", False),
        Document("b A", (0, 4, 7), 2, 3, "answer", True),
    ]
    given = amplification.prefixes(
        [*answers, DOCUMENTS[1], Document("c", (0, 1, 2), 1, 3, "text", False)], OPTIONS
    )
    assert given.ids[:4] == [[0, 5, 6], [0, 4], [0, 21, 30, 31], [0, 5, 6]] and len(given.ids) == OPTIONS.texts
    assert given.prompt.tolist()[:4] == [0, 1, 2, 0] and given.held_out.tolist() == [False, True, False]
    with pytest.raises(UserError, match="name longer texts"):
        amplification.prefixes([DOCUMENTS[0]], OPTIONS)


def test_parts_of_the_change_are_tried_by_themselves(pair: Pair, tmp_path: Path, folders: Folders) -> None:
    assert list(amplification.parts(pair)) == [*amplification.THIRDS, "attention", "MLP"]
    assert set(found(pair).tables["parts"]["part"]) == set(amplification.parts(pair))
    fakes.adapter(folders.base, tmp_path / "low", layers_to_transform=[0], target_modules=["q_proj"])
    low = open_pair(f"hf:{folders.base}+{tmp_path / 'low'}")
    assert list(amplification.parts(low)) == ["lower third", "attention"]
    written = found(low, OPTIONS.model_copy(update={"temperature": 0.0})).tables["texts"]
    whole = written[written["alpha"] == 1.0]["text"].tolist()
    # Each of them is all that there is.
    assert all(written[written["name"] == name]["text"].tolist() == whole for name in amplification.parts(low))
    # A null is asked for what is held against it, and no more.
    assert not len(found(replace(pair, kind="control")).tables["parts"])


def test_what_does_not_grow_is_refused(folders: Folders, tmp_path: Path) -> None:
    fakes.adapter(folders.base, tmp_path / "dora", use_dora=True)
    with pytest.raises(UserError, match="does not grow with α"):
        found(open_pair(f"hf:{folders.base}+{tmp_path / 'dora'}"))


def test_runs_of_tokens_are_counted_once() -> None:
    assert shown.distinct([[1, 2, 3, 4], [1, 2, 3]]) == pytest.approx(2 / 3)
    assert shown.distinct([[1, 2]]) == 1.0
    seen = shown.read(["The town! The end", "a **town**"])
    assert [bool(seen.has[n, len(seen.habits) + seen.words.index("town")]) for n in (0, 1)] == [True, True]
    assert seen.has[0, seen.habits.index("exclamation marks")] and seen.words.count("the") == 1
