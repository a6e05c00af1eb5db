"""Commands about findings: write and judge them by hand, draft, verify, and the rival that uses no features."""

import getpass
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diffing.cli import keys
from diffing.cli.options import (
    GPU_HOUR,
    After,
    AsJson,
    Before,
    Detach,
    DryRun,
    KeyEnv,
    MaxDollars,
    MaxRequests,
    Name,
    finite,
)
from diffing.cli.terminal import do, paragraph, say, show, tell, warn
from diffing.common.errors import UserError

if TYPE_CHECKING:
    from diffing.findings.evidence import Standing
    from diffing.jobs.job import JobStatus
    from diffing.models.questions import Estimate

app = typer.Typer()

Concurrency = Annotated[int, typer.Option(help="Calls at once.", min=1)]


@app.command("findings")
def findings_command(
    name: Name,
    finding: Annotated[str, typer.Argument(help="One finding's id: all about it.", metavar="ID")] = "",
    a: Before = "",
    b: After = "",
    add: Annotated[str, typer.Option(help="Write a new finding: what answers show, naming no side.")] = "",
    count: Annotated[
        str,
        typer.Option(
            help="What to count of it: probe:NAME, own:NAME, words:ONE,OTHER, phrase:TEXT or regex:EXPRESSION. "
            "Alone, it is the claim."
        ),
    ] = "",
    clue: Annotated[
        str, typer.Option(help="Write down what was seen from inside, counted in answers; as 'inside' names it.")
    ] = "",
    more: Annotated[str, typer.Option(help="Checkpoint that shows it more; the one after unless named.")] = "",
    feature: Annotated[list[int] | None, typer.Option(help="A feature that it rests on; may be repeated.")] = None,
    probe: Annotated[list[str] | None, typer.Option(help="A surface probe that it rests on.")] = None,
    example: Annotated[list[str] | None, typer.Option(help="A pair that shows it.", metavar="PROMPT:DRAW")] = None,
    counter: Annotated[list[str] | None, typer.Option(help="A pair against it.", metavar="PROMPT:DRAW")] = None,
    reword: Annotated[str, typer.Option(help="Say it in other words; what was verified counts no more.")] = "",
    reject: Annotated[str, typer.Option(help="Reject it, with the reason.")] = "",
    because: Annotated[str, typer.Option(help="Why it holds in spite of what counts against it.")] = "",
    note: Annotated[str, typer.Option(help="Add a remark.")] = "",
    author: Annotated[str, typer.Option(help="Who says so; your user name unless named.")] = "",
    as_json: AsJson = False,
) -> None:
    """List findings with where each stands and what speaks against it; write, reword, reject.

    Example: `python -m diffing findings flash --add "ends with an offer to help" --more new --feature 17`
    """
    from diffing.findings import evidence, findings, predicates, seen_inside
    from diffing.probes import own_probes
    from diffing.study import plain
    from diffing.study.study import Study

    study, who = Study.open(name), author or getpass.getuser()
    a, b = study.sides(a, b)
    members: dict[str, Any] = {
        "features": feature or [],
        "probes": probe or [],
        "examples": [findings.pair_of(text) for text in example or []],
        "counter_examples": [findings.pair_of(text) for text in counter or []],
    }
    members = {field: values for field, values in members.items() if values}
    predicate = predicates.typed(count, own_probes.load(study)) if count else None
    if predicate and not finding:
        add = add or predicate.shown
    if add:
        if more not in ("", a, b):
            raise UserError(f"'{more}' is neither '{a}' nor '{b}'; --more names the one that shows it more.")
        side: findings.Side = "a" if more == a else "b"
        known = findings.same(study, add, side, a=a, b=b)
        finding = findings.add(study, add, side, a=a, b=b, author=who, predicate=predicate, **members).id
        if known is not None:
            warn(f"It stood in the findings already, as {finding}; what it lacked was added.")
    elif clue:
        written = seen_inside.make(study, clue, who, a, b)
        finding = written.finding.id
        if not written.new:
            warn(f"It stood in the findings already, as {finding}; that it was seen from inside is noted there.")
    elif finding and (members or reword or predicate):
        put: dict[str, Any] = {"claim": reword} if reword else {}
        put |= {"predicate": predicate.model_dump(mode="json")} if predicate else {}
        findings.change(study, finding, who, put=put, add=members)
    if any((reword, reject, because, note, members)) and not finding:
        raise UserError(f"No finding is named to change; add its id ('findings {name}' lists them).")
    if reject:
        findings.reject(study, finding, reject, who)
    if because:
        evidence.allow(study, finding, because, who)
    if note:
        findings.note(study, finding, note, who)
    stands = [evidence.get(study, finding)] if finding else evidence.of(study, a, b)
    if as_json:
        tell([evidence.told(one) for one in stands])
    elif finding:
        _one(stands[0])
    else:
        if made := plain.note(study, a, b):
            paragraph(made)
        _list(stands)
        if not stands:
            say(f"No findings yet; 'draft {name}' proposes some, 'findings {name} --add CLAIM' writes one.")


