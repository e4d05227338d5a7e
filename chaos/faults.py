"""The catalogue of faults: each injects, shows that it bites, and heals."""

import asyncio
from dataclasses import dataclass
from typing import Protocol

import psutil

from harness.errors import ProxyFailed
from harness.links import Link, Links

TRY_SECONDS = 1.0
"""How long a connection through a broken link may take to show that it is broken."""


@dataclass(frozen=True)
class Bite:
    """Whether a fault is in force, and how that was seen. Who felt it is read from the records afterwards."""

    in_force: bool
    evidence: str
    cut: int | None = None
    """Connections that were open when it was injected, and that it closed."""


class Fault(Protocol):
    """Something broken on purpose."""

    @property
    def name(self) -> str:
        """Its kind, as experiments write it."""

    @property
    def on(self) -> str:
        """What it breaks."""

    async def inject(self) -> None:
        """Break it. Returns when it is broken."""

    async def bite(self) -> Bite:
        """Try the broken thing: is the fault really in force?"""

    async def heal(self) -> None:
        """Mend it. Returns when it is mended; harmless if it was never broken."""


@dataclass
class LinkDown:
    """One link cut: open connections are closed, new ones refused."""

    links: Links
    link: Link
    name: str = "link_down"
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
