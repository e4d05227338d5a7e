"""Small workflows whose behaviour a few lines of plain Python can predict."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

A_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Policy:
    """A retry policy, in seconds."""

    initial: float
    coefficient: float
    longest: float
    attempts: int
    """0: without limit."""


@dataclass(frozen=True)
class Task:
    """An activity that fails so often, and then does not; or whose first failure is final."""

    policy: Policy
    failures: int
    final: bool = False


@activity.defn
async def stumble(task: Task) -> int:
    """Fail as often as told; returns the number of the attempt."""
    attempt = activity.info().attempt
    if attempt <= task.failures:
        raise ApplicationError("stumbled", non_retryable=task.final)
    return attempt


@workflow.defn(sandboxed=False)
class Retrying:
    """Returns after how many attempts its activity ended well; 0 if it did not."""

    @workflow.run
    async def run(self, task: Task) -> int:
        policy = task.policy
        try:
            return await workflow.execute_activity(
                stumble,
                task,
                start_to_close_timeout=A_MINUTE,
                retry_policy=RetryPolicy(
                    initial_interval=timedelta(seconds=policy.initial),
                    backoff_coefficient=policy.coefficient,
                    maximum_interval=timedelta(seconds=policy.longest),
                    maximum_attempts=policy.attempts,
                ),
            )
        except ActivityError:
            return 0


@dataclass(frozen=True)
class Book:
    """What one run of `Notes` hands to the next."""

    page: int
    """After so many notes it continues as new; 0: never."""
    notes: tuple[int, ...] = ()


@workflow.defn(sandboxed=False)
class Notes:
    """Keeps what it is told, in that order, through as many runs as its pages need."""

    @workflow.init
    def __init__(self, book: Book) -> None:
        self._notes = list(book.notes)
        self._fresh = 0
        self._closed = False

    @workflow.run
    async def run(self, book: Book) -> list[int]:
        await workflow.wait_condition(lambda: self._closed or 0 < book.page <= self._fresh)
        await workflow.wait_condition(workflow.all_handlers_finished)
        if not self._closed:
            workflow.continue_as_new(Book(page=book.page, notes=tuple(self._notes)))
        return self._notes

    @workflow.signal
    def note(self, number: int) -> None:
        self._notes.append(number)
        self._fresh += 1

    @workflow.update
    async def note_and_tell(self, number: int) -> int:
        self.note(number)
        return sum(self._notes)

    @workflow.query
    def sum(self) -> int:
        return sum(self._notes)

    @workflow.signal
    def close(self) -> None:
        self._closed = True


@workflow.defn(sandboxed=False)
class Bounded:
    """Works through what it is given, an hour's work an hour, until it is told that this was all; or time is up."""

    def __init__(self) -> None:
        self._waiting: list[int] = []
        self._done = 0
        self._all = False

    @workflow.run
    async def run(self, hours: int) -> tuple[str, int]:
        try:
            async with asyncio.timeout(timedelta(hours=hours).total_seconds()):
                await self._work()
        except TimeoutError:
            return ("late", self._done)
        return ("done", self._done)

    @workflow.signal
    def give(self, hours: int) -> None:
        self._waiting.append(hours)

    @workflow.signal
    def finish(self) -> None:
        self._all = True

    async def _work(self) -> None:
        while True:
            await workflow.wait_condition(lambda: bool(self._waiting) or self._all)
            if not self._waiting:
                return
            await workflow.sleep(timedelta(hours=self._waiting[0]))
            self._done += self._waiting.pop(0)


@workflow.defn(sandboxed=False)
class Races:
    """Runs timers side by side, and keeps in which order they came in."""

    def __init__(self) -> None:
        self._came: list[int] = []
        self._over = False

    @workflow.run
    async def run(self) -> list[int]:
        await workflow.wait_condition(lambda: self._over)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._came

    @workflow.signal
    async def race(self, seconds: list[int]) -> None:
        """Let one timer run for each, all at once."""
        await asyncio.gather(*(self._run(lane) for lane in seconds))

    @workflow.signal
    def end(self) -> None:
        self._over = True

    async def _run(self, seconds: int) -> None:
        await workflow.sleep(timedelta(seconds=seconds))
        self._came.append(seconds)


@workflow.defn(sandboxed=False)
class Held:
    """Goes on until it is let go."""

    def __init__(self) -> None:
        self._free = False

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self._free)

    @workflow.signal
    def let_go(self) -> None:
        self._free = True
