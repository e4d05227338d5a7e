"""One of several processes that generate a load: drives its share, and tells whoever started it how far it is.

Both ends of the socket that it is started with write one JSON value a line: which process it is goes, the plan comes,
a report that it has connected goes, the share comes, and reports go until all is driven. When the socket ends, so does
the process.
"""

import asyncio
import os
import sys
from pathlib import Path

import msgspec
from msgspec import Struct

from harness.records.verdicts import Finding
from harness.target import Target
from loadtests.engine import Progress
from loadtests.generator import Generator
from loadtests.hosted import Plan, Share
from loadtests.loop import new_event_loop

REPORT_EVERY = 0.2
LARGEST = 2**26
"""Bytes of a line, at most."""


class PartReport(Struct, frozen=True, kw_only=True):
    """How far a process is with its share."""

    planned: int = 0
    started: int = 0
    ended: int = 0
    shed: int = 0
    over: bool = False
    broken: tuple[Finding, ...] = ()
    """What broke in the scenarios themselves; told with the last report."""


def line(message: Struct) -> bytes:
    """A message as it travels."""
    return msgspec.json.encode(message) + b"\n"


async def take_part(socket: str, number: str) -> None:
    """Drive the share that the socket tells process `number` of. Raises ConnectionError where its leader is gone."""
    reader, writer = await asyncio.open_unix_connection(socket, limit=LARGEST)
    writer.write(number.encode() + b"\n")
    plan = msgspec.json.decode(await reader.readuntil(), type=Plan)
    generator = Generator(plan, Target.read(Path(plan.target)), tell=None)
    await generator.connect()
    generator.warm_up(plan.wish)
    writer.write(line(PartReport()))
    generator.take(msgspec.json.decode(await reader.readuntil(), type=Share))
    progress = Progress(planned=0)

    def note(now: Progress) -> None:
        nonlocal progress
        progress = now

    walking = asyncio.create_task(generator.walk(note))
    leader_gone = asyncio.create_task(reader.read())
    while not walking.done():
        await asyncio.wait({walking, leader_gone}, timeout=REPORT_EVERY, return_when=asyncio.FIRST_COMPLETED)
        if leader_gone.done():
            raise ConnectionError("whoever started this process is gone")
        writer.write(line(_report(progress)))
    broken = await walking
    writer.write(line(msgspec.structs.replace(_report(progress), over=True, broken=tuple(broken))))
    await writer.drain()


def _report(progress: Progress) -> PartReport:
    return PartReport(planned=progress.planned, started=progress.started, ended=progress.ended, shed=progress.shed)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(take_part(sys.argv[1], sys.argv[2]))
    sys.stdout.flush()
    os._exit(0)  # the Temporal client can abort an interpreter that exits
