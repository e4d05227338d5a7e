"""What has happened in a run so far: what triggers wait for, and what is noted when a fault is injected."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from chaos.faults.fault import Trigger
from harness.records.effects import Effect, EffectKind
from harness.records.operations import Kind, Operation
from loadtests.engine import Progress

LOOK_EVERY = 0.05
"""Seconds between two looks at whether a trigger's moment has come."""
ASK_SECONDS = 0.5
"""How long the stores may take to tell; a fault may have taken them away."""

BY_WORKERS = frozenset({Kind.RESULT, Kind.UPDATE, Kind.QUERY})
"""Calls that a worker has to do something for before they are answered."""

Effects = Callable[[], Awaitable[Sequence[Effect]]]
"""Asks the target for the effects of the run."""


class Situation:
    """How far the load is, which calls it made, and which effects are committed."""

    def __init__(self, read_effects: Effects | None) -> None:
        self._read_effects = read_effects
        self.progress = Progress(planned=0)
        """How far the load is."""
        self.operations: list[Operation] = []
        self._by_worker, self._by_server = 0.0, 0.0

    @property
    def last_answer(self) -> float:
        """When somebody was answered last, in seconds since the Unix epoch; 0 while nobody was.

        The server takes down starts and signals though nobody is there to do the work: where a load asks for more than
        that, only what a worker has answered counts.
        """
        return self._by_worker or self._by_server

    def record(self, operation: Operation) -> None:
        """Note a call that was made."""
        self.operations.append(operation)
        answered = operation.acknowledged or 0.0
        if operation.kind in BY_WORKERS:
            self._by_worker = max(self._by_worker, answered)
        else:
            self._by_server = max(self._by_server, answered)

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
