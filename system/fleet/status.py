"""What a worker tells the fleet it belongs to, once a second, over a pipe."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from system.records import Record

EVERY_SECONDS = 1.0
PAGE = os.sysconf("SC_PAGE_SIZE")


class Status(Record):
    """One worker, as it sees itself."""

    polling: bool
    busy: int
    slots: int
    memory: int
    """Resident, in bytes."""


class Occupancy(Interceptor):
    """Counts the activities that run now."""

    def __init__(self) -> None:
        self.busy = 0

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 the SDK's own parameter name
        """See base class."""
        return _Counted(next, self)


class _Counted(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, occupancy: Occupancy) -> None:  # noqa: A002 the SDK's own parameter name
        super().__init__(next)
        self._occupancy = occupancy

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 the SDK's own parameter name
        self._occupancy.busy += 1
        try:
            return await self.next.execute_activity(input)
        finally:
            self._occupancy.busy -= 1


async def tell(pipe: int, status: Callable[[], Status], orphaned: Callable[[], None]) -> None:
    """Write the status once a second until cancelled; ``orphaned`` is called when nobody reads it any more."""
    os.set_blocking(pipe, False)
    while True:
        try:
            os.write(pipe, status().model_dump_json().encode() + b"\n")
        except BlockingIOError:
            pass  # the fleet is busy: the next status says all that this one did
        except OSError:
            orphaned()
            return
        await asyncio.sleep(EVERY_SECONDS)


def resident_bytes() -> int:
    """Memory of this process that is in RAM (statm, second field: proc(5))."""
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 read once a second: no Path is needed
        return int(file.read().split()[1]) * PAGE
