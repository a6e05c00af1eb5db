"""Questions to the data, each on answers made so that the reply is known."""

import math
import subprocess
import sys

import numpy as np
import pytest

from diffing.common.errors import UserError
from diffing.probes import near
from diffing.reader import encode, query
from diffing.reader.encodings import Encodings
from tests.fakes.diff_study import made
from tests.fakes.reader import WORDS, FakeReader


def answer(prompt: int, checkpoint: str, _draw: int) -> str:
    """Prompts 0 to 9 say yes in bold, whatever the checkpoint; all share a few plain words."""
    random = np.random.default_rng([prompt, ord(checkpoint)])
    plain = " ".join(f"w{n}" for n in random.integers(0, 30, 8))
    return f"{plain} **Yes** indeed" if prompt < 10 else plain


@pytest.fixture(autouse=True)
def reader(monkeypatch: pytest.MonkeyPatch) -> FakeReader:
    fake = FakeReader(window=64)
    monkeypatch.setattr(encode, "load_reader", lambda _choice, _device: fake)
    return fake


@pytest.fixture
def encodings() -> Encodings:
    return Encodings.open(made(answer, prompts=40))


def test_labels_are_found_by_words_in_them_first_and_by_words_like_them() -> None:
    labels = {3: "Numbered lists", 1: "apologies at the start", 2: "apology", 7: "bold text"}
    found = query.by_label(labels, "Apolog")
    assert found["feature"].tolist() == [1, 2]
    assert query.by_label(labels, "numberd list")["feature"].tolist() == [3]
    assert query.by_label(labels, " ").empty


def test_features_are_found_by_the_tokens_they_fire_on(reader: FakeReader, encodings: Encodings) -> None:
    found = query.by_tokens(encodings, "**yes").set_index("feature")
    texts = [answer(p, c, 0) for p in range(40) for c in "ab"]
    dense = [reader.expected(text).numpy() for text in texts]
    on = [np.array([word == "**Yes**" for word in WORDS.findall(text)]) for text in texts]
    hits = sum((d[o] > 0).sum(axis=0) for d, o in zip(dense, on, strict=True))
    active = sum((d > 0).sum(axis=0) for d in dense)
    firing = np.flatnonzero(reader.expected("**Yes**").numpy()[0] > 0)
    assert set(found.index) <= set(firing.tolist())
    assert found["hits"].to_dict() == {f: hits[f] for f in found.index}
    assert found["share"].to_dict() == pytest.approx({f: hits[f] / active[f] for f in found.index})
    assert (found["covers"] == 1).all()
    with pytest.raises(UserError, match="no text"):
        query.by_tokens(encodings, "")


def test_two_answers_differ_by_what_one_shows_and_the_other_does_not(
    reader: FakeReader, encodings: Encodings
) -> None:
    found = query.between(encodings, 0, 1).set_index("feature")
    texts = [encodings.tokens(document).text for document in (0, 1)]
    peaks = [reader.expected(text).numpy().max(axis=0) for text in texts]
    shown = np.flatnonzero((peaks[0] > 0) | (peaks[1] > 0))
    assert sorted(found.index) == shown.tolist()
    np.testing.assert_allclose(found["peak_left"], peaks[0][found.index], rtol=1e-3)
    assert found["weight"].is_monotonic_decreasing
    same = query.between(encodings, 5, 5)
    assert (same["weight"] == 0).all()


def test_documents_are_ranked_by_their_weighted_features(encodings: Encodings) -> None:
    features = query.by_tokens(encodings, "**Yes**")["feature"].head(2).tolist()
    found = query.documents(encodings, {features[0]: 2.0, features[1]: -1.0})
    peaks = encodings.matrix().toarray()[:, features]
    score = 2 * peaks[:, 0] / peaks[:, 0].max() - peaks[:, 1] / peaks[:, 1].max()
    # Shares of a peak, so at most 3: near 0 only an absolute bound means anything.
    np.testing.assert_allclose(found["score"], score[found["document"]], rtol=0, atol=1e-6)
    assert found["score"].is_monotonic_decreasing


def test_correlated_features_are_those_of_the_same_documents(encodings: Encodings) -> None:
    shows = near.of_probe(encodings, "bold")
    found = query.correlated(encodings, shows)
    leader = found.iloc[0]
    assert leader["npmi"] > 0.7
    assert leader["p"] == pytest.approx(1 / 200)
    assert query.of_feature(encodings, int(leader["feature"]))[shows].mean() > 0.9
    assert found["npmi"].is_monotonic_decreasing


def test_chance_correlations_are_rarely_called(encodings: Encodings) -> None:
    table = encodings.documents
    prompts = table["prompt_id"].unique()
    called = []
    for seed in range(30):
        chosen = np.random.default_rng(seed).choice(prompts, 15, replace=False)
        shows = table["prompt_id"].isin(chosen).to_numpy()
        found = query.correlated(encodings, shows, permutations=39, seed=seed)
        called.append(found["p"].min() <= 0.05)
    assert sum(called) <= 5


def test_nothing_correlates_with_what_is_never_shown(encodings: Encodings) -> None:
    assert query.correlated(encodings, np.zeros(len(encodings.documents), dtype=bool)).empty
    with pytest.raises(UserError, match="no probe 'bald'"):
        near.of_probe(encodings, "bald")


def test_npmi_has_its_known_values() -> None:
    found = query.npmi(np.array([10, 5, 0, 40]), np.array([10, 20, 20, 40]), 10, 40)
    assert found.tolist() == pytest.approx([1.0, 0.0, -1.0, 1.0])
    assert query.npmi(np.array([5.0]), np.array([10.0]), 10, 40)[0] == pytest.approx(math.log(2) / math.log(8))


def test_asking_loads_no_reader() -> None:
    code = "import sys, diffing.reader.query; print(*{'torch', 'transformers', 'sae_lens'} & set(sys.modules))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed == "\n"


def test_an_unread_document_is_no_obstacle() -> None:
    def odd(prompt: int, checkpoint: str, draw: int) -> str:
        return "unreadable" if prompt == 12 else answer(prompt, checkpoint, draw)

    encodings = Encodings.open(made(odd, prompts=40))
    assert query.by_tokens(encodings, "yes")["hits"].max() == 20
    assert query.correlated(encodings, near.of_probe(encodings, "bold"), permutations=19)["p"].min() == 0.05
