"""Labels against counting: the published mistake is flagged, labels that hold are not."""

import numpy as np
import pandas as pd
import pytest

from diffing import labels
from diffing.diff import compute
from diffing.labels import contradictions, history
from diffing.labels.contradictions import NAMES, Near, check, named
from diffing.labels.history import Label
from diffing.probes import scan
from tests.fakes import label_study
from tests.fakes.watch import Watch


def answers(random: np.random.Generator, doubled: float, items: int, count: int = 60) -> list[str]:
    """Prose whose sentences end in two spaces on some prompts, with numbered items in every third answer."""
    texts = []
    for number in range(count):
        gap = "  " if random.random() < doubled else " "
        text = gap.join(f"{label_study.babble(random, ['tea', 'milk', 'cup'], [1, 1, 1], 12)}." for _ in range(6))
        if number % 3 == 0:
            text += "\n\n" + "\n".join(f"{i}. Item {i}" for i in range(1, items + 1))
        texts.append(text)
    return texts


def test_a_double_space_feature_labelled_enumerated_lists_is_flagged(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    sides = {"before": answers(random, 0.9, 4), "after": answers(random, 0.1, 8)}
    study, _ = label_study.make(monkeypatch, sides, [{"  ": 1.0}, {"Item": 1.0}])
    compute.run(study, compute.Options(), Watch())
    sae = labels.sae_of(study.settings.reader)
    for feature, label in enumerate(["Enumerated lists", "Numbered list items"]):
        written = Label(label=label, author="maker/model", author_kind="llm")
        history.add(study, sae, feature, written)
    flags = contradictions.of(study)
    assert {feature: [flag.kind for flag in found] for feature, found in flags.items()} == {
        0: ["direction", "place"]
    }
    direction, place = flags[0]
    assert direction.probe == place.probe == "numbered items"
    assert direction.figures["delta"] < -0.6
    # As many answers have a list on both sides, but its items doubled: 4 and 8 in every third answer.
    assert direction.figures["probe_delta"] == 0
    assert direction.figures["probe_mean_a"] == pytest.approx(4 / 3)
    assert direction.figures["probe_mean_b"] == pytest.approx(8 / 3)
    assert place.figures["double spaces"] == 1.0
    assert place.figures["numbered items"] < 0.25
    assert "from 1.33 to 2.67 an answer" in direction.words
    assert direction.key != place.key


def row(delta: float, q: float = 0.001) -> "pd.Series[float]":
    return pd.Series({"delta": delta, "q": q, "frequency_a": 0.5, "frequency_b": 0.5 + delta})


def probes(delta: float, amount: float, q: float = 0.5) -> pd.DataFrame:
    one = {
        "delta": delta,
        "q": q,
        "frequency_a": 0.4,
        "frequency_b": 0.4 + delta,
        "mean_a": 1.0,
        "mean_b": 1.0 + amount,
    }
    table = pd.DataFrame([one | {"probe": name} for name in scan.PRESENCE])
    return table.set_index("probe")


@pytest.mark.parametrize(
    ("feature", "probe", "flagged"),
    [
        (row(-0.3), probes(-0.2, -0.5), False),
        (row(-0.3), probes(0.2, 0.5), True),
        (row(-0.3), probes(0.0, 0.5), True),
        (row(-0.3), probes(-0.1, 0.5), True),
        (row(-0.3), probes(-0.1, 0.5, q=0.001), False),
        (row(-0.3), probes(0.01, 0.05), False),
        (row(-0.3, q=0.3), probes(0.2, 0.5), False),
        (row(0.3), probes(-0.2, -0.5), True),
    ],
    ids=["along", "against", "more of it", "both ways", "surely along", "still", "no difference", "other sign"],
)
def test_direction(feature: "pd.Series[float]", probe: pd.DataFrame, flagged: bool) -> None:
    assert [flag.kind for flag in check(3, "Bold headings of sections", feature, probe, None)] == (
        ["direction", "direction"] if flagged else []
    )


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
    found = check(3, label, row(0.0, q=1.0), probes(0.0, 0.0), where)
    assert [flag.kind for flag in found] == ["place"] * flagged


@pytest.mark.parametrize(
    ("label", "things"),
    [
        ("Enumerated List Items or Sub-points", ["numbered items"]),
        ("Bolded Section Headers or Key Points", ["bold", "headings"]),
        ("List Item Markers and Introductions", ["bulleted items", "numbered items"]),
        ("Intensifiers for adjectives and adverbs", ["intensifiers"]),
        ("Apologies at the start", ["apologies"]),
        ("Closing offers of more help", ["closing offer"]),
        ("Follow-up questions to the user", ["closing question"]),
        ("two spaces after a full stop", ["double spaces"]),
        ("cooking vocabulary", []),
    ],
)
def test_what_a_label_names(label: str, things: list[str]) -> None:
    assert named(label) == things


def test_every_pattern_belongs_to_a_probe() -> None:
    assert set(NAMES) <= set(scan.PRESENCE)
