"""Generates a load from several processes: plans it, deals out the shares, waits until all are driven."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial

import msgspec

from harness.clock import now
from harness.errors import HarnessError
from harness.records.operations import Iteration
from harness.records.samples import CLIENT
from harness.records.verdicts import Finding
from harness.services.process import NotReady, Process
from harness.testbed import Testbed
from loadtests.engine import Progress
from loadtests.hosted import Plan, Share, Wish
from loadtests.load import Load
from loadtests.part import LARGEST, PartReport, line
from loadtests.run import driven

PART = (sys.executable, "-m", "loadtests.part")
CONNECT_SECONDS = 120.0
"""What a process may take to start, to connect, and to read what its scenarios need."""
LEAD_SECONDS = 0.3
"""Between dealing out the shares and the first arrival, so that the first one is not late already."""

Profiling = Callable[[Testbed, Mapping[str, int]], AbstractAsyncContextManager[None]]
"""Looks, inside the block, at processes by their names and pids."""


class GeneratorFailed(HarnessError):
    """A process that generates the load never connected, or ended before its share was driven; its log is quoted."""


async def generated(
    bed: Testbed,
    wish: Wish,
    processes: int = 1,
    *,
    of_run: bool = True,
    profiling: Profiling = lambda *_: nullcontext(),
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Sequence[Iteration]:
    """Put the testbed under this load, from this process or, of more than one, from processes of their own.

    Tells what was planned. It is the run's own load, which its gate judges, unless `of_run` says that it is not. What
    generates it is profiled meanwhile. Workers must be up, and the target prepared. Raises GeneratorFailed.
    """
    if processes > 1:
        return await from_processes(bed, wish, processes, of_run=of_run, profiling=profiling, on_progress=on_progress)
    load = wish.load(bed.target)
    async with profiling(bed, {CLIENT: os.getpid()}):
        begin = now() + LEAD_SECONDS + load.planning
        if of_run:
            bed.run.under_load(load.info(begin))
        return await driven(bed, load, begin, on_progress=on_progress)


async def from_processes(
    bed: Testbed,
    wish: Wish,
    count: int,
    *,
    of_run: bool = True,
    profiling: Profiling = lambda *_: nullcontext(),
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Sequence[Iteration]:
    """Drive this load from so many processes, each every so-manieth iteration, and wait until all have ended.

    Tells what was planned. They share what may be in flight, and the long polls. Workers must be up, and the target
    prepared. Past all links. Raises GeneratorFailed.
    """
    load = wish.load(bed.target)
    async with parts(bed, wish, count) as connected, profiling(bed, connected.pids):
        begin = now() + LEAD_SECONDS + load.planning
        if of_run:
            bed.run.under_load(msgspec.structs.replace(load.info(begin), processes=count))
        return await connected.drive(bed, load, begin, on_progress)


@asynccontextmanager
async def parts(bed: Testbed, wish: Wish, count: int) -> AsyncIterator["Parts"]:
    """As many processes that have connected, to drive one load of this kind; gone after the block.

    Raises GeneratorFailed.
    """
    socket = bed.stack.directory / "generators"
    names = [f"generator-{number + 1}" for number in range(count)]
    children = [
        Process(name, [*PART, str(socket), str(number)], log_path=bed.run.logs / f"{name}.log")
        for number, name in enumerate(names)
    ]
    connected = Parts(children, plan_for(bed, wish))
    server = await asyncio.start_unix_server(connected.met, socket, limit=LARGEST)
    try:
        await connected.start()
        yield connected
    finally:
        server.close()
        await asyncio.gather(*(child.kill() for child in children))
        await connected.close()
        socket.unlink(missing_ok=True)


def plan_for(bed: Testbed, wish: Wish) -> Plan:
    """What a process must know to drive this load, or a part of it, against a testbed."""
    return Plan(
        run=bed.run.info.id,
        directory=str(bed.run.directory.absolute()),
        seed=bed.run.info.seed,
        target=str(bed.target.path),
        task_queue=bed.target.file.task_queue,
        addresses=bed.stack.addresses,
        workspace=str(bed.stack.directory),
        wish=wish,
        first={scenario.name: bed.next_index(scenario) for scenario in wish.load(bed.target).mix.scenarios},
    )


class Parts:
    """The processes, and the streams to and from each of them that has started."""

    def __init__(self, children: Sequence[Process], plan: Plan) -> None:
        self._children = children
        self._plan = plan
        self._streams: dict[int, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}
        self._reports: dict[int, PartReport] = {}

    @property
    def pids(self) -> Mapping[str, int]:
        """Of each, by its name."""
        return {child.name: child.pid for child in self._children}

    async def start(self) -> None:
        """Start them, and wait until each has connected to the servers. Raises GeneratorFailed."""
        for child in self._children:
            child.start()
        try:
            async with asyncio.TaskGroup() as group:
                for number, child in enumerate(self._children):
                    group.create_task(child.ready(partial(self._has_connected, number), CONNECT_SECONDS))
        except ExceptionGroup as failures:
            raise GeneratorFailed(str(failures.exceptions[0])) from None

    async def met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take in one that says which it is, tell it the plan, and hear when it has connected to the servers."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):  # who waits for it sees that it is dead
            number = int(await reader.readuntil())
            self._streams[number] = (reader, writer)
            self._tell(number, self._plan)
            self._reports[number] = msgspec.json.decode(await reader.readuntil(), type=PartReport)

    async def drive(
        self, bed: Testbed, load: Load, begin: float, on_progress: Callable[[Progress], None]
    ) -> Sequence[Iteration]:
        """Plan the load, deal out its shares, wait until all is driven; what was planned. Raises GeneratorFailed."""
        count, plan = len(self._children), self._plan
        iterations = load.iterations(plan.run, plan.seed, begin, plan.first)
        bed.planned(iterations)
        for number in range(count):
            self._tell(number, Share(begin=begin, process=number, processes=count, wish=plan.wish.among(count)))
        bed.broken += await self._driven(on_progress)
        return iterations

    async def close(self) -> None:
        """Close the streams; the processes are gone."""
        for _, writer in self._streams.values():
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _has_connected(self, number: int) -> None:
        if number not in self._streams:
            raise NotReady("it has not started yet")
        if number not in self._reports:
            raise NotReady("it has not connected to the servers yet")

    async def _driven(self, on_progress: Callable[[Progress], None]) -> list[Finding]:
        try:
            async with asyncio.TaskGroup() as group:
                for number in self._streams:
                    group.create_task(self._over(number, on_progress))
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return [finding for report in self._reports.values() for finding in report.broken]

    async def _over(self, number: int, on_progress: Callable[[Progress], None]) -> None:
        over = False
        while not over:
            report = self._reports[number] = await self._heard(number)
            over = report.over
            if report.planned:
                on_progress(self._progress())

    def _progress(self) -> Progress:
        told = self._reports.values()
        return Progress(
            planned=sum(each.planned for each in told),
            started=sum(each.started for each in told),
            ended=sum(each.ended for each in told),
            shed=sum(each.shed for each in told),
        )

    def _tell(self, number: int, message: Plan | Share) -> None:
        self._streams[number][1].write(line(message))

    async def _heard(self, number: int) -> PartReport:
        try:
            return msgspec.json.decode(await self._streams[number][0].readuntil(), type=PartReport)
        except (asyncio.IncompleteReadError, ConnectionError):
            await self._children[number].wait()
            failure = self._children[number].failure("ended before its share of the load was driven")
            raise GeneratorFailed(str(failure)) from None
