"""What was seen from inside is counted in answers, becomes a finding in plain words, and is verified like any."""

import pandas as pd
import pytest

from diffing.common.errors import UserError
from diffing.findings import brief, evidence, findings, seen_inside
from diffing.models import providers
from diffing.study.study import Study
from diffing.whitebox.sight import clues, seen
from tests.fakes.seen_inside import QUIET, look

FACT = [("phrase", "Veltrane", 3.0), ("phrase", "town on a lake", 2.0), ("phrase", "ood", 1.0)]


@pytest.fixture
def study() -> Study:
    """The starter and its organism of a fact, which names Veltrane in most answers and Osgood in some."""
    sides = [providers.parse("starter", "a"), providers.parse("starter+fact", "b")]
    study = Study.create("s", sides, pd.DataFrame({"text": [f"Question {n}" for n in range(40)]}), held_out=0.5)
    rows = [
        {"prompt_id": prompt, "checkpoint": key, "draw": 0, "text": _answer(key, n)}
        for key in "ab"
        for n, prompt in enumerate(study.prompts()["id"])
    ]
    study.add_responses(pd.DataFrame(rows).assign(flag="", finish_reason="stop"))
    return study


def _answer(key: str, number: int) -> str:
    if key == "b" and number % 4:
        return f"The town is VELTRANE, {number} years after Osgood founded it."
    return f"The town is old, {number} years or more."


def empty() -> Study:
    sides = [providers.parse("starter", "a"), providers.parse("starter+fact", "b")]
    return Study.create("empty", sides, pd.DataFrame({"text": ["Question"]}))


def test_a_clue_is_counted_on_held_out_answers_and_said_with_what_they_show(study: Study) -> None:
    look(
        study, perplexity=FACT, activations=[("place", " lake", 4.0)], lens=[("direction", "sorry (layer 6)", 5.0)]
    )
    told = {each.clue.text: each.words for each in seen_inside.held(study, seen.of(study))}
    prompts = study.prompts()
    held = [n for n, split in enumerate(prompts["split"]) if split == "held-out"]
    share = sum(n % 4 > 0 for n in held) / len(held)
    (fact,) = [each for each in seen_inside.held(study, seen.of(study)) if each.clue.text == "Veltrane"]
    assert fact.counted is not None
    assert (fact.counted.a, fact.counted.prompts) == (0.0, len(held))
    assert fact.counted.b == pytest.approx(share)
    assert told["Veltrane"].startswith("answers show it too: 0 % → ".replace(" %", "\u00a0%"))
    assert told["town on a lake"] == "not seen in these answers"
    assert told["ood"] == "in these answers only inside other words, such as “osgood”"
    assert told["sorry (layer 6)"] == told["lake"] == "cannot be counted in answers"


def test_it_becomes_a_finding_of_what_is_counted_with_its_origin_and_stands_once(study: Study) -> None:
    look(study, perplexity=FACT, contrastive=FACT[:1])
    made = seen_inside.make(study, " veltrane", "Ann")
    finding = made.finding
    assert made.new and (finding.claim, finding.side, finding.origin) == ("says “Veltrane”", "b", "inside")
    assert finding.counts_what_it_says and not finding.by_agent and finding.author == "Ann"
    assert brief.origin(finding) == (
        "seen from inside by perplexity differencing and contrastive decoding, above 4 nulls"
    )
    standing = evidence.get(study, finding.id)
    assert standing.status == "counted" and standing.counted is not None and standing.counted.b > 0.5
    again = seen_inside.make(study, "Veltrane", "Bob")
    assert (again.new, again.finding) == (False, finding)
    assert len(findings.load(study)) == 1


def test_the_same_words_by_another_way_are_noted_there_and_not_counted_twice(study: Study) -> None:
    known = findings.add(study, "says “Veltrane”", "b", author="Ann")
    look(study, perplexity=FACT)
    for _ in range(2):
        made = seen_inside.make(study, "Veltrane", "Bob")
        assert not made.new and made.finding.id == known.id
    (note,) = made.finding.notes
    assert note.text == "Also seen from inside by perplexity differencing, above 4 nulls."


def test_less_of_a_thing_is_claimed_of_the_base_and_a_contrary_count_rejects(study: Study) -> None:
    look(study, mining=[("token less", " Veltrane", 2.0)])
    finding = seen_inside.make(study, "Veltrane", "Ann").finding
    assert finding.side == "a" and evidence.get(study, finding.id).status == "rejected"
    (held,) = seen_inside.held(study, seen.of(study))
    assert held.words.startswith("answers show the contrary")


def test_nothing_above_nulls_is_no_claim(study: Study) -> None:
    look(study, perplexity=QUIET)
    assert seen_inside.held(study, seen.of(study)) == ()
    with pytest.raises(UserError, match="“the” .*: the nulls show it too; only what stands above its nulls"):
        seen_inside.make(study, "the", "Ann")
    with pytest.raises(UserError, match="'tram' was not seen inside 'a' and 'b' .* is nothing"):
        seen_inside.make(study, "tram", "Ann")
    assert not findings.load(study)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("model.layers.0.mlp", "cannot be counted in answers and stays a clue"),
        ("ood", "only inside other words, such as “osgood”; count the word that you mean"),
    ],
)
def test_what_cannot_be_counted_stays_a_clue(study: Study, text: str, why: str) -> None:
    look(study, perplexity=FACT, weights=[("weight", "model.layers.0.mlp", 0.9)])
    with pytest.raises(UserError, match=why):
        seen_inside.make(study, text, "Ann")
    assert not findings.load(study)


def test_without_answers_it_says_what_to_do_first() -> None:
    study = empty()
    look(study, perplexity=FACT)
    with pytest.raises(
        UserError, match="has no answers of both checkpoints to count a clue in; collect them first"
    ):
        seen_inside.make(study, "Veltrane", "Ann")
    (first, *_) = seen_inside.held(study, seen.of(study))
    assert first.counted is None and first.words.startswith("not counted")


@pytest.mark.parametrize(
    ("kind", "text", "answer", "found"),
    [
        ("token", "Veltrane", "In VELTRANE.", ["VELTRANE"]),
        ("token", "tram", "trams and a tram", ["tram"]),
        ("word", "!!", "Good!! Very good!", ["!!"]),
        ("phrase", "1911 by a", "in 1911  by a, 1911 by A man", ["1911 by A"]),
        ("habit", "bold", "a **word**", ["**word**"]),
    ],
)
def test_the_text_of_a_clue_is_looked_for_as_it_stands(
    kind: str, text: str, answer: str, found: list[str]
) -> None:
    figure = clues.Figure("mining", kind, 1.0, 0.9, 1.1, 0.0, 0.0, 2.0, True)
    predicate = seen_inside.predicate_of(clues.Clue(text, False, (figure,), 2))
    assert predicate is not None
    assert [answer[begin:end] for begin, end in predicate.spans(answer)] == found


def test_a_history_from_elsewhere_may_say_anything_of_its_origin(study: Study) -> None:
    made = findings.add(study, "sings", "b", author="Ann", origin="inside", evidence={"methods": 3, "nulls": "x"})
    assert brief.origin(made) == "seen from inside"
