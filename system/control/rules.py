"""What is decided about actions on workflows, without asking anybody."""

from __future__ import annotations

import hashlib
import math
import uuid
from collections.abc import Mapping
from typing import TypeAlias

from system.control.models import (
    Action,
    BulkRequest,
    Cancel,
    Pause,
    Reset,
    Resume,
    Retry,
    Signal,
    Status,
    Terminate,
)

LARGEST_ROUND = 100
"""Targets in one activity, which must end soon after a pause."""
MOST_TARGETS = 100_000
"""Of one operation: they are listed in memory, and written in one transaction."""
TOKEN_DIGITS = 12
COUNT_DIGITS = 9
"""A count of more digits is no preview's, and would not fit the record."""
BULK_ONLY_OTHERS = "WorkflowType != 'control.Bulk'"
CLOSED: Mapping[Status, str] = {
    "completed": "already completed",
    "failed": "already failed",
    "canceled": "already cancelled",
    "terminated": "already terminated",
    "timed_out": "already timed out",
    "continued_as_new": "continued as a new run that is gone",
}
CAN_BE_RETRIED: frozenset[Status] = frozenset({"failed", "timed_out", "terminated"})
OfRunning: TypeAlias = Pause | Resume | Cancel | Terminate | Signal
Seconds: TypeAlias = float


def why_skipped(action: Action, status: Status, *, is_latest: bool) -> str:
    """Say why an action does not apply to a run; empty where it does.

    Args:
        action: what is to be done.
        status: the run's.
        is_latest: whether no newer run has the same workflow id: a reset of an older one would end the newer.

    """
    if isinstance(action, OfRunning):
        return CLOSED.get(status, "")
    if not is_latest:
        return "a newer run has the same workflow id"
    if isinstance(action, Retry) and status not in CAN_BE_RETRIED:
        return CLOSED.get(status, "still running")
    return ""


def effective_query(query: str, *, everything: bool) -> str:
    """Return the query to list by; where everything is meant, bulk operations themselves are not.

    Raises:
        ValueError: the query says nothing, or everything beside something; the message says what to do.

    """
    query = query.strip()
    if everything and query:
        raise ValueError("everything is asked for, and a query as well: give one of them")
    if everything:
        return BULK_ONLY_OTHERS
    if not query:
        raise ValueError(
            "the query is empty, which would act on every workflow: narrow it, or ask for everything explicitly"
        )
    return query


def token(query: str, action: Action, count: int) -> str:
    """Return what allows this action on what this query finds, as long as it finds no more than ``count``."""
    told = "\n".join((query, action.model_dump_json(), str(count)))
    return f"{count}-{hashlib.sha256(told.encode()).hexdigest()[:TOKEN_DIGITS]}"


def allowed(request: BulkRequest, query: str) -> int:
    """Return how many targets a request may have at most: as many as its preview has counted.

    Raises:
        ValueError: there is no token, or it is another query's or action's.

    """
    if not request.token:
        raise ValueError("there is no preview's token: preview first, and use its token")
    count = previewed(request)
    if count is None or token(query, request.action, count) != request.token:
        raise ValueError(
            f"the token {request.token!r} was made for another query or action: preview again, and use its token"
        )
    return count


def previewed(request: BulkRequest) -> int | None:
    """Return how many the preview has counted, as the token tells; None where it tells nothing."""
    count = request.token.partition("-")[0]
    return int(count) if count.isascii() and count.isdigit() and len(count) <= COUNT_DIGITS else None


def why_refused(found: int, most: int) -> str:
    """Say why what was found is not acted on; empty where it is."""
    if found > MOST_TARGETS:
        return f"the query finds {found:,} workflows, an operation has at most {MOST_TARGETS:,}: narrow it"
    if found > most:
        return (
            f"the query finds {found:,} workflows, and {most:,} are allowed: nothing was done; "
            "preview again, and use the new token if that is what you want"
        )
    return ""


def round_size(rate: float) -> int:
    """Return how many targets are acted on between two waits."""
    return max(1, min(LARGEST_ROUND, math.floor(rate)))


def wait_after(size: int, rate: float, took: Seconds) -> Seconds:
    """Return how long to wait after a round, so that the next one begins no sooner than the rate allows."""
    return max(0.0, size / rate - took)


def request_id(operation: str, workflow_id: str, run_id: str) -> str:
    """Return the id by which the server knows a request that is repeated."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"control:{operation}:{workflow_id}:{run_id}"))


def identity(by: str, operation: str) -> str:
    """Return who acts, as history tells it: by this, an attempt also finds what an earlier one has done."""
    return f"{by} ({operation})"


def described(action: Action) -> str:
    """Return an action in words."""
    if isinstance(action, Reset):
        return f"reset to {action.to if isinstance(action.to, str) else f'event {action.to}'}".replace("_", " ")
    if isinstance(action, Signal):
        return f"signal {action.name}"
    return action.kind
