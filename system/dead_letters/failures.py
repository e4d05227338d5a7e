"""Reads what an error that reached a workflow, or ended it, says of itself."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ChildWorkflowError,
    FailureError,
    TerminatedError,
    TimeoutError,  # noqa: A004 Temporal's own
)

from system.dead_letters.models import TERMINATED, TIMED_OUT
from system.failures import FailureDetails
from system.records import storable

NAME = 500
"""Characters kept of an error's type."""
MESSAGE = 4_000
"""Characters kept of a message."""
DETAILS = 16_000
"""Characters kept of the details, as JSON."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What an error says."""

    error_type: str
    message: str
    attempts: int | None = None
    remedy: str = ""
    details: dict[str, Any] = field(default_factory=dict)


def told(error: BaseException) -> Told:
    """Read an error; where it only says that an activity or a child failed, read why."""
    cause = innermost(error)
    message = storable(_message(cause), MESSAGE)
    if isinstance(cause, TimeoutError):
        kind = cause.type.name.lower() if cause.type is not None else "unknown"
        behind = f"; the attempt before: {_message(cause.__cause__)}" if cause.__cause__ is not None else ""
        return Told(
            error_type=TIMED_OUT,
            message=storable(f"{message}: {kind}{behind}", MESSAGE),
            remedy="look at what took so long, or was not there to do it",
            details={"timeout": kind},
        )
    if isinstance(cause, TerminatedError):
        return Told(error_type=TERMINATED, message=message, remedy="ask who terminated it, and why")
    if not isinstance(cause, ApplicationError):
        return Told(error_type=type(cause).__name__, message=message)
    ours = _ours(cause)
    return Told(
        error_type=storable(cause.type or type(cause).__name__, NAME),
        message=message,
        attempts=ours.attempt if ours else None,
        remedy=storable(ours.remedy, MESSAGE) if ours else "",
        details=_bounded(dict(ours.values) if ours else {"details": list(cause.details)} if cause.details else {}),
    )


def innermost(error: BaseException) -> BaseException:
    """Return the failure behind the ones that only carry it."""
    while isinstance(error, (ActivityError, ChildWorkflowError)) and error.__cause__ is not None:
        error = error.__cause__
    return error


def child_behind(error: BaseException | None) -> str:
    """Return the id of the child workflow by whose failure a workflow failed; empty where it was none."""
    while error is not None and not isinstance(error, (ActivityError, ChildWorkflowError)):
        error = error.__cause__
    return error.workflow_id if isinstance(error, ChildWorkflowError) else ""


def _message(error: BaseException) -> str:
    # The text of an ApplicationError begins with its type, which has a place of its own.
    return error.message if isinstance(error, FailureError) else str(error)


def _ours(error: ApplicationError) -> FailureDetails | None:
    if not error.details:
        return None
    try:
        return FailureDetails.model_validate(error.details[0])
    except ValidationError:
        return None


def _bounded(details: dict[str, Any]) -> dict[str, Any]:
    """Return the details as jsonb takes them."""
    text = json.dumps(details, default=repr, ensure_ascii=False).encode(errors="replace").decode()
    text = text.replace("\\u0000", "\\u2400")
    if len(text) > DETAILS:
        return {"shortened": text[:DETAILS]}
    bounded: dict[str, Any] = json.loads(text, parse_constant=str)  # NaN and Infinity, which are no JSON, as text
    return bounded
