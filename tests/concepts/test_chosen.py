"""A sentence as weighted features: which are chosen, why, and that random examples choose none that stand out."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from diffing.common.errors import UserError
from diffing.concepts import bm25, chosen, embedding
from diffing.concepts.matrix import Matrix, of
from diffing.labels import history, names
from diffing.models.questions import Asking
from diffing.study.study import Study
from tests.fakes.label_study import make
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.watch import Watch

WORDS = ["sorry", "maybe", "cost", "hello"]
LABELS = ["the word sorry in an apology", "hedging word, such as maybe", "prices and costs", "unclear: greetings"]


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Study:
    texts = [" ".join(f"x{n}" if (n + k) % 3 else word for k, word in enumerate(WORDS)) for n in range(24)]
    made, _ = make(monkeypatch, {"a": texts, "b": texts[::-1]}, [{word: 1.0 + n} for n, word in enumerate(WORDS)])
    for feature, label in enumerate(LABELS):
        history.edit(made, names.sae_of(made.settings.reader), feature, label, "Ada")
    return made


def random_matrix(answers: int, features: int, seed: int = 0) -> Matrix:
    random = np.random.default_rng(seed)
    peaks = sparse.random(answers, features, 0.1, "csr", np.float32, random)
    table = pd.DataFrame({"prompt_id": [str(n) for n in range(answers)], "checkpoint": "a", "draw": 0})
    return Matrix(table, peaks, (peaks > 0).astype(np.int32))


def test_labels_are_found_by_their_words_whatever_these_end_in(study: Study) -> None:
    found = chosen.by_labels(study, "Answers that hedge and apologise, sorry")
    assert found.by == "labels"
    assert found.features["feature"].tolist() == [0, 1]
    assert found.features["weight"].iloc[0] == 1
    assert found.features["why"].tolist() == [
        "its label says “sorry” (label by Ada)",
        "its label says “hedging” (label by Ada)",
    ]
    with pytest.raises(UserError, match="No label of study 'study' shares a word with “greetings”"):
        chosen.by_labels(study, "greetings")
    with pytest.raises(UserError, match="There is nothing to look for"):
        chosen.by_labels(study, " ")


def test_bm25_is_okapis_formula() -> None:
    texts = ["red red apple", "green apple", "blue sky over a red house", ""]
    found = bm25.Index(texts).scores("red apples")
    words = [bm25.terms(text) for text in texts]
    mean = sum(map(len, words)) / len(words)

    def score(document: list[str]) -> float:
        total = 0.0
        for term in ("red", "appl"):
            having = sum(term in each for each in words)
            rarity = np.log(1 + (len(texts) - having + 0.5) / (having + 0.5))
            often = document.count(term)
            total += rarity * often * 2.5 / (often + 1.5 * (0.25 + 0.75 * len(document) / mean))
        return total

    assert found == pytest.approx([score(document) for document in words])
    assert bm25.Index([]).scores("red").tolist() == []


def test_examples_choose_what_they_share_and_the_rest_lacks() -> None:
    made = random_matrix(400, 50)
    yes = np.arange(10)
    dense = made.peaks.toarray()
    dense[:, 7] = 0
    dense[yes, 7] = 2.0
    planted = Matrix(made.answers, sparse.csr_matrix(dense), sparse.csr_matrix(dense > 0).astype(np.int32))
    found = chosen.by_examples(planted, yes)
    assert (found.by, found.beyond_null) == ("examples", 1)
    first = found.features.iloc[0]
    assert (first["feature"], first["why"]) == (7, "100\u00a0% of examples show it, 2\u00a0% of all")
    assert first["weight"] > 3
    against = chosen.by_examples(planted, np.arange(200, 210), yes).features.set_index("feature")
    assert against.loc[7, "weight"] < -1


def test_random_examples_choose_nothing_that_stands_out() -> None:
    made, random = random_matrix(400, 50), np.random.default_rng(1)
    beyond = [
        chosen.by_examples(made, random.choice(400, 8, replace=False), seed=turn).beyond_null for turn in range(60)
    ]
    # One in twenty may; 9 or more of 60 would have a chance of 0.003.
    assert sum(bool(each) for each in beyond) <= 8


def test_examples_that_contradict_each_other_are_refused() -> None:
    made = random_matrix(20, 5)
    with pytest.raises(UserError, match="named as having it and as not having it"):
        chosen.by_examples(made, [1, 2], [2])
    with pytest.raises(UserError, match="There is no example"):
        chosen.by_examples(made, [])
    with pytest.raises(UserError, match="All answers are examples"):
        chosen.by_examples(made, np.arange(20))


def test_a_model_picks_among_labels_that_it_was_shown(study: Study, server: OpenAIServer) -> None:
    said: list[Any] = [
        {"words": ["perhaps", "maybe"]},
        {"picks": [{"number": 9, "fits": 3, "why": "made up"}]},
        {"picks": [{"number": 1, "fits": 3, "why": "hedges"}, {"number": 0, "fits": 1, "why": "close"}]},
    ]
    server.reply = lambda call: json.dumps(said[call.number - 1])
    server.models = ["m"]
    asking = Asking(model=f"{server.url}#m")
    found = chosen.by_model(study, "hedges before refusing", asking, Watch())
    assert found.features["feature"].tolist() == [1, 0]
    assert found.features["weight"].tolist() == pytest.approx([1, 1 / 9])
    assert found.features["why"][0] == "picked by m: hedges (label by Ada)"
    assert "unclear" not in str([call.body for call in server.calls])


def test_an_embedding_that_is_not_installed_is_refused_with_the_remedy(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "installed", lambda: False)
    embedding._loaded.cache_clear()
    with pytest.raises(UserError, match=r"run `pip install sentence-transformers`"):
        chosen.by_embedding(study, "hedges")
    vectors = {"hedges": [1.0, 0], LABELS[1]: [0.8, 0.6], LABELS[0]: [0.0, 1], LABELS[2]: [-1.0, 0]}
    monkeypatch.setattr(embedding, "vectors", lambda texts, _model: np.array([vectors[each] for each in texts]))
    found = chosen.by_embedding(study, "hedges", "local")
    assert found.features["feature"].tolist() == [1]
    assert found.features["why"][0] == "0.80 alike in local (label by Ada)"


def test_weights_come_by_feature(study: Study) -> None:
    assert chosen.by_labels(study, "costs").weights == {2: 1.0}
    assert of(study).peaks.shape == (48, 4)
