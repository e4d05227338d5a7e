"""The invariant that the target's ledger says what PostgreSQL's journal says: the target does not grade itself."""

from collections.abc import Iterator

from harness.checking.invariants import Records, as_judgement, unknown
from harness.records.effects import TRANSACTION_SPACE, Effect
from harness.records.journal import Change, Commit
from harness.records.verdicts import Finding, Judgement

NAME = "the ledger agrees with the journal"


def ledger_agrees_with_journal(records: Records) -> Judgement:
    """Each line of the ledger was committed together with what it tells of, and no effect without its line.

    The first is asked of every line, the second of the rows of the mapped tables, whose keys are those of the ledger.
    Rows that were only changed are no effects.
    """
    if records.effects is None or records.journal is None:
        return unknown(NAME, "there is no ledger, or the journal was not read")
    if records.journal.unread:
        return unknown(NAME, f"the journal was not read: {records.journal.unread}")
    told = [effect for effect in records.effects if effect.transaction is not None]
    commits = {commit.transaction: commit for commit in records.journal.commits}
    lines = {(_transaction(effect), *effect.key) for effect in told}
    written = [
        (commit.transaction, change)
        for commit in records.journal.commits
        for change in commit.changes
        if change.inserted or change.deleted
    ]
    findings = [
        *(
            Finding(problem="phantom", message=message, workflow_id=each.workflow_id, step=each.step, item=each.item)
            for each in told
            for message in _unfounded(each, commits.get(_transaction(each)))
        ),
        *(
            _unledgered(transaction, change)
            for transaction, change in written
            if (transaction, *change.key) not in lines
        ),
    ]
    return as_judgement(NAME, len(told) + len(written), findings)


def _transaction(effect: Effect) -> int:
    assert effect.transaction is not None
    return effect.transaction % TRANSACTION_SPACE


def _unfounded(effect: Effect, commit: Commit | None) -> Iterator[str]:
    """What is wrong with the transaction that a line of the ledger names."""
    named = f"the ledger has it of transaction {_transaction(effect)}, which "
    if commit is None:
        yield named + "was never committed"
    elif commit.ledger == 0:
        yield named + "wrote nothing into the ledger"
    elif not commit.others:
        yield named + "wrote nothing else: the line does not stand or fall with what it tells of"


def _unledgered(transaction: int, change: Change) -> Finding:
    done = " and ".join(
        f"{verb} {count} row{'s' * (count > 1)}"
        for verb, count in (("inserted", change.inserted), ("deleted", change.deleted))
        if count
    )
    return Finding(
        problem="unledgered",
        message=f"transaction {transaction} {done} of {change.table}, and the ledger has no such line of it",
        workflow_id=change.workflow_id,
        step=change.step,
        item=change.item,
    )
