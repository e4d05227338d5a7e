"""The invariant of attempts in whose place others have come: what they write late must not count."""

from collections import defaultdict
from collections.abc import Sequence

from harness.checking.attribution import Attribution
from harness.checking.invariants import Records, as_judgement, unknown
from harness.records.effects import Effect, EffectKind
from harness.records.verdicts import Finding, Judgement
from harness.records.workflows import Activity

NAME = "superseded attempts write nothing"


def could_be_superseded(records: Records) -> bool:
    """Whether another attempt came after one that had an effect.

    Where nobody tells which attempt had it, or any effects, each retried one may have been; that is a question where
    something was broken on purpose, and not of every retry of a day's work, after which no verdict would ever be known.
    """
    if not any(activity.attempts > 1 for run in records.workflows for activity in run.activities):
        return False
    if records.effects is None:
        return bool(records.faults)
    made_by = Attribution(records.workflows)
    return any(
        any(activity.attempts > 1 for activity in made_by.of(effect))
        if effect.attempt is not None
        else bool(records.faults)
        for effect in records.effects
    )


def superseded_write_nothing(records: Records) -> Judgement:
    """No attempt has its effect when the last one has begun, and has it too or has ended without it.

    What a superseded attempt wrote and the last one found in its place is one effect, and well; what was taken back
    afterwards does no harm. Where a step has several activities, an attempt must have been late for each of them.
    """
    if records.effects is None:
        return unknown(NAME, "the target keeps no ledger")
    if any(effect.attempt is None for effect in records.effects):
        return unknown(NAME, "which attempt had an effect is not told where effects are read from")
    made_by, by_key = Attribution(records.workflows), defaultdict(list)
    for effect in records.effects:
        by_key[effect.key].append(effect)
    findings, checked = [], 0
    for written in by_key.values():
        for place, effect in enumerate(written):
            activities = made_by.of(effect)
            if effect.kind is not EffectKind.FORWARD or not activities:
                continue
            checked += 1
            undone = any(later.kind is EffectKind.COMPENSATION for later in written[place:])
            late = [why for each in activities if (why := _why_late(effect, each, written))]
            if len(late) == len(activities) and not undone:
                findings.append(_finding(effect, late[0]))
    return as_judgement(NAME, checked, findings)


def _why_late(effect: Effect, activity: Activity, written: Sequence[Effect]) -> str:
    """In what way an attempt was late; empty where it was not."""
    last, attempt, began, ended = activity.attempts, effect.attempt or 0, activity.started, activity.closed
    if attempt >= last or began is None or effect.committed_at <= began:
        return ""
    if ended is not None and effect.committed_at > ended:
        return f"{effect.committed_at - ended:.1f} s after attempt {last}, the last one, had ended"
    if any(other.kind is EffectKind.FORWARD and (other.attempt or 0) > attempt for other in written):
        return f"{effect.committed_at - began:.1f} s after attempt {last} had begun, and a later attempt wrote it too"
    return ""


def _finding(effect: Effect, late: str) -> Finding:
    message = (
        f"attempt {effect.attempt} wrote it {late}; an attempt that wakes up late must find its step taken: claim the "
        "step's key in the transaction of the effect"
    )
    return Finding(
        problem="zombie",
        message=message,
        workflow_id=effect.workflow_id,
        step=effect.step,
        item=effect.item,
        attempt=effect.attempt,
    )
