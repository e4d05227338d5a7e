"""What PostgreSQL says of the connections that the workers hold."""

from msgspec import Struct

IN_TRANSACTION = "idle in transaction"
"""How the states of a connection begin that does nothing, and has left a transaction open."""


class Session(Struct, frozen=True, kw_only=True):
    """A connection to the target's database, once the run's iterations had ended."""

    pid: int
    """Of its backend."""
    application: str
    state: str
    """In PostgreSQL's words: "active", "idle", "idle in transaction"; empty where it does not tell us."""
    seconds: float
    """For how long it has been in that state, by the database's clock."""
    query: str
    """Its last statement."""
