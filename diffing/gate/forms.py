"""What came of a gate, as programs read it: JSON with all figures, JUnit XML, SARIF.

Promises JUnit that both well-known schemas take, Ant's and Jenkins' (a suite a table, a case a thing; a change
fails, what cannot be told is an error) and SARIF 2.1.0 (an expected change is suppressed, with its note). Which
file gets which form hangs on its ending.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote
from xml.etree import ElementTree

from diffing.common import files, outfile
from diffing.common.errors import UserError
from diffing.common.escape import json_text, visible
from diffing.common.words import small
from diffing.diff import summary
from diffing.gate import written
from diffing.gate.check import Checked, Judged
from diffing.gate.items import NAMES

Form = Literal["text", "json", "junit", "sarif", "markdown"]
ENDINGS: Mapping[str, Form] = {
    ".txt": "text",
    ".json": "json",
    ".xml": "junit",
    ".sarif": "sarif",
    ".md": "markdown",
}
LET_PASS = ("expected", "as before")
"""Outcomes of what changed and may."""
SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
RULES = {
    "behaviour": ("BehaviourChanged", "A behaviour changed between the two checkpoints."),
    "probe": ("ProbeChanged", "Something countable in answers changed between the two checkpoints."),
    "phrase": ("PhraseChanged", "A phrase became more or less frequent between the two checkpoints."),
    "own probe": ("OwnProbeChanged", "A probe of the study's own changed between the two checkpoints."),
    "measure": ("MeasureChanged", "A score that another tool gave changed between the two checkpoints."),
    "expected": ("ExpectedChangeAbsent", "A change that was expected did not come."),
    "power": ("CannotTell", "Too few prompts to see a change of the size asked for."),
}


def plain(found: Checked) -> dict[str, Any]:
    """All of it, as JSON has it."""
    beyond = {each.item.id: each.beyond for each in found.judged if each.beyond is not None}
    value = {
        "verdict": found.verdict,
        "exit_code": found.code,
        "sentence": written.sentence(found),
        "study": found.study,
        "a": found.a,
        "b": found.b,
        "a_name": found.names[0],
        "b_name": found.names[-1],
        "series": [{"key": key, "name": name} for key, name in zip(found.series, found.names, strict=False)],
        "prompts": found.prompts,
        "reader": found.reader,
        "seed": found.seed,
        "channel": found.options.channel or "text",
        "fail_on": found.options.fail_on,
        "size": found.size,
        "baseline": found.options.baseline,
        "strict": found.options.strict,
        "changed": [each.item.id for each in found.changed],
        "absent": [each.change.model_dump(mode="json") | {"why": each.why} for each in found.absent],
        "expired": [change.model_dump(mode="json") for change in found.expired],
        "power": [each._asdict() for each in found.powers],
        "items": [
            each.item.figures
            | {"outcome": each.outcome, "why": each.why, "part_of": each.part_of}
            | (_beyond(beyond[each.item.id]) if each.item.id in beyond else {})
            for each in found.judged
        ],
    }
    made: dict[str, Any] = summary.plain(value)
    return made


def _beyond(left: Any) -> dict[str, Any]:
    item = left.item
    figures = {name: getattr(item, name) for name in ("delta", "ci_low", "ci_high", "q", "prompts")}
    return {"baseline_delta": left.before, "beyond_baseline": figures}


def as_json(found: Checked) -> str:
    return json_text(json.dumps(plain(found), indent=1, ensure_ascii=False)) + "\n"


# JUnit.


def junit(found: Checked) -> str:
    """A suite a table, and one for what was expected and whether there were prompts enough."""
    # Without a name, which Ant's schema does not know; Jenkins' does without.
    root = ElementTree.Element("testsuites")
    for what in dict.fromkeys(each.item.what for each in found.judged):
        mine = [each for each in found.judged if each.item.what == what]
        let = [f"{each.outcome}: {line(found, each)}" for each in mine if each.outcome in LET_PASS]
        root.append(_suite(found, len(root), what, [_case(found, each) for each in mine], let))
    root.append(_suite(found, len(root), "gate", _whole(found), [written.sentence(found)]))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(
    found: Checked, place: int, name: str, cases: list[ElementTree.Element], said: list[str]
) -> ElementTree.Element:
    """What Jenkins' schema takes and Ant's asks for: a place, properties before the cases, and what was said after
    them."""
    number = {
        kind: str(sum(case.find(kind) is not None for case in cases)) for kind in ("failure", "error", "skipped")
    }
    suite = ElementTree.Element(
        "testsuite",
        id=str(place),
        package=found.study,
        name=f"{found.study}.{name}",
        tests=str(len(cases)),
        failures=number["failure"],
        errors=number["error"],
        skipped=number["skipped"],
        timestamp=files.now()[:19],
        hostname="localhost",
        time="0",
    )
    properties = ElementTree.SubElement(suite, "properties")
    for key, value in (("rule", found.options.fail_on), ("verdict", found.verdict)):
        ElementTree.SubElement(properties, "property", name=key, value=_xml(value))
    suite.extend(cases)
    ElementTree.SubElement(suite, "system-out").text = _xml("\n".join(said))
    ElementTree.SubElement(suite, "system-err")
    return suite


def _named(found: Checked, kind: str, name: str) -> ElementTree.Element:
    return ElementTree.Element("testcase", classname=f"{found.study}.{kind}", name=_xml(name), time="0")


def _case(found: Checked, each: Judged) -> ElementTree.Element:
    case = _named(found, each.item.what, each.item.id)
    told = line(found, each)
    if each.outcome == "changed":
        _say(case, "failure", told, each.item.what)
    elif each.outcome == "unsure":
        _say(case, "error", told, "cannot tell")
    # What is let pass is told by the suite: Ant's schema has no such place in a case.
    return case


def _whole(found: Checked) -> list[ElementTree.Element]:
    prompts = _named(found, "gate", "prompts enough to tell")
    if not found.enough:
        _say(prompts, "error", written.why_not(found), "cannot tell")
    cases = [prompts]
    for absent in found.absent:
        case = _named(found, "gate", f"expected: {absent.change.called}")
        _say(case, "failure" if found.options.strict else "skipped", f"did not come: {absent.why}", "expected")
        cases.append(case)
    return cases


def _say(case: ElementTree.Element, kind: str, message: str, of: str) -> None:
    # A skipped case has no type in the documented form.
    element = ElementTree.SubElement(case, kind, message=_xml(message))
    if kind != "skipped":
        element.set("type", of)


def line(found: Checked, each: Judged) -> str:
    """One thing in one line."""
    item = each.item
    row = f"{written.who(found, item)}: {item.name}, {written.figures(item)}, {written.difference(item)}"
    return f"{row}, q = {small(item.q)}{f'; {each.why}' if each.why else ''}"


def _xml(text: str) -> str:
    """Without the characters that no XML may hold."""
    return "".join(sign for sign in visible(text) if sign not in "\ufffe\uffff")


# SARIF.


def sarif(found: Checked) -> str:
    """Changes as errors, expected ones suppressed, and what cannot be told as a warning."""
    results = [_result(found, each) for each in found.judged if each.outcome != "passed" and not each.part_of]
    level = "error" if found.options.strict else "note"
    for absent in found.absent:
        told = f"Expected, and did not come: {absent.change.called}; {absent.why}"
        results.append(_told(found, "expected", level, told, absent.change.called))
    if not found.enough:
        results.append(_told(found, "power", "warning", written.sentence(found), "power"))
    driver = {
        "name": "Checkpoint Diffing",
        "rules": [
            {"id": name, "name": name, "shortDescription": {"text": told}, "help": {"text": told}}
            for name, told in RULES.values()
        ],
    }
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"checkpoint-diff/{found.study}/"},
        "results": results,
        "columnKind": "unicodeCodePoints",
        "properties": {"verdict": found.verdict, "rule": found.options.fail_on, "prompts": found.prompts},
    }
    return json_text(json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1)) + "\n"


def _result(found: Checked, each: Judged) -> dict[str, Any]:
    level = {"changed": "error", "unsure": "warning"}.get(each.outcome, "note")
    result = _told(found, each.item.what, level, line(found, each), each.item.id)
    figures = summary.plain(
        {name: each.item.figures[name] for name, (kind, _) in NAMES.items() if kind == "number"}
    )
    result["properties"] = figures
    if each.outcome in LET_PASS:
        result["suppressions"] = [
            {"kind": "external", "status": "accepted", "justification": each.why or each.outcome}
        ]
    return result


def _told(found: Checked, rule: str, level: str, text: str, what: str) -> dict[str, Any]:
    # Code scanning wants a place: the file in which the change would be allowed, where there is one.
    place = Path(found.options.allow)
    uri = place.as_posix() if found.options.allow and not place.is_absolute() else place.name
    uri = uri or f"studies/{found.study}/study.toml"
    return {
        "ruleId": RULES[rule][0],
        "level": level,
        "message": {"text": visible(text)},
        "locations": [
            {"physicalLocation": {"artifactLocation": {"uri": quote(uri)}, "region": {"startLine": 1}}},
        ],
        "partialFingerprints": {"change/v1": files.content_hash([found.study, found.a, found.b, rule, what])},
    }


FORMS: Mapping[Form, Callable[[Checked], str]] = {
    "text": written.text,
    "json": as_json,
    "junit": junit,
    "sarif": sarif,
    "markdown": written.markdown,
}


def form_of(path: Path) -> Form:
    """What is written into a file, by its ending."""
    if path.suffix.lower() not in ENDINGS:
        raise UserError(f"'{path.name}' has no ending that is known; use {', '.join(ENDINGS)}.")
    return ENDINGS[path.suffix.lower()]


def write(found: Checked, path: Path) -> None:
    with outfile.replacing(path) as temporary:
        temporary.write_text(FORMS[form_of(path)](found), encoding="utf-8")
