"""Limits of a run: never passed where the most a call can cost is known, and felt out where it is not."""

import asyncio
from collections.abc import Sequence

import pytest

from diffing.common.errors import UserError
from diffing.models.budget import Budget
from diffing.models.replies import Reply


def spend(budget: Budget, costs: Sequence[float | None], most: float | None) -> tuple[int, int]:
    """How many of the calls, all wanted at once, were made, and how many were under way at most."""
    under_way = high = 0

    async def run() -> int:
        nonlocal under_way, high

        async def ask(cost: float | None) -> Reply:
            nonlocal under_way, high
            under_way += 1
            high = max(high, under_way)
            for _ in range(3):
                await asyncio.sleep(0)
            under_way -= 1
            return Reply(text="x", cost=cost)

        made = await asyncio.gather(*(budget.spend("who", most, lambda cost=cost: ask(cost)) for cost in costs))  # type: ignore[misc]
        return sum(reply is not None for reply in made)

    return asyncio.run(run()), high


def test_calls_of_a_known_price_never_pass_the_limit() -> None:
    budget = Budget(max_dollars=1.0)
    made, high = spend(budget, [0.25] * 10, most=0.25)
    assert (made, budget.cost, budget.stopped_by) == (4, 1.0, "the limit of $1")
    assert high == 4


def test_what_a_call_did_not_use_is_given_back() -> None:
    budget = Budget(max_dollars=1.0)
    made, high = spend(budget, [0.125] * 10, most=0.5)
    # Two at a time are set aside for; the rest wait for what those leave.
    assert (made, budget.cost, high) == (5, 0.625, 2)


def test_where_the_price_is_unknown_the_first_call_goes_alone() -> None:
    budget = Budget(max_dollars=1.0)
    under_way: list[int] = []

    async def run() -> None:
        going = 0

        async def ask() -> Reply:
            nonlocal going
            going += 1
            under_way.append(going)
            await asyncio.sleep(0)
            going -= 1
            return Reply(text="x", cost=0.25)

        await asyncio.gather(*(budget.spend("who", None, ask) for _ in range(4)))

    asyncio.run(run())
    assert under_way == [1, 1, 2, 3]


def test_a_limit_in_dollars_needs_a_price() -> None:
    with pytest.raises(UserError, match="states a price for 'who'"):
        spend(Budget(max_dollars=1.0), [None], most=None)


def test_requests_are_counted_whatever_they_cost() -> None:
    budget = Budget(max_requests=3)
    assert spend(budget, [None] * 5, most=None)[0] == 3
    assert (budget.requests, budget.cost, budget.stopped_by) == (3, None, "the limit of 3 requests")
