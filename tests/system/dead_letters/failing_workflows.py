"""Workflows that fail in every way there is, and activities that do."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, Literal

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, ChildWorkflowError

from system.control.pausable import Pausable

with workflow.unsafe.imports_passed_through():
    from system.errors import InputError, Unavailable
    from system.records import Record

How = Literal[
    "completes",
    "activity",
    "exhausted",
    "patient",
    "timeout",
    "stalls",
    "local",
    "wrapped",
    "caught",
    "itself",
    "busy",
    "child",
    "child_caught",
    "signal",
    "again",
    "goes_on",
    "many",
    "waits",
    "caught_then_waits",
]
ONCE = RetryPolicy(maximum_attempts=1)
THRICE = RetryPolicy(maximum_attempts=3, initial_interval=timedelta(milliseconds=10))
MINUTE = timedelta(minutes=1)


class Work(Record):
    """What a workflow or an activity is to do."""

    how: How
    item: str = ""


class Done(Record):
    """It worked."""

    how: str


repaired: set[str] = set()
"""Items whose activities work from now on."""


@activity.defn(name="failing.refuse")
async def refuse(work: Work) -> Done:
    """Fail for good at the first attempt, until the item is repaired."""
    if work.item in repaired:
        return Done(how="repaired")
    raise InputError(f"item {work.item!r} of {activity.info().workflow_id} is no good", Done(how=work.how))


@activity.defn(name="failing.unavailable")
async def unavailable(work: Work) -> Done:
    """Fail at every attempt."""
    raise Unavailable(f"nothing answers on port {len(work.item)}")


@activity.defn(name="failing.stall")
async def stall(work: Work) -> Done:
    """Wait for longer than it may."""
    await asyncio.sleep(60)
    raise AssertionError


ACTIVITIES: list[Callable[..., Any]] = [refuse, unavailable, stall]


@workflow.defn(name="failing.Failing")
class Failing:
    """Fails as it is told to."""

    def __init__(self) -> None:
        self._go_on = False

    @workflow.run
    async def run(self, work: Work) -> Done:
        step = getattr(self, f"_{work.how}", None)
        if step is not None:
            await step(work)
        return Done(how=work.how)

    @workflow.signal
    async def fail(self) -> None:
        raise ApplicationError("the signal cannot be handled", type="BadSignal", non_retryable=True)

    @workflow.signal
    def go_on(self) -> None:
        self._go_on = True

    async def _activity(self, work: Work) -> None:
        await workflow.execute_activity(refuse, work, start_to_close_timeout=MINUTE)

    async def _exhausted(self, work: Work) -> None:
        await workflow.execute_activity(unavailable, work, start_to_close_timeout=MINUTE, retry_policy=THRICE)

    async def _patient(self, work: Work) -> None:
        hourly = RetryPolicy(maximum_attempts=3, initial_interval=timedelta(hours=1), backoff_coefficient=1)
        await workflow.execute_activity(unavailable, work, start_to_close_timeout=MINUTE, retry_policy=hourly)

    async def _timeout(self, work: Work) -> None:
        await workflow.execute_activity(
            stall,
            work,
            start_to_close_timeout=timedelta(milliseconds=300),
            retry_policy=RetryPolicy(maximum_attempts=2, initial_interval=timedelta(milliseconds=10)),
        )

    async def _stalls(self, work: Work) -> None:
        await workflow.execute_activity(stall, work, start_to_close_timeout=MINUTE)

    async def _local(self, work: Work) -> None:
        await workflow.execute_local_activity(refuse, work, start_to_close_timeout=MINUTE)

    async def _wrapped(self, work: Work) -> None:
        try:
            await self._activity(work)
        except ActivityError as error:
            raise ApplicationError("the order failed", type="OrderFailed", non_retryable=True) from error

    async def _caught(self, work: Work) -> None:
        try:
            await self._activity(work)
        except ActivityError:
            workflow.logger.info("caught")

    async def _itself(self, work: Work) -> None:
        raise ApplicationError(f"no way to do {work.item!r}", type="NoWay", non_retryable=True)

    async def _busy(self, _: Work) -> None:
        raise ApplicationError("come again", type="Busy")

    async def _child(self, work: Work) -> None:
        await workflow.execute_child_workflow(
            Failing.run, work.model_copy(update={"how": "itself"}), id=f"{workflow.info().workflow_id}.child"
        )

    async def _child_caught(self, work: Work) -> None:
        try:
            await self._child(work)
        except ChildWorkflowError:
            workflow.logger.info("caught")

    async def _signal(self, _: Work) -> None:
        await workflow.wait_condition(lambda: False)

    async def _again(self, work: Work) -> None:
        try:
            await self._activity(work)
        except ActivityError:
            workflow.continue_as_new(work.model_copy(update={"how": "completes"}))

    async def _goes_on(self, work: Work) -> None:
        workflow.continue_as_new(work.model_copy(update={"how": "completes"}))

    async def _many(self, work: Work) -> None:
        items = (work.model_copy(update={"item": f"{work.item}{number}"}) for number in range(3))
        await asyncio.gather(*(self._activity(item) for item in items), return_exceptions=True)

    async def _waits(self, _: Work) -> None:
        await workflow.wait_condition(lambda: self._go_on)

    async def _caught_then_waits(self, work: Work) -> None:
        await self._caught(work)
        await self._waits(work)


@workflow.defn(name="failing.Chained")
class Chained(Pausable):
    """Goes on after a caught failure in a run of its own, as workflows with long histories do."""

    @workflow.run
    async def run(self, work: Work) -> Done:
        if work.how == "caught":
            with suppress(ActivityError):
                await workflow.execute_activity(refuse, work, start_to_close_timeout=MINUTE)
            await self.ready_to_continue()
            workflow.continue_as_new(work.model_copy(update={"how": "completes"}))
        return Done(how=work.how)
