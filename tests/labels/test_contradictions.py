"""Labels against counting: the published mistake is flagged, labels that hold are not."""

import numpy as np
import pandas as pd
import pytest

from diffing import labels
from diffing.diff import compute
from diffing.labels import against, history
from diffing.labels.contradictions import Near, check, movement, refuted
from diffing.labels.history import Label
from diffing.probes import scan
from tests.fakes import label_study
from tests.fakes.watch import Watch


def answers(random: np.random.Generator, doubled: float, items: int, every: int, count: int = 60) -> list[str]:
    """Prose whose sentences end in two spaces on some prompts, with numbered items in one answer of so many."""
    texts = []
    for number in range(count):
        gap = "  " if random.random() < doubled else " "
        text = gap.join(f"{label_study.babble(random, ['tea', 'milk', 'cup'], [1, 1, 1], 12)}." for _ in range(6))
        if number % every == 0:
            text += "\n\n" + "\n".join(f"{i}. Item {i}" for i in range(1, items + 1))
        texts.append(text)
    return texts


@pytest.mark.parametrize(
    ("every", "kinds"),
    [(1, ["direction", "place"]), (3, ["place"])],
    ids=["lists in more answers, and longer ones", "longer lists only"],
)
def test_a_double_space_feature_labelled_enumerated_lists_is_flagged(
    monkeypatch: pytest.MonkeyPatch, every: int, kinds: list[str]
) -> None:
    random = np.random.default_rng(0)
    sides = {"before": answers(random, 0.9, 4, 3), "after": answers(random, 0.1, 8, every)}
    study, _ = label_study.make(monkeypatch, sides, [{"  ": 1.0}, {"Item": 1.0}])
    compute.run(study, compute.Options(), Watch())
    sae = labels.sae_of(study.settings.reader)
    for feature, label in enumerate(["Enumerated lists", "Numbered list items"]):
        written = Label(label=label, author="maker/model", author_kind="llm")
        history.add(study, sae, feature, written)
    flags = against.of(study)
    assert {feature: [flag.kind for flag in found] for feature, found in flags.items()} == {0: kinds}
    assert {flag.probe for flag in flags[0]} == {"numbered items"}
    place = flags[0][-1]
    assert place.figures["double spaces"] == 1.0
    assert place.figures["numbered items"] < 0.25
    assert len({flag.key for flag in flags[0]}) == len(kinds)
    if every == 1:
        figures = flags[0][0].figures
        assert figures["delta"] < -0.6
        assert figures["probe_delta"] == pytest.approx(2 / 3)
        assert [figures["probe_mean_a"], figures["probe_mean_b"]] == pytest.approx([4 / 3, 8])
        assert "from 1.33 to 8 an answer" in flags[0][0].words


def row(delta: float, q: float = 0.001) -> "pd.Series[float]":
    return pd.Series({"delta": delta, "q": q, "frequency_a": 0.5, "frequency_b": 0.5 + delta})


def probes(share: int, mean: int, rate: int) -> pd.DataFrame:
    """Every probe alike: the sign of each difference, its q 0.01, and 0 for one of five points that is unsure."""
    one = {
        "delta": 0.2 * share or 0.05,
        "q": 0.01 if share else 0.06,
        "frequency_a": 0.4,
        "frequency_b": 0.4 + (0.2 * share or 0.05),
        "mean_a": 1.0,
        "mean_b": 1.0 + 0.5 * mean,
        "q_mean": 0.01 if mean else 0.06,
        "rate_a": 9.0,
        "rate_b": 9.0 + 4 * rate,
        "q_rate": 0.01 if rate else 0.06,
    }
    return pd.DataFrame([one | {"probe": name} for name in scan.NAMES]).set_index("probe")


@pytest.mark.parametrize(
    ("feature", "probe", "flagged"),
    [
        (row(-0.3), probes(1, 1, 1), True),
        (row(-0.3), probes(1, 1, 0), True),
        (row(-0.3), probes(1, 0, 1), True),
        (row(0.3), probes(-1, -1, 0), True),
        (row(-0.3), probes(-1, -1, -1), False),
        (row(-0.3), probes(1, 0, 0), False),
        (row(-0.3), probes(0, 1, 1), False),
        (row(-0.3), probes(0, 0, 0), False),
        (row(-0.3), probes(1, -1, -1), False),
        (row(-0.3, q=0.3), probes(1, 1, 1), False),
    ],
    ids=[
        "against",
        "against, by share and mean",
        "against, by share and rate",
        "other sign",
        "along",
        "more answers alone",
        "more of it alone",
        "unsure",
        "more answers with less of it",
        "no difference",
    ],
)
def test_direction(feature: "pd.Series[float]", probe: pd.DataFrame, flagged: bool) -> None:
    assert [flag.kind for flag in check(3, "Bold headings of sections", feature, probe, None)] == (
        ["direction", "direction"] if flagged else []
    )


