"""What has happened in a run so far: what triggers wait for, and what is noted when a fault is injected."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from chaos.faults.fault import Trigger
from harness.records.effects import Effect, EffectKind
from harness.records.operations import Operation
from loadtests.engine import Progress

LOOK_EVERY = 0.05
"""Seconds between two looks at whether a trigger's moment has come."""
ASK_SECONDS = 0.5
"""How long the stores may take to tell; a fault may have taken them away."""

Effects = Callable[[], Awaitable[Sequence[Effect]]]
"""Asks the target for the effects of the run."""


class Situation:
    """How far the load is, which calls it made, and which effects are committed."""

    def __init__(self, read_effects: Effects | None) -> None:
        self._read_effects = read_effects
        self.progress = Progress(planned=0)
        """How far the load is."""
        self.operations: list[Operation] = []
        self.last_answer = 0.0
        """Seconds since the Unix epoch; 0 while nobody was answered."""

    def record(self, operation: Operation) -> None:
        """Note a call that was made."""
        self.operations.append(operation)
        self.last_answer = max(self.last_answer, operation.acknowledged or 0.0)

    async def effects(self) -> Counter[str]:
        """How many forward effects of each step are committed; none where nobody can tell now."""
        if self._read_effects is None:
            return Counter()
        try:
            async with asyncio.timeout(ASK_SECONDS):
                found = await self._read_effects()
        except Exception:  # noqa: BLE001  # the store may be what is broken: then the answer is not known yet
            return Counter()
        return Counter(effect.step for effect in found if effect.kind is EffectKind.FORWARD)

    async def come(self, trigger: Trigger) -> None:
        """Wait for the trigger's moment."""
        while not await self._is_there(trigger):  # noqa: ASYNC110 - the stores set no event of ours
            await asyncio.sleep(LOOK_EVERY)

    async def told(self) -> dict[str, int]:
        """The situation as it is noted in a fault's window."""
        effects = await self.effects()
        return {"in_flight": len(self.progress.open), "started": self.progress.started, **effects}

    async def _is_there(self, trigger: Trigger) -> bool:
        if trigger.in_flight is not None:
            return len(self.progress.open) >= trigger.in_flight
        if trigger.started is not None:
            return self.progress.started >= trigger.started
        assert trigger.effect is not None
        return (await self.effects())[trigger.effect] >= trigger.nth
