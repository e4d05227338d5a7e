"""Triggers wait for what has happened: iterations begun, iterations open, effects committed."""

import asyncio

from chaos.faults.fault import Trigger
from chaos.situation import Situation
from harness.records.effects import Effect, EffectKind, Source
from harness.records.operations import Iteration
from loadtests.engine import Progress


class Store:
    """Effects that are committed one after the other, and a store that can be away."""

    def __init__(self) -> None:
        self.effects: list[Effect] = []
        self.away = False

    async def read(self) -> list[Effect]:
        """What is committed."""
        if self.away:
            raise ConnectionError("no store")
        return self.effects


def effect(item: str = "0", *, step: str = "load", kind: EffectKind = EffectKind.FORWARD) -> Effect:
    """One that is committed."""
    return Effect(
        workflow_id="w",
        step=step,
        item=item,
        kind=kind,
        run_id=None,
        attempt=1,
        transaction=None,
        committed_at=1.0,
        source=Source.LEDGER,
    )


def iteration(index: int) -> Iteration:
    """One that is open."""
    return Iteration(run="r", scenario="s", index=index, seed=1, intended=0.0)


async def comes(situation: Situation, trigger: Trigger) -> bool:
    """Whether its moment is there now."""
    try:
        async with asyncio.timeout(0.2):
            await situation.come(trigger)
    except TimeoutError:
        return False
    return True


async def test_so_many_in_flight() -> None:
    """Open ones count, those that have ended do not."""
    situation = Situation(None)
    opened = {("s", index): iteration(index) for index in range(3)}
    situation.progress = Progress(planned=9, started=8, ended=5, open=opened)
    assert await comes(situation, Trigger(in_flight=3))
    assert not await comes(situation, Trigger(in_flight=4))


async def test_the_nth_effect_of_a_step() -> None:
    """Forward effects of that step count; while the store is away nothing is known, and then it is."""
    store = Store()
    situation = Situation(store.read)
    store.effects = [effect(), effect(kind=EffectKind.COMPENSATION), effect(step="other")]
    assert await comes(situation, Trigger(effect="load"))
    assert not await comes(situation, Trigger(effect="load", nth=2))
    store.effects.append(effect("1"))
    store.away = True
    assert not await comes(situation, Trigger(effect="load", nth=2))
    store.away = False
    assert await comes(situation, Trigger(effect="load", nth=2))
    assert await situation.told() == {"in_flight": 0, "started": 0, "load": 2, "other": 1}
