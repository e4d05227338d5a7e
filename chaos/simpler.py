"""Simpler forms of a fault: once, at a moment told by what has happened in place of the clock, and shorter."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from msgspec.structs import replace

from chaos.catalogue import AnyFault
from chaos.faults.fault import Trigger
from harness.records.effects import Effect, EffectKind
from harness.records.faults import FaultWindow
from harness.records.run import Recorded

SHORTEST = 0.5
"""Seconds below which a fault is not halved: to break and to heal take their time, too."""
COUNTED = ("in_flight", "started")
"""What a situation tells beside the steps."""


@dataclass(frozen=True, kw_only=True)
class Journal:
    """What a run wrote down of its faults, and of what had happened when each was injected."""

    windows: Sequence[FaultWindow]
    effects: Sequence[Effect]
    began: float
    """The start of the load: seconds since the Unix epoch."""

    @classmethod
    def of(cls, recorded: Recorded) -> Self:
        """Raises NotARun."""
        return cls(
            windows=recorded.read(FaultWindow),
            effects=recorded.read(Effect),
            began=recorded.info.load.began if recorded.info.load else recorded.info.started,
        )

    def moments(self, fault: AnyFault) -> Iterator[Trigger]:
        """The moment at which it was injected, as triggers tell it, the most telling first."""
        situation = self._situation(fault)
        if situation is None:
            return
        injected, counts = situation
        steps = {step: count for step, count in counts.items() if count and step not in COUNTED}
        if steps:
            # Of all steps the one that was last has most to do with it, and its count tells the moment best.
            last = {each.step: each.committed_at for each in self._forward(injected)}
            step = max(steps, key=lambda each: last.get(each, 0.0))
            yield Trigger(effect=step, nth=steps[step])
        if counts.get("started"):
            yield Trigger(started=counts["started"])

    def _situation(self, fault: AnyFault) -> tuple[float, Mapping[str, int]] | None:
        """When it was injected first, and what had happened by then; None where no window is its own."""
        if fault.at is None:
            return None
        # What is called by another name on the same thing was at most broken beside it: the nearest is near enough.
        meant = self.began + fault.at
        own = [each for each in self.windows if each.on == fault.on]
        window = min(own, key=lambda each: abs(each.injected - meant), default=None)
        return None if window is None else (window.injected, window.situation)

    def _forward(self, until: float) -> list[Effect]:
        forward = [each for each in self.effects if each.kind is EffectKind.FORWARD and each.committed_at <= until]
        return sorted(forward, key=lambda each: each.committed_at)


def simpler(fault: AnyFault, journal: Journal) -> Iterator[AnyFault]:
    """Forms of it that are simpler in one way, what is most worth having first."""
    if fault.times > 1:
        yield replace(fault, every=None, times=1)
    if fault.times > 3:
        yield replace(fault, times=fault.times // 2)
    for trigger in journal.moments(fault):
        yield replace(fault, at=None, when=trigger)
    if (half := round(fault.duration / 2, 1)) >= SHORTEST:
        yield replace(fault, duration=half)
