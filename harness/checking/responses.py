"""What a user of each iteration got: an answer after so long, a failure, or nothing."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from itertools import groupby

from msgspec import Struct

from harness.records.operations import Ack, Kind, Operation
from harness.records.run import RunInfo

FAILED_ENDS = frozenset({"failed", "timed_out", "terminated"})
"""Closing statuses that are no answer, unless the scenario allows them."""
Ends = Mapping[str, Collection[str]]
"""For each scenario, the closing statuses it allows."""


class Outcome(StrEnum):
    """The worst of an iteration's calls decides; the order is from good to bad."""

    ANSWERED = "answered"
    FAILED = "failed"
    UNANSWERED = "unanswered"


class Response(Struct, frozen=True, kw_only=True):
    """One iteration as its user saw it. Times are seconds since the Unix epoch, lengths are seconds."""

    scenario: str
    iteration: int
    intended: float
    outcome: Outcome
    answered: float | None
    """When its last result came, good or bad; None if it never did."""
    service: float | None
    """From sending its first call to its last result."""

    @property
    def time(self) -> float | None:
        """Response time: from the intended start to the last result. A stall of the caller cannot hide in it."""
        return None if self.answered is None else self.answered - self.intended


def under_load(info: RunInfo, operations: Iterable[Operation]) -> list[Operation]:
    """The operations of the scenarios that ran under load, once they were warm."""
    loaded = info.loaded
    return [operation for operation in operations if operation.scenario in loaded and not operation.warm_up]


def responses(operations: Iterable[Operation], ends: Ends) -> list[Response]:
    """One response an iteration, in the order of intended starts.

    Only scenarios that wait for results have responses. In those, an iteration without a result is unanswered,
    unless a start of it was refused: then it failed. It failed too where its workflow ended as `ends` does not allow.
    """
    by_iteration: dict[tuple[str, int], list[Operation]] = defaultdict(list)
    for operation in operations:
        by_iteration[operation.scenario, operation.iteration].append(operation)
    waiting = {key[0] for key, calls in by_iteration.items() if any(c.kind is Kind.RESULT for c in calls)}
    found = [
        _response(key, calls, FAILED_ENDS.difference(ends.get(key[0], ())))
        for key, calls in by_iteration.items()
        if key[0] in waiting
    ]
    return sorted(found, key=lambda response: (response.intended, response.scenario, response.iteration))


def by_scenario(found: Iterable[Response]) -> dict[str, list[Response]]:
    """Responses of each scenario, in the order they have."""
    ordered = sorted(found, key=lambda response: response.scenario)
    return {name: list(group) for name, group in groupby(ordered, key=lambda response: response.scenario)}


def _response(key: tuple[str, int], calls: list[Operation], bad_ends: Collection[str]) -> Response:
    results = [call for call in calls if call.kind is Kind.RESULT]
    ends = [call.acknowledged for call in results if call.acknowledged is not None]
    answered = max(ends) if ends and len(ends) == len(results) else None
    return Response(
        scenario=key[0],
        iteration=key[1],
        intended=min(call.intended for call in calls),
        outcome=_outcome(calls, results, bad_ends),
        answered=answered,
        service=None if answered is None else answered - min(call.sent for call in calls),
    )


def _outcome(calls: list[Operation], results: list[Operation], bad_ends: Collection[str]) -> Outcome:
    if any(call.ack is Ack.FAIL or call.status in bad_ends for call in calls):
        return Outcome.FAILED
    if not results or any(call.ack is Ack.INFO or call.acknowledged is None for call in results):
        return Outcome.UNANSWERED
    return Outcome.ANSWERED
