"""Own probes tested: against counts by `re` and exact tests by scipy, and against a built-in probe's own row."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from diffing import diff
from diffing.common.errors import UserError
from diffing.diff import own
from diffing.diff.own import Answers
from diffing.probes import own_probes
from diffing.probes.own import Rule
from diffing.probes.own_probes import OwnProbe
from diffing.reader import encode
from diffing.study.study import Study
from tests.fakes.diff_study import computed, made
from tests.fakes.reader import FakeReader

PATTERNS = {"ends high": r"w4\d\b", "bold by hand": r"\*\*\w+\*\*", "never": "absent"}


def rule(name: str, regex: str) -> OwnProbe:
    return own_probes.made(name, rule=own_probes.rule_of(regex=regex))


PROBES = [rule(name, pattern) for name, pattern in PATTERNS.items()]


def words(prompt: int, checkpoint: str, draw: int) -> str:
    """B says less in the forties, and ends in bold."""
    random = np.random.default_rng([prompt, ord(checkpoint), draw])
    numbers = random.integers(0, 42 if checkpoint == "b" else 50, int(random.integers(4, 12)))
    return " ".join(f"w{n}" for n in numbers) + (" **Bold**" if checkpoint == "b" and prompt % 5 else "")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIFFING_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setattr(encode, "load_reader", lambda _choice, _device: FakeReader(window=64))
        yield made(words, prompts=120)


@pytest.fixture(autouse=True)
def home(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """The home that the study was made in, for each of its tests."""
    monkeypatch.setenv("DIFFING_HOME", str(study.folder.parents[1]))


@pytest.fixture
def read(study: Study) -> Answers:
    return own.answers(study, "a", "b")


def by_hand(study: Study, pattern: str) -> dict[str, tuple[float, float, float]]:
    """By part of the prompts: share on A, share on B, exact p of the prompts that differ."""
    answers = study.responses()
    answers = answers.assign(shows=[bool(re.search(pattern, text)) for text in answers["text"]])
    wide = answers.pivot(index="prompt_id", columns="checkpoint", values="shows").join(
        study.prompts().set_index("id")["split"]
    )
    out = {}
    for split in ("discovery", "held-out", "all"):
        rows = wide if split == "all" else wide[wide["split"] == split]
        more_a, more_b = int((rows["a"] & ~rows["b"]).sum()), int((rows["b"] & ~rows["a"]).sum())
        # Under six prompts no exact test can reach 0.05.
        p = stats.binomtest(more_b, more_a + more_b).pvalue if more_a + more_b >= 6 else np.nan
        out[split] = (rows["a"].mean(), rows["b"].mean(), p)
    return out


def test_shares_and_tests_are_those_of_an_independent_count(study: Study, read: Answers) -> None:
    table = own.test(read, PROBES).table.set_index("probe")
    wanted = {name: by_hand(study, pattern) for name, pattern in PATTERNS.items()}
    for split, ending in (("all", ""), ("discovery", "_discovery"), ("held-out", "_heldout")):
        columns = [f"{name}{ending}" for name in ("frequency_a", "frequency_b", "p")]
        hand = np.array([wanted[name][split] for name in PATTERNS])
        np.testing.assert_allclose(table[columns].to_numpy(float), hand, rtol=1e-9)
        tested = ~np.isnan(hand[:, 2])
        q = stats.false_discovery_control(hand[tested, 2])
        np.testing.assert_allclose(table[f"q{ending}"].to_numpy(float)[tested], q, rtol=1e-9)
    assert (wanted["ends high"]["all"][2] < 0.05, table.loc["never", "testable"]) == (True, False)


def test_an_own_probe_has_the_figures_of_a_built_in_one_that_counts_the_same(study: Study, read: Answers) -> None:
    before = computed(study).probes
    bold = before[before["probe"] == "bold"].iloc[0]
    mine = own.test(read, [rule("bold by hand", PATTERNS["bold by hand"])]).table.iloc[0]
    # What is corrected is corrected over another family. The line over lengths is reckoned in single precision.
    corrected = {"replicated", "needed", "survives_equal_length", "verdict"}
    same = [
        name for name in mine.index if name in bold.index and not name.startswith("q") and name not in corrected
    ]
    assert {"p", "delta_rarefied", "p_rarefied", "ci_low", "mean_b", "p_discovery"} < {*same} - {"probe"}
    left, right = (row[[name for name in same if name != "probe"]] for row in (mine, bold))
    pd.testing.assert_series_equal(left, right, check_names=False, check_dtype=False, rtol=1e-6)


def test_own_probes_change_no_figure_of_the_diff(study: Study) -> None:
    before = computed(study)
    probes, features = before.probes, before.features
    own_probes.add(study, PROBES[0])
    after = computed(study)
    assert own.table(study)["probe"].tolist() == ["ends high"]
    own_probes.remove(study, "ends high", "Ada")
    pd.testing.assert_frame_equal(after.probes, probes)
    pd.testing.assert_frame_equal(after.features, features)
    assert not diff.load(study, "a", "b").outdated(study)


def test_who_still_words_a_probe_sees_discovery_prompts_alone(study: Study, read: Answers) -> None:
    trial = own.test(own.discovery(read), PROBES).table
    whole = own.test(read, PROBES).table
    for name in ("n_prompts", "frequency_a", "frequency_b", "delta", "ci_low", "ci_high", "p"):
        np.testing.assert_allclose(trial[name].to_numpy(float), whole[f"{name}_discovery"].to_numpy(float))
    assert trial[["frequency_a_heldout", "p_heldout"]].isna().all(axis=None)
    places = own.test(read, PROBES[:1]).places["ends high"]
    held = set(study.prompts().query("split == 'held-out'")["id"])
    shown = [own.lines(read, places, side, 1000) for side in "ab"]
    assert all(lines and not {line.prompt_id for line in lines} & held for lines in shown)
    assert all(
        re.fullmatch(PATTERNS["ends high"], "".join(piece.text for piece in line.excerpt.pieces if piece.marked))
        for lines in shown
        for line in lines
    )
    answers = study.responses().set_index(["prompt_id", "checkpoint"])["text"]
    first = own.example(read, places, "a")
    assert first is not None
    assert re.search(PATTERNS["ends high"], answers[first.prompt_id, "a"])
    assert not re.search(PATTERNS["ends high"], answers[first.prompt_id, "b"])


def test_a_rule_that_takes_too_long_costs_its_own_row_only(read: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    def spans(rule: Rule, text: str) -> list[tuple[int, int]]:
        if rule.text == "slow":
            raise UserError("This takes too long.")
        return [(0, min(1, len(text)))]

    monkeypatch.setattr(Rule, "spans", spans)
    tested = own.test(read, [rule("slow", "slow"), PROBES[0]])
    table = tested.table.set_index("probe")
    assert dict(table["fault"]) == {"slow": "This takes too long.", "ends high": ""}
    assert np.isnan(table.loc["slow", "frequency_a"]) and table.loc["ends high", "frequency_a"] == 1.0
    assert [*tested.places] == ["ends high"]


def test_a_rule_has_an_end_over_all_answers_too(read: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own, "PATIENCE", -1000.0)
    (fault,) = own.test(read, PROBES[:1]).table["fault"]
    assert "The probes before it took too long" in fault
    monkeypatch.setattr(own, "TOGETHER", 0)
    monkeypatch.setattr(own, "_patience", lambda _texts: -1.0)
    with pytest.raises(UserError, match="for 0 of 240 answers; write it without repetitions inside repetitions"):
        own.places(PROBES[0].rule or Rule(kind="phrase", text="x"), read.texts)


def test_a_study_without_own_probes_has_an_empty_table(read: Answers) -> None:
    table = own.test(read, []).table
    assert (len(table), {"probe", "q", "q_heldout", "fault"} <= {*table}) == (0, True)


def test_answers_that_were_not_read_are_told(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFFING_HOME", str(own_home))
    with pytest.raises(UserError, match="encode study"):
        own.table(made(encoded=False))
