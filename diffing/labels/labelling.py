"""The labelling step: imports labels, has a model name behaviours and features, and another score them blind.

Promises that only what is missing is asked, that a label or score is stored before it is counted, that one that
fails costs no other, and that limits in dollars and requests end the run in peace. What is written is a
hypothesis: see `scoring` for how it is tried, `contradictions` for what speaks against it.
"""

import asyncio
from functools import cached_property
from typing import Any, NamedTuple

from diffing.common.errors import Cancelled, UserError
from diffing.common.step import Progress, Result
from diffing.labels import history, rewriting, scoring, sources
from diffing.labels.expected import Estimate, estimate, plans
from diffing.labels.history import Label
from diffing.labels.plan import Options, Plan, Question
from diffing.labels.scoring import Batch, Verdicts
from diffing.models import ask, questions
from diffing.models.ask import Bill
from diffing.models.budget import Budget
from diffing.models.chat import ChatClient
from diffing.models.providers import Price
from diffing.study.study import Study

__all__ = ["Estimate", "Options", "estimate", "run"]

WRITE_TOKENS, JUDGE_TOKENS = 2000, 1500
"""Most tokens of an answer: about ten times what a label or ten verdicts take, since hidden reasoning counts."""


def run(study: Study, options: Options, progress: Progress) -> Result:
    """The job: import, write, score, each where it was asked for."""
    result: dict[str, Any] = {}
    if options.import_from:
        try:
            result["imported"] = sources.bring(
                study, options.import_from, progress, options.features, options.refresh
            )
        except UserError as error:
            if not (options.write or options.score):
                raise
            # A source that cannot be reached holds up nothing else.
            progress.log(str(error))
            result["import_error"] = str(error)
    if not (options.write or options.score):
        return result
    spent = Spent(Budget(options.max_dollars, options.max_requests), Bill())
    result["contradictions"] = []
    for opened in plans(study, options):
        asked = Asked(opened, progress, spent)
        try:
            asyncio.run(asked.all())
        except (Cancelled, KeyboardInterrupt) as stop:
            raise Cancelled(result | asked.summary()) from stop
        result |= asked.summary()
        result["contradictions"] += opened.flags()
        if asked.whole:
            # Last of all: a run that is begun again after it rewrites everything once more.
            progress.over()
            rewriting.end(study)
    return result


class Spent(NamedTuple):
    """What all questions of a run share."""

    budget: Budget
    bill: Bill


