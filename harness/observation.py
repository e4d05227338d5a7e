"""Asks the server and the stores what really happened in a run, and lets the invariants judge it."""

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Awaitable, Iterable, Sequence
from itertools import chain
from typing import Any, TypeVar

from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent, WorkflowExecutionStartedEventAttributes
from temporalio.client import Client, RPCError, WorkflowExecutionStatus
from temporalio.service import RPCStatusCode

from harness.anatomy import Anatomist
from harness.cancelling import Cancelling
from harness.checking.applicable import applicable
from harness.checking.felt import felt_all
from harness.checking.invariants import Records, as_judgement
from harness.checking.reconcile import reconcile
from harness.checking.twins import with_twin
from harness.errors import HarnessError
from harness.journal.reading import effects_of
from harness.records.effects import Effect, Fact, Source
from harness.records.faults import FaultWindow
from harness.records.journal import Journal
from harness.records.operations import Ack, Iteration, Operation
from harness.records.run import Recorded, Run
from harness.records.verdicts import Finding, Judgement
from harness.records.workflows import OPEN, Activity, TaskFailure, WorkflowRun
from harness.replaying import replayed
from harness.resolving import resolve
from harness.scenario import Scenario, Stores
from harness.sessions import read_sessions
from harness.target import Target
from harness.tasks_told import TasksTold, declared_of, pause_asked, timeout_of

TOO_LARGE = "Failure exceeds size limit."
"""What the server puts in place of a long failure; the reason is in its cause."""
ASKED_AT_ONCE = 16
"""Questions asked concurrently: enough to hide the round trip, few enough not to disturb the server."""
AnswerT = TypeVar("AnswerT")
RecordT = TypeVar("RecordT", Operation, Fact)


class NotObserved(HarnessError):
    """One of the target's own functions failed as it was asked what is in the stores: nothing can be judged."""


async def conclude(
    run: Run,
    target: Target,
    client: Client,
    stores: Stores,
    iterations: Sequence[Iteration],
    broken: Sequence[Finding] = (),
    journal: Journal | None = None,
) -> list[Judgement]:
    """Observe everything a run left behind, write it into the run, judge it, and write the judgements.

    Call it when the faults are healed and the iterations have ended. `broken` is what `drive` found; `journal` is what
    PostgreSQL says was committed, where it was asked: of a target that keeps no ledger, it tells the effects.
    """
    operations = await _resolved(run, client)
    prefix = run.info.id + "."
    effects = await _effects(target, stores, prefix, journal)
    run.write_all(effects or ())
    run.write_all(journal.commits if journal else ())
    workflows = await read_workflows(client, run.info.id, operations, effects or ())
    run.write_all(workflows)
    calls = await _told("calls", target.read_calls(stores, prefix)) if target.read_calls else None
    run.write_all(calls or ())
    sessions = await read_sessions(stores.postgres) if stores.postgres is not None else None
    run.write_all(sessions or ())
    facts = [fact for found in (await read_facts(target, stores, iterations)).values() for fact in found]
    run.write_all(facts)
    faults = felt_all(Recorded(run.directory).read(FaultWindow), workflows, operations)
    run.write_all(faults)
    replays = await _told("replay", replayed(client, target, run.info, workflows))
    run.write_all(replays or ())
    records = Records(
        operations=operations,
        workflows=workflows,
        effects=effects,
        facts=facts,
        calls=calls,
        sessions=sessions,
        faults=faults,
        load=run.info.load,
        source=Source.LEDGER if target.read_effects else Source.WAL,
        journal=journal,
        ends={name: target.scenario(name).ends for name in {iteration.scenario for iteration in iterations}},
        iterations=iterations,
        experiment=Recorded(run.directory).experiment(),
        replays=replays,
    )
    judgements = judge(target, records, broken)
    run.write_all(judgements)
    run.write_all(reconcile(records, judgements))
    return judgements


