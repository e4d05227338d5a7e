"""The books of a run: what was asked for, beside what the server, the ledger and the business rows hold."""

from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec import Struct

from harness.records.discrepancies import Discrepancy, DiscrepancyKind
from harness.records.effects import Effect, EffectKind, Fact, Source
from harness.records.operations import Ack, Kind, Operation
from harness.records.workflows import WorkflowRun

REASON = "rejected: "
"""Prefix of the values of a fact that count rejected rows by reason."""


class Starts(Struct, frozen=True, kw_only=True):
    """What callers asked for, and what the server knows of it."""

    asked: int
    acknowledged: int
    refused: int
    unanswered: int
    known: int
    """Acknowledged ones whose workflow the server knows."""


class Workflows(Struct, frozen=True, kw_only=True):
    """What the server knows."""

    runs: int
    by_status: dict[str, int]
    """Most frequent first."""
    attempts: int
    retries: int
    """Activity attempts beyond the first."""


class Ledger(Struct, frozen=True, kw_only=True):
    """What the ledger holds, or the journal. A target without either has none of these."""

    forward: int
    compensations: int
    keys: int
    """Different (workflow, step, item)."""
    retried: int | None
    """Effects committed by an attempt after the first; None where the journal told them, which knows no attempts."""


class Rows(Struct, frozen=True, kw_only=True):
    """What the business rows say, for one scenario."""

    scenario: str
    facts: int
    expected: int
    found: int
    missing: int
    """Rows expected and not found, summed step item by step item: too many of one never make up for another."""
    surplus: int
    """Rows found beyond what was expected, summed likewise."""
    values: dict[str, int]
    """Further counts, summed; without the reasons."""
    reasons: dict[str, int]
    """Rejected rows by reason, most frequent first."""

    @property
    def agree(self) -> bool:
        return not self.missing and not self.surplus


class Books(Struct, frozen=True, kw_only=True):
    """All four beside each other. None where nothing was recorded of it."""

    starts: Starts | None
    workflows: Workflows | None
    ledger: Ledger | None
    rows: tuple[Rows, ...]


class Disagreements(Struct, frozen=True, kw_only=True):
    """What does not agree between the books."""

    by_kind: dict[str, int]
    """Every kind there is, also where nothing is of that kind."""
    wrong: Sequence[Discrepancy]
    """What must not be."""
    unacknowledged: Sequence[Discrepancy]
    """What happened without the caller's knowing, which is nobody's error."""


def disagreements(found: Sequence[Discrepancy]) -> Disagreements:
    """Count and part them."""
    counted = Counter(each.kind for each in found)
    return Disagreements(
        by_kind={kind: counted[kind] for kind in DiscrepancyKind},
        wrong=[each for each in found if each.kind is not DiscrepancyKind.UNACKNOWLEDGED],
        unacknowledged=[each for each in found if each.kind is DiscrepancyKind.UNACKNOWLEDGED],
    )


def books(
    operations: Sequence[Operation],
    workflows: Sequence[WorkflowRun],
    effects: Sequence[Effect],
    facts: Iterable[Fact],
) -> Books:
    """Count everything that one run recorded."""
    return Books(
        starts=_starts(operations, workflows),
        workflows=_workflows(workflows),
        ledger=_ledger(effects),
        rows=_rows(facts),
    )


def _starts(operations: Sequence[Operation], workflows: Sequence[WorkflowRun]) -> Starts | None:
    starts = [operation for operation in operations if operation.kind is Kind.START]
    if not starts:
        return None
    acks = Counter(start.ack for start in starts)
    known = {run.workflow_id for run in workflows}
    return Starts(
        asked=len(starts),
        acknowledged=acks[Ack.OK],
        refused=acks[Ack.FAIL],
        unanswered=acks[Ack.INFO],
        known=sum(start.ack is Ack.OK and start.workflow_id in known for start in starts),
    )


def _workflows(runs: Sequence[WorkflowRun]) -> Workflows | None:
    if not runs:
        return None
    activities = [activity for run in runs for activity in run.activities]
    return Workflows(
        runs=len(runs),
        by_status=dict(Counter(run.status for run in runs).most_common()),
        attempts=sum(activity.attempts for activity in activities),
        retries=sum(max(0, activity.attempts - 1) for activity in activities),
    )


def _ledger(effects: Sequence[Effect]) -> Ledger | None:
    if not effects:
        return None
    kinds = Counter(effect.kind for effect in effects)
    sources = {effect.source for effect in effects}
    return Ledger(
        forward=kinds[EffectKind.FORWARD],
        compensations=kinds[EffectKind.COMPENSATION],
        keys=len({effect.key for effect in effects}),
        retried=None if Source.WAL in sources else sum((effect.attempt or 1) > 1 for effect in effects),
    )


def _rows(facts: Iterable[Fact]) -> tuple[Rows, ...]:
    by_scenario: dict[str, list[Fact]] = {}
    for fact in facts:
        by_scenario.setdefault(fact.scenario, []).append(fact)
    return tuple(_of_scenario(name, found) for name, found in sorted(by_scenario.items()))


def _of_scenario(scenario: str, facts: Sequence[Fact]) -> Rows:
    values: Counter[str] = Counter()
    for fact in facts:
        values.update(fact.values)
    return Rows(
        scenario=scenario,
        facts=len(facts),
        expected=sum(fact.expected for fact in facts),
        found=sum(fact.found for fact in facts),
        missing=sum(max(0, fact.expected - fact.found) for fact in facts),
        surplus=sum(max(0, fact.found - fact.expected) for fact in facts),
        values={name: number for name, number in sorted(values.items()) if not name.startswith(REASON)},
        reasons={name.removeprefix(REASON): number for name, number in values.most_common() if name.startswith(REASON)},
    )
