"""A compensation never fails for good: what would be a final failure is tried again, by Temporal's retry policy."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from temporalio import activity

from system.errors import StillInDoubt, UndoRefused
from system.interceptors import translate
from system.orders.rules import wait_before

ParamsT = ParamSpec("ParamsT")
ResultT = TypeVar("ResultT")


def insisting(
    compensation: Callable[ParamsT, Coroutine[Any, Any, ResultT]],
) -> Callable[ParamsT, Coroutine[Any, Any, ResultT]]:
    """Make an activity's final errors ones to be retried; the attempt's failure says what stands in its way.

    Raises:
        UndoRefused: in place of a final error.

    """

    @wraps(compensation)
    async def insisted(*args: ParamsT.args, **kwargs: ParamsT.kwargs) -> ResultT:
        try:
            return await compensation(*args, **kwargs)
        except Exception as error:
            known = translate(error)
            if known is None or known.retryable or isinstance(known, StillInDoubt):
                raise
            after = wait_before(activity.info().attempt)
            raise UndoRefused(f"{known.name}: {known}", error=known.name, after=after) from error

    return insisted
