"""Faults of the world around `system`: providers that are slow, fail, hear a call twice or late, or do not answer."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import msgspec
from msgspec import Struct

from harness.own_faults import OwnFault
from harness.scenario import Stores
from scenarios.outside.client import Outside
from scenarios.outside.wire import Action, Behaviour, Kind
from scenarios.target import CALLERS


class Provider(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Both providers misbehave towards the orders of the run, beside what each order's own scenario has told them."""

    kind: ClassVar[Kind]
    actions: tuple[Action, ...] = ()
    """Towards these calls alone; without any, towards all that have an effect."""
    times: int | None = None
    """Towards so many calls of each order and action; all without a number."""

    async def inject(self, stores: Stores, prefix: str) -> None:
        await _outside(stores).behave(self.behaviour(prefix))

    async def in_force(self, stores: Stores, prefix: str) -> str:
        on = self.behaviour(prefix) in await _outside(stores).behaviours(prefix)
        return f"the outside says that it behaves so: {self.kind}" if on else ""

    async def heal(self, stores: Stores, prefix: str) -> None:
        await _outside(stores).behave_no_more(self.behaviour(prefix))

    async def met(self, stores: Stores, prefix: str) -> Sequence[str]:
        """The calls that the outside wrote down as having met this, and not what the order's scenario told it."""
        journal = await _outside(stores).journal(prefix)
        return [
            f"{entry.reference}: {CALLERS.get(entry.action, 'provider')}, {entry.action}"
            for entry in journal.entries
            if self.kind in entry.behaviours and prefix in entry.prefixes
        ]

    def behaviour(self, prefix: str) -> Behaviour:
        """What the outside is told."""
        return Behaviour(kind=self.kind, prefix=prefix, actions=self.actions, times=self.times)


class Slow(Provider, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call takes effect at once, and is answered late."""

    kind = Kind.SLOW_AFTER
    seconds: float = 1.0
    """By how much; the system waits 5 s for an answer."""

    def behaviour(self, prefix: str) -> Behaviour:
        return msgspec.structs.replace(super().behaviour(prefix), seconds=self.seconds)


class Failing(Provider, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call is answered 503, and nothing happened."""

    kind = Kind.FAIL_BEFORE


class Down(Provider, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The connection is dropped before anything happens, that of a question too."""

    kind = Kind.DOWN


class Silent(Provider, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call takes effect, and the connection is dropped without an answer."""

    kind = Kind.DROP_AFTER


class Twice(Provider, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call is delivered twice."""

    kind = Kind.DELIVER_TWICE


class Late(Provider, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call arrives when the fault is healed, and takes effect then, whether or not its caller still waits."""

    kind = Kind.HOLD


FAULTS: Mapping[str, type[OwnFault]] = {
    "outside.slow": Slow,
    "outside.failing": Failing,
    "outside.down": Down,
    "outside.silent": Silent,
    "outside.twice": Twice,
    "outside.late": Late,
}
"""By their names in experiments."""


def _outside(stores: Stores) -> Outside:
    return Outside(stores.addresses["outside.url"])
