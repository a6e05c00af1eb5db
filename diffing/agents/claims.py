"""What an agent says: claims with what they rest on, where each stands, and what goes into a report.

Promises that each claim is signed with its client's name and kept with its history, that it rests on no pair which
may not be read, and that whoever could read held-out answers says so in each claim. A claim that was worded counts
in the correction of all others from then on, whether it is verified, rejected or left lying
(`diffing.findings.verification`). Rewording and rejecting are a person's.
"""

from typing import Annotated, Any

from pydantic import Field

from diffing import labels
from diffing.agents import size, work
from diffing.agents.desk import Desk, saw_held_out
from diffing.agents.reading import PAGE, After, Before, Cursor, Name
from diffing.agents.shapes import Claimed, Findings, Progress, Reported, Side
from diffing.agents.terms import StepOptions
from diffing.common import who
from diffing.common.errors import UserError
from diffing.diff import answer as answers
from diffing.findings import brief, evidence, predicates, verification
from diffing.findings import findings as written
from diffing.findings.evidence import Standing
from diffing.findings.findings import Example, Finding
from diffing.labels import called
from diffing.probes import own_probes
from diffing.report import last
from diffing.study.study import Study

MOST = 100
"""Claims of agents in one comparison. Each tells by its count a little of what held-out prompts hold, and makes
the correction of all others harder; nobody reads more either. Chosen by eye."""
Pairs = Annotated[list[str] | None, Field(description="Pairs as PROMPT:DRAW, from `answer` or `search`.")]


def claim(
    desk: Desk,
    study: Name,
    more: Annotated[Side, Field(description="The side that shows it more.")],
    text: Annotated[
        str,
        Field(description="What an answer shows, naming no side: 'ends with an offer to help'.", max_length=300),
    ] = "",
    count: Annotated[
        str,
        Field(
            description="What to count of it: probe:NAME, words:ONE,OTHER, phrase:TEXT or regex:EXPRESSION. "
            "Without text, the claim says just that.",
            max_length=300,
        ),
    ] = "",
    features: Annotated[list[int] | None, Field(description="Features that it rests on.")] = None,
    probes: Annotated[list[str] | None, Field(description="Probes that it rests on.")] = None,
    examples: Pairs = None,
    counter_examples: Pairs = None,
    a: Before = "",
    b: After = "",
) -> Claimed:
    """Write a claim down as a finding. It is told what its count shows on held-out prompts; of other words a judge
    has to say (`verify`). Each claim counts in the correction of all, so word what you looked for."""
    opened = desk.opened(study)
    a, b = opened.sides(a, b)
    predicate = predicates.typed(count, own_probes.load(opened)) if count else None
    said = text or (predicate.shown if predicate else "")
    members: dict[str, Any] = {
        "features": features or [],
        "probes": probes or [],
        "examples": [_readable(desk, opened, pair, a, b) for pair in examples or []],
        "counter_examples": [_readable(desk, opened, pair, a, b) for pair in counter_examples or []],
    }
    members = {name: values for name, values in members.items() if values}
    author, seen = who.acting().name, saw_held_out(opened, desk.sight)
    # From counting to writing, so that of two agents at once neither passes the limit.
    with opened.held():
        before = written.same(opened, said, more, a=a, b=b)
        if before is None and len(of_agents(opened, a, b)) >= MOST:
            raise UserError(
                f"Agents have made {MOST} claims of '{a}' and '{b}' in study '{study}', and more are not taken; "
                "a person can write further ones."
            )
        if features:
            members["reader"] = labels.sae_of(opened.settings.reader)
        made = written.add(
            opened,
            said,
            more,
            a=a,
            b=b,
            author=author,
            author_kind="llm",
            predicate=predicate,
            held_out_seen=seen,
            **members,
        )
        if seen and not made.held_out_seen:
            written.change(opened, made.id, author, "llm", put={"held_out_seen": True})
    return _row(desk, opened, evidence.get(opened, made.id)).model_copy(update={"new": before is None})


def _readable(desk: Desk, study: Study, text: str, a: str, b: str) -> Example:
    pair = written.pair_of(text)
    desk.sight.pair(study, pair.prompt_id, pair.draw, a, b)
    return pair


