"""Words for numbers, the same on the command line, on the pages and in the report."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from diffing.jobs.run import JobStatus

if TYPE_CHECKING:
    from diffing.study.collect import Estimate


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


def of_job(status: JobStatus) -> str:
    """One line on how far a job is."""
    parts = [f"{status.done:,}/{status.total:,} {status.unit}".strip()]
    if status.rate:
        parts.append(f"{status.rate:,.1f}/s")
    if status.eta is not None and status.state == "running":
        parts.append(f"{duration(status.eta)} left")
    if status.cost is not None:
        parts.append(dollars(status.cost))
    if status.note:
        parts.append(status.note)
    return " · ".join(parts)


def detectable(found: dict[str, Any]) -> str:
    """What `status.detectable` says, in a sentence."""
    if found["delta"] is None:
        return f"{found['prompts']} prompts can show no difference after correction for {found['tests']:,} tests."
    return (
        f"With {found['prompts']} prompts a difference of {100 * found['delta']:.0f} points is found with "
        f"80 % power (α = 0.05/{found['tests']:,}, {100 * found['discordance']:.0f} % differing by chance)."
    )


def estimate(expected: "Estimate") -> str:
    basis = "from the answers so far" if expected.measured else "at usual lengths"
    return f"{expected.calls:,} calls, {about(expected.cost)}, {duration(expected.seconds)} ({basis})."


def answer(told: dict[str, Any]) -> str:
    """A diff's summary as one sentence that claims no more than was found."""
    families, share = told["families"], told["share_surviving"]
    if not families:
        return f"no feature differs after correction over {told['tested']:,} tests; that does not prove no change."
    shown = f"{families:,} families of features differ (q < 0.05, {told['tested']:,} tested)"
    return f"{shown}; {share:.0%} of them survive at equal length." if share is not None else f"{shown}."


def scores(score: Mapping[str, Any] | None) -> dict[str, str]:
    """A label's scores by kind and side, never one figure."""
    found = {}
    for method in ("detection", "fuzzing"):
        for side, one in ((score or {}).get(method) or {}).items():
            shown = (
                "–" if one["balanced"] is None else f"{one['balanced']:.2f} ({one['low']:.2f}–{one['high']:.2f})"
            )
            found[f"{method} {side}"] = shown
    return found
