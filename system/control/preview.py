"""Says what a bulk operation would act on, before it does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError, RPCStatusCode

from system.control import rules
from system.control.actions import status_of, unavailable
from system.control.models import Action, Preview, Target
from system.errors import ControlRefused

CALL = timedelta(seconds=10)
SAMPLE = 10
ResultT = TypeVar("ResultT")


async def preview(
    client: Client, action: Action, query: str, *, everything: bool = False, sample: int = SAMPLE
) -> Preview:
    """Count what a query finds, and show some of it. Visibility lags behind: what was started just now may be missing.

    Raises:
        ControlRefused: the query is empty, or Temporal does not understand it.
        Unavailable: Temporal does not answer.

    """
    effective = checked(query, everything=everything)

    async def ask() -> tuple[Counter[str], tuple[Target, ...]]:
        counted = await client.count_workflows(f"({effective}) GROUP BY ExecutionStatus", rpc_timeout=CALL)
        statuses = Counter({str(group.group_values[0]).lower(): group.count for group in counted.groups})
        found = client.list_workflows(effective, limit=sample, page_size=sample, rpc_timeout=CALL)
        return statuses, tuple([as_target(one) async for one in found])

    statuses, targets = await asked(effective, ask)
    count = statuses.total()
    return Preview(
        query=effective,
        count=count,
        statuses=dict(statuses.most_common()),
        sample=targets,
        token=rules.token(effective, action, count),
    )


def checked(query: str, *, everything: bool) -> str:
    """Return the query to list by.

    Raises:
        ControlRefused: the query is empty.

    """
    try:
        return rules.effective_query(query, everything=everything)
    except ValueError as error:
        raise ControlRefused(str(error)) from error


async def asked(query: str, ask: Callable[[], Coroutine[Any, Any, ResultT]]) -> ResultT:
    """Ask visibility.

    Raises:
        ControlRefused: Temporal does not understand the query.
        Unavailable: it does not answer.

    """
    try:
        return await ask()
    except RPCError as error:
        if error.status is RPCStatusCode.INVALID_ARGUMENT:
            raise ControlRefused(
                f"Temporal does not understand the query {query!r}: {error.message}; "
                "expected something like: WorkflowType = 'pipeline.Pipeline' AND ExecutionStatus = 'Running'"
            ) from error
        raise unavailable(error) from error


def as_target(found: WorkflowExecution) -> Target:
    """Return a workflow that was found as a target."""
    return Target(
        workflow_id=found.id,
        run_id=found.run_id,
        workflow_type=found.workflow_type,
        status=status_of(found.status),
        started_at=found.start_time,
    )
