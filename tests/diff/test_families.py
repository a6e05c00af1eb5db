"""Families from planted co-firing, against a plain computation of the overlaps."""

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage

from diffing.common.arrays import Array
from diffing.diff import families
from tests.fakes.documents import Documents


def widened(documents: Documents, feature: int) -> set[tuple[int, int]]:
    return {
        (number, int(position) + step)
        for number, one in enumerate(documents.dense)
        for position in np.flatnonzero(one[:, feature])
        for step in (-1, 0, 1)
    }


def overlaps(documents: Documents) -> Array:
    sets = [widened(documents, f) for f in range(documents.n_features)]
    return np.array([[len(a & b) / max(1, len(a | b)) for a in sets] for b in sets])


def correlated(seed: int, decoder: Array | None = None, documents: int = 30) -> Documents:
    """Twelve features in four clumps of three that fire near each other, more or less loosely."""
    random = np.random.default_rng(seed)
    dense = []
    for _ in range(documents):
        one = np.zeros((40, 12))
        for clump, loose in enumerate((0.0, 0.15, 0.4, 0.9)):
            at = np.flatnonzero(random.random(40) < 0.08)
            for member in range(3):
                here = at[random.random(len(at)) >= loose]
                one[np.clip(here + random.integers(0, 2, len(here)), 0, 39), 3 * clump + member] = 1
        dense.append(one)
    return Documents(dense, decoder)


@pytest.fixture(autouse=True)
def any_number_of_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(families, "LEAST", 1)


def found(documents: Documents, overlap: float = 0.5, order: Array | None = None) -> Array:
    features = np.arange(documents.n_features)
    chosen = np.asarray(features if order is None else order)
    return families.families(documents, np.arange(len(documents.dense)), features, chosen, overlap, 0.3, seed=0)


@pytest.mark.parametrize(("seed", "overlap"), [(0, 0.5), (1, 0.5), (2, 0.4), (3, 0.7)])
def test_families_are_those_of_average_linkage_on_all_overlaps(
    seed: int, overlap: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(families, "KEEP", 100_000)
    documents = correlated(seed)
    distance = 1 - overlaps(documents)[np.triu_indices(12, 1)]
    number = fcluster(linkage(distance, "average"), 1 - overlap + 1e-9, "distance")
    first = np.array([np.flatnonzero(number == n)[0] for n in number])
    assert found(documents, overlap).tolist() == first.tolist()


def test_sampled_overlaps_are_near_the_whole_ones() -> None:
    documents = correlated(4, documents=400)
    sketch, features = families.sketched(documents, np.arange(400), seed=0)
    assert features.tolist() == list(range(12))
    assert len(sketch) < 12 * 3 * families.KEEP
    row, column = np.triu_indices(12, 1)
    whole = overlaps(documents)[row, column]
    np.testing.assert_allclose(sketch.overlap(row, column), whole, atol=0.12)
    np.testing.assert_allclose(sketch.overlaps(np.arange(12)), sketch.overlap(row, column))


def test_pairs_that_overlap_by_half_are_all_looked_at() -> None:
    documents = correlated(4, documents=100)
    sketch, _ = families.sketched(documents, np.arange(100), seed=0)
    seen = set(zip(*(side.tolist() for side in sketch.candidates(0.5)), strict=True))
    whole = overlaps(documents)
    assert {(a, b) for a in range(12) for b in range(a + 1, 12) if whole[a, b] >= 0.5} <= seen


def test_the_first_in_order_leads() -> None:
    documents = correlated(5)
    order = np.arange(12)[::-1]
    leads = found(documents, order=order)
    assert leads[:3].tolist() == [2, 2, 2]


def test_opposite_directions_are_no_family() -> None:
    decoder = np.eye(12)
    decoder[1] = decoder[2] = decoder[0]
    decoder[1] += 0.1
    leads = found(correlated(0, decoder.astype(np.float16)))
    assert leads[:3].tolist() == [0, 0, 0]
    assert leads[3:].tolist() == list(range(3, 12))


def test_a_clump_too_large_for_one_linkage_is_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(families, "LARGEST", 4)
    base = (np.random.default_rng(6).random((200, 1)) < 0.1) * 1.0
    loose = [np.where(np.random.default_rng(7 + k).random((200, 1)) < 0.25, 0, base) for k in range(4)]
    documents = Documents([np.hstack([base, base, *loose])])
    leads = found(documents)
    assert leads[:2].tolist() == [0, 0]


@pytest.mark.parametrize("seed", range(5))
def test_a_clump_that_half_its_ties_still_hold_together_is_split_at_last(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(families, "LARGEST", 4)
    random = np.random.default_rng(seed)
    base = (random.random((200, 1)) < 0.1) * 1.0
    documents = Documents([np.hstack([np.where(random.random((200, 1)) < 0.1, 0, base) for _ in range(7)])])
    leads = families.families(documents, np.arange(1), np.arange(7), np.arange(7), 0.5, -1, seed=0)
    sizes = np.bincount(leads, minlength=7)
    assert sizes.sum() == 7
    assert sizes.max() <= 4


def test_families_of_some_features_are_those_of_a_study_with_only_these() -> None:
    documents = correlated(0)
    some = np.array([1, 2, 3, 4, 8])
    leads = families.families(documents, np.arange(30), some, np.arange(5), 0.5, -1, seed=0)
    only = Documents([one[:, some] for one in documents.dense])
    assert (
        leads.tolist()
        == some[families.families(only, np.arange(30), np.arange(5), np.arange(5), 0.5, -1, 0)].tolist()
    )


def test_silent_documents_and_one_feature_give_families_of_one() -> None:
    assert found(Documents([np.zeros((3, 2)), np.array([[0, 1.0]])])).tolist() == [0, 1]
