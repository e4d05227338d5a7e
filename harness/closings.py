"""Waits for workflows to close: some in a long poll each, all beyond that by asking visibility about many at once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.client import Client, RPCError, WorkflowExecutionStatus, WorkflowHandle

from harness.clock import now

WAITERS = 900
"""Results waited for in a long poll each. A frontend serves 1,200 polls to a namespace, and workers need some."""
FETCHES = 100
"""Results fetched at once of workflows that have closed."""
LOOK_EVERY = 1.0
"""Seconds between two questions to visibility."""
LATE = 5.0
"""Seconds by which visibility may lag behind; what it tells later still is asked for one by one."""
ASKED_ONE_BY_ONE = 20
"""At most so many of those at each look."""
ASK = timedelta(seconds=10)
RETRIED = frozenset({WorkflowExecutionStatus.FAILED, WorkflowExecutionStatus.TIMED_OUT})
"""How runs end that another may follow, where the workflow has a retry policy."""


class Closings:
    """Tells when workflows of one run close, of however many: by one client, in one event loop."""

    def __init__(self, client: Client, prefix: str, *, waiters: int = WAITERS, look_every: float = LOOK_EVERY) -> None:
        """`prefix` is that of the run's workflow ids; no more than `waiters` long polls are open at once."""
        self._client = client
        self._prefix = prefix
        self._waiters = waiters
        self._look_every = look_every
        self._fetches = asyncio.Semaphore(FETCHES)
        self._awaited: dict[str, asyncio.Future[float]] = {}
        self._since: dict[str, float] = {}
        self._looking: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def turn(self, handle: WorkflowHandle[Any, Any]) -> AsyncIterator[float | None]:
        """Inside the block the workflow's result may be waited for.

        Yields None where a long poll is free; else, once the workflow has closed, when it did by the server's clock,
        in seconds since the Unix epoch.
        """
        if self._waiters > 0:
            self._waiters -= 1
            try:
                yield None
            finally:
                self._waiters += 1
        else:
            closed = await self._told(handle.id)
            async with self._fetches:
                yield closed

    async def _told(self, workflow_id: str) -> float:
        future = self._awaited.setdefault(workflow_id, asyncio.get_running_loop().create_future())
        self._since.setdefault(workflow_id, now())
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            return await asyncio.shield(future)  # another may wait for the same
        finally:
            self._awaited.pop(workflow_id, None)
            self._since.pop(workflow_id, None)

    async def _look(self) -> None:
        """Ask, for as long as somebody waits."""
        since = min(self._since.values())
        while self._awaited:
            await asyncio.sleep(self._look_every)
            begin = now()
            # While the server is out of reach, those who wait go on waiting: each has its own limit.
            with contextlib.suppress(RPCError):
                await self._ask_for_all(since - LATE)
                await self._ask_one_by_one(begin - LATE)
                since = begin

    async def _ask_for_all(self, since: float) -> None:
        moment = datetime.fromtimestamp(since, tz=UTC).isoformat()
        query = (
            f'WorkflowId STARTS_WITH "{self._prefix}" AND ExecutionStatus NOT IN ("Running", "ContinuedAsNew") '
            f'AND CloseTime >= "{moment}"'
        )
        async for found in self._client.list_workflows(query, rpc_timeout=ASK):
            if found.status in RETRIED:
                await self._ask_about(found.id)
            elif found.close_time is not None:
                self._tell(found.id, found.close_time)

    async def _ask_one_by_one(self, before: float) -> None:
        overdue = [workflow_id for workflow_id, since in self._since.items() if since < before][:ASKED_ONE_BY_ONE]
        for workflow_id in overdue:
            self._since[workflow_id] = self._since.pop(workflow_id)  # the last to be asked again
            await self._ask_about(workflow_id)

    async def _ask_about(self, workflow_id: str) -> None:
        """By its id alone: that is its latest run, which may be one more attempt."""
        if workflow_id not in self._awaited:
            return
        found = await self._client.get_workflow_handle(workflow_id).describe(rpc_timeout=ASK)
        if found.close_time is not None and found.status is not WorkflowExecutionStatus.CONTINUED_AS_NEW:
            self._tell(workflow_id, found.close_time)

    def _tell(self, workflow_id: str, closed: datetime) -> None:
        future = self._awaited.get(workflow_id)
        if future is not None and not future.done():
            future.set_result(closed.timestamp())
