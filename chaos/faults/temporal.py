"""Faults of Temporal's server."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from chaos.faults.services import Down, ServicePlan, Stalled
from harness.errors import CannotRun

if TYPE_CHECKING:
    from harness.testbed import Testbed


class TemporalPlan(ServicePlan, frozen=True, kw_only=True):
    """A fault of Temporal."""

    breaks: ClassVar[str] = "temporal"


class TemporalKilledPlan(TemporalPlan, frozen=True, kw_only=True, tag="temporal_killed"):
    """SIGKILL; at heal it is started again, on its ports and its database."""

    @property
    def needs_persistence(self) -> bool:
        return True

    def fault(self, bed: Testbed) -> Down:
        server = self.ours(bed)
        if server.flags.get("database") != "file":
            raise CannotRun(
                "Temporal would forget everything: it has its database in memory.",
                remedy="Make the testbed with a persistent Temporal.",
            )
        return Down(server, self.kind)


class TemporalPausedPlan(TemporalPlan, frozen=True, kw_only=True, tag="temporal_paused"):
    """SIGSTOP, and SIGCONT at heal: connections stay open, and no call is answered."""

    def fault(self, bed: Testbed) -> Stalled:
        return Stalled(self.ours(bed), self.kind)


TemporalFault = TemporalKilledPlan | TemporalPausedPlan
"""[[fault]] of one of these kinds."""
