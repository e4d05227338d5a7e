"""What a fault is: planned as data, then made for a testbed, injected, seen to bite, healed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from chaos.defaults import told
from harness.errors import CannotRun

if TYPE_CHECKING:
    from harness.target import Target
    from harness.testbed import Testbed


class Trigger(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A moment told by what has happened, not by the clock: exactly one of these."""

    in_flight: int | None = None
    """So many iterations have begun and not ended."""
    started: int | None = None
    """So many iterations have begun."""
    effect: str | None = None
    """The step whose `nth` effect is committed; needs a target that tells its effects."""
    nth: int = 1

    def __post_init__(self) -> None:
        told = [name for name in ("in_flight", "started", "effect") if getattr(self, name) is not None]
        if len(told) != 1:
            message = f"a trigger is one of in_flight, started and effect; here are {', '.join(told) or 'none'}"
            raise ValueError(message)
        if any(count is not None and count < 1 for count in (self.in_flight, self.started, self.nth)):
            message = "a trigger counts from 1"
            raise ValueError(message)

    def __str__(self) -> str:
        if self.effect is not None:
            return f"effect {self.nth} of {self.effect}"
        return f"{self.in_flight} in flight" if self.in_flight is not None else f"{self.started} started"


class FaultPlan(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", rename={"duration": "for"}
):
    """[[fault]]: what to break, when and for how long. A fault with neither `at` nor `when` is drawn by [random].

    A kind of fault is a subclass with a tag, its parameters with their units, and what it breaks.
    """

    at: float | None = None
    """Seconds from the start of the load."""
    when: Trigger | None = None
    duration: float
    """Seconds from inject to heal."""
    every: float | None = None
    """Seconds from one time to the next; `times` tells how often."""
    times: int = 1

    def __str__(self) -> str:
        moment = f"at {self.at:g} s" if self.at is not None else f"at {self.when}" if self.when else "drawn"
        again = f", {self.times} times every {self.every:g} s" if self.every else ""
        own = {field.encode_name: getattr(self, field.name) for field in told(self) if field.name not in SHARED}
        how = ", ".join(f"{name}={value}" for name, value in own.items() if str(value) not in self.on)
        what = f"{self.__struct_config__.tag} on {self.on}" + f" ({how})" * bool(how)
        return f"{what} {moment} for {self.duration:g} s{again}"

    @property
    def on(self) -> str:
        """What it breaks, as it is shown: "worker-1.postgres", "worker-2", "temporal"."""
        raise NotImplementedError

    @property
    def needs(self) -> frozenset[str]:
        """Services and processes that the target must have for it."""
        return frozenset()

    def touches(self, workers: int) -> frozenset[str]:
        """Everything that no other fault may break meanwhile: the first to heal would heal the other."""
        del workers
        return frozenset({self.on})

    def problems(self, workers: int) -> Iterator[str]:
        """What of it cannot be, with so many workers; each a sentence's end, as in "fault on 'x': …"."""
        del workers
        yield from ()

    @property
    def needs_persistence(self) -> bool:
        """Whether Temporal must keep what it has when it is killed."""
        return False

    def check(self, target: Target) -> None:
        """Refuse what this target does not have, before anything is started. Raises CannotRun."""
        if self.when is not None and self.when.effect is not None and target.read_effects is None:
            raise CannotRun(
                f"The fault on {self.on} waits for {self.when}, and {target.file.name} tells no effects while it runs.",
                remedy="Let it wait for `started` or `in_flight`, or for a time, `at`.",
            )

    async def prepare(self, bed: Testbed, workers: int) -> None:
        """See to what must stand before so many workers are made. Raises CannotRun where this target cannot have it."""
        del bed, workers

    def fault(self, bed: Testbed) -> Fault:
        """Make it for this testbed, whose workers are up. Raises CannotRun where it breaks what is not ours."""
        raise NotImplementedError


SHARED = frozenset(FaultPlan.__struct_fields__)
"""What every kind has."""


@dataclass(frozen=True)
class Bite:
    """Whether a fault is in force, and how that was seen."""

    in_force: bool
    evidence: str
    cut: int | None = None
    """Connections that were open when it was injected, and that it closed."""


class Fault(Protocol):
    """Something broken on purpose."""

    @property
    def name(self) -> str:
        """Its kind, as experiments write it."""

    @property
    def on(self) -> str:
        """What it breaks."""

    @property
    def slows(self) -> float | None:
        """Seconds by which it holds up what meets it; None where what meets it fails."""

    async def inject(self) -> None:
        """Break it. Returns when it is broken."""

    async def bite(self) -> Bite:
        """Try the broken thing: is the fault really in force?"""

    async def heal(self) -> None:
        """Mend it. Returns when it is mended; harmless if it was never broken, and when called twice."""

    async def met(self) -> tuple[str, ...] | None:
        """Who met it, as it counted itself, asked after heal; None where operations and histories tell."""
