"""A run as large as is wanted, written as a load writes it: what reading and judging it costs can be measured."""

import random
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from harness.records.anatomy import Anatomy, Part
from harness.records.effects import Effect, EffectKind, Fact, Source
from harness.records.faults import FaultWindow
from harness.records.load import LoadInfo
from harness.records.operations import Ack, Iteration, Kind, Operation, substream
from harness.records.run import Run
from harness.records.samples import CLIENT, CPU, FILES, MACHINE, MEMORY, THREADS, Sample
from harness.records.verdicts import Finding, Judgement, Verdict
from harness.records.workflows import Activity, Declared, WorkflowRun, WorkflowTask

SHARES = {"orders-count": 0.7, "tasks-one": 0.3}
TYPES = {
    "orders-count": ("orders.Stocktake", "orders.set_stock", "stock-0"),
    "tasks-one": ("tasks.One", "tasks.normalise", "main"),
}
"""Of each scenario: its workflow, its activity, and what it calls the workflow."""
RATE = 200.0
"""Iterations a second."""
UNANSWERED, REFUSED, FAILED, RETRIED, FOUND_OUT = 0.0002, 0.0001, 0.0005, 0.005, 0.0005
"""Shares of the iterations. What was found out later stands in the file twice."""
SOURCES = (MACHINE, CLIENT, "worker-1", "worker-2", "temporal", "postgres")
WINDOW = 5.0
"""Seconds that a fault lasts."""
DECLARED = Declared(
    initial_interval=1.0,
    backoff_coefficient=2.0,
    maximum_interval=30.0,
    heartbeat_timeout=None,
    start_to_close_timeout=10.0,
)


def write_large_run(results: Path, iterations: int, *, faults: int = 0, seed: int = 1) -> Path:
    """Write a load of so many iterations of two scenarios, with all that it records; tell its directory.

    Each iteration makes two calls, a start and its result, and has one workflow with one activity, one effect and one
    fact. Its response times have a long tail; some iterations fail, are refused, are never answered or are retried.
    """
    duration = iterations / RATE
    kind = "chaos" if faults else "load"
    with Run.create(
        results, kind=kind, title="a large load", target="system", seed=seed, command=f"temper {kind} --seed {seed}"
    ) as run:
        began = float(round(run.info.started))
        run.under_load(
            LoadInfo(began=began, duration=duration, rate=RATE, arrivals="constant", shares=SHARES, processes=2)
        )
        rng = substream(seed, "large run")
        for index in range(iterations):
            run.write_all(_iteration(run.info.id, index, began + index / RATE, rng))
        run.write_all(_samples(began, duration, rng))
        run.write_all(_windows(began, duration, faults))
        run.write_all(_judgements(iterations, run.info.id))
        run.end()
    return run.directory


def _iteration(run: str, index: int, intended: float, rng: random.Random) -> Iterator[Struct]:
    """Everything that one iteration leaves behind."""
    scenario = "tasks-one" if index % 10 in {2, 5, 8} else "orders-count"
    type_, activity_type, part = TYPES[scenario]
    iteration = Iteration(run=run, scenario=scenario, index=index, seed=1, intended=intended)
    yield iteration
    sent = intended + rng.expovariate(2_000)
    took = rng.lognormvariate(-3.0, 0.4)
    chance = rng.random()
    refused, unanswered = chance < REFUSED, REFUSED <= chance < REFUSED + UNANSWERED
    status = "failed" if rng.random() < FAILED else "completed"
    retried = rng.random() < RETRIED
    if retried:
        took += 1.0 + rng.expovariate(1.0)
    run_id = None if refused else f"{rng.getrandbits(128):032x}"
    start = Operation(
        scenario=scenario,
        iteration=index,
        kind=Kind.START,
        name=type_,
        workflow_id=iteration.id(part),
        run_id=run_id,
        intended=intended,
        sent=sent,
        acknowledged=sent + 0.008,
        ack=Ack.FAIL if refused else Ack.OK,
        error="WorkflowAlreadyStartedError: Workflow execution already started" if refused else None,
    )
    if rng.random() < FOUND_OUT and not refused:
        yield _unheard(start, None)
    yield start
    if refused:
        return
    closed = sent + took
    answered = Operation(
        scenario=scenario,
        iteration=index,
        kind=Kind.RESULT,
        name="",
        workflow_id=start.workflow_id,
        run_id=run_id,
        intended=intended,
        sent=sent + 0.009,
        acknowledged=closed,
        closed=closed,
        ack=Ack.OK,
        status=status,
    )
    yield _unheard(answered, sent + 60) if unanswered else answered
    workflow = _workflow(answered, type_, activity_type, sent + 0.004, closed - 0.002, retried=retried)
    yield workflow
    yield Effect(
        workflow_id=start.workflow_id,
        step=activity_type.partition(".")[2],
        item="",
        kind=EffectKind.FORWARD,
        run_id=run_id,
        attempt=workflow.activities[0].attempts,
        transaction=800 + index,
        committed_at=closed - 0.01,
        source=Source.LEDGER,
    )
    yield Fact(
        scenario=scenario,
        iteration=index,
        workflow_id=start.workflow_id,
        step=activity_type.partition(".")[2],
        item=iteration.id("sku-0"),
        expected=1,
        found=1,
        transactions=(800 + index,),
        values={"counted": 5, "on_hand": 4, "reserved": 0, "shipped": 1},
    )


