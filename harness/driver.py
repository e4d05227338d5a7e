"""Drives one iteration of a scenario, and records each call it makes with its times and its fate."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from temporalio.client import (
    Client,
    RPCError,
    RPCTimeoutOrCancelledError,
    SignalWorkflowInput,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
)
from temporalio.common import Priority
from temporalio.exceptions import (
    CancelledError,
    FailureError,
    TerminatedError,
    WorkflowAlreadyStartedError,
)
from temporalio.exceptions import (
    TimeoutError as WorkflowTimeoutError,
)
from temporalio.service import RPCStatusCode

from harness.clock import now
from harness.closings import Closings
from harness.records.operations import Ack, Iteration, Kind, Operation
from harness.records.verdicts import Finding
from harness.resolving import new_call_id, signal_headers
from harness.scenario import Scenario

ResultT = TypeVar("ResultT")
InputT = TypeVar("InputT")

CALL_TIMEOUT = 30.0
"""Seconds a start, signal, update or query may take before nobody knows its fate."""

UNANSWERED = frozenset(
    {
        RPCStatusCode.CANCELLED,
        RPCStatusCode.UNKNOWN,
        RPCStatusCode.DEADLINE_EXCEEDED,
        RPCStatusCode.ABORTED,
        RPCStatusCode.INTERNAL,
        RPCStatusCode.UNAVAILABLE,
        RPCStatusCode.DATA_LOSS,
    }
)
"""Statuses that do not say whether the call took effect. Every other one is the server's own refusal."""


ANSWERED_BY_ERROR = (
    RPCError,
    RPCTimeoutOrCancelledError,
    FailureError,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
)
"""What the SDK raises of a call's fate; they share no base of their own. Anything else broke in the scenario."""


class Refused(Exception):
    """The server refused a call of this iteration. It has been recorded; uncaught, it ends the iteration."""

    def __init__(self, kind: Kind, name: str, error: str) -> None:
        super().__init__(f"{kind} {name}: {error}")
        self.kind = kind


@dataclass(frozen=True)
class Outcome:
    """How a workflow ended, as far as the caller knows."""

    status: str | None
    """completed, failed, canceled, terminated or timed_out; None where no answer came in time."""
    value: Any = None
    """What it returned, if it completed."""
    error: str | None = None


@dataclass(frozen=True)
class Started:
    """A workflow that was started, or may have been: the handle, and when its start was meant to happen."""

    handle: WorkflowHandle[Any, Any]
    intended: float

    @property
    def id(self) -> str:
        return self.handle.id


