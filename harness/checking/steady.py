"""The steady state: what a load must look like before its first fault; without it, nothing is shown by what follows."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from harness.checking.invariants import Records, as_judgement, unknown
from harness.records.experiment import Steady
from harness.records.operations import Iteration, Operation
from harness.records.verdicts import Finding, Judgement

STEADY_BEFORE = "steady before the first fault"


def served_of(
    iterations: Iterable[Iteration], operations: Iterable[Operation], steady: Steady, since: float, until: float
) -> tuple[int, int]:
    """How many iterations had been served by `until`, of how many that should have, of those meant to start since.

    An iteration is served if it made calls and each was answered within `steady.response` seconds of its intended
    start; it should have been if that time was up. Times are seconds since the Unix epoch.
    """
    calls: dict[tuple[str, int], list[Operation]] = defaultdict(list)
    for operation in operations:
        calls[operation.scenario, operation.iteration].append(operation)
    meant = [each for each in iterations if since <= each.intended < until]
    served = {each: _served(each, calls[each.scenario, each.index], steady, until) for each in meant}
    due = sum(well or each.intended + steady.response <= until for each, well in served.items())
    return sum(served.values()), due


def is_steady(served: int, due: int, steady: Steady) -> bool | None:
    """Whether so many are enough; None where there was nobody to serve."""
    return served >= steady.served * due if due else None


def steady_before(records: Records) -> Judgement:
    """Before the first fault, iterations were served as the experiment demands."""
    assert records.experiment is not None
    assert records.load is not None
    steady, first = records.experiment.steady, min((window.injected for window in records.faults), default=0.0)
    loaded = [each for each in records.iterations if each.scenario in records.load.shares]
    served, due = served_of(loaded, records.operations, steady, records.load.began, first)
    if not due:
        return unknown(STEADY_BEFORE, "nothing was served before the first fault; let it begin later")
    message = f"{due - served} of {due} iterations were not served within {steady.response:g} s: nothing was broken yet"
    found = [] if is_steady(served, due, steady) else [Finding(problem="unsteady", message=message)]
    return as_judgement(STEADY_BEFORE, due, found)


def _served(iteration: Iteration, calls: Sequence[Operation], steady: Steady, until: float) -> bool:
    latest = min(iteration.intended + steady.response, until)
    return bool(calls) and all(call.acknowledged is not None and call.acknowledged <= latest for call in calls)
