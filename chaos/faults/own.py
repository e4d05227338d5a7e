"""Faults that a target brings itself: what the world around it can be told to do wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from chaos.faults.fault import Bite, FaultPlan
from harness.errors import CannotRun, UnknownName

if TYPE_CHECKING:
    from harness.own_faults import OwnFault
    from harness.scenario import Stores
    from harness.target import Target
    from harness.testbed import Testbed


class OwnPlan(FaultPlan, frozen=True, kw_only=True, tag="own"):
    """A fault of the target's own, as temper.toml names it under `faults`."""

    name: str
    """As there; what is broken, and after a dot how, such as "outside.slow"."""
    parameters: Mapping[str, Any] = {}
    """Of this kind of fault."""

    @property
    def on(self) -> str:
        return self.name.partition(".")[0]

    def of(self, target: Target) -> OwnFault:
        """The target's fault, with these parameters. Raises UnknownName or CannotRun."""
        if self.name not in target.faults:
            raise UnknownName(f"fault of {target.file.name}'s own", self.name, target.faults)
        try:
            return msgspec.convert(self.parameters, type=target.faults[self.name])
        except msgspec.ValidationError as error:
            remedy = f"Correct its parameters; {target.file.faults} says what it takes."
            raise CannotRun(f"The fault {self.name}: {error}.", remedy=remedy) from error

    def check(self, target: Target) -> None:
        super().check(target)
        self.of(target)

    def fault(self, bed: Testbed) -> OwnFaultInUse:
        return OwnFaultInUse(self.name, self.on, self.of(bed.target), bed.stores, f"{bed.run.info.id}.")


@dataclass
class OwnFaultInUse:
    """A fault of the target's own, used on this run."""

    name: str
    on: str
    own: OwnFault
    stores: Stores
    prefix: str
    slows: float | None = None
    _before: int = 0

    async def inject(self) -> None:
        self._before = len(await self.own.met(self.stores, self.prefix) or ())
        await self.own.inject(self.stores, self.prefix)

    async def bite(self) -> Bite:
        """Ask the target's fault how it is seen to be in force."""
        seen = await self.own.in_force(self.stores, self.prefix)
        return Bite(in_force=bool(seen), evidence=seen or "it is not seen to be in force")

    async def heal(self) -> None:
        await self.own.heal(self.stores, self.prefix)

    async def met(self) -> tuple[str, ...] | None:
        """Those who met it this time."""
        met = await self.own.met(self.stores, self.prefix)
        return None if met is None else tuple(met)[self._before :]
