"""Reconciles operations, histories and effects: each disagreement, with the place to look for its cause.

Whether something is wrong the invariants say, and nobody else: here their findings are classed, and brought together
with the workflow, the event and the attempt they are about and the fault in whose time they fell. What happened without
the caller's knowing is no error, and no invariant's; it stands beside them.
"""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from harness.checking.attribution import Attribution
from harness.checking.invariants import Records
from harness.records.discrepancies import Discrepancy, DiscrepancyKind
from harness.records.effects import Effect, EffectKind
from harness.records.faults import FaultWindow
from harness.records.operations import Ack, Kind, Operation
from harness.records.verdicts import Finding, Judgement
from harness.records.workflows import Activity

KINDS = {
    "lost": DiscrepancyKind.LOST,
    "doubled": DiscrepancyKind.DUPLICATED,
    "overcompensated": DiscrepancyKind.DUPLICATED,
    "phantom": DiscrepancyKind.PHANTOM,
    "torn": DiscrepancyKind.PHANTOM,
    "unledgered": DiscrepancyKind.PHANTOM,
    "zombie": DiscrepancyKind.ZOMBIE_WRITE,
    "uncompensated": DiscrepancyKind.UNCOMPENSATED,
}
"""The problems of findings that are disagreements; others, such as a workflow that is open, are findings alone."""
TELL_MORE = (DiscrepancyKind.ZOMBIE_WRITE, DiscrepancyKind.UNCOMPENSATED, DiscrepancyKind.DUPLICATED)
"""Of these, the first that is found of one effect says what the others say, and why."""


class Place(Struct, frozen=True, kw_only=True):
    """Where something went wrong, as far as records tell. Times are seconds since the Unix epoch."""

    event_id: int | None = None
    attempt: int | None = None
    since: float | None = None
    until: float | None = None
    """Between which times its cause lies; None where that is not known."""


def reconcile(records: Records, judgements: Iterable[Judgement]) -> list[Discrepancy]:
    """Every disagreement, in the order of the judgements; of each workflow, step and item one of a kind."""
    places = _Places(records)
    found: dict[tuple[DiscrepancyKind, str, str, str], Discrepancy] = {}
    for finding in (finding for judgement in judgements for finding in judgement.findings):
        if finding.problem in KINDS and finding.workflow_id is not None:
            each = _discrepancy(KINDS[finding.problem], finding, places.of(finding), records.faults)
            found.setdefault((each.kind, each.workflow_id, each.step, each.item), each)
    told_by = {(each.workflow_id, each.step, each.item, each.kind) for each in found.values()}
    return [
        each
        for each in found.values()
        if not any(
            (each.workflow_id, each.step, each.item, more) in told_by
            for more in TELL_MORE[: TELL_MORE.index(each.kind) if each.kind in TELL_MORE else 0]
        )
    ] + list(_unacknowledged(records))


def when(faults: Sequence[FaultWindow], since: float, until: float) -> str:
    """The faults in whose time this fell, or how long after the heal of the last one it was; empty before any.

    One that never was in force has no part in anything.
    """
    faults = [window for window in faults if window.in_force]
    meanwhile = [window for window in faults if window.injected <= until and since <= window.healed]
    if meanwhile:
        return ", ".join(
            f"{window.name} on {window.on}" for window in sorted(meanwhile, key=lambda each: each.injected)
        )
    before = max((window for window in faults if window.healed < since), key=lambda each: each.healed, default=None)
    return f"{since - before.healed:.1f} s after heal of {before.name} on {before.on}" if before else ""


class _Places:
    """Finds the place of a finding."""

    def __init__(self, records: Records) -> None:
        self._made_by = Attribution(records.workflows)
        self._known = {run.workflow_id for run in records.workflows}
        self._effects: dict[tuple[str, str, str], list[Effect]] = {}
        for effect in records.effects or ():
            if effect.kind is EffectKind.FORWARD:
                self._effects.setdefault(effect.key, []).append(effect)
        self._starts = {op.workflow_id: op for op in records.operations if op.kind is Kind.START}

    def of(self, finding: Finding) -> Place:
        """Of the last effect, or of the one that the finding is about; else of the step's activity, or of the start."""
        assert finding.workflow_id is not None
        if finding.step is None:
            return self._of_start(finding.workflow_id)
        written = self._effects.get((finding.workflow_id, finding.step, finding.item or ""), [])
        if not written:
            activities = self._made_by.of_step(finding.workflow_id, finding.step)
            return _of_activity(activities[0]) if len(activities) == 1 else Place()
        by_it = [effect for effect in written if finding.attempt in (None, effect.attempt)]
        last = max(by_it or written, key=lambda effect: effect.committed_at)
        first = min(effect.committed_at for effect in written)
        activities = self._made_by.of(last)
        only = activities[0] if len(activities) == 1 else None
        return Place(
            event_id=only.event_id or None if only else None,
            attempt=last.attempt,
            since=min(first, only.scheduled) if only else first,
            until=last.committed_at,
        )

    def _of_start(self, workflow_id: str) -> Place:
        start = self._starts.get(workflow_id)
        return Place(
            event_id=1 if workflow_id in self._known else None,
            since=start.sent if start else None,
            until=start.acknowledged if start else None,
        )


def _of_activity(activity: Activity) -> Place:
    return Place(
        event_id=activity.event_id or None,
        attempt=activity.attempts or None,
        since=activity.scheduled,
        until=activity.closed,
    )


def _discrepancy(kind: DiscrepancyKind, finding: Finding, place: Place, faults: Sequence[FaultWindow]) -> Discrepancy:
    return Discrepancy(
        kind=kind,
        workflow_id=finding.workflow_id or "",
        event_id=place.event_id,
        attempt=place.attempt,
        window="" if place.since is None else when(faults, place.since, place.until or place.since),
        step=finding.step or "",
        item=finding.item or "",
        message=finding.message,
    )


def _unacknowledged(records: Records) -> Iterator[Discrepancy]:
    for op in records.operations:
        if op.ack is Ack.OK and op.acknowledged is None:
            yield Discrepancy(
                kind=DiscrepancyKind.UNACKNOWLEDGED,
                workflow_id=op.workflow_id,
                event_id=1 if op.kind is Kind.START else op.event_id,
                window=when(records.faults, op.sent, op.given_up or op.sent),
                message=f"{_call(op)} was not answered ({op.error or 'no reason was told'}), and happened",
            )


def _call(op: Operation) -> str:
    return "the result" if op.kind is Kind.RESULT else f"{op.kind} {op.name}"
