"""Generates a load from several processes: plans it, deals out the shares, waits until all are driven."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Sequence

import msgspec

from harness.clock import now
from harness.errors import HarnessError
from harness.records.verdicts import Finding
from harness.services.process import Process
from harness.testbed import Testbed
from loadtests.engine import Progress
from loadtests.hosted import Plan, Share, Wish
from loadtests.part import LARGEST, PartReport, line

CONNECT_SECONDS = 60.0
LEAD_SECONDS = 0.3
"""Between dealing out the shares and the first arrival, so that the first one is not late already."""


class GeneratorFailed(HarnessError):
    """A process that generates the load ended before its share was driven; the message quotes its log."""


async def from_processes(
    bed: Testbed,
    wish: Wish,
    count: int,
    *,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> None:
    """Drive this load from so many processes, each every so-manieth iteration, and wait until all have ended.

    They share what may be in flight, and the long polls. Workers must be up, and the target prepared. Past all links.
    Raises GeneratorFailed.
    """
    plan, load = plan_for(bed, wish), wish.load(bed.target)
    async with _parts(bed, count) as parts:
        await parts.connected(plan)
        begin = now() + LEAD_SECONDS + load.planning
        bed.run.under_load(msgspec.structs.replace(load.info(begin), processes=count))
        bed.planned(load.iterations(bed.run.info.id, bed.run.info.seed, begin, plan.first))
        shares = [
            Share(begin=begin, process=number, processes=count, wish=wish.among(count)) for number in range(count)
        ]
        bed.broken += await parts.driven(shares, on_progress)


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


class _Parts:
    """The processes, and the streams to and from each of them that has connected."""

    def __init__(self, children: Sequence[Process]) -> None:
        self._children = children
        self._streams: dict[int, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}
        self._all_met = asyncio.Event()
        self._reports: dict[int, PartReport] = {}

    async def met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take in one that says which it is."""
        self._streams[int(await reader.readuntil())] = (reader, writer)
        if len(self._streams) == len(self._children):
            self._all_met.set()

    async def connected(self, plan: Plan) -> None:
        """Start them, give each the plan, and wait until each has connected to the servers. Raises GeneratorFailed."""
        for child in self._children:
            child.start()
        met = asyncio.ensure_future(self._all_met.wait())
        deaths = [asyncio.ensure_future(child.wait()) for child in self._children]
        try:
            await asyncio.wait({met, *deaths}, timeout=CONNECT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in (met, *deaths):
                waiting.cancel()
        missing = [number for number in range(len(self._children)) if number not in self._streams]
        if missing:
            raise self._failed(missing[0], f"did not start within {CONNECT_SECONDS:.0f} s")
        for number in self._streams:
            self._tell(number, plan)
        for number in self._streams:
            await self._heard(number)

    async def driven(self, shares: Sequence[Share], on_progress: Callable[[Progress], None]) -> list[Finding]:
        """Deal out the shares, and wait until each is driven; what broke in the scenarios. Raises GeneratorFailed."""
        for number, share in enumerate(shares):
            self._tell(number, share)
        try:
            async with asyncio.TaskGroup() as group:
                for number in self._streams:
                    group.create_task(self._over(number, on_progress))
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return [finding for report in self._reports.values() for finding in report.broken]

    async def close(self) -> None:
        """Close the streams; the processes are gone."""
        for _, writer in self._streams.values():
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

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
            raise self._failed(number, "ended before its share of the load was driven") from None

    def _failed(self, number: int, what: str) -> GeneratorFailed:
        return GeneratorFailed(str(self._children[number].failure(what)))


@contextlib.asynccontextmanager
async def _parts(bed: Testbed, count: int) -> AsyncIterator[_Parts]:
    """As many processes, not yet started; they are gone after the block."""
    socket = bed.stack.directory / "generators"
    children = [
        Process(
            f"generator-{number + 1}",
            [sys.executable, "-m", "loadtests.part", str(socket), str(number)],
            log_path=bed.run.logs / f"generator-{number + 1}.log",
        )
        for number in range(count)
    ]
    parts = _Parts(children)
    server = await asyncio.start_unix_server(parts.met, socket, limit=LARGEST)
    try:
        yield parts
    finally:
        server.close()
        await asyncio.gather(*(child.kill() for child in children))
        await parts.close()
        socket.unlink(missing_ok=True)