class Asked:
    """The questions of one run, and what became of them."""

    def __init__(self, opened: Plan, progress: Progress, spent: Spent) -> None:
        self.opened = opened
        self.progress = progress
        self.budget, self.bill = spent
        self.errors: dict[int, str] = {}
        self.unanswered = 0
        """Questions that the network or the server failed."""
        self.written = self.scored = self.done = self.total = 0
        self.whole = False
        """Whether nothing is left to be asked."""

    async def all(self) -> None:
        options = self.opened.options
        async with ChatClient(options.concurrency, options.timeout, options.attempts) as client:
            await client.heed(self._write_and_score(client), self.progress)

    async def _write_and_score(self, client: ChatClient) -> None:
        opened = self.opened
        unwritten = opened.unwritten()
        if opened.options.rewrite:
            rewriting.begin(opened.study, opened.rewrite, {f: opened.replaces(f) for f in unwritten})
        if unwritten:
            await self._write(client, unwritten)
        # Read again: what was just written is scored in the same run.
        opened.dossiers = opened.known()
        unscored = opened.unscored()
        if unscored and not self.budget.stopped_by and not client.stopping.is_set():
            await self._score(client, unscored)
        self.whole = not (self.budget.stopped_by or self.unanswered or client.stopping.is_set())

    @cached_property
    def _judged(self) -> set[str]:
        return scoring.judged(self.opened.study)

    def summary(self) -> dict[str, Any]:
        counted = {
            "written": self.written,
            "scored": self.scored,
            "failed": len(self.errors),
            "errors": {str(self.opened.place(number)): words for number, words in self.errors.items()},
        }
        features = self.opened.noun == "feature"
        told = {"features": self.opened.features, **counted} if features else {"behaviours": counted}
        return told | {
            "calls": self.bill.calls,
            "tokens_in": self.bill.tokens_in,
            "tokens_out": self.bill.tokens_out,
            "cost": self.bill.cost,
            "stopped_by": self.budget.stopped_by,
        }

    def _failed(self, feature: int, words: str) -> None:
        # The first of its errors is told: forty calls of one score would fail in the same words.
        if feature not in self.errors:
            self.errors[feature] = words
            self.progress.log(f"failed: {self.opened.noun} {self.opened.place(feature)}: {words}")

    def _told(self, unit: str) -> None:
        note = f"{len(self.errors)} failed" if self.errors else ""
        self.progress.update(self.done, self.total, unit, self.bill.cost, note)

    async def _write(self, client: ChatClient, features: list[int]) -> None:
        price = await client.check_model(self.opened.author)
        self.progress.update(0, len(features), "labels", note="choosing passages")
        asked = self.opened.questions(features)
        for feature in set(features) - {question.number for question in asked}:
            self._failed(feature, "no discovery answer of the half to write from shows it")
        self.total, self.done = len(asked), 0

        async def ask_for(question: Question) -> bool:
            return await self._write_one(client, question, price)

        await questions.each(asked, ask_for, client)

    async def _write_one(self, client: ChatClient, question: Question, price: Price | None) -> bool:
        opened = self.opened
        answer = await ask.ask_structured(
            client,
            opened.author,
            question.messages,
            question.shape,
            max_tokens=WRITE_TOKENS,
            price=price,
            budget=self.budget,
            check=question.fault,
            replaces=opened.replaces(question.number),
        )
        self.bill.add(answer)
        if answer.refused:
            # A limit was reached, which is no failure of the feature: false ends the run in peace.
            return False
        self.unanswered += answer.unanswered
        if answer.value is None:
            self._failed(question.number, answer.error)
        else:
            written: Any = answer.value
            label = Label(
                label=written.label,
                description=written.description,
                not_about=written.not_about,
                confidence=written.confidence,
                author=opened.author.model,
                author_kind="llm",
                evidence={**question.evidence, "observations": written.observations},
                prompt_version=question.version,
                cost=answer.cost,
            )
            # Stored before it is counted: a run killed in between has lost nothing that was paid for.
            history.add(opened.study, opened.sae, question.number, label)
            self.written += 1
        self.done += 1
        self._told("labels")
        return True

    async def _score(self, client: ChatClient, pairs: list[tuple[int, Label]]) -> None:
        opened = self.opened
        price = await client.check_model(opened.judge)
        self.progress.update(0, len(pairs), "scores", note="choosing passages")
        opened.prepare([feature for feature, _ in pairs])
        by_feature = {feature: opened.batches(feature) for feature, _ in pairs}
        scores = {feature: Score(label, by_feature[feature]) for feature, label in pairs}
        for feature in [feature for feature, score in scores.items() if not score.batches]:
            self._failed(feature, "no discovery answer of the half to score on shows it")
        # Label by label, so that a run that is stopped has whole scores and not a part of each.
        queue = [batch for feature, _ in pairs for batch in by_feature[feature]]
        self.total, self.done = len(queue), 0

        async def ask_about(batch: Batch) -> bool:
            return await self._judge(client, batch, scores[batch.feature], price)

        await questions.each(queue, ask_about, client)

    async def _judge(self, client: ChatClient, batch: Batch, score: "Score", price: Price | None) -> bool:
        opened, label, count = self.opened, score.label, len(batch.items)
        answer = await ask.ask_structured(
            client,
            opened.judge,
            scoring.messages(batch, opened.described(label), label.description, label.not_about),
            Verdicts,
            max_tokens=JUDGE_TOKENS,
            price=price,
            budget=self.budget,
            check=lambda verdicts: scoring.fault(verdicts, count),
        )
        self.bill.add(answer)
        if answer.refused:
            return False
        if answer.value is None and answer.unanswered:
            # The network's failure is not the label's: another run asks again.
            self.unanswered += 1
            self._failed(batch.feature, answer.error)
        else:
            # A judge that replied, but with nothing of use, leaves None for all of them: wrong, and counted as
            # such.
            given = {verdict.passage: verdict.fits for verdict in answer.value.verdicts} if answer.value else {}
            verdicts = [given.get(number) for number in range(1, count + 1)]
            score.add(batch, verdicts, answer.cost)
        if score.whole:
            self._store(batch.feature, score)
        self.done += 1
        self._told("scoring calls")
        return True

    def _store(self, feature: int, score: "Score") -> None:
        opened = self.opened
        # Single verdicts first: a kill in between leaves no score without them, and the next run scores again.
        for batch in score.batches:
            verdicts = score.verdicts[batch.method, batch.checkpoint, batch.number]
            scoring.keep(opened.study, score.label, batch, verdicts, opened.judge.model, self._judged)
        families = (scoring.family(score.label.author), scoring.family(opened.judge.model))
        entry = score.told() | {
            "judge": opened.judge.model,
            "version": scoring.VERSION,
            "sides": list(opened.sides),
            # A judge may favour labels that its own kin wrote, so whoever reads the score is told.
            "same_family": families[0] == families[1],
        }
        history.tell(
            opened.study, opened.sae, feature, "score", opened.judge.model, about=score.label.key, score=entry
        )
        self.scored += 1


class Score:
    """One label's verdicts, as they come in."""

    def __init__(self, label: Label, batches: list[Batch]) -> None:
        self.label = label
        self.batches = batches
        self.verdicts: dict[tuple[str, str, int], list[bool | None]] = {}
        self.cost: float | None = None

    @property
    def whole(self) -> bool:
        """Whether all are there: a score of some passages would stand beside others as if it were of all."""
        return len(self.verdicts) == len(self.batches)

    def add(self, batch: Batch, verdicts: list[bool | None], cost: float | None) -> None:
        self.verdicts[batch.method, batch.checkpoint, batch.number] = verdicts
        if cost is not None:
            self.cost = (self.cost or 0.0) + cost

    def told(self) -> dict[str, Any]:
        """By method and side, as it stands in the history."""
        judged: dict[str, dict[str, list[tuple[scoring.Item, bool | None]]]] = {}
        for batch in self.batches:
            verdicts = self.verdicts[batch.method, batch.checkpoint, batch.number]
            here = judged.setdefault(batch.method, {}).setdefault(batch.checkpoint, [])
            here += zip(batch.items, verdicts, strict=True)
        kinds = {
            method: {side: scoring.share(pairs).model_dump(mode="json") for side, pairs in sides.items()}
            for method, sides in judged.items()
        }
        return {**kinds, "cost": self.cost}
