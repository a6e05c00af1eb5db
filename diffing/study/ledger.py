"""What a run of `collect` has asked: its replies counted, and the answer table brought up to date from them.

Promises that answers are stored every few seconds and whenever it is told to, and that each failure stands in
the log. Asks nothing itself.
"""

import time
from typing import Any, NamedTuple

import pandas as pd

from diffing.common.step import Progress
from diffing.models.budget import Budget
from diffing.models.providers import Checkpoint
from diffing.models.replies import Reply, Request
from diffing.study import channels, responses
from diffing.study.study import Study

FLUSH_SECONDS = 5.0
"""How often answers are stored beside the table: often enough for a page that watches. What a killed run had not
stored is read from the cache again."""


class Ask(NamedTuple):
    """One answer to be had."""

    prompt_id: str
    checkpoint: Checkpoint
    draw: int
    request: Request


class Ledger:
    """Counts a run's replies and brings the answer table up to date."""

    def __init__(self, study: Study, total: int, budget: Budget, progress: Progress) -> None:
        self.study = study
        self.total = total
        self.budget = budget
        self.progress = progress
        self.done = self.failed = 0
        self._rows: list[dict[str, Any]] = []
        self._flushed = time.monotonic()

    def record(self, ask: Ask, reply: Reply, at_once: str = "") -> None:
        """Take in a reply; `at_once` says how many requests are on their way, for whoever watches."""
        self.done += 1
        self.failed += bool(reply.error)
        row = reply.model_dump(exclude={"cached"})
        if tag := self.study.settings.sampling.reasoning_tag:
            thought, row["text"] = channels.parted(reply.text, tag)
            row["reasoning"] = "\n\n".join(part for part in (reply.reasoning, thought) if part)
        if (planted := ask.checkpoint.planted) and not reply.error:
            cut = reply.finish_reason == "length"
            row["text"] = planted.answered(ask.request.messages, row["text"], cut)
        row |= {"prompt_id": ask.prompt_id, "checkpoint": ask.checkpoint.key, "draw": ask.draw}
        row["flag"] = responses.flag(row["text"], reply.finish_reason, reply.error)
        self._rows.append(row)
        if reply.error:
            # In the log one by one, as the progress has room for their number only.
            self.progress.log(
                f"failed: prompt {ask.prompt_id}, {ask.checkpoint.key}, draw {ask.draw}: {reply.error}"
            )
        note = ", ".join(filter(None, (f"{self.failed} failed" if self.failed else "", at_once)))
        self.progress.update(self.done, self.total, "answers", self.budget.cost, note)
        if time.monotonic() - self._flushed > FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        self._flushed = time.monotonic()
        if self._rows:
            rows, self._rows = self._rows, []
            self.study.append_responses(pd.DataFrame(rows))

    def close(self) -> None:
        """At a run's end, whatever ended it."""
        self.flush()
        self.study.settle_responses()

    def summary(self) -> dict[str, Any]:
        return {
            "asked": self.budget.requests,
            "answered": self.done - self.failed,
            "failed": self.failed,
            "left": self.total - self.done,
            "cost": self.budget.cost,
            "stopped_by": self.budget.stopped_by,
        }
