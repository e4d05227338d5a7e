"""What the stores hold: effects from the ledger, and facts counted from the business rows."""

from enum import StrEnum

from msgspec import Struct

TRANSACTION_SPACE = 2**32
"""PostgreSQL keeps 32 bits of a transaction id in each row (xmin); a ledger keeps 64. They are compared modulo this."""


class EffectKind(StrEnum):
    FORWARD = "forward"
    COMPENSATION = "compensation"


class Source(StrEnum):
    """Where an effect was read from. The journal (wal) knows no attempts."""

    LEDGER = "ledger"
    WAL = "wal"


class Effect(Struct, frozen=True, kw_only=True):
    """One durable change, attributed to (workflow id, step, item)."""

    workflow_id: str
    step: str
    item: str
    kind: EffectKind
    run_id: str | None
    attempt: int | None
    """1 for the first attempt; None where the source cannot know."""
    transaction: int | None
    committed_at: float
    """Seconds since the Unix epoch, by the database's clock."""
    source: Source

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.workflow_id, self.step, self.item)


class Fact(Struct, frozen=True, kw_only=True):
    """What the business rows say of one (workflow id, step, item): counted, not remembered."""

    scenario: str
    iteration: int
    workflow_id: str
    step: str
    item: str
    expected: int
    """Rows there must be if the step took effect exactly once."""
    found: int
    """Rows there are."""
    transactions: tuple[int, ...] = ()
    """Ids of the transactions that wrote them, 32 bits each; empty where the store does not tell."""
    values: dict[str, int] = {}
    """Further counts the scenario's own check looks at."""

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.workflow_id, self.step, self.item)
