"""The catalogue of faults: each injects, shows that it bites, and heals."""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from harness.links import Link, Links

TRY_SECONDS = 1.0
"""How long a connection through a broken link may take to show that it is broken."""


@dataclass(frozen=True)
class Bite:
    """Whether a fault is in force, and how that was seen. Who felt it is read from the records afterwards."""

    in_force: bool
    evidence: str


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


@dataclass(frozen=True)
class LinkDown:
    """One link cut: open connections are closed, new ones refused."""

    links: Links
    link: Link
    name: str = "link_down"

    @property
    def on(self) -> str:
        return self.link.name

    async def inject(self) -> None:
        await self.links.api.disable(self.link)

    async def bite(self) -> Bite:
        """Ask the proxy what it does, and try to connect through it."""
        state = await self.links.api.state(self.link)
        if state.enabled:
            return Bite(in_force=False, evidence="the proxy says that the link is enabled")
        reached = await _connects(self.link.listen)
        said = "the proxy says that the link is disabled"
        if reached:
            return Bite(in_force=False, evidence=f"{said}, but a connection through it was accepted")
        return Bite(in_force=True, evidence=f"{said}, and a connection through it was refused")

    async def heal(self) -> None:
        await self.links.api.enable(self.link)


async def _connects(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(TRY_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
