"""Collecting answers as a step: all that is missing, or only as many prompts as it takes to be certain.

`--until-certain` asks prompts in an order of the study's seed, a batch at a time, with all draws on all
checkpoints, so that whatever is there is a random part of the prompts; after each batch it looks at the built-in
probes (`settled`) and stops once each of them is settled, or at a limit. Promises that the looks cost nothing of
what is claimed, that a run which is stopped and started again goes on where it was, and that the result says why
it ended and what is open. `study.collect` does the asking.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from pydantic import Field

from diffing.common import files
from diffing.common.errors import UserError
from diffing.common.step import Progress, Result
from diffing.diff import measure, settled
from diffing.diff.settled import Known, Looks
from diffing.models import providers
from diffing.models.providers import Price
from diffing.study import collect, served
from diffing.study.ledger import Ask
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
    active = int(study.prompts()["active"].sum())
    if not active:
        raise UserError(f"Study '{study.name}' has no prompts; add some with 'prompts {study.name} --add FILE'.")
    serving = served.planned(study, options.choices)
    if serving is not None and serving.in_turn:
        raise UserError(
            "There is not a GPU for each of the study's models, so that each batch would load them all anew; "
            "leave out --until-certain, or --serve."
        )
    size = LOCAL_BATCH if any(map(providers.is_local, study.checkpoints)) else BATCH
    planned, looks = in_order(study, options, size), Looks(study)

    def batches() -> Iterator[Sequence[Ask]]:
        for batch in planned:
            known = looks.now(options.margin)
            progress.log(f"After {known[0].prompts} prompts: {settled.in_words(known, options.margin)}")
            if is_certain(known):
                return
            yield batch

    result = collect.in_batches(study, options, progress, batches(), sum(map(len, planned)))
    known = looks.now(options.margin)
    return result | {
        "ended_because": why(known, result, options.limit if (options.limit or active) < active else None),
        "of_the_probes": settled.in_words(known, options.margin),
        "open": [one.probe for one in known if one.state == "open"],
    }


def in_order(study: Study, options: collect.Options, size: int) -> list[list[Ask]]:
    """What is missing, prompt by prompt in the order of the study's seed, in batches of `size` prompts.

    The batches are cut from all prompts, so that a run which goes on asks what an undisturbed one would have.
    """
    seed, prompts = study.settings.seed, study.prompts()
    active = prompts.loc[prompts["active"], "id"]
    order = sorted(active, key=lambda prompt_id: files.content_hash(["order", seed, prompt_id]))
    place = {prompt_id: number for number, prompt_id in enumerate(order)}
    asks = sorted(collect.plan(study, options), key=lambda ask: (place[ask.prompt_id], ask.draw))
    return [list(batch) for _, batch in groupby(asks, key=lambda ask: place[ask.prompt_id] // size)]


def at_most(study: Study, options: collect.Options, prices: Mapping[str, Price | None]) -> float | None:
    """Dollars that no run of these options can pass; None where a price or the longest answer is unknown."""
    total = 0.0
    for ask in collect.plan(study, options):
        if not providers.is_local(ask.checkpoint):
            most = collect.most(ask, prices.get(ask.checkpoint.key))
            if most is None:
                return options.max_dollars
            total += most
    return total if options.max_dollars is None else min(total, options.max_dollars)


def is_certain(known: Sequence[Known]) -> bool:
    return all(one.state != "open" for one in known)


def why(known: Sequence[Known], result: Result, limit: int | None) -> str:
    """Why a run ended; `limit` is in prompts, where there are more than that."""
    if is_certain(known):
        return "every probe is settled"
    if result["stopped_by"]:
        return f"{result['stopped_by']} is reached"
    if limit is not None:
        return f"the limit of {limit} prompts is reached"
    return "every prompt was asked"
