"""Small workflows that end, fail and answer in every way a client can see."""

import asyncio
import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

QUICKLY = RetryPolicy(initial_interval=timedelta(milliseconds=10), backoff_coefficient=1)


@activity.defn
async def fails_at_first() -> int:
    """Fails on its first attempt; returns the number of the one that did not."""
    attempt = activity.info().attempt
    if attempt == 1:
        raise ApplicationError("the first attempt is lost")
    return attempt


@activity.defn
async def answers(word: str) -> str:
    """Returns what it is given."""
    return word


@activity.defn(name="answers")
async def answers_asleep(word: str) -> str:
    """Returns what it is given, and sleeps a second and a half before."""
    await asyncio.sleep(1.5)
    return word


@activity.defn
async def takes_a_while() -> None:
    """Takes a fifth of a second."""
    await asyncio.sleep(0.2)


@dataclass(frozen=True)
class Marking:
    """Where to leave marks, how many, and whether by the activity that is no coroutine."""

    path: str
    calls: int = 1
    in_thread: bool = False
    local: bool = False
    attempts: int = 3
    heartbeats: bool = False
    """Whether it is for want of a heartbeat that an attempt is given up after a second."""


@activity.defn
async def marks(path: str) -> int:
    """Leaves one line in a file, which is its effect; returns the number of its attempt."""
    return leave_mark(path)


@activity.defn
def marks_in_thread(path: str) -> int:
    """The same, in a thread."""
    return leave_mark(path)


def leave_mark(path: str) -> int:
    info = activity.info()
    with Path(path).open("a") as file:
        file.write(f"{info.activity_id} {info.attempt} {os.getpid()}\n")
    return info.attempt


@workflow.defn
class Marks:
    """Leaves marks one after the other; some attempts for each, of a second at most."""

    @workflow.run
    async def run(self, given: Marking) -> list[int]:
        retry = dataclasses.replace(QUICKLY, maximum_attempts=given.attempts)
        limits = {"start_to_close_timeout": timedelta(seconds=1)}
        if given.heartbeats:
            limits = {"start_to_close_timeout": timedelta(days=1), "heartbeat_timeout": timedelta(seconds=1)}
        call: Any = workflow.execute_local_activity if given.local else workflow.execute_activity
        name = "marks_in_thread" if given.in_thread else "marks"
        return [await call(name, given.path, retry_policy=retry, **limits) for _ in range(given.calls)]


@workflow.defn
class Steady:
    """Spends a fifth of a second in an activity."""

    @workflow.run
    async def run(self, _: str) -> None:
        await workflow.execute_activity(takes_a_while, start_to_close_timeout=timedelta(seconds=10))


@workflow.defn
class Echo:
    """Returns what it is given, by way of an activity."""

    @workflow.run
    async def run(self, word: str) -> str:
        return await workflow.execute_activity(answers, word, start_to_close_timeout=timedelta(seconds=10))


@workflow.defn(name="Echo")
class LateEcho:
    """The same, after a third of a second in which nothing is done."""

    @workflow.run
    async def run(self, word: str) -> str:
        await workflow.sleep(0.33)
        return await workflow.execute_activity(answers, word, start_to_close_timeout=timedelta(seconds=10))


@workflow.defn
class Retried:
    """Runs an activity that fails once."""

    @workflow.run
    async def run(self, _: str) -> int:
        return await workflow.execute_activity(
            fails_at_first, start_to_close_timeout=timedelta(seconds=10), retry_policy=QUICKLY
        )


@workflow.defn
class Fails:
    """Fails with the words it is given."""

    @workflow.run
    async def run(self, why: str) -> None:
        raise ApplicationError("it cannot go on") from ValueError(why)


@workflow.defn
class Waits:
    """Waits to be told to go, and answers meanwhile."""

    def __init__(self) -> None:
        self._words: list[str] = []
        self._told = False

    @workflow.run
    async def run(self, _: str) -> list[str]:
        await workflow.wait_condition(lambda: self._told)
        return self._words

    @workflow.signal
    def go(self) -> None:
        self._told = True

    @workflow.signal
    def word(self, word: str) -> None:
        self._words.append(word)

    @workflow.update
    async def add(self, word: str) -> int:
        self._words.append(word)
        return len(self._words)

    @add.validator
    def _no_empty_word(self, word: str) -> None:
        if not word:
            raise ApplicationError("a word has letters")

    @workflow.update
    async def refuse(self) -> None:
        raise ApplicationError("it may not be")

    @workflow.update
    async def never(self) -> None:
        """Is accepted, and has no end."""
        await workflow.wait_condition(lambda: False)

    @workflow.query
    def words(self) -> list[str]:
        return self._words

    @workflow.query
    def broken(self) -> None:
        raise ApplicationError("there is no answer to that")


@workflow.defn
class Parent:
    """Starts one child under its own prefix and waits for it."""

    @workflow.run
    async def run(self, word: str) -> str:
        child = workflow.info().workflow_id + ".child"
        return await workflow.execute_child_workflow(Echo.run, word, id=child)


@workflow.defn
class Twice:
    """Continues as new once."""

    @workflow.run
    async def run(self, word: str) -> str:
        if word != "again":
            workflow.continue_as_new("again")
        return word


@workflow.defn
class HandsOver:
    """Continues as new when it is told to."""

    def __init__(self) -> None:
        self._told = False

    @workflow.run
    async def run(self, word: str) -> None:
        if word != "again":
            await workflow.wait_condition(lambda: self._told)
            workflow.continue_as_new("again")

    @workflow.signal
    def go(self) -> None:
        self._told = True


@workflow.defn
class GivesUp:
    """Starts an activity that nobody takes, and gives it up; another one it waits for."""

    @workflow.run
    async def run(self, _: str) -> str:
        nobodys = workflow.start_activity(
            takes_a_while, task_queue="nobody asks for it", start_to_close_timeout=timedelta(seconds=10)
        )
        word = await workflow.execute_activity(answers, "kept", start_to_close_timeout=timedelta(seconds=10))
        nobodys.cancel()
        await asyncio.wait([nobodys])
        return word


@workflow.defn
class Stumbles:
    """Its first workflow task fails, as that of a program with a bug does; the next one is clean."""

    @workflow.run
    async def run(self, _: str) -> str:
        workflow_id = workflow.info().workflow_id
        if workflow_id not in STUMBLED:
            STUMBLED.add(workflow_id)
            message = "a bug in the program"
            raise RuntimeError(message)
        return "ok"


STUMBLED: set[str] = set()
"""Who has had its fall. It must outlive a workflow task, so the sandbox passes this module through."""

WORKFLOWS = [Echo, Steady, Retried, Fails, Waits, Parent, Twice, HandsOver, GivesUp, Stumbles, Marks]
ACTIVITIES: list[Callable[..., Any]] = [fails_at_first, answers, takes_a_while, marks, marks_in_thread]
SLEEPING = [answers_asleep]
