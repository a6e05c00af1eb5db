"""A finding's status follows from evidence, and what counting contradicts is not reported without a person."""

from typing import Any

import pytest
from scipy.stats import binomtest

from diffing import diff, labels
from diffing.common.errors import UserError
from diffing.diff import compute
from diffing.findings import evidence, findings, predicates, verification
from diffing.findings.evidence import NEGATION
from diffing.findings.findings import Finding, Side
from diffing.findings.predicates import Predicate
from diffing.labels import history
from diffing.labels.history import Label
from diffing.study.study import Study
from tests.fakes import finding_study, judges, label_study
from tests.fakes.finding_study import CAKE, ITEMS, SPACES, TEA
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.watch import Watch


def score(study: Study, feature: int, balanced: float, low: float) -> None:
    sae = labels.sae_of(study.settings.reader)
    made = history.add(study, sae, feature, Label(label="cakes", author="m", author_kind="llm"))
    told: dict[str, Any] = {"detection": {side: {"balanced": balanced, "low": low} for side in "ab"}, "judge": "j"}
    history.tell(study, sae, feature, "score", "j", about=made.key, score=told)


def claim(study: Study, words: str, side: Side, *features: int, **fields: Any) -> Finding:
    return findings.add(study, words, side, author="test", features=list(features), **fields)


def judge(study: Study, server: OpenAIServer, **words: str) -> None:
    counted = {name.replace("_", " "): word for name, word in words.items()}
    server.reply, server.models = judges.counting(judges.words(counted)), ["judge"]
    verification.run(study, verification.Options(model=f"{server.url}#judge", own_error=False), Watch())


def status(study: Study, finding: Finding) -> str:
    return evidence.get(study, finding.id).status


def test_only_a_judge_lifts_words_that_nothing_counts(
    monkeypatch: pytest.MonkeyPatch, server: OpenAIServer
) -> None:
    study = finding_study.make(monkeypatch)
    sae = labels.sae_of(study.settings.reader)
    by_hand = claim(study, "speaks of cake", "b", reader=sae)
    cake = claim(study, "mentions cake", "b", CAKE, reader=sae)
    wrong = claim(study, "mentions cake", "a", CAKE, reader=sae)
    # Neither a label that held nor a feature that came again says anything of the words.
    score(study, CAKE, 0.9, 0.8)
    assert [status(study, each) for each in (by_hand, cake, wrong)] == ["unverified wording"] * 3
    assert [rung.passed for rung in evidence.get(study, cake.id).rungs] == [True, True, None, None]
    judge(study, server, speaks_of_cake="cake", mentions_cake="cake")
    found = {one.finding.id: one for one in evidence.of(study)}
    assert [found[f.id].status for f in (by_hand, cake, wrong)] == ["verified", "verified", "rejected"]
    assert "answers to new prompts show the contrary" in found[wrong.id].why
    assert found[cake.id].same_as == by_hand.id or found[by_hand.id].same_as == cake.id
    evidence.report(study, evidence.get(study, cake.id))
    assert status(study, cake) == "reported"
    # Something speaks against it now, and nobody has answered that.
    findings.change(study, cake.id, "Ada", add={"probes": ["double spaces"]})
    assert status(study, cake) == "verified"
    findings.change(study, cake.id, "Ada", drop={"probes": ["double spaces"]})
    # What it says has changed: nothing was verified of that.
    findings.change(study, cake.id, "Ada", put={"claim": "praises cake"})
    assert status(study, cake) == "unverified wording"
    findings.reject(study, cake.id, "too broad", "Ada")
    assert status(study, cake) == "rejected"


def test_a_count_lifts_exactly_the_words_that_say_what_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    study = finding_study.make(monkeypatch)
    spaces, tea = Predicate.of_probe("double spaces"), predicates.typed("words:tea")
    told: list[tuple[str, Side, Predicate]] = [
        ("has double spaces within lines", "a", spaces),
        ("has double spaces within lines", "b", spaces),
        ("says “tea”", "a", tea),
        ("is more honest", "a", tea),
    ]
    counted = [findings.add(study, words, side, author="test", predicate=each) for words, side, each in told]
    found = {one.finding.id: one for one in evidence.of(study)}
    assert [found[each.id].status for each in counted] == ["counted", "rejected", "counted", "unverified wording"]
    assert found[counted[1].id].why.startswith(
        "answers to new prompts show the contrary: 93\u00a0% → 7\u00a0% of answers"
    )
    (rung,) = [rung for rung in found[counted[3].id].rungs if rung.name == "counted"]
    assert rung.passed is None and rung.words.startswith(
        "counted beside it, and not what it says: says “tea”: 77\u00a0%"
    )
    # Its own figures are its own: by plain counting on held-out prompts.
    prompts = study.prompts()
    answers = study.responses()
    answers = answers[answers["prompt_id"].isin(prompts.loc[prompts["split"] == "held-out", "id"])]
    share = answers["text"].str.contains(r"\btea\b").groupby(answers["checkpoint"]).mean()
    own = found[counted[2].id].counted
    assert own is not None and (own.a, own.b) == pytest.approx((share["a"], share["b"]))
    more_a, more_b = own.more_a, own.more_b
    assert own.p == pytest.approx(binomtest(more_b, more_a + more_b).pvalue)


