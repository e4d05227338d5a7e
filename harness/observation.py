"""Asks the server and the stores what really happened in a run, and lets the invariants judge it."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, RPCError, WorkflowExecutionStatus
from temporalio.service import RPCStatusCode

from harness.anatomy import Anatomist
from harness.cancelling import Cancelling
from harness.checking.applicable import applicable
from harness.checking.felt import felt_all
from harness.checking.invariants import Records, as_judgement
from harness.driver import resolve
from harness.errors import HarnessError
from harness.records.calls import Call
from harness.records.effects import Effect, Fact
from harness.records.experiment import ExperimentInfo
from harness.records.faults import FaultWindow
from harness.records.load import LoadInfo
from harness.records.operations import Ack, Iteration, Operation
from harness.records.run import Recorded, Run
from harness.records.sessions import Session
from harness.records.verdicts import Finding, Judgement
from harness.records.workflows import OPEN, Activity, TaskFailure, WorkflowRun
from harness.scenario import Scenario, Stores
from harness.sessions import read_sessions
from harness.target import Target

TOO_LARGE = "Failure exceeds size limit."
"""What the server puts in place of a long failure; the reason is in its cause."""
ASKED_AT_ONCE = 16
"""Questions asked concurrently: enough to hide the round trip, few enough not to disturb the server."""
AnswerT = TypeVar("AnswerT")


class NotObserved(HarnessError):
    """One of the target's own functions failed as it was asked what is in the stores: nothing can be judged."""


async def conclude(
    run: Run,
    target: Target,
    client: Client,
    stores: Stores,
    iterations: Sequence[Iteration],
    broken: Sequence[Finding] = (),
) -> list[Judgement]:
    """Observe everything a run left behind, write it into the run, judge it, and write the judgements.

    Call it when the faults are healed and the iterations have ended. `broken` is what `drive` found.
    """
    operations = await _resolved(run, client)
    workflows = await read_workflows(client, run.info.id, operations)
    run.write_all(workflows)
    prefix = run.info.id + "."
    effects = await _told("effects", target.read_effects(stores, prefix)) if target.read_effects else None
    run.write_all(effects or ())
    calls = await _told("calls", target.read_calls(stores, prefix)) if target.read_calls else None
    run.write_all(calls or ())
    sessions = await read_sessions(stores.postgres) if stores.postgres is not None else None
    run.write_all(sessions or ())
    facts = await read_facts(target, stores, iterations)
    run.write_all(fact for found in facts.values() for fact in found)
    faults = felt_all(Recorded(run.directory).read(FaultWindow), workflows, operations)
    run.write_all(faults)
    judgements = judge(
        target,
        iterations,
        operations=operations,
        workflows=workflows,
        effects=effects,
        facts=facts,
        calls=calls,
        sessions=sessions,
        faults=faults,
        load=run.info.load,
        experiment=Recorded(run.directory).experiment(),
        broken=broken,
    )
    run.write_all(judgements)
    return judgements


def judge(  # noqa: PLR0913 one for each kind of record
    target: Target,
    iterations: Sequence[Iteration],
    *,
    operations: Sequence[Operation],
    workflows: Sequence[WorkflowRun],
    effects: Sequence[Effect] | None,
    facts: Mapping[tuple[str, int], Sequence[Fact]],
    calls: Sequence[Call] | None = None,
    sessions: Sequence[Session] | None = None,
    faults: Sequence[FaultWindow] = (),
    load: LoadInfo | None = None,
    experiment: ExperimentInfo | None = None,
    broken: Sequence[Finding] = (),
) -> list[Judgement]:
    """Every invariant, and every scenario's own check, over the records of a run."""
    used = {iteration.scenario: target.scenario(iteration.scenario) for iteration in iterations}
    records = Records(
        operations=operations,
        workflows=workflows,
        effects=effects,
        facts=[fact for found in facts.values() for fact in found],
        calls=calls,
        sessions=sessions,
        faults=faults,
        load=load,
        iterations=iterations,
        experiment=experiment,
        ends={name: scenario.ends for name, scenario in used.items()},
    )
    by_iteration = _grouped(operations)
    by_prefix: dict[str | None, list[Finding]] = defaultdict(list)
    for finding in broken:
        by_prefix[finding.workflow_id].append(finding)
    checks = []
    for name, scenario in used.items():
        mine = [iteration for iteration in iterations if iteration.scenario == name]
        findings = [finding for iteration in mine for finding in by_prefix[iteration.prefix]]
        # What never began is not looked at: operations_answered speaks of it.
        begun = [each for each in mine if _acknowledged(by_iteration.get((name, each.index), ()))]
        findings += [_silent(each) for each in mine if (name, each.index) not in by_iteration]
        for iteration in begun:
            key = (name, iteration.index)
            findings += _checked(scenario, iteration, by_iteration[key], facts.get(key, ()))
        checks.append(as_judgement(f"{name}: its own check", len(begun), findings))
    return [invariant(records) for invariant in (*applicable(records), *target.invariants)] + checks


