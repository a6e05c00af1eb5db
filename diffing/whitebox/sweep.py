"""A sweep over organisms: each is a study of its own, looked into by an ordinary job, here or on a Ray cluster.

A part is an organism, whole: its pair is opened once, and since no two are one study, nothing has to be joined.
Promises that what is there is not done again, whoever did it, and that one organism which cannot be had costs no
other.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from diffing import jobs
from diffing.common.errors import UserError
from diffing.jobs.machines.door import Look, Outcome, Part, Runner, Work
from diffing.study.study import Study
from diffing.whitebox import organisms
from diffing.whitebox.organisms import Found
from diffing.whitebox.sight import seen
from diffing.whitebox.sight.seen import Inside

WORK = "diffing.whitebox.sweep:worker"
"""The name by which workers of other machines find `worker`."""


class Row(NamedTuple):
    """What came of one organism."""

    organism: str
    study: str = ""
    seen: Inside | None = None
    fault: str = ""


def of(each: Found) -> Row:
    """What is there of an organism by now."""
    try:
        study = organisms.study_of(each)
        return Row(each.written, study.name, seen.of(study))
    except UserError as error:
        return Row(each.written, fault=str(error))


def run(found: Sequence[Found], runner: Runner, look: Look) -> Iterator[tuple[Outcome, Row]]:
    """Have organisms looked into by a runner whose work is `worker`, as each ends."""
    named = {each.written: each for each in found}
    # Their studies are made here: two workers would make one twice.
    parts = [Part(name, {"study": organisms.study_of(each).name}) for name, each in named.items()]
    with runner:
        for outcome in runner.run(parts, look):
            row = of(named[outcome.key])
            fault = outcome.fault or outcome.result.get("fault", "")
            yield outcome, row._replace(fault=fault) if fault else row


def worker(given: Mapping[str, Any], device: str) -> Work:
    """Looks into one study after the other."""

    def do(what: Mapping[str, Any]) -> dict[str, Any]:
        status = jobs.run_here(Study.open(what["study"]), "inside", given["options"] | {"device": device})
        return {"fault": "" if status.state == "done" else status.error or status.state}

    return do
