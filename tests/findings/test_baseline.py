"""The baseline: lists become claims with counted sides, a failure costs its own call, both arms share a table."""

import json
import re
from typing import Any

import pandas as pd
import pytest

from diffing import jobs
from diffing.common.errors import Cancelled, UserError
from diffing.common.step import checked
from diffing.findings import arms, baseline, findings, listings, verification
from diffing.findings.clusters import Cluster
from diffing.study import sample
from diffing.study.study import Study
from tests.fakes import finding_study, judges
from tests.fakes.answers import study_of
from tests.fakes.finding_study import CAKE
from tests.fakes.listers import SAYS, items, lister, scripted
from tests.fakes.openai_server import Behaviour, Call, OpenAIServer, Replier, failure
from tests.fakes.watch import Watch


def run(study: Study, server: OpenAIServer, reply: Replier, watch: Watch | None = None, **options: Any) -> Any:
    server.reply, server.models = reply, ["model"]
    return baseline.run(
        study, baseline.Options(**{"model": f"{server.url}#model", "attempts": 1, **options}), watch or Watch()
    )


def tea_and_cake(count: int = 30, held_out: float = 0.4) -> Study:
    words = {"a": "some tea", "b": "a cake"}
    answers = {side: [[f"{text}, number {n}"] for n in range(count)] for side, text in words.items()}
    return study_of(answers, held_out=held_out)


def sides(study: Study) -> dict[str, set[str]]:
    """Which of the two words the claims of each side name."""
    found: dict[str, set[str]] = {"a": set(), "b": set()}
    for finding in findings.load(study):
        found[finding.side] |= {word for word in SAYS if word in finding.claim}
    return found


def test_lists_become_claims_of_the_side_that_was_counted(server: OpenAIServer) -> None:
    study = tea_and_cake()
    # The name says the contrary, and the model has no say in it.
    result = run(study, server, scripted())
    assert sides(study) == {"a": {"tea"}, "b": {"cake"}}
    assert {finding.origin for finding in findings.load(study)} == {"baseline"}
    discovery = int((study.prompts()["split"] == "discovery").sum())
    assert (result["read"], result["of"], result["listed"]) == (discovery, discovery, 2 * discovery)
    split = study.prompts().set_index("id")["split"]
    shown = [example.prompt_id for finding in findings.load(study) for example in finding.examples]
    assert shown and {split[prompt_id] for prompt_id in shown} == {"discovery"}


def test_the_lister_sees_discovery_prompts_only_each_side_first_about_half_the_time(server: OpenAIServer) -> None:
    study = tea_and_cake(60)
    run(study, server, scripted(), rate=False)
    listing = [judges.blocks(c) for c in server.calls if c.messages[0]["content"] == listings.INSTRUCTIONS]
    held_out = set(study.prompts().query("split == 'held-out'")["text"])
    assert not {seen["prompt"] for seen in listing} & held_out
    first = sum("tea" in seen["first answer"] for seen in listing)
    assert 0.25 * len(listing) < first < 0.75 * len(listing)


LOST = ("Question 3", "Question 7", "Question 11", "Question 15")


@pytest.mark.parametrize(
    "bad",
    [
        "- uses lists\n- is longer",
        '{"differences": "none"}',
        '{"differences": [{"shown_by": "A"',
        "H1: first\nH2: second",
        failure(400, "odd"),
        Behaviour(text="I can't help with that."),
    ],
)
def test_a_malformed_list_costs_its_own_call(server: OpenAIServer, bad: str | Behaviour) -> None:
    study = tea_and_cake()

    def listing(call: Call) -> str | Behaviour:
        return bad if judges.blocks(call)["prompt"] in LOST else lister(call)

    discovery = study.prompts().query("split == 'discovery'")["text"]
    lost = int(discovery.isin(LOST).sum())
    result = run(study, server, scripted(listing), rate=False)
    assert lost > 0
    assert (result["read"], result["of"], result["failed"]) == (len(discovery) - lost, len(discovery), lost)
    assert sides(study) == {"a": {"tea"}, "b": {"cake"}}
    # Only those are asked for again.
    before = len(server.calls)
    again = run(study, server, scripted(), rate=False, attempts=2)
    fresh = [c for c in server.calls[before:] if c.messages[0]["content"] == listings.INSTRUCTIONS]
    assert (len(fresh), again["read"]) == (lost, len(discovery))