def _unheard(operation: Operation, given_up: float | None) -> Operation:
    """The same call, as long as nobody knows what became of it."""
    return Operation(
        scenario=operation.scenario,
        iteration=operation.iteration,
        kind=operation.kind,
        name=operation.name,
        workflow_id=operation.workflow_id,
        run_id=operation.run_id,
        intended=operation.intended,
        sent=operation.sent,
        acknowledged=None,
        given_up=given_up,
        ack=Ack.INFO,
        error="RPCError: Timeout expired",
    )


def _workflow(
    result: Operation, type_: str, activity_type: str, started: float, closed: float, *, retried: bool
) -> WorkflowRun:
    """Two workflow tasks and an activity between them."""
    lasted = closed - started
    scheduled, begun, done = (started + share * lasted for share in (0.2, 0.3, 0.8))
    retries = begun - scheduled if retried else 0.0
    seconds = {
        Part.ACTIVITY_EXECUTION: done - begun,
        Part.WORKFLOW_TASKS: 0.3 * lasted,
        Part.WORKER: 0.1 * lasted,
        Part.ACTIVITY_QUEUE: begun - scheduled - retries,
        Part.RETRIES: retries,
    }
    return WorkflowRun(
        scenario=result.scenario,
        iteration=result.iteration,
        workflow_id=result.workflow_id,
        run_id=result.run_id or "",
        type=type_,
        status=result.status or "completed",
        started=started,
        closed=closed,
        events=11,
        activities=(
            Activity(
                type=activity_type,
                activity_id="1",
                scheduled=scheduled,
                started=begun,
                closed=done,
                attempts=2 if retried else 1,
                worker=f"{5995 + result.iteration % 2}@vm",
                last_failure="ConnectionError: connection was closed" if retried else None,
                outcome="completed",
                event_id=5,
                declared=DECLARED,
            ),
        ),
        tasks=(
            WorkflowTask(
                scheduled=started,
                started=started + 0.1 * lasted,
                closed=scheduled,
                outcome="completed",
                worker="5995@vm",
                timeout=10.0,
            ),
            WorkflowTask(
                scheduled=done,
                started=started + 0.85 * lasted,
                closed=closed,
                outcome="completed",
                sticky=True,
                worker="5995@vm",
                timeout=10.0,
            ),
        ),
        input_digest=f"{result.iteration:016x}",
        anatomy=Anatomy(seconds={part: length for part, length in seconds.items() if length > 0}),
    )


def _samples(began: float, duration: float, rng: random.Random) -> Iterator[Sample]:
    """What was watched of each process, every second."""
    figures = ((CPU, 40.0, ""), (MEMORY, 200 * 2**20, "bytes"), (FILES, 60, ""), (THREADS, 12, ""))
    for second in range(int(duration)):
        for source in SOURCES:
            for name, typical, unit in figures:
                value = typical * (1 + rng.random() / 10)
                yield Sample(time=began + second, source=source, name=name, value=value, unit=unit)


def _windows(began: float, duration: float, faults: int) -> Iterator[FaultWindow]:
    """So many faults, evenly over the load."""
    for number in range(faults):
        injected = began + duration * (number + 1) / (faults + 1)
        yield FaultWindow(
            name="link_down",
            on=f"worker-{1 + number % 2}.postgres",
            injected=injected,
            healed=injected + WINDOW,
            in_force=True,
            evidence="a connection was refused",
            felt=20,
            felt_by=("somebody: was refused",),
        )


def _judgements(iterations: int, run: str) -> Iterator[Judgement]:
    lost = tuple(
        Finding(problem="unanswered", message="nobody answered", workflow_id=f"{run}.orders-count.{index}.stock-0")
        for index in range(iterations // 5_000)
    )
    yield Judgement(invariant="nothing lost", verdict=Verdict.VALID, checked=iterations, findings=())
    yield Judgement(invariant="nothing doubled", verdict=Verdict.VALID, checked=iterations, findings=())
    yield Judgement(invariant="everybody answered", verdict=Verdict.INVALID, checked=iterations, findings=lost)