@dataclass(frozen=True, kw_only=True)
class App:
    """What a scenario drives: a client bound to one iteration, each of whose calls is recorded."""

    client: Client
    iteration: Iteration
    task_queue: str
    workspace: Path
    """A directory the workers can read, for files that an iteration brings along."""
    record: Callable[[Operation], None]
    addresses: Mapping[str, str] = field(default_factory=dict)
    """The stack's own, past all links, as temper.toml names them: "outside.url", to tell it how to behave."""
    closings: Closings | None = None
    """How results are waited for where there are very many; a long poll each where it is None."""

    async def start(
        self,
        workflow: str,
        argument: Any,
        *,
        part: str = "main",
        result_type: type | None = None,
        **options: Any,
    ) -> Started:
        """Start a workflow, by its type's name, under this iteration's id prefix.

        `options` are those of Client.start_workflow.

        An unanswered start is recorded as `info`, and the iteration goes on: the workflow may well be running.
        Raises Refused if the server says no.
        """
        workflow_id = self.iteration.id(part)
        if self.iteration.tenant:
            options.setdefault("priority", Priority(fairness_key=self.iteration.tenant))

        async def call() -> WorkflowHandle[Any, Any]:
            return await self.client.start_workflow(
                workflow,
                argument,
                id=workflow_id,
                task_queue=self.task_queue,
                result_type=result_type,
                rpc_timeout=timedelta(seconds=CALL_TIMEOUT),
                **options,
            )

        handle = await self._recorded(Kind.START, workflow, workflow_id, call, intended=self.iteration.intended)
        if handle is None:
            handle = self.client.get_workflow_handle(workflow_id, result_type=result_type)
        return Started(handle, self.iteration.intended)

    async def signal(self, started: Started, signal: str, *arguments: Any) -> None:
        """Send a signal. Raises Refused if the server says no."""
        call_id = new_call_id()
        given = SignalWorkflowInput(
            id=started.id,
            run_id=started.handle.run_id,
            signal=signal,
            args=arguments,
            headers=signal_headers(call_id),
            rpc_metadata={},
            rpc_timeout=timedelta(seconds=CALL_TIMEOUT),
        )

        async def call() -> None:
            # What WorkflowHandle.signal does; but that takes no headers, and makes the request's id itself.
            await self.client._impl.signal_workflow(given)  # noqa: SLF001

        await self._recorded(Kind.SIGNAL, signal, started.id, call, call_id=call_id)

    async def update(self, started: Started, update: str, *arguments: Any) -> Any:
        """Send an update and wait for its result; None where nobody answered. Raises Refused if it is rejected."""
        call_id = new_call_id()

        async def call() -> Any:
            return await started.handle.execute_update(
                update, args=arguments, id=call_id, rpc_timeout=timedelta(seconds=CALL_TIMEOUT)
            )

        return await self._recorded(Kind.UPDATE, update, started.id, call, call_id=call_id)

    async def query(self, started: Started, query: str, *arguments: Any, result_type: type | None = None) -> Any:
        """Ask a query; None where nobody answered. Raises Refused if the workflow cannot answer it."""

        async def call() -> Any:
            return await started.handle.query(
                query, args=arguments, result_type=result_type, rpc_timeout=timedelta(seconds=CALL_TIMEOUT)
            )

        return await self._recorded(Kind.QUERY, query, started.id, call)

    async def result(self, started: Started) -> Outcome:
        """Wait for the workflow to close, for as long as the iteration has. A failed workflow is an outcome too."""
        sent = now()
        outcome, error, by_server = Outcome(status=None), None, None
        turn = self.closings.turn(started.handle) if self.closings else nullcontext()
        try:
            async with turn as by_server:
                outcome = Outcome(status="completed", value=await started.handle.result())
        except WorkflowFailureError as failure:
            outcome = Outcome(status=closing_status(failure), error=_told(failure.cause))
        except RPCError as unanswered:
            error = _told(unanswered)
        except asyncio.CancelledError:
            error = f"no result within {now() - started.intended:.0f} s of the intended start"
            raise
        finally:
            answered = (by_server or now()) if outcome.status else None
            self.record(
                Operation(
                    scenario=self.iteration.scenario,
                    iteration=self.iteration.index,
                    kind=Kind.RESULT,
                    name="",
                    workflow_id=started.id,
                    run_id=started.handle.result_run_id,
                    intended=started.intended,
                    sent=sent,
                    acknowledged=answered,
                    given_up=None if answered else now(),
                    closed=answered,
                    ack=Ack.OK if outcome.status else Ack.INFO,
                    status=outcome.status,
                    error=outcome.error or error,
                    warm_up=self.iteration.warm_up,
                    by_server=by_server is not None,
                )
            )
        return outcome

    async def _recorded(
        self,
        kind: Kind,
        name: str,
        workflow_id: str,
        call: Callable[[], Awaitable[ResultT]],
        intended: float | None = None,
        call_id: str = "",
    ) -> ResultT | None:
        """Make the call and record its fate; None where it is not known."""
        sent = now()
        ack, error, value = Ack.INFO, None, None
        try:
            value = await call()
            ack = Ack.OK
        except asyncio.CancelledError:
            error = f"given up after {now() - sent:.0f} s"
            raise
        except ANSWERED_BY_ERROR as raised:
            if isinstance(raised.__cause__, asyncio.CancelledError):  # the SDK cloaks the cancellation of an update
                error = f"given up after {now() - sent:.0f} s"
                raise raised.__cause__ from None
            ack, error = _fate(raised), _told(raised)
            if ack is Ack.FAIL:
                raise Refused(kind, name, error) from raised
        finally:
            self.record(
                Operation(
                    scenario=self.iteration.scenario,
                    iteration=self.iteration.index,
                    kind=kind,
                    name=name,
                    workflow_id=workflow_id,
                    run_id=getattr(value, "first_execution_run_id", None),
                    intended=sent if intended is None else intended,
                    sent=sent,
                    acknowledged=None if ack is Ack.INFO else now(),
                    given_up=now() if ack is Ack.INFO else None,
                    ack=ack,
                    error=error,
                    call_id=call_id,
                    warm_up=self.iteration.warm_up,
                )
            )
        return value


async def drive(scenario: Scenario[InputT], app: App) -> Sequence[Finding]:
    """Drive one iteration to its end, or to the scenario's timeout. What broke in the scenario itself is a finding."""
    limit = asyncio.timeout(scenario.timeout)
    try:
        async with limit:
            await scenario.run(app, scenario.draw(app.iteration.rng()))
    except Refused as refused:
        if refused.kind is not Kind.START:  # a refused start is judged from its operation
            return [Finding(problem="refused", message=str(refused), workflow_id=app.iteration.prefix)]
    except Exception as error:  # noqa: BLE001  # the scenario is the user's code: one broken iteration must not end the run
        if not limit.expired():  # at the limit, the calls still open have been recorded as unanswered
            return [Finding(problem="broke", message=_told(error), workflow_id=app.iteration.prefix)]
    return []


def closing_status(failure: WorkflowFailureError) -> str:
    """The closing status behind a failed wait for a result."""
    cause = failure.cause
    if isinstance(cause, CancelledError):
        return "canceled"
    if isinstance(cause, TerminatedError):
        return "terminated"
    return "timed_out" if isinstance(cause, WorkflowTimeoutError) else "failed"


def _fate(error: BaseException) -> Ack:
    if isinstance(error, WorkflowAlreadyStartedError):
        return Ack.FAIL
    if isinstance(error, RPCTimeoutOrCancelledError):
        return Ack.INFO
    if isinstance(error, RPCError):
        return Ack.INFO if error.status in UNANSWERED else Ack.FAIL
    return Ack.FAIL


def _told(error: BaseException) -> str:
    """The error in one line, with its innermost cause."""
    inner = error
    while inner.__cause__ is not None:
        inner = inner.__cause__
    text = f"{type(error).__name__}: {error}"
    if inner is not error and str(inner) not in text:
        text += f" ({type(inner).__name__}: {inner})"
    return " ".join(text.split())[:500]
