"""Why an effect is there that may not be, as far as records tell: what to repair, in half a sentence."""

from collections.abc import Iterable, Sequence

from harness.checking.attribution import Attribution
from harness.records.effects import Effect, Fact
from harness.records.workflows import Activity, WorkflowRun

WITHOUT_RESULT = {"failed": "failed", "timed_out": "timed out", "canceled": "was cancelled", "": "was left behind"}
"""How an activity goes without a result, though it may have had its effect."""


def why_doubled(written: Sequence[Effect]) -> str:
    """What wrote an effect several times: nothing where the ledger does not say."""
    attempts = [effect.attempt for effect in written]
    if None in attempts or len({effect.run_id for effect in written}) > 1:
        return ""
    numbers = " and ".join(str(attempt) for attempt in attempts)
    if len(set(attempts)) == 1:
        return f": attempt {attempts[0]} wrote it each time"
    return (
        f": attempts {numbers} each wrote it; a repeat must find what the first one did, "
        "by a key that no attempt changes"
    )


def why_standing(effect: Effect, runs: Sequence[WorkflowRun]) -> str:
    """Why an effect that may not stand was not undone."""
    by = "" if effect.attempt is None else f" by attempt {effect.attempt}"
    if late := why_late(effect, runs):
        return (
            f"it was written{by} {late}; nothing fences an attempt that wakes up late: a compensation must claim the "
            "key of its step, also where there is no effect yet"
        )
    activity = _activity_of(effect, runs)
    if activity is not None and activity.outcome in WITHOUT_RESULT:
        return (
            f"it was written{by}, its activity {activity.type} {WITHOUT_RESULT[activity.outcome]}, and nothing took it "
            "back; a compensation must be registered before its step begins, not after it ended well"
        )
    done = f", its activity {activity.type} completed" if activity is not None else ""
    return f"it was written{by}{done}, and no compensation of it was run"


def why_repeated(fact: Fact, runs: Sequence[WorkflowRun]) -> str:
    """Why rows are there more often than once: nothing unless several attempts have committed some of them."""
    repeated = [each for each in Attribution(runs).of_step(fact.workflow_id, fact.step) if each.attempts > 1]
    if len(fact.transactions) < 2 or not repeated:  # one may hold all of them
        return ""
    return (
        f": {len(fact.transactions)} transactions wrote them, and {repeated[0].type} was attempted more than once; an "
        "attempt does again what the one before it had committed: go on from where its heartbeat details say, or "
        "commit all of it at once"
    )


def why_unledgered(fact: Fact, runs: Sequence[WorkflowRun]) -> str:
    """Why the ledger has no line of rows that are there: nothing unless an activity that makes them has completed."""
    done = [each for each in Attribution(runs).of_step(fact.workflow_id, fact.step) if each.outcome == "completed"]
    if not done:
        return ""
    return (
        f", though {done[-1].type} completed: the line is written apart from the rows, and was lost between; commit "
        "both in one transaction"
    )


def why_late(effect: Effect, runs: Sequence[WorkflowRun]) -> str:
    """How an effect came too late for anybody to take it back; empty where it did not.

    Its workflow had closed; or had gone on without it: something else that was begun while the attempt ran had ended.
    """
    ends = [run.closed for run in runs]
    closed = [end for end in ends if end is not None and end < effect.committed_at]
    if closed and len(closed) == len(ends):
        return f"{effect.committed_at - max(closed):.1f} s after its workflow had closed"
    own = _activity_of(effect, runs)
    if own is None or own.started is None:
        return ""
    after = [
        each for run in runs for each in run.activities if run.run_id == effect.run_id and each.scheduled > own.started
    ]
    ended = [(each.closed, each.type) for each in after if each.closed is not None and each.outcome == "completed"]
    first, what = min(ended, default=(effect.committed_at, ""))
    late = effect.committed_at - first
    return f"{late:.1f} s after its workflow had gone on without it, to {what}" if late > 0 else ""


def _activity_of(effect: Effect, runs: Iterable[WorkflowRun]) -> Activity | None:
    same = Attribution(runs).of(effect)
    return same[-1] if len(same) == 1 else None