def test_a_false_claim_that_rests_on_formatting_is_supported_by_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    study = finding_study.make(monkeypatch)
    claims = [
        claim(study, words, "b", ITEMS, CAKE, probes=["numbered items"])
        for words in (
            "is more truthful",
            "is safer",
            "is friendlier in tone",
            "is better at mathematics",
            "refuses less",
        )
    ]
    assert [status(study, each) for each in claims] == ["unverified wording"] * 5
    with pytest.raises(UserError, match="is unverified wording; have a judge verify it first"):
        evidence.report(study, evidence.get(study, claims[0].id))


@pytest.mark.parametrize(
    ("balanced", "low", "passed"), [(0.9, 0.8, True), (0.6, 0.55, False), (0.75, 0.45, False)]
)
def test_a_label_counts_as_validated_only_well_above_chance(
    monkeypatch: pytest.MonkeyPatch, balanced: float, low: float, passed: bool
) -> None:
    study = finding_study.make(monkeypatch)
    made = claim(study, "mentions cake", "b", CAKE)
    assert evidence.get(study, made.id).rungs[0].passed is None
    score(study, CAKE, balanced, low)
    assert evidence.get(study, made.id).rungs[0].passed is passed


def test_fewer_numbered_lists_cannot_be_reported_where_numbered_items_rise(
    monkeypatch: pytest.MonkeyPatch, server: OpenAIServer
) -> None:
    # The published failure: a feature that fires on double spaces is called "enumerated lists" and falls.
    study = finding_study.make(monkeypatch)
    sae = labels.sae_of(study.settings.reader)
    score(study, SPACES, 0.99, 0.95)
    made = claim(study, "shows enumerated lists", "a", SPACES, reader=sae)
    found = evidence.get(study, made.id)
    assert found.status == "unverified wording"
    (objection,) = found.open
    assert objection.kind == "counts" and "numbered items go from" in objection.words
    # Even a judge who is fooled by the spaces does not get it into the report.
    judge(study, server, shows_enumerated_lists="More")
    assert status(study, made) == "verified"
    with pytest.raises(UserError, match="numbered items go from"):
        evidence.report(study, evidence.get(study, made.id))
    evidence.allow(study, made.id, "the lists meant here are lettered ones", "Ada")
    evidence.report(study, evidence.get(study, made.id))
    assert status(study, made) == "reported"
    # The reason was about that one claim; another wording needs another.
    findings.change(study, made.id, "Ada", put={"claim": "gives numbered lists"})
    assert [one.kind for one in evidence.get(study, made.id).open] == ["counts"]


def test_what_a_claim_names_is_held_against_its_count(monkeypatch: pytest.MonkeyPatch) -> None:
    study = finding_study.make(monkeypatch)
    blocked: dict[tuple[str, Side], bool] = {
        ("gives numbered lists", "b"): False,
        ("gives numbered lists", "a"): True,
        ("gives fewer numbered lists", "a"): False,
        ("gives fewer numbered lists", "b"): True,
        ("writes prose instead of numbered lists", "b"): True,
        ("has double spaces after full stops", "a"): False,
        ("has double spaces after full stops", "b"): True,
        ("has no double spaces", "b"): False,
        ("mentions tea", "b"): False,
        ("has a bulleted list", "a"): False,
    }
    made = {words: claim(study, *words).id for words in blocked}
    found = {one.finding.id: one for one in evidence.of(study)}
    assert {words: bool(found[identifier].open) for words, identifier in made.items()} == blocked


