"""Which attempts of activities a test's workers made, and when they began, in the server's time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from harness.errors import UnknownName


@dataclass(eq=False)
class Attempted:
    """An attempt that a worker began."""

    workflow_id: str
    run_id: str
    activity: str
    """Its type."""
    activity_id: str
    """Of the call that it is an attempt of; unique in its run."""
    attempt: int
    """Counted from 1."""
    began: datetime
    is_open: bool = True
    """Whether the worker is still at it."""

    @property
    def call(self) -> tuple[str, str]:
        """What all attempts of one call have in common."""
        return (self.run_id, self.activity_id)


def gaps(attempts: Iterable[Attempted], workflow_id: str, activity_type: str, call: int = 1) -> list[timedelta]:
    """How long after the one before it each attempt of a call began, the first excepted.

    Calls of that activity by the workflow are counted from 1, in the order in which they were begun. Raises
    UnknownName for an activity of which there was no attempt, and ValueError for a call that there was not.
    """
    of_workflow = [each for each in attempts if each.workflow_id == workflow_id]
    of_activity = [each for each in of_workflow if each.activity == activity_type]
    if not of_activity:
        raise UnknownName("activity", activity_type, {each.activity for each in of_workflow})
    calls = list(dict.fromkeys(each.call for each in of_activity))
    if not 1 <= call <= len(calls):
        message = f"call={call}: {workflow_id} called {activity_type} {len(calls)} times"
        raise ValueError(message)
    began = [each.began for each in of_activity if each.call == calls[call - 1]]
    return [later - earlier for earlier, later in pairwise(began)]


class NotingAttempts(Interceptor):
    """Notes each attempt as it begins, and when the worker is done with it."""

    def __init__(self, attempts: list[Attempted]) -> None:
        self._attempts = attempts

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 the SDK's own parameter name
        """See base class."""
        return _Inbound(next, self._attempts)


class _Inbound(ActivityInboundInterceptor):
    def __init__(self, following: ActivityInboundInterceptor, attempts: list[Attempted]) -> None:
        super().__init__(following)
        self._attempts = attempts

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 the SDK's own parameter name
        info = activity.info()
        made = Attempted(
            workflow_id=info.workflow_id or "",
            run_id=info.workflow_run_id or "",
            activity=info.activity_type,
            activity_id=info.activity_id,
            attempt=info.attempt,
            began=info.started_time,
        )
        self._attempts.append(made)
        try:
            return await self.next.execute_activity(input)
        finally:
            made.is_open = False
