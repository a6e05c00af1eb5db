"""The forms of an outcome: each in the shape that its readers document, and nothing from outside runs in any."""

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
from markdown_it import MarkdownIt

from diffing.common.errors import UserError
from diffing.common.escape import visible
from diffing.gate import forms, written
from diffing.gate.allowed import Absent, Change
from diffing.gate.check import Checked, Judged, Options, Outcome
from diffing.gate.power import Power
from tests.fakes import gated_study

HOSTILE = "says “<script>alert(1)</script> | ](http://evil.example) \x1b[31m ]]> & `x` \ufffe”"


def judged(outcome: Outcome, number: int, **figures: Any) -> Judged:
    return Judged(gated_study.item(id=f"probe:{number}", **figures), outcome, "because" if number % 2 else "")


def made(enough: bool = True, strict: bool = False, some: tuple[Judged, ...] = ()) -> Checked:
    return Checked(
        study="mini",
        a="a",
        b="b",
        names=("Old", HOSTILE),
        options=Options(strict=strict, allow="gate/allow one.toml"),
        size=0.1,
        judged=some,
        powers=[Power("probe", 100, 40, 0.1, 0.08 if enough else 0.2, 100 if enough else 400, enough)],
        absent=[Absent(Change(name="sings", direction="A"), "nothing")],
        expired=[],
        prompts=100,
        reader="starter",
        seed=0,
    )


EVERY = (
    judged("changed", 1, name=HOSTILE),
    judged("expected", 2),
    judged("as before", 3, kind="amount"),
    judged("unsure", 4, kind="place"),
    judged("passed", 5, q=float("nan"), q_gate=float("nan")),
    Judged(gated_study.item(what="own probe", id="own:x", name=HOSTILE), "changed", part_of="probe:1"),
)


@pytest.mark.parametrize(
    ("found", "verdict", "sentence"),
    [
        (made(), "passed", "nothing changed, on 100 prompts."),
        (made(some=EVERY[1:3]), "passed", "nothing changed but 2 changes that were expected or there before"),
        (made(some=EVERY), "changed", "1 change that nothing allows, on 100 prompts."),
        (made(strict=True), "changed", "1 expected change did not come, on 100 prompts."),
        (made(enough=False), "cannot tell", "mostly have gone unseen; it takes about 400 prompts."),
        (made(some=EVERY[3:4]), "cannot tell", "1 change may be more than the baseline's or just that"),
    ],
)
def test_the_verdict_is_said_in_a_sentence_and_stands_in_every_form(
    found: Checked, verdict: str, sentence: str
) -> None:
    assert found.verdict == verdict
    assert sentence in written.sentence(found)
    assert written.text(found).splitlines()[0] == visible(written.sentence(found))
    assert json.loads(forms.as_json(found))["verdict"] == verdict
    assert f": {verdict}\n" in written.markdown(found)
    suites = ElementTree.fromstring(forms.junit(found))
    assert bool(list(suites.iter("failure"))) == (verdict == "changed")
    assert verdict != "cannot tell" or list(suites.iter("error"))
    levels = {result["level"] for result in json.loads(forms.sarif(found))["runs"][0]["results"]}
    assert ("error" in levels) == (verdict == "changed")


@pytest.mark.parametrize("some", [(), EVERY])
@pytest.mark.parametrize("enough", [True, False])
def test_sarif_is_what_its_schema_asks_for(some: tuple[Judged, ...], enough: bool) -> None:
    told = json.loads(forms.sarif(made(enough, some=some)))
    jsonschema.validate(told, SARIF)
    run = told["runs"][0]
    known = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    assert {result["ruleId"] for result in run["results"]} <= known
    prints = [result["partialFingerprints"]["change/v1"] for result in run["results"]]
    assert len({*prints}) == len(prints)
    # Parts stand with their whole, and what passed nowhere.
    assert len(prints) == (4 if some else 0) + 1 + (not enough or bool(some))


