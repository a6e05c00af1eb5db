"""A finding of what is made of other checkpoints counts only where plain answers to new prompts show it too."""

import pandas as pd
import pytest

from diffing.common.errors import UserError
from diffing.findings import evidence, findings, predicates, verification
from diffing.findings.findings import Finding
from diffing.models import providers
from diffing.study import plain
from diffing.study.study import Study
from tests.fakes import judges
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.watch import Watch

LOUD, QUIET = "It is so!!", "It is so."
PLAIN = "starter+style"


def study_of(*written: str, **loud: bool) -> Study:
    """Whose checkpoints all say the same, loudly or not."""
    sides = [providers.parse(text, providers.nth_key(n)) for n, text in enumerate(written)]
    study = Study.create("s", sides, pd.DataFrame({"text": [f"Question {n}" for n in range(60)]}), held_out=0.5)
    rows = [
        {
            "prompt_id": i,
            "checkpoint": each.key,
            "draw": 0,
            "text": LOUD if loud.get(each.key) else QUIET,
            "flag": "",
        }
        for i in study.prompts()["id"]
        for each in sides
    ]
    study.add_responses(pd.DataFrame(rows))
    return study


def loud(study: Study, a: str = "a", b: str = "b") -> Finding:
    counted = predicates.typed("phrase:so!!", [])
    return findings.add(study, counted.shown, "b", a=a, b=b, author="test", predicate=counted)


def test_a_count_is_of_the_plain_checkpoints_answers() -> None:
    study = study_of("starter", "amplify:a,c,3", PLAIN, b=True, c=False)
    stand = evidence.get(study, loud(study).id)
    assert stand.status == "unverified wording"
    assert stand.counted is not None and (stand.counted.a, stand.counted.b) == (0.0, 0.0)
    # Between plain checkpoints the answers are their own.
    assert plain.verified_on(study, "a", "c") == plain.OWN and plain.note(study, "a", "c") == ""


def test_what_the_plain_checkpoint_shows_too_counts() -> None:
    study = study_of("starter", f"amplify:a,{PLAIN},3", PLAIN, b=True, c=True)
    stand = evidence.get(study, loud(study).id)
    assert stand.status == "counted"
    counted = next(rung for rung in stand.rungs if rung.name == "counted")
    assert counted.words.endswith("(answers of a and c, which are plain)")
    assert plain.note(study, "a", "b") == (
        "B is made: starter with 3 times the change to starter+style. A finding counts only where new answers of "
        "starter and starter+style, which are plain, show it too."
    )
    # In a series by their names, and only where there is one.
    called = study.checkpoint("b").name
    assert plain.series_note(study, ["a", "b", "c"]) == (
        f"{called} is made: starter with 3 times the change to starter+style. A change that only such a one shows "
        "was made larger, and is none of a plain checkpoint."
    )
    assert plain.series_note(study, ["a", "c"]) == ""


def test_without_the_plain_checkpoint_nothing_counts() -> None:
    study = study_of("starter", f"cdd:a,{PLAIN},1", b=True)
    stand = evidence.get(study, loud(study).id)
    why = (
        "'b' is made of others, and study 's' has no answers of the plain 'starter+style' to verify a finding on; "
        "make the study with that checkpoint too"
    )
    assert (stand.status, stand.counted) == ("unverified wording", None)
    assert [rung.words for rung in stand.rungs[2:]] == [why, why]
    with pytest.raises(UserError, match="has no answers of the plain 'starter\\+style' to verify a finding on"):
        verification.run(study, verification.Options(model="ollama:judge"), Watch())


def test_two_that_stand_for_one_checkpoint_verify_nothing() -> None:
    study = study_of(PLAIN, "amplify:starter,a,3", b=True)
    assert evidence.get(study, loud(study).id).status == "unverified wording"
    with pytest.raises(UserError) as caught:
        plain.sides(study, "a", "b")
    assert str(caught.value).startswith("'a' and 'b' both stand for checkpoint 'a', of which nothing changed;")


@pytest.mark.parametrize("shows", [True, False])
def test_a_judge_is_shown_the_plain_checkpoints_answers(server: OpenAIServer, shows: bool) -> None:
    study = study_of("starter", "amplify:a,c,3", PLAIN, b=True, c=shows)
    made = findings.add(study, "is loud", "b", a="a", b="b", author="test")
    server.reply, server.models = judges.counting(lambda _, text: text.count("!!")), ["judge"]
    verification.run(study, verification.Options(model=f"{server.url}#judge", own_error=False), Watch())
    assert evidence.get(study, made.id).status == ("verified" if shows else "unverified wording")
    assert any("!!" in str(call.body["messages"][1]) for call in server.calls) == shows
