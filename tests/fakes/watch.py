"""The progress of a job, as a test follows it and stops it."""

from diffing.common.errors import Cancelled


class Watch:
    """Remembers what it was told; asks to stop after some checks, or once so much is done."""

    def __init__(self, checks: int | None = None, stop_after: int | None = None) -> None:
        self.checks = checks
        self.stop_after = stop_after
        self.told: list[dict[str, object]] = []
        self.lines: list[str] = []
        self.bills: dict[str, float] = {}
        self.done = 0

    def update(self, done: int, total: int, unit: str = "", cost: float | None = None, note: str = "") -> None:
        self.done = done
        self.told.append({"done": done, "total": total, "unit": unit, "cost": cost, "note": note})

    def check(self) -> None:
        if self.stop_after is not None and self.done >= self.stop_after:
            raise Cancelled
        if self.checks is not None:
            self.checks -= 1
            if self.checks < 0:
                raise Cancelled

    def billed(self, key: str, dollars: float) -> None:
        self.bills[key] = dollars

    def over(self) -> None:
        self.told.append({"over": True})

    def log(self, line: str) -> None:
        self.lines.append(line)
