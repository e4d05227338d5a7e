"""Tells a workflow whether letters of its own are still being written."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar


def _always() -> bool:
    """Answer for a workflow without the interceptor, which writes no letters."""
    return True


LETTERS_ARE_WRITTEN: ContextVar[Callable[[], bool]] = ContextVar("LETTERS_ARE_WRITTEN", default=_always)
"""Set by the interceptor for each run. Read it in the workflow's own code, and not within a condition, which the SDK
evaluates outside of the workflow's context."""
