"""Drafts: sides from the data, the strongest of each, features that were shown, discovery prompts alone."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from diffing import diff, labels
from diffing.common.errors import UserError
from diffing.common.step import checked
from diffing.findings import drafting, findings, proposals
from diffing.findings.exhibits import Chooser
from diffing.findings.proposals import Family
from diffing.labels import history
from diffing.labels.history import Label
from diffing.probes.probes import PROBES
from diffing.reader.encodings import Encodings
from diffing.study.study import Study
from tests.fakes import finding_study
from tests.fakes.finding_study import CAKE, ITEMS, SPACES, TEA, WOOD
from tests.fakes.openai_server import Behaviour, OpenAIServer, failure
from tests.fakes.watch import Watch


def drafts(*told: tuple[str, list[int]]) -> str:
    return json.dumps(
        {"drafts": [{"claim": claim, "features": numbers, "why": "seen"} for claim, numbers in told]}
    )


def draft(study: Study, server: OpenAIServer, reply: Any, **options: Any) -> dict[str, Any]:
    server.reply, server.models = (lambda _call: reply), ["writer"]
    return drafting.run(
        study, drafting.Options(**{"model": f"{server.url}#writer", "attempts": 1, **options}), Watch()
    )


def test_sides_come_from_the_data_and_not_from_the_model_s_word(
    monkeypatch: pytest.MonkeyPatch, server: OpenAIServer
) -> None:
    study = finding_study.make(monkeypatch)
    reply = drafts(
        ("speaks of tea", [TEA]),
        # Of both sides: what weighs more decides, and what speaks against it is left out.
        ("numbers its items", [TEA, ITEMS]),
        ("has fewer cakes in it", [CAKE]),
    )
    draft(study, server, reply)
    found = {finding.claim: (finding.side, finding.features) for finding in findings.load(study)}
    assert found == {
        "speaks of tea": ("a", (TEA,)),
        "numbers its items": ("b", (ITEMS,)),
        "has fewer cakes in it": ("b", (CAKE,)),
    }


def test_unknown_features_and_repeated_claims_fall_away_and_ten_is_the_most(
    monkeypatch: pytest.MonkeyPatch, server: OpenAIServer
) -> None:
    study = finding_study.make(monkeypatch)
    trees = "ash birch cedar elm fir holly larch maple oak pine yew"
    many = [(f"claim about {word}", [CAKE]) for word in trees.split(" ")]
    reply = drafts(("speaks of wood", [WOOD, 999]), ("made up", [4711]), ("Claim about  ASH", [CAKE, 999]), *many)
    result = draft(study, server, reply)
    found = findings.load(study)
    assert result["drafted"] == len(found) == 10
    assert {finding.features for finding in found} == {(CAKE,)}
    assert "Claim about ASH" in {f.claim for f in found} and "claim about ash" not in {f.claim for f in found}


@pytest.mark.parametrize(
    "reply",
    [
        "no idea",
        '{"drafts": []}',
        drafts(("made up", [4711])),
        drafts(("group 2 uses lists", [ITEMS])),
        Behaviour(text='{"drafts": [{"claim": "', finish_reason="length"),
        failure(400, "odd"),
    ],
)
def test_a_reply_of_no_use_drafts_nothing_and_says_so(
    monkeypatch: pytest.MonkeyPatch, server: OpenAIServer, reply: Any
) -> None:
    study = finding_study.make(monkeypatch)
    result = draft(study, server, reply)
    assert (result["drafted"], result["failed"], findings.load(study)) == (0, 1, [])


def test_passages_come_from_discovery_prompts_and_most_from_the_side_that_has_more(
    monkeypatch: pytest.MonkeyPatch, server: OpenAIServer
) -> None:
    study = finding_study.make(monkeypatch)
    draft(study, server, drafts(("speaks of tea", [TEA])))
    (call,) = server.calls
    answers = study.responses().merge(study.prompts(), left_on="prompt_id", right_on="id", suffixes=("", "_of"))
    passages = [
        json.loads(line.split(": ", 1)[1]) for line in call.prompt.splitlines() if line.startswith("group ")
    ]
    plain = [text.replace("⟦", "").replace("⟧", "") for text in passages]
    by_split = {split: "\x00".join(rows["text"]) for split, rows in answers.groupby("split")}
    assert len(plain) == 4 * 6
    assert all(text in by_split["discovery"] and text not in by_split["held-out"] for text in plain)
    parts = call.prompt.split("\n\n")
    assert [part.count("\ngroup 1:") for part in parts if part.startswith("Feature")] == [4, 4, 2, 2]
    assert call.body["temperature"] == 0


def test_the_strongest_families_of_each_side_are_used() -> None:
    deltas = [-0.5, -0.1, -0.3, 0.05, 0.6, 0.2, 0.9]
    rows = [(number, number, delta, 1e-4, 0.01, "") for number, delta in enumerate(deltas)]
    rows += [(7, 7, -0.9, 0.1, 0.2, ""), (8, 6, 0.95, 1e-4, 0.01, "")]
    columns = ["feature", "family", "delta_discovery", "p_discovery", "q_discovery", "probes"]

    class Stored:
        features = pd.DataFrame(rows, columns=columns)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(labels, "current", lambda _study: {})
        found = proposals.families(None, Stored(), 2)  # type: ignore[arg-type]  # the table is all that is read
    strongest = [(0, 1, -0.5), (2, 1, -0.3), (6, 2, 0.9), (4, 1, 0.6)]
    assert found == [Family(number, size, delta, None, "") for number, size, delta in strongest]


def test_without_a_model_probes_and_labels_make_the_drafts(monkeypatch: pytest.MonkeyPatch) -> None:
    study = finding_study.make(monkeypatch)
    sae = labels.sae_of(study.settings.reader)
    history.add(study, sae, CAKE, Label(label="cakes and pastry", author="Ada", author_kind="person"))
    result = drafting.run(study, drafting.Options(), Watch())
    found = {f.claim.split(":")[0]: (f.side, f.features, f.probes, f.origin) for f in findings.load(study)}
    assert found == {
        "has numbered items": ("b", (ITEMS,), ("numbered items",), "template"),
        "has double spaces": ("a", (SPACES,), ("double spaces",), "template"),
        "shows cakes and pastry": ("b", (CAKE,), (), "template"),
        "uses tokens like “tea”": ("a", (TEA,), (), "template"),
    }
    assert (result["drafted"], result["calls"], result["cost"]) == (4, 0, None)
    # A second run finds the same.
    drafting.run(study, drafting.Options(), Watch())
    assert len(findings.load(study)) == 4


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (2, ["A 0.9", "B 0.4"]),
        (4, ["A 0.8", "A 0.9", "B 0.3", "B 0.4"]),
        (5, ["A 0.7", "A 0.8", "A 0.9", "B 0.3", "B 0.4"]),
    ],
)
def test_both_sides_get_their_share_and_what_one_leaves_the_other_takes(
    monkeypatch: pytest.MonkeyPatch, most: int, expected: list[str]
) -> None:
    study = finding_study.make(monkeypatch)
    stored, chooser = diff.load(study, "a", "b"), Chooser(study, Encodings.open(study), "a", "b")
    moving = pd.DataFrame({"delta_discovery": [-0.9, -0.8, -0.7, 0.4, 0.3]}, index=list(PROBES)[:5])
    monkeypatch.setattr(proposals, "moving", lambda _stored: moving)
    monkeypatch.setattr(proposals, "families", lambda *_: [])
    monkeypatch.setattr(proposals, "apart", lambda kept, _chooser: kept)
    drafts = proposals.plain(study, stored, 12, most, chooser)
    assert sorted(f"{'B' if draft.sign > 0 else 'A'} {draft.size}" for draft in drafts) == expected


def test_examples_are_discovery_pairs_that_show_it_and_counter_examples_the_contrary(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = finding_study.make(monkeypatch)
    drafting.run(study, drafting.Options(), Watch())
    texts = study.responses().set_index(["prompt_id", "checkpoint", "draw"])["text"]
    split = study.prompts().set_index("id")["split"]
    tea = next(f for f in findings.load(study) if "tea" in f.claim)
    assert len(tea.examples) == 3 and tea.counter_examples
    shown = [(e, "a", "b") for e in tea.examples] + [(e, "b", "a") for e in tea.counter_examples]
    for example, more, less in shown:
        assert split[example.prompt_id] == "discovery"
        assert "tea" in texts[example.prompt_id, more, 0].split(" ")
        assert "tea" not in texts[example.prompt_id, less, 0].split(" ")


def test_an_estimate_costs_nothing_and_a_second_draft_asks_nothing(
    monkeypatch: pytest.MonkeyPatch, server: OpenAIServer
) -> None:
    study = finding_study.make(monkeypatch)
    server.models, server.prices = ["writer"], {"writer": (1e-6, 2e-6)}
    expected = drafting.estimate(study, drafting.Options(model=f"{server.url}#writer"))
    assert (expected.calls, server.calls) == (1, [])
    assert expected.cost == pytest.approx(1e-6 * expected.tokens_in + 2e-6 * expected.tokens_out)
    assert drafting.estimate(study, drafting.Options()).cost == 0.0
    for _ in range(2):
        draft(study, server, drafts(("speaks of tea", [TEA])))
    assert len(server.calls) == 1


def test_a_study_without_a_diff_or_a_key_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    study = finding_study.make(monkeypatch)
    with pytest.raises(UserError, match=r"OPENROUTER_API_KEY"):
        drafting.run(study, drafting.Options(model="openrouter:openai/gpt-4o-mini"), Watch())
    with pytest.raises(UserError, match="families"):
        checked("draft", drafting.Options, {"families": 0})
    with pytest.raises(UserError, match="run `python -m diffing diff"):
        drafting.run(study, drafting.Options(a="b", b="a"), Watch())
    assert diff.load(study, "a", "b").summary["prompts"] == 120


def test_drafts_that_the_same_answers_show_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    study = finding_study.make(monkeypatch)
    chooser = Chooser(study, Encodings.open(study), "a", "b")
    cake, items, both = (
        proposals.Proposal(name, 1, features, probes, 0.5)
        for name, features, probes in (
            ("cake", (CAKE,), ()),
            ("items", (ITEMS,), ()),
            ("numbered items", (), ("numbered items",)),
        )
    )
    assert proposals.apart([cake, items, both], chooser) == [cake, items]
    assert proposals.apart([both, items, cake], chooser) == [both, cake]
    nothing = np.zeros(4, bool)
    assert proposals.phi(nothing, nothing) == proposals.phi(~nothing, nothing) == 0.0
