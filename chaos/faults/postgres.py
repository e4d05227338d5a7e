"""Faults of PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from chaos.faults.exhausted import Exhausted
from chaos.faults.locked import Locked, Mode
from chaos.faults.read_only import ReadOnly
from chaos.faults.services import Down, ServicePlan, Stalled

if TYPE_CHECKING:
    from harness.testbed import Testbed


class PostgresPlan(ServicePlan, frozen=True, kw_only=True):
    """A fault of PostgreSQL."""

    breaks: ClassVar[str] = "postgres"


class PostgresKilledPlan(PostgresPlan, frozen=True, kw_only=True, tag="postgres_killed"):
    """SIGKILL, with all its backends; at heal it is started again, and recovers what was committed."""

    def fault(self, bed: Testbed) -> Down:
        return Down(self.ours(bed), self.kind)


class PostgresRestartedPlan(PostgresPlan, frozen=True, kw_only=True, tag="postgres_restarted"):
    """A fast shutdown: its clients are told and cut off, what they had not committed is undone; started at heal."""

    def fault(self, bed: Testbed) -> Down:
        return Down(self.ours(bed), self.kind, orderly=True)


class PostgresStalledPlan(PostgresPlan, frozen=True, kw_only=True, tag="postgres_stalled"):
    """SIGSTOP, with all its backends, and SIGCONT at heal: connections stay open, and nothing is answered."""

    def fault(self, bed: Testbed) -> Stalled:
        return Stalled(self.ours(bed), self.kind)


class PostgresExhaustedPlan(PostgresPlan, frozen=True, kw_only=True, tag="postgres_exhausted"):
    """Every connection that it can have is taken: who has one keeps it, and a new one is refused."""

    evict: bool = False
    """Whether those that are open are ended, so that nobody has one."""

    def fault(self, bed: Testbed) -> Exhausted:
        return Exhausted(self.ours(bed), self.kind, self.evict)


class PostgresLockedPlan(PostgresPlan, frozen=True, kw_only=True, tag="postgres_locked"):
    """A table is locked, and who needs it waits."""

    table: str
    """As PostgreSQL shows it: "orders", or "sales.orders"."""
    mode: Mode = "ACCESS EXCLUSIVE"

    def problems(self, workers: int) -> Iterator[str]:
        del workers
        parts = self.table.split(".")
        if not all(parts) or len(parts) > 2:
            yield f"table is {self.table!r}; expected a name, or schema.name"

    async def prepare(self, bed: Testbed, workers: int) -> None:
        """Raises UnknownName where there is no such table."""
        del workers
        await self.fault(bed).look_up()

    def fault(self, bed: Testbed) -> Locked:
        return Locked(self.ours(bed), self.kind, self.table, self.mode, patience=self.duration)


class PostgresReadOnlyPlan(PostgresPlan, frozen=True, kw_only=True, tag="postgres_read_only"):
    """Transactions are read-only, on connections that are open too: every write is refused."""

    def fault(self, bed: Testbed) -> ReadOnly:
        return ReadOnly(self.ours(bed), self.kind)


PostgresFault = (
    PostgresKilledPlan
    | PostgresRestartedPlan
    | PostgresStalledPlan
    | PostgresExhaustedPlan
    | PostgresLockedPlan
    | PostgresReadOnlyPlan
)
"""[[fault]] of one of these kinds."""
