"""A diff of a study of which summaries are kept: every test has the very figures that positions give."""

import numpy as np
import pandas as pd
import pytest

from diffing.common.errors import UserError
from diffing.diff import compute, measure, pairing, presence, sampling
from diffing.diff.stored import DiffSettings
from diffing.models.providers import Checkpoint
from diffing.reader import encode
from diffing.reader.encodings import Encodings
from diffing.study.study import Study
from tests.fakes import read_sample
from tests.fakes.documents import Documents
from tests.fakes.reader import FakeReader
from tests.fakes.summed import summed_up
from tests.fakes.watch import Watch

OF_TOKENS = ["family", "tokens", "probes"]
"""Columns that say on which tokens features fire, and so come from the answers whose positions are kept."""
PROMPTS = 60


@pytest.fixture(scope="module")
def words() -> pd.DataFrame:
    """Answers of two draws by three checkpoints, which say some words more and more often, at growing length."""
    random, rows = np.random.default_rng(0), []
    for number in range(PROMPTS):
        for place, checkpoint in enumerate("abc"):
            for draw in range(2):
                often = np.where(np.arange(60) < 8, 1 + 2 * place, 1.0)
                length = int(random.integers(5, 25 + 8 * place))
                text = " ".join(f"w{w}" for w in random.choice(60, length, p=often / often.sum()))
                rows.append({"number": number, "checkpoint": checkpoint, "draw": draw, "text": text})
    return pd.DataFrame(rows)


@pytest.fixture
def study(words: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> Study:
    fake = FakeReader()
    monkeypatch.setattr(encode, "load_reader", lambda _choice, _device: fake)
    asked = [{"text": f"Question {n}", "category": "even" if n % 2 else "odd"} for n in range(PROMPTS)]
    made = Study.create("s", [Checkpoint(key=k, name=k, source="import") for k in "abc"], pd.DataFrame(asked))
    made.add_responses(words.assign(prompt_id=made.prompts()["id"].to_numpy()[words["number"]]))
    encode.run(made, encode.Options(), Watch())
    return made


def tables(found: Encodings, a: str, b: str, settings: DiffSettings) -> tuple[pd.DataFrame, ...]:
    """What is tested, and the summary."""
    made, facts = compute.measured(found.study, found, a, b, settings, lambda _done, _total, _note: None)
    features = made["features"].drop(columns=OF_TOKENS)
    counted = {
        name: facts[name] for name in ("pairs", "prompts", "tested", "differing", "raised") if name in facts
    }
    return features, made["probes"], made["noise"], pd.DataFrame([counted])


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6])
def test_every_test_has_the_figures_that_positions_give(study: Study, share: float) -> None:
    settings = DiffSettings(share_of_peak=share, permutations=19)
    whole = Encodings.open(study)
    # Positions of every third prompt.
    chosen = sorted(set(whole.documents["prompt_id"]))[::3]
    keep = whole.documents["prompt_id"].isin(chosen).to_numpy()
    pairs = [("a", "b"), ("b", "c")]
    expected = [tables(whole, a, b, settings) for a, b in pairs]
    found = summed_up(study, keep)
    assert (~found.held).sum() == 2 * len(found) / 3
    for (a, b), before in zip(pairs, expected, strict=True):
        for table, was in zip(tables(found, a, b, settings), before, strict=True):
            pd.testing.assert_frame_equal(table, was, check_exact=True)


def test_a_bar_that_summaries_do_not_reach_is_refused(study: Study) -> None:
    keep = Encodings.open(study).documents["prompt_id"].isin(study.prompts()["id"][:20]).to_numpy()
    found = summed_up(study, keep)
    with pytest.raises(UserError, match=r"a share of the peak of 0\.3 or more, or 0"):
        tables(found, "a", "b", DiffSettings(share_of_peak=0.1, permutations=19))


def test_the_sample_has_the_figures_that_positions_give() -> None:
    read_sample.put()
    whole = Encodings.open(Study.open("sample"))
    pairs = pairing.pair(whole.study, whole.documents, "before", "after")
    everyone = np.arange(len(whole))
    before, _ = measure.table(presence.shown(whole, everyone, share_of_peak=0.3), pairs)
    keep = whole.documents["prompt_id"].isin(sorted(set(whole.documents["prompt_id"]))[::4]).to_numpy()
    shown = presence.shown(summed_up(whole.study, keep), everyone, share_of_peak=0.3)
    pd.testing.assert_frame_equal(measure.table(shown, pairs)[0], before, check_exact=True)


def test_a_bar_under_the_floor_of_answers_that_are_not_compared_is_raised_on_both_sides_and_said() -> None:
    quiet, loud = np.array([[1.4, 3.0], [2.0, 0.0]]), np.array([[3.0, 2.0], [0.0, 1.0]])
    documents = Documents([quiet, loud])
    documents.floor = np.array([1.5, 0.1], np.float32)
    shown = presence.shown(documents, np.arange(2), share_of_peak=0.4)
    assert shown.raised == 1
    assert [shown.document(n).counts.tolist() for n in (0, 1)] == [[1, 1], [1, 1]]
    assert sampling.in_words({"raised": 1}).startswith("Of 1 feature a higher bar was taken")
