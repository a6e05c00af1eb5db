"""Tells an endpoint that refuses everything from one that fails a row now and then.

Counts, for one model at one endpoint, rows in a row that failed for good and alike. Promises that a fault of
single requests (too long, a field that is unknown) stops no run in which the model has answered anything.
"""

import re

from diffing.common.errors import UserError
from diffing.models.faults import RETRIED_STATUS, Fault
from diffing.models.providers import Endpoint

ALIKE = 20
"""Rows in a row with one fault and no answer between them: bad luck does not go that far, and few are lost."""


class Breaker:
    """What one model's last rows came to."""

    def __init__(self) -> None:
        self._answered = False
        self._alike = 0
        self._last = ""

    def answered(self) -> None:
        self._answered, self._alike = True, 0

    def failed(self, fault: Fault, point: Endpoint) -> None:
        """Count a row that no attempt could save; a `UserError` where the next would meet the same."""
        # Words of a status often name the request; figures in other words are of one row.
        kind = f"{fault.status} {fault.code}" if fault.status else re.sub(r"\d", "", fault.words)
        self._alike = self._alike + 1 if kind == self._last else 1
        self._last = kind
        of_one_request = fault.status != 0 and fault.status not in RETRIED_STATUS
        if self._alike < ALIKE or (of_one_request and self._answered):
            return
        raise UserError(
            f"{point.base_url} refuses everything: {self._alike} requests in a row for '{point.model}' failed "
            f"alike ({fault.words}{fault.wish}); mend that or wait, and run it again: what was answered is stored."
        ) from fault
