"""Whether a load was what it was to be: a generator that was late measured itself, and not the system."""

import polars as pl

from harness.checking.invariants import Records, as_judgement, unknown
from harness.checking.percentiles import percentile
from harness.records.columns import frame_of
from harness.records.operations import Operation
from harness.records.verdicts import Judgement

SENT_ON_TIME = "sent on time"


def lags(operations: pl.DataFrame) -> pl.Series:
    """For each iteration, seconds by which its first call was sent late."""
    intended, sent = pl.col("intended"), pl.col("sent")
    first = operations.group_by("scenario", "iteration", maintain_order=True).agg(
        lag=sent.min() - intended.get(sent.arg_min())
    )
    return first["lag"]


def sent_on_time(records: Records) -> Judgement:
    """A load whose generator kept its times, to its end; one that did not is void, and its figures mean nothing."""
    assert records.load is not None
    loaded = [op for op in records.operations if op.scenario in records.load.shares and not op.warm_up]
    late = lags(frame_of(Operation, loaded))
    if records.load.stopped is not None:
        return unknown(
            SENT_ON_TIME,
            f"the load is void: {records.load.duration:,.0f} s were asked for, and after {records.load.stopped:,.0f} s "
            "it was stopped by hand, or a process was lost that drove it; let one go on to its end",
            checked=len(late),
        )
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
