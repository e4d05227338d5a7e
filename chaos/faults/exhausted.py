"""PostgreSQL without a place for one more connection."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

import asyncpg

from chaos.faults.fault import Bite
from chaos.faults.sessions import GONE, session
from harness.services.service import StartedService
from harness.sessions import OURS

KEEP_EVERY = 0.1
"""Seconds between two looks at whether somebody has given a place back."""
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
    _keeping: asyncio.Task[None] | None = None

    @property
    def on(self) -> str:
        return self.service.name

    async def inject(self) -> None:
        self._evicted.clear()
        await self._take_all()
        self._keeping = asyncio.create_task(self._keep())

    async def bite(self) -> Bite:
        """Try to get in."""
        try:
            let_in = await session(self.service)
        except asyncpg.TooManyConnectionsError as refusal:
            evidence = f"connections taken: {len(self.taken)}; one more was refused: {refusal}"
            return Bite(in_force=True, evidence=evidence, cut=len(self._evicted) if self.evict else None)
        except GONE as error:
            return Bite(in_force=False, evidence=f"it cannot be reached at all: {error}")
        let_in.terminate()
        return Bite(in_force=False, evidence="a new connection was let in")

    async def heal(self) -> None:
        """Give back what was taken, and wait until somebody is let in; where the server is gone, all is given back."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
            self._keeping = None
        taken, self.taken = self.taken, []
        for connection in taken:
            connection.terminate()
        if taken and self.service.alive:
            await self.service.answers()

    async def met(self) -> None:
        """Operations and histories tell."""

    async def _take_all(self) -> None:
        await self._take_free()
        while self.evict and await self._end_others():
            await self._take_free()

    async def _take_free(self) -> None:
        with contextlib.suppress(asyncpg.TooManyConnectionsError):
            while True:
                self.taken.append(await session(self.service))

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