def _checked(
    scenario: Scenario[Any], iteration: Iteration, operations: Sequence[Operation], facts: Sequence[Fact]
) -> Sequence[Finding]:
    """What the scenario's own check finds; that it broke is a finding too."""
    try:
        return scenario.check(scenario.draw(iteration.rng()), operations, facts)
    except Exception as error:  # noqa: BLE001  # the check is the user's code: it must not cost the other judgements
        return [Finding(problem="broke", message=f"check: {error!r}", workflow_id=iteration.prefix)]


def _silent(iteration: Iteration) -> Finding:
    message = "the iteration made no call that was recorded: nothing is known of it"
    return Finding(problem="silent", message=message, workflow_id=iteration.prefix)


async def read_facts(
    target: Target, stores: Stores, iterations: Sequence[Iteration]
) -> dict[tuple[str, int], Sequence[Fact]]:
    """Each scenario's facts about its own iterations, by (scenario, iteration index)."""
    facts: dict[tuple[str, int], Sequence[Fact]] = {}
    for name in dict.fromkeys(iteration.scenario for iteration in iterations):
        scenario: Scenario[Any] = target.scenario(name)
        mine = [iteration for iteration in iterations if iteration.scenario == name]
        for index, found in (await _told(f"observe of {name}", scenario.observe(stores, mine))).items():
            facts[name, index] = found
    return facts


async def _told(asked: str, answer: Awaitable[AnswerT]) -> AnswerT:
    """What a function of the target's own answers. Raises NotObserved where it raises anything."""
    try:
        return await answer
    except Exception as error:
        raise NotObserved(f"{asked} failed, so nothing was judged: {type(error).__name__}: {error}") from error


async def read_workflows(client: Client, run_id: str, operations: Iterable[Operation]) -> list[WorkflowRun]:
    """Every workflow of a run, from its history: those it started by name, and those visibility finds by prefix.

    Visibility lags behind, and a child is known to visibility alone; so both are asked. A workflow the server
    does not know is left out: that is what `nothing_lost` looks for.
    """
    ids: dict[tuple[str, str | None], None] = {}
    async for found in client.list_workflows(f'WorkflowId STARTS_WITH "{run_id}."'):
        ids[found.id, found.run_id] = None
    listed = {workflow_id for workflow_id, _ in ids}
    for operation in operations:
        if operation.workflow_id not in listed:
            ids[operation.workflow_id, None] = None
    gate = asyncio.Semaphore(ASKED_AT_ONCE)

    async def read(workflow_id: str, execution: str | None) -> WorkflowRun | None:
        async with gate:
            try:
                return await read_workflow(client, run_id, workflow_id, execution)
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    return None
                raise

    runs = await asyncio.gather(*(read(workflow_id, execution) for workflow_id, execution in ids))
    return sorted((run for run in runs if run), key=lambda run: run.started)


async def read_workflow(client: Client, prefix: str, workflow_id: str, execution: str | None = None) -> WorkflowRun:
    """One run of a workflow, its latest unless told otherwise; `prefix` is that of the run's ids. Raises RPCError."""
    handle = client.get_workflow_handle(workflow_id, run_id=execution)
    scenario, index = _iteration_of(workflow_id, prefix)
    story = _Story()
    async for event in handle.fetch_history_events():
        story.tell(event)
    return story.as_run(scenario, index, workflow_id, execution)


