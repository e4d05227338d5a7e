"""An event loop on a thread of its own, for callers that are not coroutines; whatever they await has a deadline."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from harness.deadlines import GOING, DeadlinePassed, within

Result = TypeVar("Result")

UNBLOCKED = 4 * GOING
"""Seconds that a loop has, past a deadline, to put down what is late; a loop that does not is blocked."""


class LoopThread:
    """A running event loop; a context manager, whose end stops it."""

    def __init__(self, name: str = "loop") -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(UNBLOCKED)
        if not self._thread.is_alive():
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    def run(self, work: Coroutine[Any, Any, Result], deadline: float) -> Result:
        """Await a coroutine on the loop, for ``deadline`` seconds at most. Raises as `deadlines.within` does."""
        future = asyncio.run_coroutine_threadsafe(within(work, deadline), self._loop)
        try:
            return future.result(deadline + UNBLOCKED)
        except TimeoutError:
            if future.done():
                raise
            future.cancel()
            raise DeadlinePassed("something blocks the loop") from None
