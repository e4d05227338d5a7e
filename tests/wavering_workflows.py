"""Workflows that cannot be told apart by their type, and one that says something else each time it runs."""

import itertools
from datetime import timedelta

from temporalio import workflow

runs = itertools.count(1)


@workflow.defn(name="Pausing")
class Pausing:
    """Pauses."""

    @workflow.run
    async def run(self) -> None:
        await workflow.sleep(timedelta(milliseconds=1))


@workflow.defn(name="Pausing")
class NotPausing:
    """Is called the same, and does not pause."""

    @workflow.run
    async def run(self) -> None: ...


@workflow.defn(sandboxed=False)
class Wavering:
    """Pauses for longer each time it runs, if it is to."""

    @workflow.run
    async def run(self, wavers: bool) -> None:
        if wavers:
            await workflow.sleep(timedelta(milliseconds=next(runs)))
