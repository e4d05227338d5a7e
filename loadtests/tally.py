"""The figures of a load while it runs: a histogram for each kind of call, merged from any number of processes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.records.histogram import Histogram
from harness.records.operations import Ack, Kind, Operation


@dataclass
class Line:
    """One kind of call: how many there were, how many of them failed or went unanswered, and what the others took."""

    calls: int = 0
    failures: int = 0
    """Those that nobody answered among them."""
    unanswered: int = 0
    answered: Histogram = field(default_factory=Histogram)
    """Seconds from the intended start to a good answer: to be refused or shed is quick, and no answer."""

    def percentile(self, percent: float) -> float | None:
        """Seconds; None where it falls among calls that nobody answered."""
        return self.answered.percentile(percent, missing=self.unanswered)


class Tally:
    """Lines by their names: ("open", "orders-place: start")."""

    def __init__(self) -> None:
        self.lines: dict[tuple[str, str], Line] = {}

    def count(self, loop: str, operation: Operation, ends: Iterable[str]) -> None:
        """Count a call; `ends` are the closing statuses that are no failure."""
        line = self.lines.setdefault((loop, called(operation)), Line())
        failed, took = failure(operation, ends) is not None, operation.response_time
        line.calls += 1
        line.failures += failed
        line.unanswered += took is None
        if took is not None and not failed:
            line.answered.record(took)

    def sorted(self) -> list[tuple[tuple[str, str], Line]]:
        """The lines, those of one call together."""
        return sorted(self.lines.items(), key=lambda item: item[0][::-1])

    def taken(self) -> Sequence[Mapping[str, Any]]:
        """All that was counted since this was asked last, as plain values that `add` understands."""
        taken = [
            {
                "key": list(key),
                "calls": line.calls,
                "failures": line.failures,
                "unanswered": line.unanswered,
                "answered": line.answered.encode(),
            }
            for key, line in self.lines.items()
        ]
        self.lines = {}
        return taken

    def add(self, taken: Iterable[Mapping[str, Any]]) -> None:
        """Count what another process has counted."""
        for each in taken:
            loop, name = each["key"]
            line = self.lines.setdefault((loop, name), Line())
            line.calls += each["calls"]
            line.failures += each["failures"]
            line.unanswered += each["unanswered"]
            line.answered.merge(Histogram.decode(each["answered"]))


def called(operation: Operation) -> str:
    """What a call is counted as: its scenario and kind, and the name where a scenario makes several of a kind."""
    named = operation.kind not in {Kind.START, Kind.RESULT}
    return f"{operation.scenario}: {operation.kind}" + (f" {operation.name}" if named else "")


def failure(operation: Operation, ends: Iterable[str]) -> str | None:
    """Why a call did not do what it was for; None where it did."""
    if operation.ack is not Ack.OK:
        return operation.error or "nobody answered"
    if operation.status is not None and operation.status not in ends:
        return f"it ended {operation.status}"
    return None
