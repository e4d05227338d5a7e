"""One fault of several things at once: every worker's link, every worker."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from chaos.faults.fault import Bite, Fault
from harness.together import together


@dataclass
class OnEach:
    """The same fault on each of several things: one window, in force only where it is on all of them."""

    on: str
    faults: Sequence[Fault]

    @property
    def name(self) -> str:
        return self.faults[0].name

    @property
    def slows(self) -> float | None:
        return self.faults[0].slows

    async def inject(self) -> None:
        await together(fault.inject() for fault in self.faults)

    async def bite(self) -> Bite:
        """All of them are tried; `cut` is their sum."""
        bites = await asyncio.gather(*(fault.bite() for fault in self.faults))
        cuts = [bite.cut for bite in bites if bite.cut is not None]
        return Bite(
            in_force=all(bite.in_force for bite in bites),
            evidence="; ".join(f"{fault.on}: {bite.evidence}" for fault, bite in zip(self.faults, bites, strict=True)),
            cut=sum(cuts) if cuts else None,
        )

    async def heal(self) -> None:
        """Mend all of them, also where one cannot be mended; raises what the first of those raised."""
        ends = await asyncio.gather(*(fault.heal() for fault in self.faults), return_exceptions=True)
        for end in ends:
            if end is not None:
                raise end

    async def met(self) -> tuple[str, ...] | None:
        told = [await fault.met() for fault in self.faults]
        counted = [each for each in told if each is not None]
        return tuple(who for each in counted for who in each) if len(counted) == len(told) else None
