"""Turns errors of activities into the failures Temporal retries, or does not."""

from __future__ import annotations

import logging
from typing import Any

import asyncpg
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from system.errors import DataRefused, Error, FailureDetails, NotMigrated, SchemaMismatch, Unavailable

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
        refused = SchemaMismatch if activity_type.startswith("pipeline.") else DataRefused
        return refused(f"PostgreSQL refused what was to be written: {text}")
    if isinstance(error, TRANSIENT):
        return Unavailable(text)
    return None


def _reason(error: Exception) -> str:
    """Say what happened; leaving a transaction on a dead connection hides what killed the connection."""
    hidden = error.__context__ if isinstance(error, asyncpg.InterfaceError) else None
    first = hidden if isinstance(hidden, Exception) else error
    return f"{type(first).__name__}: {first}"


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
            raise ApplicationError(
                str(known),
                FailureDetails(
                    attempt=activity.info().attempt,
                    remedy=known.remedy,
                    values=known.details.model_dump(mode="json") if known.details else {},
                ),
                type=known.name,
                non_retryable=not known.retryable,
                next_retry_delay=known.retry_after,
            ) from None
