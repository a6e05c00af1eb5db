"""What a run of the labelling step will take, said before it asks: calls, tokens and dollars.

Counts the very questions that a run would ask. Spends nothing and writes nothing.
"""

from collections.abc import Mapping
from typing import NamedTuple

from diffing.labels import scoring
from diffing.labels.behaviours import Naming
from diffing.labels.history import Label
from diffing.labels.plan import Options, Plan, judge_for
from diffing.models import ask, providers
from diffing.models.chat import ChatClient
from diffing.models.providers import Price
from diffing.study.study import Study

WORD = "words "
"""One word of a label that does not exist yet."""
USUAL_WRITTEN, USUAL_VERDICT = 180, 12
"""Tokens that a label takes on the way out, its five fields of about the length asked for, and one verdict."""


class Estimate(NamedTuple):
    """What a run is expected to take."""

    labels: int
    """Labels of features to be written."""
    names: int
    """Behaviours to be named."""
    scores: int
    """Of both, how many are to be scored."""
    calls: int
    tokens_in: int
    tokens_out: int
    cost: float | None
    """Dollars; None where a price is unknown."""

    def in_words(self, dollars: str) -> str:
        """For a person."""
        named = f"{self.names} behaviours to name, " if self.names else ""
        return (
            f"{named}{self.labels} labels to write, {self.scores} to score: {self.calls:,} calls, about "
            f"{self.tokens_in:,} tokens in and {self.tokens_out:,} out, {dollars}."
        )


def plans(study: Study, options: Options) -> list[Plan]:
    """What a run goes through, behaviours first: ten of them say more than fifty features do."""
    opened: list[Plan] = []
    if options.behaviours or options.behaviour is not None:
        opened.append(Naming(study, options))
    if options.features is not None or options.top:
        opened.append(Plan(study, options))
    return opened


async def prices(options: Options) -> dict[str, Price | None]:
    """Prices by model: the list's, and the endpoint's own where no list has it. Spends nothing."""
    author = providers.endpoint(providers.parse(options.model, "author", options.key_env))
    points = [author, *([judge_for(author, options)] if options.score else [])]
    async with ChatClient() as client:
        # A server without a key costs nothing as far as the list knows, but may state what it charges.
        listed = {point.model: providers.price(point) if point.key_env else None for point in points}
        return {p.model: listed[p.model] or await client.check_model(p) for p in points}


def estimate(study: Study, options: Options, prices: Mapping[str, Price | None] | None = None) -> Estimate:
    """Calls, tokens and dollars of a run, from the very questions that it would ask. Spends nothing.

    `prices` by model; a model that it does not name costs what the price list says.
    """
    parts = [_expected(opened, prices or {}) for opened in plans(study, options)]
    total = Estimate(0, 0, 0, 0, 0, 0, 0.0)
    for part in parts:
        cost = None if total.cost is None or part.cost is None else total.cost + part.cost
        total = Estimate(
            total.labels + part.labels,
            total.names + part.names,
            total.scores + part.scores,
            total.calls + part.calls,
            total.tokens_in + part.tokens_in,
            total.tokens_out + part.tokens_out,
            cost,
        )
    return total


def _expected(opened: Plan, prices: Mapping[str, Price | None]) -> Estimate:
    unwritten = opened.unwritten()
    asked = opened.questions(unwritten) if unwritten else []
    writes = [ask.size(question.messages) for question in asked]
    to_score = opened.unscored()
    if opened.options.score:
        # A label that does not exist yet is as long as most: of at most eight words, and with two sentences.
        usual = Label(label=6 * WORD, description=20 * WORD, not_about=16 * WORD, author="", author_kind="llm")
        to_score = [
            *((number, label) for number, label in to_score if number not in unwritten),
            *((question.number, usual) for question in asked),
        ]
    judged = [
        (
            ask.size(scoring.messages(batch, opened.described(label), label.description, label.not_about)),
            len(batch.items),
        )
        for number, label in to_score
        for batch in opened.batches(number)
    ]
    tokens_out = (USUAL_WRITTEN * len(writes), USUAL_VERDICT * sum(count for _, count in judged))
    tokens_in = (sum(writes), sum(size for size, _ in judged))
    cost: float | None = 0.0
    for point, calls, size_in, size_out in zip(
        (opened.author, opened.judge), (len(writes), len(judged)), tokens_in, tokens_out, strict=True
    ):
        # Who is asked nothing costs nothing, whether the price is known or not.
        price = prices.get(point.model) or providers.price(point) if calls else Price(0.0, 0.0)
        cost = None if cost is None or price is None else cost + price.of(size_in, size_out)
    named = len(writes) if isinstance(opened, Naming) else 0
    calls = len(writes) + len(judged)
    return Estimate(len(writes) - named, named, len(to_score), calls, sum(tokens_in), sum(tokens_out), cost)