@pytest.mark.parametrize("some", [(), EVERY])
def test_junit_is_what_ant_and_jenkins_ask_for(some: tuple[Judged, ...]) -> None:
    """Ant's schema asks for more than Jenkins', which takes all of it; nothing else may stand anywhere."""
    root = ElementTree.fromstring(forms.junit(made(some=some)))
    assert (root.tag, root.attrib) == ("testsuites", {})
    assert [suite.attrib["id"] for suite in root] == [str(place) for place in range(len(root))]
    for suite in root:
        assert (suite.tag, set(suite.attrib)) == ("testsuite", SUITE)
        first, *cases, out, err = suite
        assert [(part.tag, part.attrib) for part in (first, out, err)] == [
            *(("properties", {}), ("system-out", {})),
            ("system-err", {}),
        ]
        assert [(each.tag, set(each.attrib)) for each in first] == [("property", {"name", "value"})] * len(first)
        assert all(value.strip() == value != "" for value in suite.attrib.values())
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])
        for kind, name in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            assert suite.attrib[name] == str(sum(1 for _ in suite.iter(kind)))
        assert suite.attrib["tests"] == str(len(cases))
        for case in cases:
            assert (case.tag, set(case.attrib)) == ("testcase", {"classname", "name", "time"})
            assert [set(inside.attrib) for inside in case] == [INSIDE[inside.tag] for inside in case]
            assert len(case) <= 1
    names = [case.attrib["name"] for case in root.iter("testcase")]
    assert len({*names}) == len(names)
    # What is let pass is told nowhere else.
    assert ("expected: " in "".join(out.text or "" for out in root.iter("system-out"))) == bool(some)


def test_nothing_from_outside_becomes_markup_or_reaches_a_terminal() -> None:
    found = made(some=EVERY)
    page = MarkdownIt("commonmark").enable("table").render(written.markdown(found))
    assert "<script>" not in page and "href" not in page and "<code>x</code>" not in page
    assert page.count("<tr>") == 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1
    for form in forms.FORMS.values():
        assert "\x1b" not in form(found)


def test_a_file_gets_the_form_of_its_ending_and_json_has_all_figures(tmp_path: Path) -> None:
    found = made(some=EVERY)
    for ending, form in forms.ENDINGS.items():
        forms.write(found, tmp_path / f"gate{ending}")
        assert (tmp_path / f"gate{ending}").read_text(encoding="utf-8") == forms.FORMS[form](found)
    with pytest.raises(UserError, match="'gate.pdf' has no ending that is known"):
        forms.form_of(tmp_path / "gate.pdf")
    (one, *_) = json.loads(forms.as_json(found))["items"]
    assert (one["delta"], one["outcome"], one["heldout_q"], one["q_gate"]) == (0.2, "changed", None, 0.002)


# The parts of the formats that are written, after what their makers document: the schemas themselves are other
# people's and stand in no repository of ours. `python -m tools.formats` holds the forms against those.
SUITE = {"id", "package", "name", "tests", "failures", "errors", "skipped", "timestamp", "hostname", "time"}
INSIDE = {
    "failure": {"message", "type"},
    "error": {"message", "type"},
    "skipped": {"message"},
}
TEXT: dict[str, Any] = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}


def shape(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    fields = required | optional
    return {"type": "object", "required": [*required], "properties": fields, "additionalProperties": False}


def several(what: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": what}


RULE = shape({"id": {"type": "string"}}, name={"type": "string"}, shortDescription=TEXT, help=TEXT)
PLACE = shape(
    {
        "physicalLocation": shape(
            {"artifactLocation": shape({"uri": {"type": "string", "pattern": "^[^ \\\\]+$"}})},
            region=shape({"startLine": {"type": "integer", "minimum": 1}}),
        )
    }
)
RESULT = shape(
    {"message": TEXT, "ruleId": {"type": "string"}, "level": {"enum": ["none", "note", "warning", "error"]}},
    locations=several(PLACE),
    partialFingerprints={"type": "object", "additionalProperties": {"type": "string"}},
    properties={"type": "object"},
    suppressions=several(
        shape(
            {"kind": {"enum": ["inSource", "external"]}},
            status={"enum": ["accepted", "underReview", "rejected"]},
            justification={"type": "string", "minLength": 1},
        )
    ),
)
SARIF = shape(
    {
        "version": {"const": "2.1.0"},
        "runs": several(
            shape(
                {"tool": shape({"driver": shape({"name": {"type": "string"}}, rules=several(RULE))})},
                results=several(RESULT),
                automationDetails=shape({"id": {"type": "string"}}),
                columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                properties={"type": "object"},
            )
        ),
    },
    **{"$schema": {"type": "string"}},
)


def test_an_amounts_difference_is_told_in_the_thing_itself() -> None:
    longer = gated_study.item(kind="amount", share_a=191.1, share_b=334.8, delta=0.5465, ci_low=0.5, ci_high=0.6)
    assert written.difference(longer) == "+143.7 [+131.5 to +157.8]"
    assert written.difference(longer._replace(delta=-0.5465, ci_low=-0.6, ci_high=-0.5)).startswith(
        "−143.7 [−157.8"
    )
