"""Which behaviours are on, and which of them fire on a call."""

import asyncio
from collections import defaultdict
from random import Random

from scenarios.outside.wire import Action, Behaviour, Kind


class Behaviours:
    """The behaviours that are on, found by the prefixes of a reference."""

    def __init__(self) -> None:
        self._by_prefix: defaultdict[str, dict[Behaviour, defaultdict[tuple[str, Action], int]]] = defaultdict(dict)
        self._switched_off = asyncio.Event()

    def __len__(self) -> int:
        return sum(map(len, self._by_prefix.values()))

    def of(self, prefix: str) -> list[Behaviour]:
        """Those whose own prefix begins with this one."""
        return [each for own, held in self._by_prefix.items() if own.startswith(prefix) for each in held]

    def switch_on(self, behaviour: Behaviour) -> None:
        """From now on; one that is on already goes on counting."""
        self._by_prefix[behaviour.prefix].setdefault(behaviour, defaultdict(int))

    def switch_off(self, prefix: str) -> int:
        """Switch off those whose own prefix begins with this one; returns how many."""
        off = self.of(prefix)
        for own in {behaviour.prefix for behaviour in off}:
            del self._by_prefix[own]
        self._tell()
        return len(off)

    def switch_off_one(self, behaviour: Behaviour) -> bool:
        """Switch off this one; returns whether it was on."""
        held = self._by_prefix.get(behaviour.prefix, {})
        was_on = held.pop(behaviour, None) is not None
        if was_on and not held:
            del self._by_prefix[behaviour.prefix]
        self._tell()
        return was_on

    def _tell(self) -> None:
        self._switched_off.set()
        self._switched_off = asyncio.Event()

    async def off(self, behaviour: Behaviour) -> None:
        """Wait until it is switched off."""
        while behaviour in self._by_prefix.get(behaviour.prefix, {}):
            await self._switched_off.wait()

    def fire(self, reference: str, action: Action) -> list[Behaviour]:
        """Count this call, and return the behaviours that fire on it."""
        fired = []
        for end in range(len(reference) + 1):
            for behaviour, seen in self._by_prefix.get(reference[:end], {}).items():
                if _covers(behaviour, action):
                    seen[reference, action] += 1
                    if _fires(behaviour, reference, action, seen[reference, action]):
                        fired.append(behaviour)
        return fired


def _covers(behaviour: Behaviour, action: Action) -> bool:
    if behaviour.actions:
        return action in behaviour.actions
    return action is not Action.ASK or behaviour.kind is Kind.DOWN


def _fires(behaviour: Behaviour, reference: str, action: Action, number: int) -> bool:
    past = number - behaviour.first
    if past < 0 or (behaviour.times is not None and past >= behaviour.times):
        return False
    draw = Random(f"{behaviour.seed} {reference} {action} {number}")
    return draw.random() < behaviour.probability
