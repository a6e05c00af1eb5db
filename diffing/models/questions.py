"""Many questions to one language model inside limits: what drafting, judging, rating and the baseline share.

Promises that every answer is handed over as it comes, so that its taker can store it; that a question without a
usable answer costs only itself; that a run told to stop waits for what is paid for; and that a dry run counts the
very messages that would be sent. How one question is put is `diffing.models.ask`'s.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from diffing.common.errors import Cancelled, UserError
from diffing.common.step import Progress
from diffing.models import ask, providers
from diffing.models.ask import Answer, Bill, Messages
from diffing.models.budget import Budget
from diffing.models.chat import ChatClient
from diffing.models.providers import Endpoint, Price

Shape = TypeVar("Shape", bound=BaseModel)
Item = TypeVar("Item")

SLACK = 1.15
"""Tokens in are counted roughly, and an estimate rather says too much; no measurement stands behind the 15 %."""


class Asking(BaseModel):
    """Whom to ask, and within which limits."""

    model_config = ConfigDict(extra="forbid")

    model: str = ""
    """Written as a checkpoint is, `openrouter:google/gemini-2.5-flash` or `URL#NAME`; empty: nobody is asked."""
    key_env: str = ""
    concurrency: int = Field(default=16, gt=0)
    timeout: float = Field(default=300.0, gt=0, allow_inf_nan=False)
    attempts: int = Field(default=3, gt=0)
    """Fresh tries for a usable reply."""
    max_dollars: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    max_requests: int | None = Field(default=None, ge=0)

    @property
    def point(self) -> Endpoint:
        if not self.model:
            raise UserError("No model is named to ask; name one with --model or --judge.")
        return providers.endpoint(providers.parse(self.model, "asked", self.key_env))

    @property
    def who(self) -> str:
        """The model's name as it stands beside what it said."""
        return self.point.model


@dataclass(frozen=True)
class Question(Generic[Shape]):
    """One thing to ask."""

    key: str
    """The asker's own name for it."""
    messages: Messages
    shape: type[Shape]
    max_tokens: int = 800
    usual: int = 150
    """Tokens that its answer takes as a rule, for the estimate."""
    check: Callable[[Shape], str] | None = None
    """What else is wrong with a well-shaped answer, in half a sentence."""


@dataclass(frozen=True)
class Estimate:
    """What questions would take."""

    calls: int
    tokens_in: int
    tokens_out: int
    cost: float | None
    """Dollars; None where the price is unknown."""


@dataclass
class Spent(Bill):
    """What a run took, and what became of its questions."""

    failed: int = 0
    """Questions without a usable answer."""
    left: int = 0
    """Questions that a limit forbade."""
    stopped_by: str = ""

    def join(self, other: "Spent") -> None:
        """Take in what another run took."""
        for name in ("calls", "tokens_in", "tokens_out", "failed", "left"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        if other.cost is not None:
            self.cost = (self.cost or 0.0) + other.cost
        self.stopped_by = self.stopped_by or other.stopped_by

    def summary(self) -> dict[str, Any]:
        return dict(vars(self))


def put(
    questions: Sequence[Question[Shape]],
    asking: Asking,
    progress: Progress,
    take: Callable[[Question[Shape], Answer[Shape]], None],
    unit: str = "questions",
    before: Spent | None = None,
) -> Spent:
    """Ask all of them; `take` gets each answer as it comes, with its value or the reason why there is none.

    `before`: what this run has spent already, which its limits take into account.
    """
    spent, before = Spent(), before or Spent()
    try:
        asyncio.run(_put(questions, asking, progress, take, unit, before, spent))
    except (Cancelled, KeyboardInterrupt) as stop:
        spent.join(before)
        raise Cancelled(spent.summary()) from stop
    return spent


async def _put(
    questions: Sequence[Question[Shape]],
    asking: Asking,
    progress: Progress,
    take: Callable[[Question[Shape], Answer[Shape]], None],
    unit: str,
    before: Spent,
    spent: Spent,
) -> None:
    done = 0
    dollars = None if asking.max_dollars is None else max(0.0, asking.max_dollars - (before.cost or 0.0))
    requests = None if asking.max_requests is None else max(0, asking.max_requests - before.calls)
    budget = Budget(dollars, requests)
    spent.left = len(questions)

    async def all_of_them(client: ChatClient) -> None:
        price = await client.check_model(asking.point) if questions else None
        progress.update(0, len(questions), unit, before.cost)

        async def work(question: Question[Shape]) -> bool:
            nonlocal done
            answer = await ask.ask_structured(
                client,
                asking.point,
                question.messages,
                question.shape,
                max_tokens=question.max_tokens,
                attempts=asking.attempts,
                price=price,
                budget=budget,
                check=question.check,
            )
            spent.add(answer)
            if answer.refused:
                return False
            done += 1
            spent.left -= 1
            spent.failed += answer.value is None
            if answer.value is None:
                progress.log(f"failed: {question.key}: {answer.error}")
            take(question, answer)
            cost = spent.cost if before.cost is None else before.cost + (spent.cost or 0.0)
            note = ", ".join(filter(None, (f"{spent.failed} failed" if spent.failed else "", client.at_once)))
            progress.update(done, len(questions), unit, cost, note)
            return True

        await each(questions, work, client)

    async with ChatClient(asking.concurrency, asking.timeout) as client:
        await client.heed(all_of_them(client), progress)
    spent.stopped_by = budget.stopped_by


async def each(items: Sequence[Item], work: Callable[[Item], Awaitable[bool]], client: ChatClient) -> None:
    """Do `work` on every item, the first alone and then many at once; false from it ends the run in peace.

    One failing with an exception lets the others finish what they began and is raised at the end.
    """
    # Taken from its end, so turned round: the first item first.
    queue = list(reversed(items))

    async def worker() -> None:
        while queue and not client.stopping.is_set():
            if not await work(queue.pop()):
                # A limit that forbids one forbids the rest: nobody need ask it again.
                queue.clear()

    # Shows how the endpoint wants to be asked, before many are asked in a way that it refuses.
    if queue and await work(queue.pop()):
        await client.together(worker() for _ in range(min(client.concurrency, len(queue))))


def estimate(questions: Sequence[Question[Any]], price: Price | None) -> Estimate:
    """What asking these would take, if each is answered at the first try. Spends nothing."""
    tokens_in = round(SLACK * sum(ask.size(question.messages) for question in questions))
    tokens_out = sum(question.usual for question in questions)
    cost = None if price is None else price.of(tokens_in, tokens_out)
    return Estimate(len(questions), tokens_in, tokens_out, cost)


def price_of(asking: Asking) -> Price | None:
    """The price of the model to ask, after making sure that it is served; spends nothing."""

    async def look() -> Price | None:
        async with ChatClient() as client:
            return await client.check_model(asking.point)

    return asyncio.run(look())


def block(name: str, text: str, code: str) -> str:
    """Outside text between marks that it cannot contain, since the code hangs on what stands inside."""
    return f"[{name} {code}]\n{text}\n[end of {name} {code}]"
