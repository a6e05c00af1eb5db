"""Passages: silent ones are silent, firing ones cover the range, and the halves share no prompt."""

from itertools import count

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diffing.labels.passages import CLOSE, OPEN, Context, Finder
from diffing.reader.encodings import Encodings
from diffing.study import prompts
from diffing.study.study import Study
from tests.fakes import label_study

WORDS = ["red", "blue", "green", "grey", "plain", "wood", "stone"]
NUMBERS = count()
RULES = [{"red": 1.0, "blue": 5.0}, {"blue": 2.0, "grey": 1.0}, {"plain": 1.0}, {"red": 3.0}]


def study_of(
    monkeypatch: pytest.MonkeyPatch, seed: int, documents: int, shown: int, length: int, name: str = "s"
) -> tuple[Study, Encodings]:
    """Feature 0 is active in exactly `shown` of the documents of each side."""
    random = np.random.default_rng(seed)
    answers = {}
    for side in "ab":
        texts = []
        for number in range(documents):
            texts.append(label_study.babble(random, WORDS[2:], [1, 1, 3, 3, 3], length))
            if number < shown:
                words = texts[-1].split(" ")
                for place in random.integers(0, length, int(random.integers(1, 6))):
                    words[place] = str(random.choice(["red", "blue"]))
                texts[-1] = " ".join(words)
        answers[side] = texts
    return label_study.make(monkeypatch, answers, RULES, name, seed=seed)


def active_inside(encodings: Encodings, context: Context, feature: int) -> int:
    positions, _ = encodings.activations(context.document, feature)
    return int(((positions >= context.start) & (positions < context.stop)).sum())


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10_000),
    shown=st.sampled_from([(30, 2), (99, 72), (40, 40), (12, 0)]),
    length=st.sampled_from([3, 30, 160]),
    width=st.sampled_from([4, 32, 128]),
)
def test_no_silent_passage_has_the_feature_active(
    monkeypatch: pytest.MonkeyPatch, seed: int, shown: tuple[int, int], length: int, width: int
) -> None:
    name = f"s{next(NUMBERS)}"
    study, encodings = study_of(monkeypatch, seed, *shown, length, name=name)
    for half in ("write", "score"):
        finder = Finder(study, encodings, half)
        silent = [
            context
            for kind in ("random", "tokens", "neighbour")
            for side in "ab"
            for context in finder.silent(0, side, 25, width, kind)
        ]
        assert {active_inside(encodings, context, 0) for context in silent} <= {0}
        firing = [context for side in "ab" for context in finder.firing(0, side, 50, width)]
        assert all(active_inside(encodings, context, 0) for context in firing)
        for context in finder.misplaced(0, "a", 25, width):
            marked = {context.text[low:high] for low, high in context.marks}
            assert marked and not any({"red", "blue"} & set(words.split()) for words in marked)


def test_a_feature_of_72_in_99_documents_has_as_many_silent_passages_as_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study, encodings = study_of(monkeypatch, 1, 99, 72, 160)
    finder = Finder(study, encodings, "score")
    counts = {kind: len(finder.silent(0, "a", 25, 32, kind)) for kind in ("random", "tokens", "neighbour")}
    # Red and blue always fire, so no silent token is like those; grey and blue are the neighbour's.
    assert counts == {"random": 25, "tokens": 0, "neighbour": 25}


def test_silent_passages_of_a_side_do_not_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    study, encodings = study_of(monkeypatch, 1, 60, 20, 160)
    finder = Finder(study, encodings, "score")
    taken = finder.silent(0, "a", 25, 32, "random")
    taken += finder.silent(0, "a", 25, 32, "neighbour", taken)
    cells = [(c.document, token) for c in taken for token in range(c.start, c.stop)]
    assert len(cells) == len(set(cells)) > 0


def test_firing_passages_come_from_all_tenths_and_from_many_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    study, encodings = study_of(monkeypatch, 2, 200, 200, 160)
    found = Finder(study, encodings, "score").firing(0, "a", 50, 32)
    assert np.bincount([context.decile for context in found]).tolist() == [5] * 10
    assert [c.value for c in found] == sorted((c.value for c in found), reverse=True)
    assert {round(c.value, 3) for c in found} == {1.0, 5.0}
    assert len({context.prompt_id for context in found}) > 40


def test_halves_share_no_prompt_and_neither_holds_one_out(monkeypatch: pytest.MonkeyPatch) -> None:
    study, encodings = study_of(monkeypatch, 3, 80, 60, 40)
    split = study.prompts().set_index("id")["split"]
    seen = {}
    for half in ("write", "score"):
        finder = Finder(study, encodings, half)
        contexts = [c for s in "ab" for c in finder.firing(0, s, 99, 32) + finder.silent(0, s, 99, 32, "random")]
        seen[half] = {context.prompt_id for context in contexts}
        assert {split[identifier] for identifier in seen[half]} == {"discovery"}
        assert {prompts.half_of(identifier) for identifier in seen[half]} == {half}
    assert not seen["write"] & seen["score"]


def test_the_seed_decides_all_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    study, encodings = study_of(monkeypatch, 4, 60, 40, 100)

    def all_ids(seed: int) -> list[str]:
        finder = Finder(study, encodings, "write")
        finder.seed = seed
        chosen = finder.firing(0, "a", 20, 32) + finder.silent(0, "a", 9, 32, "random")
        return [context.id for context in chosen + finder.misplaced(0, "a", 9, 32)]

    assert all_ids(4) == all_ids(4)
    assert all_ids(4) != all_ids(5)


def test_marks_stand_around_the_active_tokens_and_cannot_be_forged(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"plain red {OPEN}stone{CLOSE} blue" for _ in range(40)]
    study, encodings = label_study.make(monkeypatch, {"a": texts, "b": texts}, [*RULES, {" ": 1.0, "red": 1.0}])
    finder = Finder(study, encodings, "write")
    one, two = finder.firing(0, "a", 1, 32)[0], finder.firing(4, "a", 1, 32)[0]
    assert one.marked == f"plain {OPEN}red{CLOSE} [stone] {OPEN}blue{CLOSE}"
    assert two.marked == f"plain{OPEN} red {CLOSE}[stone]{OPEN} {CLOSE}blue"
    assert one.plain == "plain red [stone] blue"


def test_neighbours_are_found_by_direction_or_by_company(monkeypatch: pytest.MonkeyPatch) -> None:
    study, encodings = study_of(monkeypatch, 5, 60, 40, 100)
    finder = Finder(study, encodings, "write")
    # Directions: 0 and 1 share blue (5·2), 0 and 3 share red (1·3).
    assert finder.neighbours(0) == [1, 3]
    monkeypatch.setattr(encodings, "decoder", lambda: None)
    alone = Finder(study, encodings, "write")
    assert set(alone.neighbours(0)) == {1, 2, 3}
