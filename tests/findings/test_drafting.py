"""Drafts: sides from the data, the strongest of each, features that were shown, discovery prompts alone."""

import dataclasses
import json
import re
from typing import Any

import pandas as pd
import pytest

from diffing import diff, labels
from diffing.common.errors import UserError
from diffing.common.step import checked
from diffing.findings import drafting, findings, proposals
from diffing.findings.proposals import Family
from diffing.labels import history
from diffing.labels.history import Label
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


def test_unknown_features_and_repeated_claims_fall_away_and_no_more_come_than_were_asked_for(
    monkeypatch: pytest.MonkeyPatch, server: OpenAIServer
) -> None:
    study = finding_study.make(monkeypatch)
    trees = "ash birch cedar elm fir holly larch maple oak pine yew"
    many = [(f"claim about {word}", [CAKE]) for word in trees.split(" ")]
    reply = drafts(("speaks of wood", [WOOD, 999]), ("made up", [4711]), ("Claim about  ASH", [CAKE, 999]), *many)
    result = draft(study, server, reply, most=10)
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


def test_without_a_model_drafts_say_what_is_counted_and_a_label_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    study = finding_study.make(monkeypatch)
    sae = labels.sae_of(study.settings.reader)
    history.add(study, sae, CAKE, Label(label="cakes and pastry", author="Ada", author_kind="person"))
    result = drafting.run(study, drafting.Options(), Watch())
    found = {f.claim: (f.side, f.features, f.probes, f.origin) for f in findings.load(study)}
    assert found == {
        "is longer, in words": ("b", (), ("words",), "template"),
        "uses numbered lists": ("b", (ITEMS,), ("numbered items",), "template"),
        "has double spaces within lines": ("a", (SPACES,), ("double spaces",), "template"),
        "says “cake”": ("b", (CAKE,), (), "template"),
        "says “tea”": ("a", (TEA,), (), "template"),
    }
    assert all(finding.counts_what_it_says for finding in findings.load(study))
    assert (result["drafted"], result["calls"], result["cost"]) == (5, 0, None)
    # A second run finds the same.
    drafting.run(study, drafting.Options(), Watch())
    assert len(findings.load(study)) == 5


def test_what_only_a_feature_shows_or_held_out_prompts_deny_is_no_draft() -> None:
    rows = [
        ("probe", "bold", "b", "yes", 1),
        ("probe", "emoji", "a", "not confirmed", 2),
        ("feature", "7", "b", "yes", 3),
        ("phrase", '{"kind": "opening", "symbols": ["Sure", ","], "written": "Sure,"}', "a", "too few", 4),
    ]
    table = pd.DataFrame(rows, columns=["by", "source", "side", "confirmed", "habit"])
    table = table.assign(delta_discovery=0.2, kind="habit")
    # Where a thing stands is not how often it is there, and so no count of it is a test.
    elsewhere = pd.DataFrame([("probe", "italics", "b", "yes", 0, 0.2, "place")], columns=table.columns)
    table = pd.concat([table, elsewhere], ignore_index=True)
    habits = pd.DataFrame(
        {"habit": [1, 1, 4], "kind": ["feature", "probe", "feature"], "name": ["3", "bold", "5"]}
    )

    class Stored:
        older, behaviours = False, table

    Stored.habits = habits  # type: ignore[attr-defined]

    def drafted(most: int = 12) -> list[tuple[str, int, tuple[int, ...], tuple[str, ...]]]:
        drafts = proposals.plain(Stored(), most)  # type: ignore[arg-type]  # the tables are all that is read
        return [(draft.claim, draft.sign, draft.features, draft.probes) for draft in drafts]

    assert drafted() == [("uses bold", 1, (3,), ("bold",))]
    assert drafted(0) == []
    # Where held-out prompts tell nothing, what they are too few for is a lead.
    Stored.behaviours = table.assign(confirmed=["too few", "not confirmed", "too few", "too few", "too few"])
    assert drafted() == [("uses bold", 1, (3,), ("bold",)), ("opens with “Sure,”", -1, (5,), ())]
    assert len(drafted(1)) == 1


def test_a_diff_of_an_older_method_is_to_be_made_again_first(monkeypatch: pytest.MonkeyPatch) -> None:
    study = finding_study.make(monkeypatch)
    stored = diff.load(study, "a", "b")
    older = dataclasses.replace(stored, summary={**stored.summary, "method": 2})
    with pytest.raises(UserError, match="of an older version, .* run `python -m diffing diff study --a a --b b`"):
        proposals.plain(older, 12)


def test_examples_are_discovery_pairs_that_show_it_and_counter_examples_the_contrary(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = finding_study.make(monkeypatch)
    drafting.run(study, drafting.Options(), Watch())
    texts = study.responses().set_index(["prompt_id", "checkpoint", "draw"])["text"]
    split = study.prompts().set_index("id")["split"]
    tea = next(f for f in findings.load(study) if f.claim == "says “tea”")
    assert len(tea.examples) == 3 and tea.counter_examples
    shown = [(e, "a", "b") for e in tea.examples] + [(e, "b", "a") for e in tea.counter_examples]
    for example, more, less in shown:
        assert split[example.prompt_id] == "discovery"
        assert re.search(r"\btea\b", texts[example.prompt_id, more, 0])
        assert not re.search(r"\btea\b", texts[example.prompt_id, less, 0])


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
