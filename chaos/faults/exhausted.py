"""PostgreSQL without a place for one more connection."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

import asyncpg

from chaos.faults.fault import Bite
from chaos.faults.sessions import ANSWER_SECONDS, GONE, session
from harness.services.service import StartedService
from harness.sessions import OURS

KEEP_EVERY = 0.1
"""Seconds between two looks at whether somebody has given a place back."""
LOOK_AGAIN = 0.01
STILL_THERE = "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY ($1)"
# Ours are known by their name once they are let in, which is when they have a database.
END_OTHERS = """
    SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND datname IS NOT NULL AND application_name <> $1
"""


@dataclass
class Exhausted:
    """Every place is taken that the role in the stack's address can have; of a superuser, the reserved ones too.

    Who has a connection keeps it, unless they are to be evicted; a place that is given back is taken. The harness's own
    connections are left alone.
    """

    service: StartedService
    name: str
    evict: bool = False
    slows: float | None = None
    taken: list[asyncpg.Connection[asyncpg.Record]] = field(default_factory=list)
    _evicted: set[int] = field(default_factory=set)
    _taking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _keeping: asyncio.Task[None] | None = None

    @property
    def on(self) -> str:
        return self.service.name

    async def inject(self) -> None:
        self._evicted.clear()
        await self._take_all()
        self._keeping = asyncio.create_task(self._keep())

    async def bite(self) -> Bite:
        """Try to get in; a place that is free just now, as others leave, is taken too."""
        if self._keeping is None:
            return Bite(in_force=False, evidence="no connection was taken")
        try:
            refusal = await self._take_all()
        except GONE as error:
            return Bite(in_force=False, evidence=f"it cannot be reached at all: {error}")
        evidence = f"connections taken: {len(self.taken)}; one more was refused: {refusal}"
        return Bite(in_force=True, evidence=evidence, cut=len(self._evicted) if self.evict else None)

    async def heal(self) -> None:
        """Give back what was taken, and wait until the places are free; where the server is gone, they are."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
            self._keeping = None
        taken, self.taken = self.taken, []
        if taken:
            await _give_back(*taken)

    async def met(self) -> None:
        """Operations and histories tell."""

    async def _take_all(self) -> str:
        """Take connections until one more is refused; returns what was said then."""
        async with self._taking:
            refusal = await self._take_free()
            while self.evict and await self._end_others():
                refusal = await self._take_free()
            return refusal

    async def _take_free(self) -> str:
        while True:
            try:
                self.taken.append(await session(self.service))
            except asyncpg.TooManyConnectionsError as refusal:
                return str(refusal)

    async def _end_others(self) -> bool:
        """End whatever connection is not ours; whether there was one."""
        if not self.taken:
            return False
        others = {row["pid"] for row in await self.taken[0].fetch(END_OTHERS, OURS)}
        self._evicted |= others
        return bool(others)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(KEEP_EVERY)
            with contextlib.suppress(*GONE):
                await self._take_all()


async def _give_back(
    last: asyncpg.Connection[asyncpg.Record], *connections: asyncpg.Connection[asyncpg.Record]
) -> None:
    """Close all of them, the last one when the server has let go of the others, or is gone."""
    gone = [connection.get_server_pid() for connection in connections]
    for connection in connections:
        connection.terminate()
    with contextlib.suppress(*GONE):
        while await last.fetchval(STILL_THERE, gone, timeout=ANSWER_SECONDS):  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(LOOK_AGAIN)
    last.terminate()
