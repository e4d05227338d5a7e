"""The way from Locust's greenlets to the asyncio that the Temporal client needs, and back.

Locust has patched the process, so asyncio lives on one thread that gevent does not know of. What greenlets hand over
runs on its loop; what came of it reaches the hub by an async watcher, the one part of gevent for other threads.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import gevent
from gevent.event import AsyncResult, Event
from gevent.monkey import get_original

from loadtests.loop import new_event_loop

Value = TypeVar("Value")

CANCELLED_SECONDS = 5.0
"""Seconds that a coroutine has to end once the greenlet that waits for it was killed."""


class Bridge:
    """An event loop on a native thread. Make it after the process has forked: threads do not survive that.

    All but what `run` is given is for the greenlets of one hub.
    """

    def __init__(self) -> None:
        self._loop = new_event_loop()
        self._settled: deque[Callable[[], None]] = deque()
        self._stopped = Event()
        self._watcher = gevent.get_hub().loop.async_()
        self._watcher.start(self._deliver)
        get_original("_thread", "start_new_thread")(self._serve, ())

    def run(self, work: Coroutine[Any, Any, Value]) -> Value:
        """Await a coroutine on the loop, while other greenlets go on; returns its result, or raises its error.

        If the greenlet is killed meanwhile the coroutine is cancelled, and has ended when `GreenletExit` goes on.
        """
        answer = AsyncResult()
        task: list[asyncio.Task[Value]] = []

        def begin() -> None:
            task.append(self._loop.create_task(work))
            task[0].add_done_callback(lambda done: self._tell(lambda: _settle(answer, done)))

        def cancel() -> None:
            task[0].cancel()

        self._loop.call_soon_threadsafe(begin)
        try:
            value: Value = answer.get()
        except BaseException:
            if not answer.ready():  # it is the greenlet that was told to end, and not the work that failed
                self._loop.call_soon_threadsafe(cancel)
                answer.wait(CANCELLED_SECONDS)
            raise
        return value

    def close(self) -> None:
        """Stop the loop, cancelling what still runs on it. Nothing can be run afterwards."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._stopped.wait(CANCELLED_SECONDS)
        self._watcher.stop()
        self._watcher.close()

    def _serve(self) -> None:
        """The native thread, from its first breath to its last."""
        self._loop.run_forever()
        left = asyncio.all_tasks(self._loop)
        for each in left:
            each.cancel()
        if left:
            self._loop.run_until_complete(asyncio.wait(left, timeout=CANCELLED_SECONDS / 2))
        self._tell(self._stopped.set)

    def _tell(self, news: Callable[[], None]) -> None:
        """Have this called in the hub's thread."""
        self._settled.append(news)
        self._watcher.send()

    def _deliver(self) -> None:
        while self._settled:
            self._settled.popleft()()


def _settle(answer: Any, done: asyncio.Task[Any]) -> None:
    if done.cancelled():
        answer.set_exception(asyncio.CancelledError())
    elif error := done.exception():
        answer.set_exception(error)
    else:
        answer.set(done.result())
