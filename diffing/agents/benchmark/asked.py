"""The models that the benchmark asks, written as everywhere here, as models of inspect_ai with their prices.

Promises that a model's key goes where it may go and nowhere else, as `diffing.models.providers` has it, and that a
model without a known price is told before anything is asked, since a limit in dollars would not hold for it. Needs
inspect_ai.
"""

from typing import TYPE_CHECKING, NamedTuple

from diffing.common.errors import UserError
from diffing.models import providers
from diffing.models.providers import Price
from diffing.models.questions import Asking, price_of

if TYPE_CHECKING:
    from inspect_ai.model import Model

SERVICE = "openai-api"
"""Inspect's provider for any endpoint that speaks OpenAI's protocol, as all do that are asked here."""
CONNECTIONS = 8
"""Calls on their way at once; runs wait for each other beyond."""


class Asked(NamedTuple):
    """A model to ask, and what it takes."""

    model: "Model"
    price: Price | None


def priced(text: str) -> Price | None:
    """A model's price in dollars a token, after making sure that it is served."""
    return price_of(Asking(model=text))


def model(text: str) -> Asked:
    """`openrouter:MODEL`, `openai:MODEL`, `gemini:MODEL` or `URL#MODEL`."""
    from inspect_ai.model import GenerateConfig, get_model

    point = Asking(model=text).point
    price = priced(text)
    if price is None:
        raise UserError(
            f"What '{text}' costs is not known, so that no limit in dollars would hold; write its price into "
            "prices.toml."
        )
    made = get_model(
        f"{SERVICE}/{point.provider}/{point.model}",
        base_url=point.base_url,
        api_key=providers.need_key(point),
        config=GenerateConfig(max_connections=CONNECTIONS),
        memoize=False,
    )
    price_told(made, price)
    return Asked(made, price)


def price_told(made: "Model", price: Price) -> None:
    """Let Inspect count what a model's calls cost."""
    from inspect_ai.model import ModelCost, ModelInfo, set_model_info

    into, out = price.tokens_in * 1e6, price.tokens_out * 1e6
    # What a provider remembers of a prompt is counted as if it were sent anew: never too little.
    cost = ModelCost(input=into, output=out, input_cache_write=into, input_cache_read=into)
    set_model_info(str(made), ModelInfo(cost=cost))
