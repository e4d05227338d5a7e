"""Faults of links: one way from one worker, or from the client, to one service."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from chaos.faults.connections import open_through
from chaos.faults.each import OnEach
from chaos.faults.fault import Bite, Fault, FaultPlan
from chaos.faults.hello import End, hello
from harness.errors import CannotRun, UnknownName
from harness.links import Link, Links

if TYPE_CHECKING:
    from harness.testbed import Testbed

TRY_SECONDS = 1.0
"""How long a connection through a broken link may take to show that it is broken."""


class LinkPlan(FaultPlan, frozen=True, kw_only=True):
    """What every fault of a link is told."""

    owner: str
    """Whose link: worker-1, worker-2, …, workers (the link of each), or client."""
    service: Literal["temporal", "postgres", "redis"]

    @property
    def on(self) -> str:
        return f"{self.owner}.{self.service}"

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({self.service})

    def touches(self, workers: int) -> frozenset[str]:
        owners = names(workers) if self.owner == "workers" else [self.owner]
        return frozenset(f"{owner}.{self.service}" for owner in owners)

    def problems(self, workers: int) -> Iterator[str]:
        owners = ["client", *names(workers), "workers"]
        if self.owner not in owners:
            yield f"expected one of {', '.join(owners)}"

    def fault(self, bed: Testbed) -> Fault:
        if bed.links is None:
            raise CannotRun("It breaks links, and this run goes direct.", remedy="Make the testbed with links.")
        links = {link.name: link for link in bed.links}
        owners = [worker.name for worker in bed.at_work] if self.owner == "workers" else [self.owner]
        broken = []
        for owner in owners:
            name = f"{owner}.{self.service}"
            if name not in links:
                raise UnknownName("link", name, links)
            broken.append(self.of(bed.links, links[name]))
        return OnEach(self.on, broken) if self.owner == "workers" else broken[0]

    def of(self, links: Links, link: Link) -> Fault:
        """Make it for one link."""
        raise NotImplementedError


class LinkDownPlan(LinkPlan, frozen=True, kw_only=True, tag="link_down"):
    """Connections of a link are closed, and new ones refused."""

    def of(self, links: Links, link: Link) -> LinkDown:
        return LinkDown(links, link)


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
        self.cut = len(await asyncio.to_thread(open_through, self.link))
        await self.links.disable(self.link)

    async def bite(self) -> Bite:
        """Ask the proxy what it does, and try to connect through it."""
        state = await self.links.state(self.link)
        if state.enabled:
            return Bite(in_force=False, evidence="the proxy says that the link is enabled")
        heard = await hello(self.link, TRY_SECONDS)
        said = f"open connections closed: {self.cut}; the proxy says that the link is disabled"
        if heard.end is not End.UNREACHABLE:
            return Bite(in_force=False, evidence=f"{said}, but a connection through it was accepted")
        return Bite(in_force=True, evidence=f"{said}, and a new connection through it was refused", cut=self.cut)

    async def heal(self) -> None:
        await self.links.enable(self.link)

    async def met(self) -> None:
        """Operations and histories tell."""


def names(workers: int) -> list[str]:
    """The workers of an experiment with so many of them."""
    return [f"worker-{number}" for number in range(1, workers + 1)]
