"""Faults as they really happened: when they began, when they ended, and the evidence that they bit."""

from collections.abc import Mapping

from msgspec import Struct


class FaultWindow(Struct, frozen=True, kw_only=True):
    """The time between inject and heal of one fault. Times are seconds since the Unix epoch."""

    name: str
    """Kind of fault: link_down, …"""
    on: str
    """What was broken: a link, a worker, a service."""
    injected: float
    healed: float
    in_force: bool
    """Seen by trying: the thing was really broken."""
    evidence: str
    """What was tried to see it, and what happened."""
    cut: int | None = None
    """Connections that were open when it began, and that it closed; None where it closes none."""
    sure: tuple[float, float] | None = None
    """It was surely in force from the first of these times, when it was seen to be, to the second, when its healing
    began; injecting and healing take their time on a busy machine."""
    slows: float | None = None
    """Seconds by which it holds up what meets it; None where what meets it fails."""
    met: tuple[str, ...] | None = None
    """Who met it, as the fault itself counted; None where that is to be read from operations and histories."""
    situation: Mapping[str, int] = {}
    """What had happened by then, by which the same moment is found again in another run: "in_flight" iterations that
    had begun and not ended, and for each step how many effects were committed."""
    felt: int = 0
    """Activity attempts and operations that met it."""
    felt_by: tuple[str, ...] = ()
    """Some of them, as "workflow id: what happened"."""

    @property
    def bit(self) -> bool:
        """It was in force, and something met it. A fault that did not bite proves nothing."""
        return self.in_force and self.felt > 0
