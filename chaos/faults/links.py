"""Faults of links: one way from one worker, or from the client, to one service."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import psutil

from chaos.faults.fault import Bite, FaultPlan
from harness.errors import CannotRun, ProxyFailed, UnknownName
from harness.links import Link, Links

if TYPE_CHECKING:
    from harness.testbed import Testbed

TRY_SECONDS = 1.0
"""How long a connection through a broken link may take to show that it is broken."""


class LinkDownPlan(FaultPlan, frozen=True, kw_only=True, tag="link_down"):
    """Connections of a link are closed, and new ones refused."""

    owner: str
    """Whose link: worker-1, worker-2, … or client."""
    service: Literal["temporal", "postgres", "redis"]

    @property
    def on(self) -> str:
        return f"{self.owner}.{self.service}"

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({self.service})

    def problems(self, workers: int) -> Iterator[str]:
        owners = {"client", *(f"worker-{number}" for number in range(1, workers + 1))}
        if self.owner not in owners:
            yield f"expected one of {', '.join(sorted(owners))}"

    def fault(self, bed: Testbed) -> LinkDown:
        if bed.links is None:
            raise CannotRun("It breaks links, and this run goes direct.", remedy="Make the testbed with links.")
        links = {link.name: link for link in bed.links}
        if self.on not in links:
            raise UnknownName("link", self.on, links)
        return LinkDown(bed.links, links[self.on])


@dataclass
class LinkDown:
    """One link cut: open connections are closed, new ones refused."""

    links: Links
    link: Link
    name: str = "link_down"
    slows: float | None = None
    cut: int = 0

    @property
    def on(self) -> str:
        return self.link.name

    async def inject(self) -> None:
        self.cut = await asyncio.to_thread(_open_connections, self.link.listen)
        await self.links.api.disable(self.link)

    async def bite(self) -> Bite:
        """Ask the proxy what it does, and try to connect through it."""
        state = await self.links.api.state(self.link)
        if state.enabled:
            return Bite(in_force=False, evidence="the proxy says that the link is enabled")
        reached = await _connects(self.link.listen)
        said = f"open connections closed: {self.cut}; the proxy says that the link is disabled"
        if reached:
            return Bite(in_force=False, evidence=f"{said}, but a connection through it was accepted")
        return Bite(in_force=True, evidence=f"{said}, and a new connection through it was refused", cut=self.cut)

    async def heal(self) -> None:
        """Let connections through again; where the proxy does not obey, start it anew."""
        try:
            await self.links.api.enable(self.link)
        except ProxyFailed:
            await self.links.heal()

    async def met(self) -> None:
        """Operations and histories tell."""


def _open_connections(address: str) -> int:
    """How many connections to this address are established."""
    _, _, port = address.rpartition(":")
    return sum(
        each.status == psutil.CONN_ESTABLISHED and each.raddr[1:] == (int(port),)
        for each in psutil.net_connections("tcp")
    )


async def _connects(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(TRY_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
