"""Loads written by hand in which a fault, from second 10 to 13, made somebody late; and why, as their histories say."""

from collections.abc import Sequence

from harness.records.experiment import ExperimentInfo, Recovery, Steady
from harness.records.faults import FaultWindow
from harness.records.load import LoadInfo
from harness.records.operations import Ack, Kind, Operation
from harness.records.workflows import Activity, Declared, WorkflowRun, WorkflowTask

LOAD = LoadInfo(began=0.0, duration=30.0, rate=1.0, arrivals="constant", shares={"orders": 1.0})
EXPERIMENT = ExperimentInfo(
    name="cut", title="A link is cut", expect="Nothing is lost.", steady=Steady(), recovery=Recovery(within=6), toml=""
)
DECLARED = Declared(
    initial_interval=2, backoff_coefficient=2, maximum_interval=8, heartbeat_timeout=4, start_to_close_timeout=6
)


def call(
    index: int, kind: Kind, intended: float, acknowledged: float | None, *, status: str | None = None
) -> Operation:
    """A call of iteration `index`, sent when it was meant to be."""
    return Operation(
        scenario="orders",
        iteration=index,
        kind=kind,
        name="Order" if kind is Kind.START else "",
        workflow_id=f"run.orders.{index}.main",
        run_id=None,
        intended=intended,
        sent=intended,
        acknowledged=acknowledged,
        given_up=40.0 if acknowledged is None else None,
        ack=Ack.INFO if acknowledged is None else Ack.OK,
        status=status,
    )


def served(index: int, at: float, until: float | None, *, status: str = "completed") -> list[Operation]:
    """An iteration that is meant to start at a moment, and whose answer comes at another; never, where that is None."""
    ended = None if until is None else status
    return [call(index, Kind.START, at, at), call(index, Kind.RESULT, at, until, status=ended)]


def quick(*starts: float) -> list[Operation]:
    """Iterations that take 0.2 s each, with a number that tells when they were meant to start."""
    return [op for at in starts for op in served(1_000 + round(10 * at), at, at + 0.2)]


AROUND = [*quick(*range(10)), *quick(*range(14, 30))]
"""One a second before the fault and after it, and nobody late."""


def window(
    since: float = 10.0, until: float = 13.0, *, on: str = "worker-1.postgres", in_force: bool = True
) -> FaultWindow:
    """A link that was cut."""
    return FaultWindow(name="link_down", on=on, injected=since, healed=until, in_force=in_force, evidence="", felt=1)


def task(
    scheduled: float,
    started: float | None,
    closed: float | None,
    *,
    outcome: str = "completed",
    sticky: bool = False,
    worker: str = "worker-1",
) -> WorkflowTask:
    """A workflow task, for which a worker has ten seconds."""
    return WorkflowTask(
        scheduled=scheduled,
        started=started,
        closed=closed,
        outcome=outcome,
        sticky=sticky,
        worker="" if started is None else worker,
        timeout=10.0,
    )


def activity(
    scheduled: float,
    started: float | None,
    closed: float | None,
    *,
    attempts: int = 1,
    timed_out: str = "",
    type_: str = "ship",
    asked_pause: float | None = None,
    outcome: str = "completed",
) -> Activity:
    """An activity whose attempts are 2, 4, 8, 8, … seconds apart, by its last one."""
    return Activity(
        type=type_,
        activity_id="1",
        scheduled=scheduled,
        started=started,
        closed=closed,
        attempts=attempts,
        worker="" if started is None else "worker-1",
        last_failure="it failed" if attempts > 1 else None,
        outcome=outcome if closed is not None else "",
        timed_out=timed_out,
        asked_pause=asked_pause,
        declared=DECLARED,
    )


def story(
    index: int,
    started: float,
    closed: float | None,
    *,
    tasks: Sequence[WorkflowTask] = (),
    activities: Sequence[Activity] = (),
) -> WorkflowRun:
    """The workflow of iteration `index`."""
    return WorkflowRun(
        scenario="orders",
        iteration=index,
        workflow_id=f"run.orders.{index}.main",
        run_id="r",
        type="Order",
        status="running" if closed is None else "completed",
        started=started,
        closed=closed,
        events=20,
        tasks=tuple(tasks),
        activities=tuple(activities),
    )
