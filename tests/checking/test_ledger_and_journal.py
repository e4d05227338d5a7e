"""The ledger is compared with PostgreSQL's journal, both ways; what the journal alone tells is judged as well."""

from collections.abc import Sequence

import msgspec
import pytest
from handwritten_records import GOOD, NOTHING, WORKFLOW, effect, fact

from harness.checking.applicable import applicable
from harness.checking.invariants import Records, effects_are_atomic, nothing_doubled, nothing_lost
from harness.checking.journal import ledger_agrees_with_journal
from harness.records.effects import TRANSACTION_SPACE, Effect, EffectKind, Source
from harness.records.journal import Change, Commit, Journal
from harness.records.verdicts import Finding, Verdict


def change(item: str = "0", *, inserted: int = 1, updated: int = 0, deleted: int = 0, step: str = "load") -> Change:
    """A chunk of the workflow's, inserted."""
    return Change(
        table="chunks",
        workflow_id=WORKFLOW,
        step=step,
        item=item,
        inserted=inserted,
        updated=updated,
        deleted=deleted,
    )


def commit(
    *changes: Change, transaction: int = 700, ledger: int | None = 1, others: int = 101, at: float = 1.5
) -> Commit:
    """A transaction that wrote a chunk, its hundred rows and its line of the ledger."""
    return Commit(transaction=transaction, committed_at=at, ledger=ledger, others=others, changes=changes)


def recorded(commits: Sequence[Commit], *effects: Effect) -> Records:
    """A ledger with these effects, beside a journal with these commits."""
    return msgspec.structs.replace(GOOD, effects=effects, journal=Journal(commits=tuple(commits)))


def findings(records: Records) -> Sequence[Finding]:
    """What is wrong, where something is."""
    judgement = ledger_agrees_with_journal(records)
    assert judgement.verdict is Verdict.INVALID
    return judgement.findings


def test_a_ledger_that_the_journal_confirms_is_valid() -> None:
    """Each line in its effect's own transaction, and each effect with its line."""
    judgement = ledger_agrees_with_journal(recorded([commit(change())], effect()))
    assert (judgement.verdict, judgement.checked) == (Verdict.VALID, 2)
    assert judgement.invariant == "the ledger agrees with the journal"


def test_a_line_whose_transaction_was_never_committed_is_a_phantom() -> None:
    """The ledger says of itself what never was."""
    (finding,) = findings(recorded([commit(transaction=699)], effect()))
    assert finding.problem == "phantom"
    assert finding.message == "the ledger has it of transaction 700, which was never committed"
    assert (finding.workflow_id, finding.step, finding.item) == (WORKFLOW, "load", "0")


def test_a_line_that_was_written_by_another_transaction_is_a_phantom() -> None:
    """The one that it names wrote something, but not this."""
    (finding,) = findings(recorded([commit(ledger=0)], effect()))
    assert finding.message == "the ledger has it of transaction 700, which wrote nothing into the ledger"


def test_a_line_in_a_transaction_of_its_own_is_a_phantom() -> None:
    """Its effect may not have been committed, or may be committed by another."""
    (finding,) = findings(recorded([commit(others=0)], effect()))
    assert finding.problem == "phantom"
    assert "which wrote nothing else" in finding.message


def test_one_other_row_is_enough() -> None:
    """Of whichever table: not every effect is in one that is mapped."""
    assert ledger_agrees_with_journal(recorded([commit(others=1)], effect())).verdict is Verdict.VALID


def test_a_ledger_whose_table_is_not_named_is_believed_to_be_in_the_transaction() -> None:
    """Which must exist all the same."""
    assert ledger_agrees_with_journal(recorded([commit(ledger=None)], effect())).verdict is Verdict.VALID
    (finding,) = findings(recorded([commit(ledger=None, transaction=701)], effect()))
    assert finding.problem == "phantom"


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (change(), "inserted 1 row of chunks"),
        (change(inserted=0, deleted=2), "deleted 2 rows of chunks"),
        (change(inserted=2, deleted=1), "inserted 2 rows and deleted 1 row of chunks"),
    ],
)
def test_an_effect_without_its_line_is_unledgered(made: Change, told: str) -> None:
    """Whether it came or went; the finding says which transaction did what."""
    (finding,) = findings(recorded([commit(made, ledger=0)]))
    assert finding.problem == "unledgered"
    assert finding.message == f"transaction 700 {told}, and the ledger has no such line of it"
    assert (finding.workflow_id, finding.step, finding.item) == (WORKFLOW, "load", "0")


