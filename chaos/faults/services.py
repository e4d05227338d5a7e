"""Faults that any service can have: it is down for a while, or stands still."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from chaos.faults.fault import Bite, FaultPlan
from chaos.faults.hello import QUESTIONS
from chaos.faults.sockets import connected, unread
from harness.errors import CannotRun
from harness.services.process import NotReady
from harness.services.service import StartedService, accepts

if TYPE_CHECKING:
    from harness.testbed import Testbed

TRY_SECONDS = 1.0
"""How long a server may take to say hello before it counts as one that does not answer."""


class ServicePlan(FaultPlan, frozen=True, kw_only=True):
    """A fault of one service, which must have been started for the run."""

    breaks: ClassVar[str]
    """The service's name."""

    @property
    def on(self) -> str:
        return self.breaks

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({self.breaks})

    @property
    def kind(self) -> str:
        """Its kind, as experiments write it."""
        return str(self.__struct_config__.tag)

    def ours(self, bed: Testbed) -> StartedService:
        """The service. Raises CannotRun where it is not ours to break, and UnknownName where there is none."""
        service = bed.stack[self.breaks]
        if not isinstance(service, StartedService):
            raise CannotRun(
                f"Chaos breaks only what it started itself, and {service.name} at {service.address} is not.",
                remedy="Leave its address out, to have one started.",
            )
        return service


@dataclass
class Down:
    """A service that has ended, killed or `orderly`; at heal it is started again, on its ports and the data it had."""

    service: StartedService
    name: str
    orderly: bool = False
    slows: float | None = None
    cut: int = 0
    _down: bool = False

    @property
    def on(self) -> str:
        return self.service.name

    async def inject(self) -> None:
        self.cut = await asyncio.to_thread(connected, self.service.port, self.service.pid)
        self._down = True
        await (self.service.shut_down() if self.orderly else self.service.kill())

    async def bite(self) -> Bite:
        """Try to connect to it."""
        if self.service.alive:
            return Bite(in_force=False, evidence="it runs")
        try:
            await accepts(self.service.host, self.service.port)
        except NotReady as refusal:
            evidence = f"it has ended, with {self.cut} connections open; a new one was refused: {refusal}"
            return Bite(in_force=True, evidence=evidence, cut=self.cut)
        return Bite(in_force=False, evidence="it has ended, but something else accepts connections at its port")

    async def heal(self) -> None:
        """Start it again, and wait until it answers; one that ended by itself is left as it is."""
        if self._down and not self.service.alive:
            await self.service.restart()
        self._down = False

    async def met(self) -> None:
        """Operations and histories tell."""


@dataclass
class Stalled:
    """A service that stands still: connections to it are accepted by the kernel, and nothing is answered until heal.

    Nobody has to fail while a `cache` stands still, so histories do not tell who met it: that is read from the kernel.
    """

    service: StartedService
    name: str
    cache: bool = False
    slows: float | None = None
    _stalled: bool = False
    _own_ports: set[int] = field(default_factory=set)
    _unanswered: tuple[str, ...] | None = None

    @property
    def on(self) -> str:
        return self.service.name

    async def inject(self) -> None:
        self._own_ports.clear()
        self._stalled = True
        await self.service.pause()

    async def bite(self) -> Bite:
        """Say hello to it, as a new client would."""
        if not self._stalled:
            return Bite(in_force=False, evidence="it was not stopped")
        try:
            async with asyncio.timeout(TRY_SECONDS):
                answer = await self._said_hello()
        except TimeoutError:
            evidence = f"a new connection said hello, and had no answer within {TRY_SECONDS:g} s"
            return Bite(in_force=True, evidence=evidence)
        except OSError as error:
            return Bite(in_force=False, evidence=f"it does not stand still, it is gone: {error}")
        return Bite(in_force=False, evidence=f"a new connection was answered: {answer!r}")

    async def heal(self) -> None:
        """Let it go on, and wait until it answers; one that has ended is left as it is."""
        try:
            if self._stalled and self.cache:
                self._unanswered = await asyncio.to_thread(unread, self.service.port, self._own_ports)
        finally:
            self._stalled = False
            if self.service.alive:
                await self.service.resume()
                await self.service.answers()

    async def met(self) -> tuple[str, ...] | None:
        """Of a cache, the connections on which something was asked that it had not read by heal."""
        return self._unanswered

    async def _said_hello(self) -> bytes:
        reader, writer = await asyncio.open_connection(self.service.host, self.service.port)
        try:
            self._own_ports.add(writer.get_extra_info("sockname")[1])
            question, _ = QUESTIONS[self.service.name]
            writer.write(question)
            return await reader.read(1)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