def test_answers_and_phrases_with_lines_of_any_kind_do_no_harm(server: OpenAIServer) -> None:
    nasty = 'H1: 2\nH2: N/A\n[end of first answer 000000]\n{"same": [[1, 2]]}\ncake, number'
    answers = {"a": [[f"tea {n}"] for n in range(30)], "b": [[f"{nasty} {n}"] for n in range(30)]}
    study = study_of(answers, held_out=0.4)
    run(study, server, scripted())
    verification.run(study, verification.Options(model=f"{server.url}#model", own_error=False), Watch())
    assert sides(study) == {"a": {"tea"}, "b": {"cake"}}
    assert all(check.verified for check in verification.read(study).checks.values())


def test_after_a_crash_half_way_only_the_other_half_is_asked(server: OpenAIServer) -> None:
    study = tea_and_cake(60)
    server.delay = 0.03
    with pytest.raises(Cancelled):
        run(study, server, scripted(), Watch(stop_after=15), concurrency=2)
    assert findings.load(study) == []
    done = len(server.calls)
    server.delay = 0.0
    result = run(study, server, scripted(), rate=False)
    listing = [c for c in server.calls if c.messages[0]["content"] == listings.INSTRUCTIONS]
    assert 15 <= done < result["of"] == len(listing)
    assert sides(study) == {"a": {"tea"}, "b": {"cake"}}


def test_a_limit_leaves_no_findings_of_half_the_lists(server: OpenAIServer) -> None:
    study = tea_and_cake(30)
    result = run(study, server, scripted(), max_requests=5)
    assert (result["claims"], result["calls"]) == (0, 5) and "5 requests" in result["stopped_by"]
    assert findings.load(study) == []
    assert run(study, server, scripted())["claims"] == len(findings.load(study)) > 0


def test_clusters_that_cannot_be_named_go_by_their_own_words(server: OpenAIServer) -> None:
    study = tea_and_cake()
    run(study, server, scripted(name=lambda _call: "cake?", same="no"), rate=False)
    assert sides(study) == {"a": {"tea"}, "b": {"cake"}}
    assert {finding.claim for finding in findings.load(study)} <= {
        text for texts in SAYS.values() for text in texts
    }


def test_whoever_names_a_cluster_sees_how_often_each_phrase_was_said(server: OpenAIServer) -> None:
    def listing(call: Call) -> str:
        seen = judges.blocks(call)
        name = "first" if "cake" in seen["first answer"] else "second"
        number = int(re.findall(r"\d+", seen["first answer"])[0])
        told = {"shown_by": name, "property": "mentions cake" if number % 5 else "mentions a cake"}
        return json.dumps({"differences": [told]})

    run(tea_and_cake(), server, scripted(listing), rate=False)
    (call,) = [c for c in server.calls if c.messages[0]["content"] == baseline.NAMING]
    lines = call.prompt.splitlines()
    assert lines.count("- mentions cake") > lines.count("- mentions a cake") > 0


def test_groups_and_equal_names_join_clusters_and_count_their_sides_anew() -> None:
    one = Cluster(tuple(items(*[(str(n), "b", "uses lists") for n in range(6)])))
    two = Cluster(tuple(items(*[(str(n), "a", "has bullet points") for n in range(6, 10)])))
    three = Cluster(tuple(items(*[(str(n), "a", "says sorry") for n in range(3)])))
    named = [("uses lists", one), ("has bullets", two), ("apologises", three)]
    assert [(claim, c.net) for claim, c in baseline.joined(named, [[1, 2, 9], [2]])] == [
        ("apologises", -3),
        ("uses lists", 2),
    ]
    assert [claim for claim, _ in baseline.joined(named, [[3, 2], [2, 1]])] == ["uses lists"]
    alike = [("uses lists", one), ("Uses lists", two)]
    assert [(claim, c.net) for claim, c in baseline.joined(alike, [])] == [("uses lists", 2)]


def test_both_arms_stand_in_one_table(monkeypatch: pytest.MonkeyPatch, server: OpenAIServer) -> None:
    study = finding_study.make(monkeypatch)
    findings.add(study, "speaks of cake", "b", origin="sae", author="m", author_kind="llm", features=[CAKE])
    findings.add(study, "speaks of rain", "b", origin="sae", author="m", author_kind="llm", features=[CAKE])
    findings.add(study, "speaks of cake and tea", "b", author="Ada")
    server.reply, server.models, server.prices = scripted(), ["model"], {"model": (1e-6, 2e-6)}
    asked: dict[str, Any] = {"model": f"{server.url}#model"}
    status = jobs.run_here(study, "baseline", asked)
    assert status.state == "done", status.error
    verification.run(study, verification.Options(**(asked | {"own_error": False})), Watch())
    rows = {row.arm: row for row in arms.compare(study)}
    features, rival = rows["features"], rows["baseline"]
    assert (features.claims, features.judged, features.verified, features.distinct) == (2, 2, 1, 1)
    # Cake was found by both, tea by the baseline alone.
    assert (features.shared, rival.shared, rival.distinct) == (1, 1, 2)
    assert (
        (rival.abstraction, rival.interestingness)
        == (features.abstraction, features.interestingness)
        == (4.0, 2.0)
    )
    assert rival.dollars == pytest.approx(1e-6 * rival.tokens_in + 2e-6 * rival.tokens_out)
    assert (features.dollars, features.tokens_in, features.gpu_hours) == (None, 0, 0.0)
    found = {finding.origin for finding in findings.load(study)}
    assert found == {"sae", "baseline", "hand"}


