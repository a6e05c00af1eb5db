"""What can go wrong with one request, and whether and when another attempt makes sense.

Promises that words of a fault never hold a key: whoever raises one has taken it out. Sends nothing.
"""

import random
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from diffing.common.errors import UserError
from diffing.common.words import duration
from diffing.models.providers import Endpoint
from diffing.models.replies import Reply

RETRIED_STATUS = {408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529}
"""Time-outs, conflicts, limits and overload, 52x being Cloudflare's and 529 Anthropic's: all may pass."""
CROWDED_STATUS = {429, 503, 504, 524, 529}
"""Of these, what a server says that is asked too much at once, or by whoever waits for one before it."""
LATE = "timeout"
"""Code of a reply that did not come in time; no server's own."""
FIRST_WAIT = 1.0
"""Seconds at most before the second attempt; doubled before each further one, so that a server in trouble is asked
less and less."""
LONGEST_OWN_WAIT = 60.0
"""Seconds at most before any attempt where the server names none: a minute is the window of most limits."""
LONGEST_WAIT = 120.0
"""Seconds; a `Retry-After` beyond it is a failure of this row rather than a silent stall: two windows."""


NUMBER = re.compile(r"[+-]?[0-9]{1,9}(?:\.[0-9]{0,9})?")
"""A number of seconds as a header may state it: finite, and no more than some thirty years."""


class Fault(Exception):
    """Why one attempt brought no answer."""

    def __init__(
        self,
        words: str,
        status: int = 0,
        code: str = "",
        retry_after: float | None = None,
        lasting: bool = False,
        billed: Reply | None = None,
    ) -> None:
        super().__init__(words)
        self.words = words
        self.status = status
        """HTTP status; 0 where there was no reply or no completion in it."""
        self.code = code
        self.retry_after = retry_after
        """Seconds that the server asked to wait."""
        self.lasting = lasting
        """Whether another attempt would only be paid for again."""
        self.billed = billed
        """What came, without its text, where it was of no use and is paid for all the same."""

    @property
    def blocks(self) -> bool:
        """Whether a filter before the model turned the prompt away: an outcome to count, not to retry."""
        filtered = self.code == "content_filter" or "moderation" in self.words.lower()
        return self.status in (400, 403) and filtered

    @property
    def crowded(self) -> bool:
        """Whether fewer requests at once would have helped: a limit, an overload, or no reply in time."""
        return self.status in CROWDED_STATUS or (not self.status and self.code == LATE)

    @property
    def wish(self) -> str:
        """The wait that the server asked for, where it is longer than a run waits; else empty."""
        long = self.retry_after is not None and self.retry_after > LONGEST_WAIT
        return f"; it asks to wait {duration(self.retry_after)}" if long else ""

    def wait(self, attempt: int) -> float | None:
        """Seconds before the next attempt, or None where another attempt would not help."""
        if self.lasting or (self.status and self.status not in RETRIED_STATUS):
            return None
        # Jitter keeps a refused crowd from coming back together: a quarter of a second where the server names the
        # time, never earlier than that, else anything from half the wait up.
        if self.retry_after is not None:
            return None if self.retry_after > LONGEST_WAIT else self.retry_after + random.uniform(0, 0.25)
        return random.uniform(0.5, 1.0) * min(LONGEST_OWN_WAIT, FIRST_WAIT * 2.0 ** (attempt - 1))

    def raise_if_hopeless(self, point: Endpoint) -> None:
        """Stop where every further request would meet the same: a person has to put it right first."""
        if self.status == 401:
            raise UserError(refused(point)) from self
        if self.status == 402 or self.code == "insufficient_quota":
            raise UserError(
                f"{point.base_url} wants payment first ({self.words}); add credit and run it again, "
                "what was answered is stored."
            ) from self
        if self.status == 404:
            raise UserError(
                f"{point.base_url} does not serve '{point.model}' ({self.words}); "
                "use another id, or 'import' answers saved earlier."
            ) from self


def refused(point: Endpoint) -> str:
    """What to say of an endpoint that does not take the key it was given."""
    if not point.key_env:
        return f"{point.base_url} wants a key; name its variable with --key-env."
    return f"{point.base_url} refuses the key in {point.key_env}; set a valid one."


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait, from any of the three forms the header takes; else None."""
    in_ms, value = headers.get("retry-after-ms", "").strip(), headers.get("retry-after", "").strip()
    # OpenAI's own header, finer than the standard's whole seconds.
    if NUMBER.fullmatch(in_ms):
        return max(0.0, float(in_ms) / 1000)
    if NUMBER.fullmatch(value):
        return max(0.0, float(value))
    # Not a number: the other form that the standard allows is a date.
    try:
        then = datetime.strptime(value, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    except ValueError:
        return None
    return max(0.0, (then - datetime.now(UTC)).total_seconds())
