"""Why an effect is there that may not be, as far as records tell: what to repair, in half a sentence."""

from collections.abc import Iterable, Sequence

from harness.records.effects import Effect
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
    closed = [run.closed for run in runs]
    if closed and all(end is not None and end < effect.committed_at for end in closed):
        late = effect.committed_at - max(end for end in closed if end is not None)
        return (
            f"it was written{by} {late:.1f} s after its workflow had closed; nothing fences an attempt that wakes up "
            "late: a compensation must claim the key of its step, also where there is no effect yet"
        )
    activity = _activity_of(effect, runs)
    if activity is not None and activity.outcome in WITHOUT_RESULT:
        return (
            f"it was written{by}, its activity {activity.type} {WITHOUT_RESULT[activity.outcome]}, and nothing took it "
            "back; a compensation must be registered before its step begins, not after it ended well"
        )
    done = f", its activity {activity.type} completed" if activity is not None else ""
    return f"it was written{by}{done}, and no compensation of it was run"


def _activity_of(effect: Effect, runs: Iterable[WorkflowRun]) -> Activity | None:
    """The activity whose type is the step's name, or ends with it: "orders.reserve_stock" of reserve_stock."""
    same = [
        activity
        for run in runs
        for activity in run.activities
        if activity.type.rpartition(".")[2] == effect.step and effect.run_id in (None, run.run_id)
    ]
    return same[-1] if len(same) == 1 else None
