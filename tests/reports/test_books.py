"""Reconciliation counts each book by itself, and the slowest workflows tell their retries."""

from collections.abc import Sequence

import msgspec
from handwritten_runs import activity, effect, fact, start, workflow

from harness.records.columns import frame_of, frames_of
from harness.records.discrepancies import Discrepancy, DiscrepancyKind
from harness.records.effects import Effect, EffectKind, Fact, Source
from harness.records.operations import Ack, Operation
from harness.records.workflows import Activity, WorkflowRun
from reports.reconciliation import Books, Disagreements, Ledger, Starts, Workflows, books, disagreements, rows_of
from reports.slowest import Retried, Slow, slowest
from reports.webui import web_ui


def booked(
    operations: Sequence[Operation] = (), runs: Sequence[WorkflowRun] = (), effects: Sequence[Effect] = ()
) -> Books:
    calls, told = frame_of(Operation, operations), frame_of(Effect, effects)
    return books(calls, frames_of(WorkflowRun, runs), told, frames_of(Fact, ()))


def slow(*runs: WorkflowRun, most: int = 10) -> list[Slow]:
    frames = frames_of(WorkflowRun, runs)
    return slowest(frames[WorkflowRun], frames[Activity], web_ui(None), most)


def test_starts_are_counted_by_fate_and_by_what_the_server_knows() -> None:
    """An acknowledged start that the server does not know shows as the difference."""
    operations = [start(0, 0), start(1, 0), start(2, 0, ack=Ack.FAIL), start(3, 0, ack=Ack.INFO)]
    told = booked(operations, [workflow(0, 1.0), workflow(3, 1.0)])
    assert told.starts == Starts(asked=4, acknowledged=2, refused=1, unanswered=1, known=1)


def test_workflows_are_counted_by_status_with_their_retries() -> None:
    """Attempts beyond the first are retries; an activity that was never started has none."""
    runs = [
        workflow(0, 1.0, activity(0, 0, 1, attempts=3), activity(1, 0, 1)),
        workflow(1, None, activity(0, 0, None, attempts=0)),
    ]
    told = booked([], runs).workflows
    assert told == Workflows(runs=2, by_status={"completed": 1, "running": 1}, attempts=4, retries=2)


def test_the_ledger_is_counted_by_kind_and_key() -> None:
    """A doubled effect shows as more effects than keys."""
    effects = [effect(0), effect(0, attempt=2), effect(1), effect(1, kind=EffectKind.COMPENSATION)]
    assert booked(effects=effects).ledger == Ledger(forward=3, compensations=1, keys=2, retried=1)


def test_of_effects_that_the_journal_told_nobody_knows_the_attempts() -> None:
    """Which is not the same as none that was retried."""
    told = msgspec.structs.replace(effect(0), attempt=None, source=Source.WAL)
    assert booked(effects=[told]).ledger == Ledger(forward=1, compensations=0, keys=1, retried=None)


def test_too_many_rows_of_one_never_make_up_for_another() -> None:
    """The sums agree, and the rows do not."""
    (rows,) = rows_of(frames_of(Fact, [fact(0, 10, 8), fact(1, 10, 12)]))
    assert (rows.expected, rows.found, rows.missing, rows.surplus, rows.agree) == (20, 20, 2, 2, False)


def test_reasons_are_summed_most_frequent_first_and_apart_from_other_counts() -> None:
    """Each scenario has its own."""
    facts = [
        fact(0, 10, 10, values={"rejected": 3, "rejected: late": 1, "rejected: no plane": 2}),
        fact(1, 10, 10, values={"rejected": 1, "rejected: no plane": 1}),
        fact(0, 5, 5, scenario="whole"),
    ]
    (rows, other) = rows_of(frames_of(Fact, facts))
    assert (rows.scenario, rows.facts, rows.values, rows.agree) == ("slice", 2, {"rejected": 4}, True)
    assert list(rows.reasons.items()) == [("no plane", 3), ("late", 1)]
    assert (other.scenario, other.reasons) == ("whole", {})


def test_books_nobody_kept_are_absent() -> None:
    """None is not zero."""
    told = booked()
    assert (told.starts, told.workflows, told.ledger, told.rows) == (None, None, None, ())


def test_the_slowest_come_first_and_open_ones_not_at_all() -> None:
    """Nobody knows how long an open workflow takes."""
    found = slow(workflow(0, 1.0), workflow(1, 3.0), workflow(2, None), workflow(3, 2.0), most=2)
    assert [(each.workflow_id, each.took) for each in found] == [("run.slice.1.main", 3.0), ("run.slice.3.main", 2.0)]


def test_retries_are_told_by_type_and_reason() -> None:
    """Two activities retried for one reason are one entry, with the most attempts of both."""
    activities = (activity(0, 0, 1, attempts=2), activity(1, 0, 1, attempts=4), activity(2, 0, 1))
    (found,) = slow(workflow(0, 1.0, *activities))
    assert found.retries == 4
    assert found.retried == (
        Retried(type="load_chunk", activities=2, attempts=4, failure="ConnectionError: connection was closed"),
    )


def test_disagreements_are_counted_and_those_that_are_no_errors_set_apart() -> None:
    """Kinds of which there are none are told too."""
    lost, unheard = (
        Discrepancy(kind=kind, workflow_id="w", message="as told")
        for kind in (DiscrepancyKind.LOST, DiscrepancyKind.UNACKNOWLEDGED)
    )
    assert disagreements([unheard, lost, unheard]) == Disagreements(
        by_kind={
            "lost": 1,
            "duplicated": 0,
            "phantom": 0,
            "zombie write": 0,
            "uncompensated": 0,
            "unacknowledged": 2,
        },
        wrong=[lost],
        unacknowledged=[unheard, unheard],
    )
