"""How long things take where no fault is in force, by which it is told what one held up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from msgspec import Struct

from harness.records.faults import FaultWindow
from harness.records.operations import Kind, Operation
from harness.records.workflows import WorkflowRun

KeyT = TypeVar("KeyT")


class Usual(Struct, frozen=True, kw_only=True):
    """Seconds of the fastest and the slowest that no fault window overlapped."""

    attempts: Mapping[str, tuple[float, float]]
    """Last attempts, by type of the activity."""
    calls: Mapping[tuple[Kind, str], tuple[float, float]]
    """Answered calls, by kind and name."""

    def fastest_attempt(self, activity_type: str) -> float:
        """0 where there was none."""
        return self.attempts.get(activity_type, (0.0, 0.0))[0]

    def slowest_attempt(self, activity_type: str) -> float | None:
        """None where there was none."""
        return self.attempts[activity_type][1] if activity_type in self.attempts else None

    def fastest_call(self, op: Operation) -> float:
        """Of this kind and name; 0 where there was none."""
        return self.calls.get((op.kind, op.name), (0.0, 0.0))[0]


def usual(windows: Sequence[FaultWindow], workflows: Iterable[WorkflowRun], operations: Iterable[Operation]) -> Usual:
    """What was usual in a run, outside these windows."""
    attempts: dict[str, tuple[float, float]] = {}
    for run in workflows:
        for activity in run.activities:
            if activity.started is not None and activity.closed is not None:
                _take(attempts, activity.type, activity.started, activity.closed, windows)
    calls: dict[tuple[Kind, str], tuple[float, float]] = {}
    for op in operations:
        if op.acknowledged is not None:
            _take(calls, (op.kind, op.name), op.sent, op.acknowledged, windows)
    return Usual(attempts=attempts, calls=calls)


def _take(
    found: dict[KeyT, tuple[float, float]], key: KeyT, began: float, ended: float, windows: Sequence[FaultWindow]
) -> None:
    if any(began < window.healed and ended > window.injected for window in windows):
        return
    fastest, slowest = found.get(key, (float("inf"), 0.0))
    found[key] = (min(fastest, ended - began), max(slowest, ended - began))
