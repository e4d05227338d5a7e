"""Turns errors of activities into the failures Temporal retries, or does not."""

from __future__ import annotations

from typing import Any

import asyncpg
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from system.errors import Error, NotMigrated, SchemaMismatch, Unavailable

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
REFUSED = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)


def translate(error: Exception) -> Error | None:
    """Return the error of our tree that a library's error amounts to; None for one nobody foresaw.

    An unforeseen error is left as it is: Temporal retries it until a corrected version is deployed.
    """
    if isinstance(error, Error):
        return error
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, NOT_MIGRATED):
        return NotMigrated(f"{text}; run `python -m system migrate`")
    if isinstance(error, REFUSED):
        return SchemaMismatch(f"PostgreSQL refused the rows: {text}")
    if isinstance(error, TRANSIENT):
        return Unavailable(text)
    return None


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
            known = translate(error)
            if known is None:
                raise
            failure = ApplicationError(str(known), type=known.name, non_retryable=not known.retryable)
            # Our own errors say all there is to know: a chain would fill the log with the same text again.
            raise failure from (None if known is error else error)