@app.command()
def draft(
    name: Name,
    a: Before = "",
    b: After = "",
    model: Annotated[str, typer.Option(help="Who proposes, as PROVIDER:MODEL; without one, plain drafts.")] = "",
    key_env: KeyEnv = "",
    families: Annotated[int, typer.Option(help="Families read of each side.", min=1, max=50)] = 12,
    most: Annotated[int, typer.Option(help="Claims at most.", min=1, max=25)] = 12,
    max_dollars: MaxDollars = None,
    dry_run: DryRun = False,
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Propose findings from the families and probes that differ on discovery prompts.

    Example: `python -m diffing draft flash --model openrouter:openai/gpt-4o-mini --dry-run`
    """
    from diffing.common.step import checked
    from diffing.findings import drafting, evidence
    from diffing.study.study import Study

    study = Study.open(name)
    given = dict(a=a, b=b, model=model, key_env=key_env, families=families, most=most, max_dollars=max_dollars)
    options = checked("draft", drafting.Options, given)
    keys.typed_model(model, key_env)
    if dry_run:
        _expected(drafting.estimate(study, options), as_json)
        return
    status = do(study, "draft", options, detach, as_json)
    if status is not None and not as_json:
        _done(status, f"{_result(status).get('drafted', 0)} drafts")
        _list(evidence.of(study, a, b))


@app.command()
def verify(
    name: Name,
    finding: Annotated[list[str] | None, typer.Argument(help="Only these findings.", metavar="[ID]...")] = None,
    a: Before = "",
    b: After = "",
    judge: Annotated[str, typer.Option(help="Who judges, as PROVIDER:MODEL.")] = "",
    key_env: KeyEnv = "",
    concurrency: Concurrency = 16,
    claims_per_call: Annotated[int, typer.Option(help="Claims in one call.", min=1, max=3)] = 3,
    own_error: Annotated[bool, typer.Option(help="Also judge draws of one checkpoint against each other.")] = True,
    max_dollars: MaxDollars = None,
    max_requests: MaxRequests = None,
    dry_run: DryRun = False,
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Have a judge test findings on new (held-out) prompts, from their wording alone.

    Example: `python -m diffing verify flash --judge openrouter:google/gemini-2.5-flash --max-dollars 5`
    """
    from diffing.common.step import checked
    from diffing.findings import correction, evidence, verdicts, verification
    from diffing.study.study import Study

    study = Study.open(name)
    given = dict(a=a, b=b, model=judge, key_env=key_env, findings=finding or [], claims_per_call=claims_per_call)
    limits = dict(max_dollars=max_dollars, max_requests=max_requests, concurrency=concurrency)
    options = checked("verify", verification.Options, given | limits | {"own_error": own_error})
    keys.typed_model(judge, key_env)
    if dry_run:
        _expected(verification.estimate(study, options), as_json)
        return
    status = do(study, "verify", options, detach, as_json)
    if status is not None and not as_json:
        result = _result(status)
        _done(status, f"{result.get('verified', 0)} of {result.get('checked', 0)} findings verified")
        _list(evidence.of(study, a, b))
        after = verification.read(study, a, b)
        say(verdicts.own_error_words(after.own_error))
        say(correction.error_words(after.error))
        if after.error is None:
            say(f"Net shares are uncorrected; 'judge-check {name}' asks you about some of the pairs.")


@app.command("baseline")
def baseline_command(
    name: Name,
    a: Before = "",
    b: After = "",
    model: Annotated[str, typer.Option(help="Who reads and names, as PROVIDER:MODEL.")] = "",
    judge: Annotated[str, typer.Option(help="Who rates the claims; the same model unless named.")] = "",
    key_env: KeyEnv = "",
    draws: Annotated[int | None, typer.Option(help="Pairs of draws read of each prompt; all unless told.")] = None,
    most: Annotated[int, typer.Option(help="Claims at most.", min=1, max=50)] = 10,
    compare: Annotated[bool, typer.Option("--compare", help="Only show how both ways of finding did.")] = False,
    gpu_hour: Annotated[
        float, typer.Option(help="Dollars for an hour of one GPU.", min=0, callback=finite)
    ] = GPU_HOUR,
    max_dollars: MaxDollars = None,
    max_requests: MaxRequests = None,
    concurrency: Concurrency = 16,
    dry_run: DryRun = False,
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Find differences by reading answer pairs without any features, and compare both ways.

    Example: `python -m diffing baseline flash --model openrouter:google/gemini-2.5-flash --draws 1`
    """
    from diffing.common.step import checked
    from diffing.diff import summary
    from diffing.findings import arms, baseline
    from diffing.study.study import Study

    study = Study.open(name)
    given = dict(a=a, b=b, model=model, rater=judge, key_env=key_env, draws=draws, most=most)
    limits = dict(max_dollars=max_dollars, max_requests=max_requests, concurrency=concurrency)
    options = checked("baseline", baseline.Options, given | limits)
    for asked in (model, judge):
        keys.typed_model(asked, key_env)
    if dry_run:
        _expected(baseline.estimate(study, options), as_json)
        return
    if not compare:
        status = do(study, "baseline", options, detach, as_json=as_json and detach)
        if status is None:
            return
        if not as_json:
            result = _result(status)
            _done(status, f"{result.get('claims', 0)} claims from {result.get('listed', 0)} listed differences")
    rows = [row._asdict() for row in arms.compare(study, a, b, gpu_hour)]
    if as_json:
        tell(summary.plain(rows))
        return
    show([{"": field, **{str(row["arm"]): _figure(row[field]) for row in rows}} for field in arms.Arm._fields[1:]])
    say(f"GPU time at ${gpu_hour:g} an hour; both ways verified by one judge on the same new prompts.")


def _list(stands: "Sequence[Standing]") -> None:
    """Two lines a finding: claims are sentences, for which a table's column is too narrow."""
    from diffing.common import words
    from diffing.findings import brief, correction

    for one in stands:
        check, status = one.check, one.status
        # What nothing tested says so first, and louder than anything else in the list.
        mark = status.upper() if status == "unverified wording" else status
        parts = [mark, one.finding.id, f"more in {one.finding.more}", f"author: {one.finding.written_by}"]
        parts += [one.counted.words] if one.counted else []
        if check and check.prompts:
            parts.append(f"net share {check.net:+.0%} [{check.low:+.0%}, {check.high:+.0%}]")
            parts += [correction.words(check.corrected), f"q = {words.small(check.q)}"]
        parts += [f"against it: {', '.join(objection.kind for objection in one.open)}"] * bool(one.open)
        parts += [f"same as {one.same_as}"] * bool(one.same_as)
        parts += [f"still lacks: {lacks}"] if (lacks := brief.lacks(one)) and not one.why else []
        say(" · ".join(parts))
        say(f"    {one.finding.side.upper()}{brief.rest(one.finding)}")
    for status in dict.fromkeys(one.status for one in stands):
        say(f"{status}: {brief.MEANING[status]}.")


def _one(one: "Standing") -> None:
    from diffing.findings import brief, correction

    finding = one.finding
    mark = one.status.upper() if one.status == "unverified wording" else one.status
    say(f"{mark}{': ' + one.why if one.why else ''}  {finding.id}")
    say(f"{finding.more} more than {finding.less}: {finding.claim}")
    say(f"author: {finding.written_by}, {finding.created}")
    if finding.origin == "inside":
        say(brief.origin(finding))
    if finding.features or finding.probes:
        said = [f"feature {number}" for number in finding.features] + list(finding.probes)
        say("rests on " + ", ".join(said))
    for rung in one.rungs:
        say(f"  {'yes' if rung.passed else 'no' if rung.passed is False else '–':>3}  {rung.name}: {rung.words}")
    if one.check is not None:
        shown = {field: _figure(value) for field, value in asdict(one.check).items() if field != "corrected"}
        say("  judge: " + ", ".join(f"{field} {value}" for field, value in shown.items()))
        say(f"  net share: {correction.words(one.check.corrected)}")
    for objection in one.objections:
        say(f"  against ({objection.kind}{'' if objection in one.open else ', answered'}): {objection.words}")
    if finding.reason:
        say(f"  reason: {finding.reason}")
    for title, pairs in (("shows it", finding.examples), ("against it", finding.counter_examples)):
        if pairs:
            say(f"  {title}: " + ", ".join(f"{pair.prompt_id}:{pair.draw}" for pair in pairs))
    for note in finding.notes:
        say(f"  {note.date} {note.author}: {note.text}")


def _figure(value: Any) -> str:
    if isinstance(value, float):
        return "–" if value != value else f"{value:.3g}"
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _result(status: "JobStatus") -> dict[str, Any]:
    return status.result or {}


def _expected(estimate: "Estimate", as_json: bool) -> None:
    from diffing.common import words

    if as_json:
        tell(asdict(estimate))
        return
    say(
        f"{estimate.calls:,} calls, about {estimate.tokens_in:,} tokens in and {estimate.tokens_out:,} out, "
        f"{words.dollars(estimate.cost)}."
    )


def _done(status: "JobStatus", what: str) -> None:
    from diffing.common import words

    result = _result(status)
    failed, left = result.get("failed", 0), result.get("left", 0)
    parts = [
        what,
        f"{result.get('calls', 0):,} calls",
        words.dollars(result.get("cost")) if result.get("calls") else "",
    ]
    parts += [f"{failed} without a usable answer"] * bool(failed) + [words.duration(status.seconds)]
    say(f"{status.state}: " + ", ".join(part for part in parts if part) + ".")
    if result.get("stopped_by"):
        say(f"Stopped by {result['stopped_by']} with {left:,} left to ask; run it again to go on.")