def of_agents(study: Study, a: str, b: str) -> list[Finding]:
    """Findings of a comparison that agents worded."""
    return [each for each in written.load(study) if (each.a, each.b) == (a, b) and each.by_agent]


def _row(desk: Desk, study: Study, standing: Standing) -> Claimed:
    finding = standing.finding
    rungs = {rung.name: rung.words for rung in standing.rungs}
    against = [standing.why] if standing.why else [objection.words for objection in standing.open]
    return Claimed(
        id=finding.id,
        status=standing.status,
        claim=size.cut(finding.claim),
        more=finding.side,
        author=size.cut(finding.written_by, 80),
        counts=size.cut(finding.predicate.shown) if finding.predicate else "",
        counted=size.cut(rungs["counted"]) if finding.predicate else "",
        judged=rungs["verified"] if standing.check else "",
        against=size.cut(desk.sight.without_ids(study, "; ".join(against)), 600),
        lacks=brief.lacks(standing),
        held_out_seen=finding.held_out_seen,
        same_as=standing.same_as,
    )


def findings(desk: Desk, study: Name, a: Before = "", b: After = "", cursor: Cursor = "") -> Findings:
    """All claims with how far each got: unverified wording, counted, verified, reported or rejected."""
    opened = desk.opened(study)
    a, b = opened.sides(a, b)
    stands = evidence.of(opened, a, b)
    chosen, after = size.page(stands, cursor, PAGE, lambda one: _row(desk, opened, one).model_dump())
    return Findings(
        study=opened.name,
        a=a,
        b=b,
        findings=[_row(desk, opened, one) for one in chosen],
        tests=verification.read(opened, a, b).tests,
        next_cursor=after,
    )


def verify(
    desk: Desk,
    study: Name,
    model: Annotated[str, Field(description="The judge, as PROVIDER:MODEL.")],
    ids: Annotated[list[str] | None, Field(description="Findings; all that nobody rejected unless named.")] = None,
    a: Before = "",
    b: After = "",
    max_dollars: work.Dollars | None = None,
) -> Progress:
    """Have a judge test findings on held-out prompts, from their wording alone: a job, as `start` makes it."""
    told = {"model": model, "findings": ids, "a": a or None, "b": b or None}
    return work.start(desk, study, "verify", StepOptions.model_validate(told), max_dollars)


def report(desk: Desk, study: Name, a: Before = "", b: After = "") -> Reported:
    """Whether there is a report and what has changed since; the step 'report' makes one. It holds answers to
    held-out prompts, so it is handed to people; what you may know of it is the resource."""
    opened = desk.opened(study)
    a, b = opened.sides(a, b)
    told = last.manifest(last.folder_of(opened, a, b))
    changed = last.changed(told, last.state(opened, a, b)) if told else []
    folder = last.folder_of(opened, a, b).relative_to(opened.folder.parents[1]).as_posix()
    return Reported(
        study=opened.name,
        made=str(told["made"]) if told else "",
        changed_since=changed,
        findings=len(evidence.of(opened, a, b)),
        folder=folder if told else "",
        resource=f"report://{opened.name}",
        says=f"'{folder}/report.html' is for a person to open." if told else "None yet; start the step 'report'.",
    )


def summary(desk: Desk, name: str) -> str:
    """A study in Markdown: whom it compares, what changed, what is claimed of it."""
    study = desk.opened(name)
    a, b = study.sides()
    lines = [f"# {study.name}", ""]
    lines += [f"- {side} = {size.cut(study.checkpoint(key).name, 80)}" for side, key in (("A", a), ("B", b))]
    stored = desk.compared(study, a, b)
    lines += ["", size.cut(answers.sentence(stored), 1500), "", "## What changed", ""]
    for each in called.behaviours(study, stored):
        if each.said:
            lines.append(f"- {size.cut(each.name, 200)}: {each.figures}, {each.told} ({each.confirmed})")
    lines += ["", "## Claims", ""]
    for one in evidence.of(study, a, b):
        told = _row(desk, study, one)
        seen = " Held-out answers were seen by its author." if told.held_out_seen else ""
        words = "; ".join(part for part in (told.counted, told.judged, told.against) if part)
        lines.append(f"- {brief.sentence(one)} [{told.status}, {told.author}] {words}.{seen}")
    return "\n".join(lines) + "\n"
