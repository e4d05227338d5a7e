"""Turns errors of activities into the failures Temporal retries, or does not."""

from __future__ import annotations

import logging
from typing import Any

import asyncpg
from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from system.details import Refusal
from system.errors import DataRefused, Error, NotMigrated, SchemaMismatch, Unavailable
from system.failures import failure_of

logger = logging.getLogger(__name__)

TRANSIENT = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,  # server shutting down, statement timeout
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,  # deadlock, serialization failure
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    TimeoutError,
    ConnectionError,
    OSError,
)
NOT_MIGRATED = (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.InvalidSchemaNameError)
REFUSED = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, asyncpg.ProgramLimitExceededError)


def translate(error: Exception, activity_type: str = "") -> Error | None:
    """Return the error of our tree that a library's error amounts to in this activity; None for one nobody foresaw.

    An unforeseen error is left as it is: Temporal retries it until a corrected version is deployed.
    """
    if isinstance(error, Error):
        return error
    text = _reason(error)
    if isinstance(error, NOT_MIGRATED):
        return NotMigrated(f"{text}; run `python -m system migrate`")
    if isinstance(error, REFUSED):
        message = f"PostgreSQL refused what was to be written: {text}"
        return SchemaMismatch(message) if activity_type.startswith("pipeline.") else DataRefused(message, _told(error))
    if isinstance(error, TRANSIENT):
        return Unavailable(text)
    return None


def _reason(error: Exception) -> str:
    """Say what happened; leaving a transaction on a dead connection hides what killed the connection."""
    hidden = error.__context__ if isinstance(error, asyncpg.InterfaceError) else None
    first = hidden if isinstance(hidden, Exception) else error
    return f"{type(first).__name__}: {first}"


def _told(error: asyncpg.PostgresError) -> Refusal:
    return Refusal(
        sqlstate=error.sqlstate or "",
        table=error.table_name or "",
        column=error.column_name or "",
        constraint=error.constraint_name or "",
    )


class ErrorInterceptor(Interceptor):
    """Gives every activity failure its stable type name and its retryable flag."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 the SDK's own parameter name
        """See base class."""
        return _ErrorInbound(next)


class _ErrorInbound(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 the SDK's own parameter name
        try:
            return await self.next.execute_activity(input)
        except Exception as error:
            known = translate(error, activity.info().activity_type)
            if known is None:
                raise
            if known is not error:
                logger.warning("%s failed: %s", activity.info().activity_type, known, exc_info=error)
            # Not chained: Temporal replaces the failure of a retried attempt by "Failure exceeds size limit." if its
            # stack traces are long.
            raise failure_of(known, attempt=activity.info().attempt) from None
