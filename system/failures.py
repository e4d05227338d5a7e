"""What an error becomes on its way through Temporal, and how its details are read again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field, ValidationError
from temporalio.exceptions import ApplicationError

from system.errors import Error
from system.records import Record


class FailureDetails(Record):
    """What a failure carries beside its type and its message."""

    attempt: int
    """Of the activity; 1 for the first."""
    remedy: str
    values: Mapping[str, Any] = Field(default_factory=dict)
    """The error's own details: the record that its class declares."""


def failure_of(error: Error, *, attempt: int = 1) -> ApplicationError:
    """Return the failure that Temporal retries, or does not, as the error says."""
    return ApplicationError(
        str(error),
        FailureDetails(
            attempt=attempt,
            remedy=error.remedy,
            values=error.details.model_dump(mode="json") if error.details else {},
        ),
        type=error.name,
        non_retryable=not error.retryable,
        next_retry_delay=error.retry_after,
    )


def details_of(error_type: str, values: Mapping[str, Any]) -> Record | None:
    """Return a failure's details as their record; None where it has none, or another version wrote them.

    Args:
        error_type: the stable name of the error.
        values: ``FailureDetails.values``.

    """
    declared = next((one.details_type() for one in kinds(Error) if one.name == error_type), None)
    try:
        return declared.model_validate(values) if declared else None
    except ValidationError:
        return None


def kinds(of: type[Error]) -> Iterator[type[Error]]:
    """Yield every class of errors below this one, each followed by its own."""
    for one in of.__subclasses__():
        yield one
        yield from kinds(one)
