"""What an agent sets going: a new study, and steps of one as jobs that it follows by their handle.

Promises that a start comes back at once with a job's id, that such a job goes on whatever becomes of the agent,
and that its limit in dollars is never above what the server has left. No path, no key's variable and no address of
its own choice can be named by an agent: a file comes from the inbox, a model passes the server's terms.
"""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from diffing import jobs
from diffing.agents import inbox, size
from diffing.agents.desk import Desk
from diffing.agents.reading import Name
from diffing.agents.shapes import Estimated, Made, Progress
from diffing.agents.terms import Step, StepOptions
from diffing.common import who, words
from diffing.common.errors import UserError
from diffing.common.step import checked
from diffing.diff import until_certain
from diffing.findings import asking as questions
from diffing.findings import baseline, drafting, verification
from diffing.jobs.job import Job, JobStatus
from diffing.labels import labelling
from diffing.models import providers
from diffing.reader.unread import unread
from diffing.study import collect, imports, prompts, sample, study
from diffing.study.settings import Sampling
from diffing.study.study import Study

HELD_OUT = 0.3
"""Share of prompts that a study of an agent's keeps back at least, as one of a person's does."""
LOG = 8
"""Lines of a job's log: the latest tell why it is where it is."""
USUAL = StepOptions()
"""Nothing told."""
ASKING: dict[str, Any] = {
    "label": labelling,
    "draft": drafting,
    "baseline": baseline,
    "verify": verification,
    "ask": questions,
}
"""The modules of steps that ask a model about answers, each with `Options` and `estimate`."""
JobId = Annotated[str, Field(description="A job's id, as `start` and `status` give it.", max_length=100)]
Dollars = Annotated[float, Field(description="The job's limit; all that is left unless said.", gt=0, le=10_000)]


class Asked(BaseModel):
    """A prompt of a new study."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1)
    category: str = ""


class Both(Asked):
    """A prompt with both sides' answers, for a study of answers that exist."""

    a: str
    b: str
    draw: int = Field(default=0, ge=0)


def new_study(
    desk: Desk,
    name: Annotated[str, Field(description="1 to 64 letters, digits, '.', '_' or '-'. 'sample' is the sample.")],
    checkpoints: Annotated[
        list[str] | None, Field(description="Two or more: PROVIDER:MODEL; 'Name=' before it names it.")
    ] = None,
    prompts: Annotated[list[Asked] | None, Field(description="To ask; the bundled ones unless given.")] = None,
    answers: Annotated[list[Both] | None, Field(description="Answers that exist, in place of asking.")] = None,
    inbox_file: Annotated[str, Field(description="A table or log that a person laid into 'inbox'.")] = "",
    draws: Annotated[int, Field(description="Answers sampled to each prompt.", ge=1, le=20)] = 1,
    temperature: Annotated[float | None, Field(ge=0, le=2)] = None,
    max_tokens: Annotated[int | None, Field(ge=1, le=100_000)] = None,
    system: Annotated[str, Field(description="System prompt.")] = "",
) -> Made:
    """Make a study: of models to ask, of answers that you give, of a file in the inbox, or the bundled sample
    (name it 'sample' and give nothing else). Spends nothing; a share of the prompts is held out by their hash."""
    given = [bool(checkpoints), bool(answers), bool(inbox_file)]
    if name == sample.NAME and not any(given):
        made: Study = sample.ensure()
    elif sum(given) != 1:
        raise UserError("A study is made of checkpoints, of answers or of a file in the inbox; give one of these.")
    elif checkpoints:
        for written in checkpoints:
            desk.terms.check_model(written)
        sides = [providers.parse(text, providers.nth_key(place)) for place, text in enumerate(checkpoints)]
        told = {"draws": draws, "system": system, "temperature": temperature, "max_tokens": max_tokens}
        sampling = checked("new_study", Sampling, {key: value for key, value in told.items() if value is not None})
        table = _asked(prompts)
        made = Study.create(name, sides, table, held_out=_held_out(table), sampling=sampling)
    else:
        if name in study.names():
            raise study.Exists(name)
        found = imports.load(inbox.path_of(inbox_file)) if inbox_file else _given(answers or [])
        made = imports.into(name, found, held_out=_held_out(found.prompts))
    # Before anything of it is read.
    made = desk.opened(made.name)
    table, estimate = made.prompts(), collect.estimate(made, collect.Options())
    return Made(
        study=made.name,
        prompts=len(table),
        held_out=int((table["split"] == "held-out").sum()),
        answers=len(made.responses()),
        estimate=f"To collect: {estimate.in_words()}" if estimate.calls else "Nothing is to be asked.",
        next="encode" if len(made.responses()) else "collect",
    )


def _asked(given: list[Asked] | None) -> pd.DataFrame:
    return pd.DataFrame([each.model_dump() for each in given]) if given else prompts.bundled()