def judge(target: Target, records: Records, broken: Sequence[Finding] = ()) -> list[Judgement]:
    """Every invariant, and every scenario's own check, over the records of a run; `broken` is what `drive` found."""
    operations, facts = _by_iteration(records.operations), _by_iteration(records.facts)
    by_prefix: dict[str | None, list[Finding]] = defaultdict(list)
    for finding in broken:
        by_prefix[finding.workflow_id].append(finding)
    checks = []
    for name in dict.fromkeys(iteration.scenario for iteration in records.iterations):
        mine = [iteration for iteration in records.iterations if iteration.scenario == name]
        findings = [finding for iteration in mine for finding in by_prefix[iteration.prefix]]
        # What never began is not looked at: operations_answered speaks of it.
        begun = [each for each in mine if _acknowledged(operations.get((name, each.index), ()))]
        findings += [_silent(each) for each in mine if (name, each.index) not in operations]
        for iteration in begun:
            key = (name, iteration.index)
            findings += _checked(target.scenario(name), iteration, operations[key], facts.get(key, ()))
        findings = [with_twin(finding, records) for finding in findings]
        checks.append(as_judgement(f"{name}: its own check", len(begun), findings))
    own = [judgement for invariant in target.invariants if (judgement := invariant(records)) is not None]
    return [invariant(records) for invariant in applicable(records)] + own + checks


async def _effects(target: Target, stores: Stores, prefix: str, journal: Journal | None) -> Sequence[Effect] | None:
    """From the target's ledger; where it keeps none, from PostgreSQL's journal; None where nobody tells."""
    if target.read_effects:
        return await _told("effects", target.read_effects(stores, prefix))
    return effects_of(journal.commits) if journal and not journal.unread else None


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


async def read_workflows(
    client: Client, run_id: str, operations: Iterable[Operation], effects: Iterable[Effect] = ()
) -> list[WorkflowRun]:
    """Every workflow of a run, from its history: those it started by name, and those visibility finds by prefix.

    Visibility lags behind, and a child is known to visibility alone, and by its effects; so all are asked. A workflow
    the server does not know is left out: that is what `nothing_lost` looks for, and `nothing_without_a_workflow`.
    """
    ids: dict[tuple[str, str | None], None] = {}
    async for found in client.list_workflows(f'WorkflowId STARTS_WITH "{run_id}."'):
        ids[found.id, found.run_id] = None
    listed = {workflow_id for workflow_id, _ in ids}
    for workflow_id in chain((op.workflow_id for op in operations), (effect.workflow_id for effect in effects)):
        if workflow_id not in listed:
            ids[workflow_id, None] = None
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
        self.given_up: set[int] = set()
        self.cancelling = Cancelling()
        self.anatomist = Anatomist()
        self.tasks = TasksTold()

    def tell(self, event: HistoryEvent) -> None:
        self.first = self.first or event
        self.last = event
        self.cancelling.tell(event)
        self.anatomist.tell(event)
        self.tasks.tell(event)
        kind = event.WhichOneof("attributes") or ""
        attributes = getattr(event, kind)
        if kind == "activity_task_scheduled_event_attributes":
            self.scheduled[event.event_id] = event
        elif kind == "activity_task_started_event_attributes":
            self.begun[attributes.scheduled_event_id] = event
        elif kind == "activity_task_cancel_requested_event_attributes":
            self.given_up.add(attributes.scheduled_event_id)
        elif kind.startswith("activity_task_"):
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
            tasks=self.tasks.told(),
            cancel_requested=_seconds(self.cancelling.requested) if self.cancelling.requested else None,
            begun_after_cancel=tuple(self.cancelling.begun),
            went_on_with=tuple(self.cancelling.went_on_with),
            input_digest=_input_digest(began),
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
            event_id=event_id,
            timed_out=timeout_of(failure) if failure else "",
            asked_pause=pause_asked(failure) if failure else None,
            declared=declared_of(scheduled),
            told_to_cancel=event_id in self.given_up,
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


def _input_digest(began: WorkflowExecutionStartedEventAttributes) -> str:
    """Empty for a child, for what a schedule started, and where it was given nothing: many may be alike."""
    payloads = began.input.payloads
    scheduled = "TemporalScheduledById" in began.search_attributes.indexed_fields
    if not payloads or scheduled or began.HasField("parent_workflow_execution"):
        return ""
    return hashlib.blake2b(b"\n".join(each.data for each in payloads), digest_size=8).hexdigest()


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


def _by_iteration(records: Iterable[RecordT]) -> dict[tuple[str, int], list[RecordT]]:
    grouped: dict[tuple[str, int], list[RecordT]] = {}
    for record in records:
        grouped.setdefault((record.scenario, record.iteration), []).append(record)
    return grouped


def _acknowledged(operations: Iterable[Operation]) -> bool:
    return any(operation.ack is Ack.OK for operation in operations)
