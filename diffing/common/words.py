"""Words for numbers, the same on the command line, on the pages and in the report."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


def dollars(cost: float | None) -> str:
    if cost is None:
        return "cost unknown"
    return f"${cost:.2f}" if cost == 0 or cost >= 0.01 else f"${cost:.4f}"


def about(cost: float | None) -> str:
    return dollars(cost) if cost is None else f"about {dollars(cost)}"


def duration(seconds: float | None) -> str:
    if seconds is None:
        return "time unknown"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
