"""Says in words of ours what went wrong with a call about a schedule."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from temporalio.service import RPCError, RPCStatusCode

from system.errors import DeclarationRefused, ScheduleUnknown, Unavailable

ANSWER_WITHIN = timedelta(seconds=15)


@contextmanager
def asking(schedule_id: str) -> Iterator[None]:
    """Make a call to Temporal.

    Raises:
        ScheduleUnknown: there is no such schedule.
        DeclarationRefused: Temporal takes no such schedule, or no such call.
        Unavailable: Temporal does not answer.

    """
    try:
        yield
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise ScheduleUnknown(schedule_id) from error
        if error.status in {RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.FAILED_PRECONDITION}:
            raise DeclarationRefused(f"Temporal refuses schedule {schedule_id!r}: {error.message}") from error
        raise Unavailable(
            f"Temporal did not answer for schedule {schedule_id!r}: {error.message}; try again"
        ) from error
