"""Keeps as many workers alive as the work asks for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from temporalio.client import Client
from temporalio.service import RPCError

from system.errors import Unavailable
from system.fleet.backlog import backlog
from system.fleet.member import Member
from system.fleet.rules import Bounds, Look, Trend, decide, restart_delay

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
COULD_NOT_RUN = 2


class Fleet:
    """Workers between the bounds: grown when work waits, shrunk when they are idle, replaced when they die."""

    def __init__(self, client: Client, task_queue: str, bounds: Bounds, drain_seconds: float) -> None:
        self._client = client
        self._task_queue = task_queue
        self._bounds = bounds
        self._drain_seconds = drain_seconds
        self._members: dict[Member, asyncio.Task[int]] = {}
        self._trend = Trend()
        self._quick_deaths = 0
        self._resume_at = 0.0
        self._has_polled = False

    @property
    def members(self) -> Sequence[Member]:
        """Those that are meant to stay."""
        return [member for member in self._members if not member.retiring]

    @property
    def polling(self) -> int:
        """How many of them take work."""
        return sum(member.polling for member in self.members)

    async def run(self, stop: asyncio.Event) -> None:
        """Supervise until told to stop; then let every worker end what it does.

        Raises:
            Unavailable: workers cannot even start, and none ever has.

        """
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stopping.done():
                self._bury()
                await self._adjust()
                await asyncio.wait({stopping, *self._members.values()}, timeout=LOOK_SECONDS)
        finally:
            stopping.cancel()
            await self._drain()

    async def _adjust(self) -> None:
        wanted, self._trend = decide(self._trend, await self._look(), self._bounds)
        while len(self.members) > wanted:
            self._retire()
        if len(self.members) < wanted and asyncio.get_running_loop().time() >= self._resume_at:
            for _ in range(wanted - len(self.members)):
                await self._hire()

    async def _look(self) -> Look:
        known = [member.status for member in self.members if member.status is not None]
        self._has_polled = self._has_polled or any(status.polling for status in known)
        try:
            waiting = await backlog(self._client, self._task_queue)
        except RPCError as error:
            logger.warning("the backlog is not known (%s): the number of workers stays", error.message)
            waiting = 0
        return Look(
            workers=len(self.members),
            # A worker on its way will take some of it: wait and see.
            backlog=waiting if len(known) == len(self.members) else 0,
            busy=sum(status.busy for status in known),
            slots=sum(status.slots for status in known),
        )

    async def _hire(self) -> None:
        member = await Member.start()
        self._members[member] = asyncio.create_task(member.ended())
        logger.info("worker %d started: %d of %s", member.pid, len(self.members), self._bounds)

    def _retire(self) -> None:
        idlest = min(self.members, key=lambda member: member.status.busy if member.status else 0)
        idlest.drain()
        logger.info("worker %d is idle and goes: %d left", idlest.pid, len(self.members))

    def _bury(self) -> None:
        for member, ended in list(self._members.items()):
            if not ended.done():
                continue
            del self._members[member]
            if not member.retiring:
                self._mourn(member, ended.result())

    def _mourn(self, member: Member, status: int) -> None:
        if status == COULD_NOT_RUN and not self._has_polled:
            raise Unavailable("no worker can start: what it said is above; put that right and start again")
        self._quick_deaths = self._quick_deaths + 1 if member.died_of_its_start else 0
        delay = restart_delay(self._quick_deaths)
        self._resume_at = asyncio.get_running_loop().time() + delay
        logger.warning("worker %d died with status %d: replaced in %g s", member.pid, status, delay)

    async def _drain(self) -> None:
        for member in self._members:
            member.drain()
        if self._members:
            # A worker has its own patience; only one that hangs is killed.
            await asyncio.wait(self._members.values(), timeout=self._drain_seconds + 5)
        for member, ended in self._members.items():
            if not ended.done():
                logger.warning("worker %d did not drain in time and is killed", member.pid)
                member.kill()
        await asyncio.gather(*self._members.values())
