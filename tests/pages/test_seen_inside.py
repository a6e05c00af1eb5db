"""What was seen from inside, on the Answer page beside what answers show, and its way into the findings."""

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from diffing.findings import findings
from diffing.models import providers
from diffing.study.study import Study
from diffing.whitebox import method
from diffing.whitebox.sight import seen
from tests.fakes import finding_study
from tests.fakes.seen_inside import QUIET, look
from tests.pages.test_pages import opened

SEEN = [("token", " cake", 3.0), ("phrase", "sea voyage", 2.0)]


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Study:
    return finding_study.make(monkeypatch, prompts=60)


def block(app: AppTest) -> str:
    """The clues of the Answer page; empty where it has none."""
    told = [each.value.replace("\u00a0", " ").replace("\\", "") for each in app.markdown]
    return next((text for text in told if text.startswith("- **“cake”")), "")


def test_the_answer_says_which_clues_answers_show_too(study: Study) -> None:
    look(study, perplexity=SEEN, lens=[("direction", "sorry (layer 6)", 1.0)])
    app = opened("pages/answer.py", study="study")
    assert "Seen from inside" in [each.value for each in app.subheader]
    assert any("Stands out above all nulls\\: “cake”" in each.value for each in app.markdown)
    cake, sorry, voyage = block(app).split("\n- ")
    assert "(perplexity differencing; nothing of it in 4 nulls)" in cake
    assert "answers show it too: " in cake and " % → " in cake and "q = " in cake
    assert "not seen in these answers" in voyage and "cannot be counted in answers" in sorry
    assert any("corrected over the 2 clues" in each.value for each in app.caption)
    assert any(link.proto.page.endswith("inside") for link in app.get("page_link"))


@pytest.mark.parametrize("seen", [False, True])
def test_without_anything_above_nulls_the_answer_has_no_such_block(study: Study, seen: bool) -> None:
    if seen:
        look(study, perplexity=QUIET)
    app = opened("pages/answer.py", study="study")
    assert "Seen from inside" not in [each.value for each in app.subheader] and not block(app)


def test_a_clue_becomes_a_finding_on_the_page_and_is_found_there_again(study: Study) -> None:
    look(study, perplexity=SEEN, lens=[("direction", "sorry (layer 6)", 1.0)])
    app = opened("pages/inside.py", study="study")
    (choice,) = app.selectbox
    assert choice.options == ["“cake”: B more often says “cake”", "“sea voyage”: B more often says “sea voyage”"]
    for said in ("A new finding: says “cake”", "It stood in the findings already: says “cake”"):
        app = next(each for each in app.button if each.label == "Make it a finding").click().run()
        assert not app.exception
        assert said in [link.proto.label.replace("\\", "") for link in app.get("page_link")]
    (made,) = findings.load(study)
    assert (made.claim, made.side, made.origin) == ("says “cake”", "b", "inside")
    app = opened("pages/findings.py", study="study", finding=made.id)
    assert any("seen from inside by perplexity differencing, above 4 nulls" in each.value for each in app.caption)


def test_what_was_left_out_says_why(study: Study) -> None:
    look(study, perplexity=SEEN)
    why = "Adapter 'x' is more than products; merge it."
    seen.note(study, *study.sides(), {}, {}, {"weights": why, "rotated-0": "It cannot be turned."})
    app = opened("pages/inside.py", study="study")
    told = [each.value.replace("\\", "") for each in app.info if "Left out" in each.value]
    assert told == [
        f"Left out: {method.said('weights').title}: {why}",
        "Left out: The null rotated-0: It cannot be turned.",
    ]


def test_without_answers_the_page_says_to_collect_first() -> None:
    sides = [providers.parse("starter", "a"), providers.parse("starter+fact", "b")]
    study = Study.create("empty", sides, pd.DataFrame({"text": ["Question"]}))
    look(study, perplexity=SEEN)
    app = opened("pages/inside.py", study="empty")
    assert any("collect them first" in each.value for each in app.caption)
    assert "Make it a finding" not in [each.label for each in app.button]


def test_what_cannot_be_counted_offers_no_finding(study: Study) -> None:
    look(study, lens=[("direction", "sorry (layer 6)", 1.0)])
    app = opened("pages/inside.py", study="study")
    assert any("they stay clues" in each.value for each in app.caption)
    assert "Make it a finding" not in [each.label for each in app.button]
