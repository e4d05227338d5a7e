"""Whether the load was steady again in the time that the experiment allows, and what to change where it was not."""

from collections.abc import Iterator, Sequence

from harness.checking.invariants import Records, as_judgement, unknown
from harness.checking.objectives import shown
from harness.checking.recovery import Recovered, Untold, recoveries
from harness.checking.recovery_advice import WORDS, advice
from harness.records.faults import FaultWindow
from harness.records.verdicts import Finding, Judgement

RECOVERED = "recovered in time"


def recovered_in_time(records: Records) -> Judgement:
    """After each heal it was steady again in the time allowed, unless the next fault came before that was up."""
    assert records.experiment is not None
    assert records.load is not None
    loaded = [op for op in records.operations if op.scenario in records.load.shares and not op.warm_up]
    found = recoveries(loaded, records.workflows, records.faults, records.experiment.steady)
    within = records.experiment.recovery.within
    if unseen := [each for each in found if each.untold is Untold.NOBODY]:
        reason = f"{_named(unseen[0].window)}: {unseen[0].untold}; let the load go on after it is healed"
        return unknown(RECOVERED, reason, checked=len(found))
    judged = [each for each in found if can_be_judged(each, within)]
    if not judged:
        return unknown(RECOVERED, "; ".join(f"{_named(each.window)}: {each.untold}" for each in found))
    return as_judgement(RECOVERED, len(judged), list(_slow(judged, within)))


def can_be_judged(recovered: Recovered, within: float) -> bool:
    """Whether it is known that it was steady in so many seconds, or that it was not."""
    if recovered.untold is Untold.NEXT_FAULT:
        return recovered.watched > within
    return recovered.untold in {None, Untold.NEVER_STEADY}


def _slow(judged: Sequence[Recovered], within: float) -> Iterator[Finding]:
    for each in judged:
        if each.seconds is not None and each.seconds <= within:
            continue
        took = f"not steady for {shown(each.watched, 's')}" if each.untold else f"steady {shown(each.watched, 's')}"
        message = f"{_named(each.window)}: {took} after its heal; allowed: {shown(within, 's')}{_mostly(each)}"
        yield Finding(problem="slow_recovery", message=message)


def _mostly(recovered: Recovered) -> str:
    if not recovered.spent:
        return ""
    most = recovered.spent[0]
    return f". Most of it is {WORDS[most.cause]}, {shown(most.seconds, 's')}. {advice(most, recovered.window)}"


def _named(window: FaultWindow) -> str:
    return f"{window.name} on {window.on}"