@pytest.mark.parametrize("other", [effect(transaction=701), effect("1"), effect(step="close")])
def test_a_line_of_something_else_is_not_its_line(other: Effect) -> None:
    """Of another transaction, another item, another step."""
    commits = [commit(change()), commit(transaction=701)]
    (finding,) = findings(recorded(commits, other))
    assert finding.problem == "unledgered"


def test_a_row_that_was_only_changed_needs_no_line() -> None:
    """It is no effect."""
    judgement = ledger_agrees_with_journal(
        recorded([commit(change()), commit(change(inserted=0, updated=3))], effect())
    )
    assert (judgement.verdict, judgement.checked) == (Verdict.VALID, 2)


def test_transactions_are_compared_by_what_both_know_of_them() -> None:
    """A ledger has 64 bits of their ids, the journal 32; a ledger that has none is asked nothing."""
    whole = effect(transaction=TRANSACTION_SPACE + 700)
    assert ledger_agrees_with_journal(recorded([commit(change())], whole)).verdict is Verdict.VALID
    assert ledger_agrees_with_journal(recorded([], effect(transaction=None))).verdict is Verdict.UNKNOWN


def test_a_journal_that_was_not_read_leaves_it_unknown() -> None:
    """With the reason, where there is one."""
    unread = msgspec.structs.replace(GOOD, journal=Journal(unread="wal_level is replica"))
    neither = "there is no ledger, or the journal was not read"
    unasked = msgspec.structs.replace(unread, effects=None)
    for records, reason in (
        (unread, "the journal was not read: wal_level is replica"),
        (GOOD, neither),
        (unasked, neither),
        (NOTHING, neither),
    ):
        judgement = ledger_agrees_with_journal(records)
        assert (judgement.invariant, judgement.verdict, judgement.reason) == (
            "the ledger agrees with the journal",
            Verdict.UNKNOWN,
            reason,
        )


def test_it_is_asked_where_there_are_both() -> None:
    """A ledger, and a journal that was asked for; a journal that is all there is agrees with itself."""
    both = recorded([commit(change())], effect())
    assert ledger_agrees_with_journal in applicable(both)
    assert ledger_agrees_with_journal not in applicable(GOOD)
    alone = msgspec.structs.replace(both, source=Source.WAL)
    assert not {ledger_agrees_with_journal, effects_are_atomic} & set(applicable(alone))


def told(*, kind: EffectKind = EffectKind.FORWARD, transaction: int = 700) -> Effect:
    """An effect that the journal tells."""
    return msgspec.structs.replace(
        effect(kind=kind, transaction=transaction), run_id=None, attempt=None, source=Source.WAL
    )


def test_an_effect_that_the_journal_has_twice_is_doubled() -> None:
    """Where nobody keeps a ledger; once it was undone, it may be there again."""
    twice = msgspec.structs.replace(GOOD, effects=[told(), told(transaction=701)], source=Source.WAL)
    (finding,) = nothing_doubled(twice).findings
    assert finding.message == "the journal has it 2 times, undone 0 times"
    undone = [*(twice.effects or ()), told(kind=EffectKind.COMPENSATION)]
    assert nothing_doubled(msgspec.structs.replace(twice, effects=undone)).verdict is Verdict.VALID


def test_an_effect_whose_rows_are_gone_is_lost() -> None:
    """The journal saw it committed, and nobody took it back."""
    gone = msgspec.structs.replace(GOOD, effects=[told()], facts=[fact("1")], source=Source.WAL)
    (finding,) = nothing_lost(gone).findings
    assert finding.message == "the journal has an effect of which no row is there"
