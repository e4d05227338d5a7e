"""The items that one run of a batch has in hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception
from temporalio.workflow import ActivityHandle

from system.tasks.models import REASON_CHARACTERS, Ended, Ran, Runnable

STOPPED = "the batch was cancelled"


class InHand:
    """Each item is in one of three places: taken to run next, running, or ended and not yet recorded as such.

    Args:
        on_done: hears of each item that is done; that is recorded already, and the item is in hand no more.

    """

    def __init__(self, on_done: Callable[[Ran], None]) -> None:
        self.taken: dict[str, Runnable] = {}
        self.running: dict[str, ActivityHandle[Ran]] = {}
        self.ended: list[Ended] = []
        self.ends = 0
        """How many have run and ended, done or not."""
        self._withdrawn: dict[str, str] = {}
        self._on_done = on_done

    def __len__(self) -> int:
        return len(self.taken) + len(self.running) + len(self.ended)

    def keys(self) -> tuple[str, ...]:
        """Return those that have not ended."""
        return (*self.taken, *self.running)

    def next(self) -> Runnable:
        """Give out the first of those taken."""
        return self.taken.pop(next(iter(self.taken)))

    def run(self, item: Runnable, handle: ActivityHandle[Ran]) -> None:
        """Have the item as running until its activity has ended."""
        self.running[item.key] = handle
        handle.add_done_callback(lambda _: self._end(item.key, handle))

    def withdraw(self, key: str, reason: str) -> bool:
        """Keep an item from running, or from running on; False where it is not in hand, or has ended."""
        if self.taken.pop(key, None) is not None:
            self.ended.append(Ended(key=key, state="cancelled", reason=reason))
            return True
        handle = self.running.get(key)
        if handle is None:
            return False
        self._withdrawn[key] = reason
        handle.cancel()
        return True

    def withdraw_all(self, reason: str) -> None:
        """Keep every item from running, or from running on."""
        for key in self.keys():
            self.withdraw(key, reason)

    def _end(self, key: str, handle: ActivityHandle[Ran]) -> None:
        del self.running[key]
        self.ends += 1
        why_withdrawn = self._withdrawn.pop(key, STOPPED)
        failure = asyncio.CancelledError() if handle.cancelled() else handle.exception()
        if failure is None:
            self._on_done(handle.result())
        elif is_cancelled_exception(failure):
            self.ended.append(Ended(key=key, state="cancelled", reason=why_withdrawn))
        else:
            self.ended.append(Ended(key=key, state="failed", reason=told(failure)))


def told(failure: BaseException) -> str:
    """Say in one line why an item, or a batch, failed."""
    cause = failure.cause if isinstance(failure, ActivityError) and failure.cause else failure
    name = cause.type if isinstance(cause, ApplicationError) and cause.type else type(cause).__name__
    return f"{name}: {' '.join(str(getattr(cause, 'message', cause)).split())}"[:REASON_CHARACTERS]