def test_one_named_thing_that_surely_moves_along_is_enough() -> None:
    mixed = probes(1, 1, 1)
    mixed.loc["headings"] = probes(-1, 0, 0).loc["headings"]
    assert check(3, "Bold headings of sections", row(-0.3), mixed, None) == []
    mixed.loc["headings"] = probes(0, 0, 0).loc["headings"]
    assert [flag.probe for flag in check(3, "Bold headings of sections", row(-0.3), mixed, None)] == ["bold"]


def test_what_every_answer_has_is_told_by_its_amount() -> None:
    told = {
        (share, mean): movement(probes(share, mean, 0).loc["words"], 1) for share in (0, 1) for mean in (1, -1)
    }
    assert told == {(0, 1): 1, (0, -1): -1, (1, 1): 1, (1, -1): -1}


def test_a_probe_that_an_older_diff_lacks_says_nothing() -> None:
    assert check(3, "Bold headings", row(-0.3), probes(1, 1, 1).drop(["bold", "headings"]), None) == []


def near(**shares: float) -> Near:
    chance = dict.fromkeys(scan.PRESENCE, 0.05)
    names = {name.replace("_", " "): share for name, share in shares.items()}
    return Near(dict.fromkeys(scan.PRESENCE, 0.0) | names, chance | {"first person": 0.6})


@pytest.mark.parametrize(
    ("label", "where", "flagged"),
    [
        ("numbered lists", near(double_spaces=0.96, numbered_items=0.04), True),
        ("numbered lists", near(double_spaces=0.96, numbered_items=0.6), False),
        ("numbered lists", near(double_spaces=0.3), False),
        ("list items", near(bulleted_items=0.9), False),
        ("numbered lists", near(first_person=0.9), False),
        ("numbered lists", None, False),
        ("kinds of tea", near(double_spaces=0.96), False),
    ],
    ids=["elsewhere", "both", "nowhere else", "a list of no said kind", "common anyway", "too few", "uncountable"],
)
def test_place(label: str, where: Near | None, flagged: bool) -> None:
    found = check(3, label, row(0.0, q=1.0), probes(0, 0, 0), where)
    assert [flag.kind for flag in found] == ["place"] * flagged


@pytest.mark.parametrize(
    ("label", "nearest", "tokens", "told"),
    [
        ("unclear: 'ource' in Source", "", "", "It says of itself that it is unclear."),
        (
            "name of a tool: wikipedia(",
            "apologies:0.96; contractions:0.49",
            "“sorry” ×13, “orry” ×12",
            "Here it fires on “sorry” and “orry”, 96\u00a0% of the time at apologies.",
        ),
        (
            "numbered lists",
            "bold:0.90",
            "“**” ×9",
            "0\u00a0% of its active tokens lie at numbered items, 90\u00a0% at bold.",
        ),
        # The words it fires on, the probe, or a place beside it: nothing speaks against these.
        ("'sorry' opening an answer", "apologies:0.96", "“sorry” ×13, “orry” ×12", ""),
        ("apologies of any kind", "apologies:0.96", "“hope” ×13", ""),
        ("word right after 'you'", "second person:0.84", "“have” ×20, “want” ×15", ""),
        ("the word may", "hedges:0.60", "“prob” ×9", ""),
        ("line break before bold", "numbered items:0.90", "“↵” ×9", ""),
        # Three are named at most, and what is not named may lie nearly as near.
        ("numbered lists", "bold:0.90; tables:0.50; links:0.40", "“**” ×9", ""),
    ],
)
def test_a_label_is_struck_out_for_what_the_diff_holds_against_it(
    label: str, nearest: str, tokens: str, told: str
) -> None:
    row = {"feature": 7, "probes": nearest, "tokens": f"fires on {tokens}", "q": 1.0, "delta": 0.1}
    assert refuted(label, row, pd.DataFrame()) == told