class _Story:
    """Reads a history event by event."""

    def __init__(self) -> None:
        self.first: HistoryEvent | None = None
        self.last: HistoryEvent | None = None
        self.failures: list[TaskFailure] = []
        self.scheduled: dict[int, HistoryEvent] = {}
        self.begun: dict[int, HistoryEvent] = {}
        self.ended: dict[int, HistoryEvent] = {}
        self.cancelling = Cancelling()
        self.anatomist = Anatomist()

    def tell(self, event: HistoryEvent) -> None:
        self.first = self.first or event
        self.last = event
        self.cancelling.tell(event)
        self.anatomist.tell(event)
        kind = event.WhichOneof("attributes") or ""
        attributes = getattr(event, kind)
        if kind == "activity_task_scheduled_event_attributes":
            self.scheduled[event.event_id] = event
        elif kind == "activity_task_started_event_attributes":
            self.begun[attributes.scheduled_event_id] = event
        elif kind.startswith("activity_task_") and not kind.startswith("activity_task_cancel_requested"):
            self.ended[attributes.scheduled_event_id] = event
        elif kind == "workflow_task_failed_event_attributes":
            cause = WorkflowTaskFailedCause.Name(attributes.cause)
            self.failures.append(
                TaskFailure(
                    event_id=event.event_id,
                    cause=cause.removeprefix("WORKFLOW_TASK_FAILED_CAUSE_"),
                    message=attributes.failure.message[:500],
                )
            )

    def as_run(self, scenario: str, iteration: int, workflow_id: str, execution: str | None) -> WorkflowRun:
        assert self.first is not None
        assert self.last is not None
        began = self.first.workflow_execution_started_event_attributes
        status = _closing_status(self.last)
        return WorkflowRun(
            scenario=scenario,
            iteration=iteration,
            workflow_id=workflow_id,
            run_id=execution or began.original_execution_run_id,
            type=began.workflow_type.name,
            status=status,
            started=_seconds(self.first),
            closed=None if status == OPEN else _seconds(self.last),
            events=self.last.event_id,
            task_failures=tuple(self.failures),
            activities=tuple(self._activity(event_id, event) for event_id, event in self.scheduled.items()),
            cancel_requested=_seconds(self.cancelling.requested) if self.cancelling.requested else None,
            begun_after_cancel=tuple(self.cancelling.begun),
            went_on_with=tuple(self.cancelling.went_on_with),
            anatomy=None if status == OPEN else self.anatomist.anatomy(),
        )

    def _activity(self, event_id: int, event: HistoryEvent) -> Activity:
        scheduled = event.activity_task_scheduled_event_attributes
        begun = self.begun.get(event_id)
        ended = self.ended.get(event_id)
        attempt = begun.activity_task_started_event_attributes if begun else None
        failure = attempt.last_failure if attempt and attempt.HasField("last_failure") else None
        return Activity(
            type=scheduled.activity_type.name,
            activity_id=scheduled.activity_id,
            scheduled=_seconds(event),
            started=_seconds(begun) if begun else None,
            closed=_seconds(ended) if ended else None,
            attempts=attempt.attempt if attempt else 0,
            worker=attempt.identity if attempt else "",
            last_failure=_reason(failure) if failure else None,
            outcome=OUTCOMES.get(ended.WhichOneof("attributes") or "", "") if ended else "",
        )


def _reason(failure: Failure) -> str:
    """What a failure says, or what is behind it where the server cut it short."""
    while failure.message == TOO_LARGE and failure.HasField("cause"):
        failure = failure.cause
    return failure.message[:500]


OUTCOMES = {
    f"activity_task_{outcome}_event_attributes": outcome for outcome in ("completed", "failed", "timed_out", "canceled")
}
CLOSING_EVENTS = {
    "workflow_execution_completed_event_attributes": WorkflowExecutionStatus.COMPLETED,
    "workflow_execution_failed_event_attributes": WorkflowExecutionStatus.FAILED,
    "workflow_execution_canceled_event_attributes": WorkflowExecutionStatus.CANCELED,
    "workflow_execution_terminated_event_attributes": WorkflowExecutionStatus.TERMINATED,
    "workflow_execution_timed_out_event_attributes": WorkflowExecutionStatus.TIMED_OUT,
    "workflow_execution_continued_as_new_event_attributes": WorkflowExecutionStatus.CONTINUED_AS_NEW,
}


def _closing_status(last: HistoryEvent) -> str:
    status = CLOSING_EVENTS.get(last.WhichOneof("attributes") or "", WorkflowExecutionStatus.RUNNING)
    return status.name.lower()


def _seconds(event: HistoryEvent) -> float:
    return event.event_time.ToNanoseconds() / 1e9


async def _resolved(run: Run, client: Client) -> list[Operation]:
    """The run's operations, those without an answer asked about once more and written again."""
    operations = Recorded(run.directory).read(Operation)
    gate = asyncio.Semaphore(ASKED_AT_ONCE)

    async def ask(operation: Operation) -> Operation:
        async with gate:
            return await resolve(operation, client)

    told = iter(await asyncio.gather(*(ask(op) for op in operations if op.ack is Ack.INFO)))
    asked = [next(told) if op.ack is Ack.INFO else op for op in operations]
    run.write_all(after for before, after in zip(operations, asked, strict=True) if after is not before)
    return asked


def _iteration_of(workflow_id: str, run_id: str) -> tuple[str, int]:
    scenario, _, rest = workflow_id.removeprefix(run_id + ".").partition(".")
    index = rest.partition(".")[0]
    return scenario, int(index) if index.isdecimal() else -1


def _grouped(operations: Iterable[Operation]) -> dict[tuple[str, int], list[Operation]]:
    grouped: dict[tuple[str, int], list[Operation]] = {}
    for operation in operations:
        grouped.setdefault((operation.scenario, operation.iteration), []).append(operation)
    return grouped


def _acknowledged(operations: Iterable[Operation]) -> bool:
    return any(operation.ack is Ack.OK for operation in operations)