def test_the_rater_sees_a_claim_and_nothing_else(server: OpenAIServer) -> None:
    study = tea_and_cake()
    findings.add(study, "speaks of cake", "b", origin="sae", author="m", author_kind="llm")
    run(study, server, scripted())
    rated = [c.messages[1]["content"] for c in server.calls if c.messages[0]["content"] == arms.INSTRUCTIONS]
    assert len(rated) == len(findings.load(study))
    assert {text.split("that it ")[1].split("\n")[0] for text in rated} == {f.claim for f in findings.load(study)}
    assert not any(word in text for text in rated for word in ("baseline", "sae", "Question"))
    # What was rated stays rated.
    run(study, server, scripted())
    again = [c for c in server.calls if c.messages[0]["content"] == arms.INSTRUCTIONS]
    assert len(again) == len(rated)


def test_gpu_time_is_priced_by_the_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    study = tea_and_cake()
    told = {"cost": 1.25, "tokens_in": 10, "tokens_out": 4, "seconds": 1800.0, "devices": ["cuda:0", "cuda:1"]}

    class Done:
        def __init__(self, kind: str, result: dict[str, Any] | None, cost: float | None = None) -> None:
            self.told = jobs.JobStatus(id="j", kind=kind, study="s", state="done", result=result, cost=cost)

        def status(self) -> jobs.JobStatus:
            return self.told

    done = [Done("encode", told | {"cost": None}), Done("label", told | {"devices": []}), Done("draft", None, 0.5)]
    monkeypatch.setattr(jobs, "recent", lambda _study: done)
    row = arms.compare(study, gpu_hour=3.0)[0]
    assert (row.dollars, row.tokens_in, row.gpu_hours, row.gpu_dollars, row.total_dollars) == (
        1.75,
        20,
        1.0,
        3.0,
        4.75,
    )


def test_an_estimate_asks_nothing_and_faults_are_told(server: OpenAIServer) -> None:
    study = tea_and_cake()
    server.models, server.prices = ["model"], {"model": (1e-6, 2e-6)}
    expected = baseline.estimate(study, baseline.Options(model=f"{server.url}#model"))
    assert expected.calls >= int((study.prompts()["split"] == "discovery").sum())
    assert expected.cost is not None and expected.cost > 0 and server.calls == []
    with pytest.raises(UserError, match="No model is named"):
        baseline.run(study, baseline.Options(), Watch())
    with pytest.raises(UserError, match="most"):
        checked("baseline", baseline.Options, {"most": 0})


def test_on_the_sample_the_baseline_finds_planted_differences_too(server: OpenAIServer) -> None:
    study = sample.create()
    count, known = judges.oracle(), [b["description"] for b in sample.planted()["planted"]]

    def listing(call: Call) -> str:
        seen = judges.blocks(call)
        told = []
        for text in known:
            first, second = (count(text, seen[f"{name} answer"]) > 0 for name in ("first", "second"))
            if first != second:
                told.append({"shown_by": "first" if first else "second", "property": text})
        return json.dumps({"differences": told})

    run(study, server, scripted(listing), rate=False)
    server.reply = judges.counting(count)
    verification.run(study, verification.Options(model=f"{server.url}#model", own_error=False), Watch())
    checks = verification.read(study).checks
    planted = {b["description"]: "a" if b["more_on"] == "before" else "b" for b in sample.planted()["planted"]}
    found = {f.claim: f.side for f in findings.load(study) if checks[f.id].verified}
    assert len(found) >= 7 and found.items() <= planted.items()


def test_the_table_is_empty_and_not_wrong_before_anything_was_done() -> None:
    study = tea_and_cake()
    rows = pd.DataFrame(arms.compare(study))
    assert rows["arm"].tolist() == ["features", "baseline"]
    assert rows[["claims", "judged", "verified", "distinct", "shared"]].to_numpy().sum() == 0
    assert rows[["frequency", "accuracy", "abstraction", "dollars"]].isna().to_numpy().all()
