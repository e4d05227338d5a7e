"""Records written by hand: one workflow that loaded one chunk, and what may be wrong with it."""

from harness.checking.invariants import Records
from harness.records.effects import Effect, EffectKind, Fact, Source
from harness.records.faults import FaultWindow
from harness.records.operations import Ack, Kind, Operation
from harness.records.workflows import Activity, TaskFailure, WorkflowRun

WORKFLOW = "run.slice.0.main"


def operation(
    workflow_id: str = WORKFLOW,
    *,
    kind: Kind = Kind.START,
    ack: Ack = Ack.OK,
    sent: float = 1.0,
    acknowledged: float | None = 2.0,
) -> Operation:
    """A call, answered after a second."""
    return Operation(
        scenario="slice",
        iteration=0,
        kind=kind,
        name="Pipeline",
        workflow_id=workflow_id,
        run_id=None,
        intended=1.0,
        sent=sent,
        acknowledged=acknowledged,
        ack=ack,
        error=None if ack is Ack.OK else "no answer",
    )


def workflow(
    workflow_id: str = WORKFLOW,
    *,
    status: str = "completed",
    failures: tuple[str, ...] = (),
    activities: tuple[Activity, ...] = (),
) -> WorkflowRun:
    """A closed run, with a failed workflow task for each cause given."""
    return WorkflowRun(
        scenario="slice",
        iteration=0,
        workflow_id=workflow_id,
        run_id="r",
        type="Pipeline",
        status=status,
        started=1.0,
        closed=None if status == "running" else 2.0,
        events=20,
        task_failures=tuple(
            TaskFailure(event_id=number, cause=cause, message="told") for number, cause in enumerate(failures, 4)
        ),
        activities=activities,
    )


def effect(
    item: str = "0",
    *,
    kind: EffectKind = EffectKind.FORWARD,
    transaction: int | None = 700,
    step: str = "load",
) -> Effect:
    """An effect in the ledger."""
    return Effect(
        workflow_id=WORKFLOW,
        step=step,
        item=item,
        kind=kind,
        run_id="r",
        attempt=1,
        transaction=transaction,
        committed_at=1.5,
        source=Source.LEDGER,
    )


def fact(item: str = "0", *, expected: int = 100, found: int = 100, transactions: tuple[int, ...] = (700,)) -> Fact:
    """What the rows of a chunk say."""
    return Fact(
        scenario="slice",
        iteration=0,
        workflow_id=WORKFLOW,
        step="load",
        item=item,
        expected=expected,
        found=found,
        transactions=transactions,
    )


def window(*, in_force: bool = True, felt: int = 1, on: str = "worker-1.postgres", cut: int | None = 2) -> FaultWindow:
    """A link that was cut from second 10 to 13."""
    return FaultWindow(
        name="link_down",
        on=on,
        injected=10.0,
        healed=13.0,
        in_force=in_force,
        evidence="it answered in 4 ms",
        cut=cut,
        felt=felt,
    )


NOTHING = Records(operations=[], workflows=[], effects=None, facts=[])
GOOD = Records(operations=[operation()], workflows=[workflow()], effects=[effect()], facts=[fact()])
