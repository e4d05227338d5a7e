"""A link whose connections are reset: those that are open at once, new ones with the first byte that passes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from chaos.faults.connections import have_reset, open_through
from chaos.faults.fault import Bite
from chaos.faults.hello import End, hello
from chaos.faults.links import LinkPlan
from harness.links import Link, Links, Toxic

TOXICS = [Toxic(name=f"reset-{stream}", type="reset_peer", stream=stream) for stream in ("upstream", "downstream")]


class ResetPlan(LinkPlan, frozen=True, kw_only=True, tag="reset"):
    """Connections are reset, as by a firewall that has forgotten them; new ones as soon as they are used."""

    def of(self, links: Links, link: Link) -> Reset:
        return Reset(links, link)


@dataclass
class Reset:
    """One link whose connections are reset.

    Toxiproxy's reset_peer resets connections that are made under it, and closes those that are older in good order.
    So the proxy's ends of these are told not to linger, and then have the proxy close them. Where the kernel forbids
    that (the proxy is another user's, or in a container), they are closed in good order, and the evidence says so.
    """

    links: Links
    link: Link
    name: str = "reset"
    slows: float | None = None
    cut: int = 0
    reset: int = 0

    @property
    def on(self) -> str:
        return self.link.name

    async def inject(self) -> None:
        self.cut = len(await asyncio.to_thread(open_through, self.link))
        self.reset = await asyncio.to_thread(have_reset, self.link)
        await self.links.disable(self.link)
        for toxic in TOXICS:
            await self.links.add_toxic(self.link, toxic)
        await self.links.enable(self.link)

    async def bite(self) -> Bite:
        """Ask the proxy what it does, and try a new connection through it."""
        state = await self.links.state(self.link)
        shown = {toxic.name for toxic in state.toxics}
        if not all(toxic.name in shown for toxic in TOXICS):
            return Bite(in_force=False, evidence="the proxy does not show reset_peer in both directions")
        heard = await hello(self.link)
        evidence = f"open connections closed: {self.cut}, by a reset: {self.reset}; {heard}"
        return Bite(in_force=heard.end is End.RESET, evidence=evidence, cut=self.cut)

    async def heal(self) -> None:
        for toxic in TOXICS:
            await self.links.remove_toxic(self.link, toxic.name)
        await self.links.enable(self.link)

    async def met(self) -> None:
        """Operations and histories tell."""
