"""The invariant of the workers' connections to PostgreSQL."""

from harness.checking.invariants import Records, as_judgement, unknown
from harness.records.sessions import IN_TRANSACTION, Session
from harness.records.verdicts import Finding, Judgement

NAME = "connections are clean"


def connections_are_clean(records: Records) -> Judgement:
    """No connection lies idle with a transaction open: whoever gets it next works within that transaction.

    What a session was set to is not seen from outside, and not judged.
    """
    if records.sessions is None:
        return unknown(NAME, "PostgreSQL was not asked for its connections")
    told = [session for session in records.sessions if session.state]
    findings = [
        Finding(problem="dirty", message=_dirty(session))
        for session in told
        if session.state.startswith(IN_TRANSACTION)
    ]
    return as_judgement(NAME, len(told), findings)


def _dirty(session: Session) -> str:
    return (
        f"a connection of {session.application or 'nobody by name'!r} went back to its pool within a transaction, open "
        f"for {session.seconds:.1f} s after: {session.query}; end the transaction on every way out, and let the pool "
        "reset what it gets back"
    )