def styled(number: int, side: str) -> str:
    """As real pairs differ: B's colons move into its bold labels, and its lists open up.

    Bold all but stays, numbered items too, and on other prompts; what calls itself an AI was rare and is gone.
    """
    moved = number + 18 * (side == "b")
    opened = side == "b" and number % 4 == 0
    text = (
        ("**Time:** noon" if opened else "**Time**: noon") if moved % 25 < (16, 15)[side == "b"] else "It is noon"
    )
    if moved % 20 < (9, 10)[side == "b"]:
        text += ("\n\n" if opened else "\n").join(["", "1. wood", "2. stone", "3. sand"])
    opening = {
        "a": "As an AI language model I wait. " * (number in (3, 40, 77)),
        "b": "Sure, " * (number % 15 == 0),
    }
    return opening[side] + text


def test_true_claims_about_marks_are_not_blocked_by_what_stands_beside_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts = {side: [styled(number, side) for number in range(120)] for side in "ab"}
    study, _ = label_study.make(monkeypatch, texts, [{"**": 1.0}], held_out=0.4)
    compute.compute(study, "a", "b")
    claims: list[tuple[str, Side, list[str]]] = [
        ("shows closing bold '**' after a label ending in a colon", "b", []),
        ("shows single newline ending one list item", "a", []),
        ("shows comma after an opening phrase such as 'As an AI language model' or 'Sure'", "b", []),
        # Even by the probes that stand beside them: these do not surely move the other way.
        ("writes bold labels", "b", ["bold"]),
        ("numbers its points", "a", ["numbered items"]),
        ("says what it is", "b", ["as an AI"]),
    ]
    made = [claim(study, words, side, probes=rests) for words, side, rests in claims]
    counts = diff.load(study, "a", "b").probes.set_index("probe").loc[["bold", "numbered items", "as an AI"]]
    assert [round(120 * delta) for delta in counts["delta"]] == [-7, 6, -3]
    assert [[one.kind for one in evidence.get(study, one.id).objections] for one in made] == [[]] * 6


def test_a_probe_that_a_finding_rests_on_is_held_against_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    study = finding_study.make(monkeypatch)
    made = claim(study, "puts its points one under another", "a", probes=["numbered items"])
    found = evidence.get(study, made.id)
    assert [one.kind for one in found.open] == ["counts"]
    assert found.rungs[1].passed is not True


def test_what_vanishes_at_equal_length_or_in_the_noise_is_held_against_it(monkeypatch: pytest.MonkeyPatch) -> None:
    study = finding_study.make(monkeypatch)
    made = claim(study, "mentions cake", "b", CAKE, ITEMS)
    stored = diff.load(study, "a", "b")
    table = stored.features.set_index("feature")
    table["outside_noise"] = table["outside_noise"].astype("boolean")

    def kinds(lengths: list[bool], noise: list[bool]) -> list[str]:
        rows = table.loc[[CAKE, ITEMS]].assign(survives_equal_length=lengths, outside_noise=noise)
        return [one.kind for one in evidence.against(made, rows, stored.probes.set_index("probe"))]

    assert kinds([True, True], [True, True]) == []
    assert kinds([False, True], [True, False]) == []
    assert kinds([False, False], [True, True]) == ["length"]
    assert kinds([False, False], [False, False]) == ["length", "noise"]


def test_a_finding_of_another_reader_rests_on_nothing_here(monkeypatch: pytest.MonkeyPatch) -> None:
    study = finding_study.make(monkeypatch)
    made = claim(study, "mentions tea", "a", TEA, reader="llama/another")
    found = evidence.get(study, made.id)
    assert (found.status, [rung.passed for rung in found.rungs]) == (
        "unverified wording",
        [None, None, None, None],
    )
    assert "another reader" in found.rungs[0].words


def test_reasons_are_for_contradictions_and_reports_for_what_was_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    study = finding_study.make(monkeypatch)
    made = claim(study, "mentions tea", "a", TEA)
    with pytest.raises(UserError, match="Nothing speaks against"):
        evidence.allow(study, made.id, "because", "Ada")
    with pytest.raises(UserError, match="is unverified wording; have a judge verify it first"):
        evidence.report(study, evidence.get(study, made.id))
    contrary = claim(study, "has double spaces", "b", SPACES)
    with pytest.raises(UserError, match="reason for finding .* is empty"):
        evidence.allow(study, contrary.id, " ", "Ada")


def test_a_negation_is_a_word_of_its_own() -> None:
    assert not NEGATION.search("notes, another, nothing")
    assert NEGATION.search("avoids long")
