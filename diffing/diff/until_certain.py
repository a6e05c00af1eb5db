"""Collecting answers as a step: all that is missing, or only as many prompts as it takes to be certain.

`--until-certain` asks prompts in an order of the study's seed, a batch at a time, with all draws on all
checkpoints, so that whatever is there is a random part of the prompts; after each batch it looks at the built-in
probes (`settled`) and stops once each of them is settled, or at a limit. Promises that the looks cost nothing of
what is claimed, that a run which is stopped and started again goes on where it was, and that the result says why
it ended and what is open. `study.collect` does the asking.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

from pydantic import Field

from diffing.common import files
from diffing.common.errors import UserError
from diffing.common.step import Progress, Result
from diffing.diff import measure, settled
from diffing.diff.settled import Known, Looks
from diffing.models import generate
from diffing.study import collect
from diffing.study.collect import Ask
from diffing.study.study import Study

BATCH = 20
"""Prompts between two looks: enough to keep 32 calls at once busy, few enough to stop in time. Chosen by eye."""
LOCAL_BATCH = 100
"""The same where a checkpoint is a local model, which is loaded anew for each batch."""


class Options(collect.Options):
    """What one run of `collect` is told; none of it changes an answer."""

    until_certain: bool = False
    """Stop as soon as every built-in probe is settled."""
    margin: float = Field(default=measure.EQUIVALENT, gt=0, lt=1, allow_inf_nan=False)
    """Differences in shares that count as none when that is decided."""


def run(study: Study, options: Options, progress: Progress) -> Result:
    """The job: ask what is missing, or until every probe is settled."""
    if not options.until_certain:
        return collect.run(study, options, progress)
    if not study.prompts()["active"].any():
        raise UserError(f"Study '{study.name}' has no prompts; add some with 'prompts {study.name} --add FILE'.")
    asks, looks = in_order(study, options), Looks(study)
    size = LOCAL_BATCH if any(map(generate.is_local, study.checkpoints)) else BATCH

    def batches() -> Iterator[Sequence[Ask]]:
        for batch in cut(asks, size):
            known = looks.now(options.margin)
            progress.log(f"After {known[0].prompts} prompts: {settled.in_words(known, options.margin)}")
            if is_certain(known):
                return
            yield batch

    result = collect.in_batches(study, options, progress, batches(), len(asks))
    known = looks.now(options.margin)
    return result | {
        "ended_because": why(known, options, result),
        "of_the_probes": settled.in_words(known, options.margin),
        "open": [one.probe for one in known if one.state == "open"],
    }


def in_order(study: Study, options: collect.Options) -> list[Ask]:
    """What is missing, prompt by prompt in the order of the study's seed, whatever was asked before."""
    seed = study.settings.seed
    asks = collect.plan(study, options)
    place = {ask.prompt_id: files.content_hash(["order", seed, ask.prompt_id]) for ask in asks}
    return sorted(asks, key=lambda ask: (place[ask.prompt_id], ask.draw))


def cut(asks: Sequence[Ask], prompts: int) -> Iterator[list[Ask]]:
    """So many prompts at a time, each with all its asks."""
    whole = [list(group) for _, group in groupby(asks, key=lambda ask: ask.prompt_id)]
    for start in range(0, len(whole), prompts):
        yield [ask for group in whole[start : start + prompts] for ask in group]


def is_certain(known: Sequence[Known]) -> bool:
    return all(one.state != "open" for one in known)


def why(known: Sequence[Known], options: Options, result: Result) -> str:
    """Why a run ended."""
    if is_certain(known):
        return "every probe is settled"
    if result["stopped_by"]:
        return f"{result['stopped_by']} is reached"
    if options.limit is not None:
        return f"the limit of {options.limit} prompts is reached"
    return "every prompt was asked"
