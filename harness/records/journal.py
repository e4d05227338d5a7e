"""What PostgreSQL's journal says was committed while a run went on: by whom is not known there, what and when is."""

from msgspec import Struct


class Change(Struct, frozen=True, kw_only=True):
    """What one transaction did to the rows of one (workflow id, step, item) in one table."""

    table: str
    workflow_id: str
    step: str
    item: str
    inserted: int = 0
    updated: int = 0
    deleted: int = 0

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.workflow_id, self.step, self.item)


class Commit(Struct, frozen=True, kw_only=True):
    """One transaction that wrote rows."""

    transaction: int
    """32 bits of its id, as in the rows it wrote (unless it wrote them behind a savepoint)."""
    committed_at: float
    """Seconds since the Unix epoch, by the database's clock."""
    ledger: int | None
    """Rows it wrote into the ledger's table; None where the target has not said which that is."""
    others: int
    """Rows it wrote into any other table."""
    changes: tuple[Change, ...] = ()
    """In the tables that temper.toml maps to workflows, of the run's own workflows."""


class Journal(Struct, frozen=True, kw_only=True):
    """Every commit from before the first iteration until the run was concluded, in their order."""

    commits: tuple[Commit, ...] = ()
    unread: str = ""
    """Why there is nothing to tell, though it was asked for; empty where it was read."""