def _given(answers: list[Both]) -> imports.Answers:
    rows = [
        {
            "prompt": each.text,
            "category": each.category,
            "draw": str(each.draw),
            "checkpoint": side,
            "response": text,
        }
        for each in answers
        for side, text in (("a", each.a), ("b", each.b))
    ]
    return imports.of_table(pd.DataFrame(rows), Path("answers.csv"))


def _held_out(table: pd.DataFrame) -> float:
    """The largest share that any study here keeps back of these prompts.

    A prompt is on one side by its hash and that share: with a smaller one an agent would read here what is held
    out there.
    """
    mine = set(prompts.normal(table, HELD_OUT)["id"])
    shares = [each.settings.held_out for each in Study.list() if mine & set(each.prompts()["id"])]
    return max([HELD_OUT, *shares])


def estimate(desk: Desk, study: Name, step: Step, options: StepOptions = USUAL) -> Estimated:
    """What a step would take: calls, tokens, dollars. Spends nothing."""
    opened = desk.opened(study)
    given = desk.terms.options(step, options)
    left = desk.purse.standing().left
    if step == "collect":
        asked = checked("collect", until_certain.Options, given)
        expected = collect.estimate(opened, asked, asyncio.run(collect.check(opened)))
        says = ("At most " if asked.until_certain else "") + expected.in_words()
        told = {"calls": expected.calls, "dollars": expected.cost, "seconds": expected.seconds}
    elif not desk.terms.pays(step, given):
        says = f"{unread(opened):,} answers to read." if step == "encode" else "It is computed here."
        says, told = f"{says} Nothing is asked and nothing is paid.", {"calls": 0, "dollars": 0.0}
    else:
        module = ASKING[step]
        found = module.estimate(opened, checked(step, module.Options, given))
        sizes = f"about {found.tokens_in:,} tokens in and {found.tokens_out:,} out"
        says = f"{found.calls:,} calls, {sizes}, {words.dollars(found.cost)}."
        told = {"calls": found.calls, "dollars": found.cost}
        told |= {"tokens_in": found.tokens_in, "tokens_out": found.tokens_out}
    return Estimated.model_validate(
        {"study": opened.name, "step": step, "says": says, "dollars_left": left, **told}
    )


def start(
    desk: Desk, study: Name, step: Step, options: StepOptions = USUAL, max_dollars: Dollars | None = None
) -> Progress:
    """Start a step as a job that goes on by itself; follow it with `job`. What costs money must be among
    `may_start`, and runs under a limit in dollars that this server has left."""
    opened = desk.opened(study)
    given = desk.terms.options(step, options)
    paid = desk.terms.pays(step, given)
    if paid:
        desk.terms.check_may(step)

    def begin(cap: float | None) -> Job:
        return jobs.start(opened, step, given if cap is None else given | {"max_dollars": cap})

    job = desk.purse.start(opened, who.acting().name, paid, max_dollars, begin)
    return progress(desk, opened, job.status(), job.log_tail(LOG))


def followed(desk: Desk, study: Name, job: JobId) -> tuple[Study, Job]:
    """A job to be looked at."""
    opened = desk.opened(study)
    try:
        return opened, jobs.find(opened, job)
    except UserError as error:
        raise UserError(f"Study '{opened.name}' has no job '{job}'; `status` names the latest.") from error


def cancel(desk: Desk, study: Name, job: JobId) -> Progress:
    """Ask a job that an agent started to stop; what it has stored stays."""
    opened, found = followed(desk, study, job)
    if desk.purse.cap_of(opened, found.id) is None:
        raise UserError(f"Job '{found.id}' was started by a person, who ends it on the page Run.")
    found.cancel()
    return progress(desk, opened, found.status(), found.log_tail(LOG))


def progress(desk: Desk, study: Study, status: JobStatus, log: list[str]) -> Progress:
    """How far a job is, without a word on prompts that are closed."""
    sight = desk.sight

    def plain(value: Any) -> str | int | float | bool | None:
        if isinstance(value, list):
            return f"{len(value):,} of them"
        return value if value is None or isinstance(value, int | float | bool) else clean(value)

    def clean(text: object) -> str:
        return size.cut(sight.without_ids(study, str(text)))

    # Where a report lies is for `report` to say, and a folder of this machine is nobody's business.
    result = {name: plain(value) for name, value in (status.result or {}).items() if name != "out"}
    cap = desk.purse.cap_of(study, status.id)
    return Progress(
        job=status.id,
        study=study.name,
        step=status.kind,
        state=status.state,
        done=status.done,
        total=status.total,
        unit=status.unit,
        note=clean(status.note),
        seconds=status.seconds,
        seconds_left=status.eta,
        dollars=status.cost,
        dollars_at_most=cap or None,
        error=clean(status.error),
        result=result,
        log=[] if status.state == "failed" else _lines(desk, study, log),
    )


def _lines(desk: Desk, study: Study, log: list[str]) -> list[str]:
    """The log's own lines; one on a closed prompt is left out whole, as an error may quote it."""
    dated = [line for line in log if line[2:3] == ":" and line[5:6] == ":"]
    return [size.cut(line, 300) for line in dated if not desk.sight.names_closed(study, line)]
