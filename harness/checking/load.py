"""Whether a load was what it was to be: a generator that was late measured itself, and not the system."""

from collections.abc import Iterable

from harness.checking.invariants import Records, as_judgement, unknown
from harness.checking.percentiles import percentile
from harness.records.operations import Operation
from harness.records.verdicts import Judgement

SENT_ON_TIME = "sent on time"


def lags(operations: Iterable[Operation]) -> list[float]:
    """For each iteration, seconds by which its first call was sent late."""
    first: dict[tuple[str, int], Operation] = {}
    for operation in operations:
        key = operation.scenario, operation.iteration
        if key not in first or operation.sent < first[key].sent:
            first[key] = operation
    return [operation.lag for operation in first.values()]


def sent_on_time(records: Records) -> Judgement:
    """An open-loop load whose generator kept its times; one that did not is void, and its figures mean nothing."""
    assert records.load is not None
    loaded = [op for op in records.operations if op.scenario in records.load.shares and not op.warm_up]
    late = lags(loaded)
    p99 = percentile(late, 99)
    if p99 is not None and p99 > records.load.lag_budget:
        return unknown(
            SENT_ON_TIME,
            f"the load is void: of {len(late):,} iterations one in a hundred was sent {p99 * 1e3:,.0f} ms late or "
            f"more, and {records.load.lag_budget * 1e3:,.0f} ms are allowed; give the generator more processes, "
            "or ask for less",
            checked=len(late),
        )
    return as_judgement(SENT_ON_TIME, len(late), ())
