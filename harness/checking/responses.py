"""What a user of each iteration got: an answer after so long, a failure, or nothing."""

from collections.abc import Collection, Mapping
from enum import StrEnum

import polars as pl

from harness.records.operations import Ack, Kind
from harness.records.run import RunInfo

FAILED_ENDS = frozenset({"failed", "timed_out", "terminated"})
"""Closing statuses that are no answer, unless the scenario allows them."""
CALL = ("scenario", "iteration", "kind", "intended", "sent", "acknowledged", "ack", "status", "by_server")
"""What a response is told by, of each call."""
Ends = Mapping[str, Collection[str]]
"""For each scenario, the closing statuses it allows."""


class Outcome(StrEnum):
    """The worst of an iteration's calls decides; the order is from good to bad."""

    ANSWERED = "answered"
    FAILED = "failed"
    UNANSWERED = "unanswered"


OUTCOMES = pl.Enum([str(outcome) for outcome in Outcome])


def under_load(info: RunInfo, operations: pl.DataFrame) -> pl.DataFrame:
    """The operations of the scenarios that ran under load, once they were warm."""
    under = operations.select(pl.col("scenario").is_in(list(info.loaded)) & ~pl.col("warm_up")).to_series()
    return operations if under.all() else operations.filter(under)  # of a million, a copy that differs in nothing


def cold_iterations(operations: pl.DataFrame) -> pl.DataFrame:
    """The iterations that only warmed up, by `scenario` and `iteration`: they are in no figure of speed."""
    return operations.filter("warm_up").select("scenario", "iteration").unique()


def responses(operations: pl.DataFrame, ends: Ends) -> pl.DataFrame:
    """One response an iteration, in the order of intended starts: each as its user saw it.

    Its columns: `scenario`, `iteration`; `intended`, when it was meant to start, and `answered`, when its last result
    came, good or bad, both in seconds since the Unix epoch; `by_server`, whether the server's clock told when a result
    of it came; `outcome`; `time`, the seconds from one to the other, in which no stall of the caller can hide; and
    `service`, the seconds from sending its first call. An iteration whose last result never came has none of
    `answered`, `time` and `service`.

    Only scenarios that wait for results have responses. In those, an iteration without a result is unanswered,
    unless a start of it was refused: then it failed. It failed too where its workflow ended as `ends` does not allow.
    """
    is_result, acknowledged = pl.col("kind") == Kind.RESULT, pl.col("acknowledged")
    result_times = acknowledged.filter(is_result)
    unheard = (pl.col("ack") == Ack.INFO) | acknowledged.is_null()
    calls = operations.select(*CALL).filter(is_result.any().over("scenario"))
    found = calls.group_by("scenario", "iteration").agg(
        pl.col("intended").min(),
        pl.col("sent").min(),
        answered=pl.when(result_times.is_null().any()).then(None).otherwise(result_times.max()),
        by_server=(is_result & pl.col("by_server")).any(),
        failed=((pl.col("ack") == Ack.FAIL) | _ended_badly(ends)).any(),
        unheard=unheard.filter(is_result).any() | ~is_result.any(),
    )
    return found.select(
        "scenario",
        "iteration",
        "intended",
        "answered",
        "by_server",
        outcome=pl.when("failed")
        .then(pl.lit(Outcome.FAILED, OUTCOMES))
        .when("unheard")
        .then(pl.lit(Outcome.UNANSWERED, OUTCOMES))
        .otherwise(pl.lit(Outcome.ANSWERED, OUTCOMES)),
        time=pl.col("answered") - pl.col("intended"),
        service=pl.col("answered") - pl.col("sent"),
    ).sort("intended", "scenario", "iteration")


def answered_times(found: pl.DataFrame, column: str = "time") -> pl.Series:
    """The times of the responses that were good answers, in their order: `time` or `service`."""
    return found.filter(pl.col("outcome") == Outcome.ANSWERED)[column]


def unanswered(found: pl.DataFrame) -> int:
    """How many responses never came."""
    return found.filter(pl.col("outcome") == Outcome.UNANSWERED).height


def _ended_badly(ends: Ends) -> pl.Expr:
    """Whether a call tells of a workflow that ended as its scenario does not allow."""
    scenario, status = pl.col("scenario"), pl.col("status")
    allowed = [(scenario == name) & status.is_in(list(statuses)) for name, statuses in ends.items()]
    return (status.is_in(list(FAILED_ENDS)) & ~pl.any_horizontal(False, *allowed)).fill_null(value=False)
