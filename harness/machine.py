"""A Hypothesis state machine whose rules drive live workflows."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from hypothesis.stateful import RuleBasedStateMachine
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle, WorkflowHistory
from temporalio.service import RPCError
from temporalio.worker import Worker

from harness.deadlines import DeadlinePassed
from harness.environments import V1
from harness.eventually import eventually
from harness.replay.interleaved import interleaved
from harness.skipping import TIME_STANDS

if TYPE_CHECKING:
    from harness.modeltest import Models

Result = TypeVar("Result")

STICKY = {"sticky_queue_schedule_to_start_timeout": timedelta(seconds=1)}
"""A worker that has gone is soon forgotten, and its successor asked."""
LOST = timedelta(seconds=1)
"""A server may hand a workflow task to a worker that has just gone: this long after, it hands it to the next."""
WORKFLOW_TASK = {
    value for name, value in EventType.items() if name.startswith("EVENT_TYPE_WORKFLOW_TASK_")
}  # fmt: skip


class TemporalMachine(RuleBasedStateMachine):
    """A state machine whose rules drive live workflows: rules are plain functions, Temporal is on another thread.

    Attributes:
        temporal: this example's client and task queue, and what the environment's time is.
        prefix: what the ids of this example's workflows begin with.

    """

    def __init__(self, models: Models) -> None:
        super().__init__()
        self._exits = AsyncExitStack()
        self._options: Mapping[str, Any] = {}
        self._worker: AsyncExitStack | None = None
        self._closed = False
        self.models = models
        self.prefix = f"model-{secrets.token_hex(6)}"
        self.temporal = models.begin(self)
        self._exits.push_async_callback(self.temporal.aclose)

    def on_loop(self, work: Coroutine[Any, Any, Result], *, deadline: float | None = None) -> Result:
        """Await a coroutine. Raises DeadlinePassed, with what the workflows had done by then."""
        seconds = self.models.deadline if deadline is None else deadline
        what = getattr(work, "__qualname__", "what was awaited")
        try:
            return self.models.loop.run(work, seconds)
        except DeadlinePassed as late:
            raise DeadlinePassed(f"{what} was not over within {seconds:g} s{self._explained()}") from late

    def enter(self, context: AbstractAsyncContextManager[Result]) -> Result:
        """Enter what is left when the example ends, once the worker has stopped."""
        return self.on_loop(self._exits.enter_async_context(context))

    def run_worker(self, **options: Any) -> None:
        """Run a worker on this example's task queue; options are ``temporalio.worker.Worker``'s.

        Where time is skipped it caches no workflow: each of its tasks replays.
        """
        # The server that skips time does not ask another worker for the one whose cache a workflow was in.
        cached = {"max_cached_workflows": 0} if self.models.environment.kind is V1 else STICKY
        self._options = {**cached, **options, "task_queue": self.temporal.task_queue}
        self.on_loop(self._start_worker())

    def restart_worker(self) -> None:
        """Stop the worker and run one like it, which knows of no workflow: it must replay them.

        An attempt that is due just now may be lost, and time out.
        """
        self.on_loop(self._stop_worker())
        self.on_loop(self._start_worker())

    def start(self, workflow: Any, *args: Any, **options: Any) -> WorkflowHandle[Any, Any]:
        """Start a workflow; an id is made where none is given."""
        options.setdefault("id", f"{self.prefix}-{secrets.token_hex(4)}")
        options.setdefault("task_timeout", LOST)
        return self.on_loop(self.temporal.start(workflow, *args, **options))

    def signal(self, handle: WorkflowHandle[Any, Any], signal: Any, *args: Any) -> None:
        self.on_loop(handle.signal(signal, args=args))

    def update(self, handle: WorkflowHandle[Any, Any], update: Any, *args: Any) -> Any:
        """Send an update and await its outcome; no time is skipped meanwhile."""
        return self.on_loop(_updated(handle, update, args))

    def query(self, handle: WorkflowHandle[Any, Any], query: Any, *args: Any) -> Any:
        return self.on_loop(handle.query(query, args=args))

    def result(self, handle: WorkflowHandle[Any, Any], *, deadline: float | None = None) -> Any:
        """Await a workflow's end, time being skipped where it can be. Raises WorkflowFailureError."""
        return self.on_loop(handle.result(), deadline=deadline)

    def cancel(self, handle: WorkflowHandle[Any, Any]) -> None:
        self.on_loop(handle.cancel())

    def history(self, handle: WorkflowHandle[Any, Any]) -> WorkflowHistory:
        return self.on_loop(handle.fetch_history())

    def skip(self, duration: timedelta) -> None:
        """Let this much of the environment's time pass, without waiting for it. Raises NotGiven.

        It begins to pass once every workflow has heard what it was told.
        """
        self.on_loop(self._heard())
        self.on_loop(self.temporal.sleep(duration))

    def eventually(self, predicate: Callable[[], Awaitable[Result]]) -> Result:
        """Ask until the answer is true. Raises AssertionError."""
        return self.on_loop(eventually(predicate, timeout=self.models.deadline), deadline=2 * self.models.deadline)

    def settle(self) -> None:
        """Override it with what must be true at the end of every example, whatever its steps were."""

    def teardown(self) -> None:
        """End the example; one that went through is settled, and what its workflows did is checked."""
        went_through = sys.exc_info()[0] is None
        try:
            if went_through:
                self.settle()
                self.on_loop(self._heard())
                self.on_loop(self._halt())
                self.on_loop(self.temporal.check())
        except BaseException:
            went_through = False
            raise
        finally:
            self.close()
            self.models.is_sound = went_through

    def close(self) -> None:
        """Leave no workflow and no worker behind."""
        if self._closed:
            return
        self._closed = True
        try:
            self.on_loop(self._halt())
        finally:
            self.on_loop(self._exits.aclose())

    async def _halt(self) -> None:
        for workflow_id in self.models.started:
            with suppress(RPCError):  # most have ended
                await self.temporal.client.get_workflow_handle(workflow_id).terminate("the example is over")
        await self._stop_worker()

    async def _heard(self) -> None:
        # The server may wait for ever where time is skipped while a workflow task is under way.
        for workflow_id in self.models.started:
            handle = self.temporal.client.get_workflow_handle(workflow_id)
            await eventually(partial(_idle, handle), timeout=self.models.deadline)

    async def _start_worker(self) -> None:
        self._worker = AsyncExitStack()
        await self._worker.enter_async_context(_running(Worker(self.temporal.client, **self._options)))

    async def _stop_worker(self) -> None:
        if self._worker is not None:
            await self._worker.aclose()
            self._worker = None

    def _explained(self) -> str:
        try:
            lines = self.models.loop.run(self.temporal.histories(), self.models.deadline)
        except Exception as error:  # noqa: BLE001 the deadline is what matters
            return f"; and their histories could not be fetched: {error!r}"
        return "\n".join([". What the workflows did:", *interleaved(lines)])


async def _idle(handle: WorkflowHandle[Any, Any]) -> bool:
    """Whether no workflow task is under way, nor due."""
    last = None
    async for event in handle.fetch_history_events():
        if event.event_type in WORKFLOW_TASK:
            last = event.event_type
    return last == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED


async def _updated(handle: WorkflowHandle[Any, Any], update: Any, args: Sequence[Any]) -> Any:
    TIME_STANDS.set(True)
    return await handle.execute_update(update, args=args)


@asynccontextmanager
async def _running(worker: Worker) -> AsyncIterator[None]:
    running = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        await worker.shutdown()
        await running
