"""Disagreements between operations, histories and effects: each is classed, and its place told."""

import pytest
from handwritten_records import GOOD, WORKFLOW, effect, fact, operation, window, workflow
from msgspec.structs import replace

from harness.checking.applicable import applicable
from harness.checking.invariants import Records, as_judgement
from harness.checking.reconcile import KINDS, reconcile, when
from harness.records.discrepancies import Discrepancy, DiscrepancyKind
from harness.records.effects import Effect, EffectKind
from harness.records.operations import Ack, Kind
from harness.records.verdicts import Finding
from harness.records.workflows import Activity

LOADED = Activity(
    type="pipeline.load",
    activity_id="1",
    scheduled=11.0,
    started=12.0,
    closed=12.5,
    attempts=2,
    worker="w",
    last_failure="activity StartToClose timeout",
    outcome="completed",
    event_id=5,
)
CUT = window()
OTHER_CUT = replace(window(on="worker-2.postgres"), injected=12.0, healed=20.0)


def by(attempt: int, committed_at: float) -> Effect:
    return replace(effect(), attempt=attempt, committed_at=committed_at)


def records(**changes: object) -> Records:
    """A workflow whose activity was tried twice while a link was cut, from second 10 to 13; it did what it should."""
    run = replace(workflow(activities=(LOADED,)), closed=15.0)
    good = replace(GOOD, workflows=[run], effects=[by(2, 12.3)], faults=[CUT])
    return replace(good, **changes)


def reconciled(given: Records) -> list[Discrepancy]:
    """As a run is: by the judgements of all its invariants."""
    return reconcile(given, [invariant(given) for invariant in applicable(given)])


def test_where_all_agree_there_is_nothing_to_tell() -> None:
    """Though an attempt failed, and a fault was in force."""
    assert reconciled(records()) == []


def test_an_effect_that_is_there_twice_is_a_duplicate() -> None:
    """It fell between the first of them and the last."""
    twice = [by(1, 11.5), by(2, 12.3)]
    (found,) = reconciled(records(effects=twice))
    assert found.message.startswith("the ledger has it 2 times, undone 0 times")
    assert found == Discrepancy(
        kind=DiscrepancyKind.DUPLICATED,
        workflow_id=WORKFLOW,
        event_id=5,
        attempt=2,
        window="link_down on worker-1.postgres",
        step="load",
        item="0",
        message=found.message,
    )


@pytest.mark.parametrize("effects", [[by(2, 12.3), by(1, 12.4)], [by(1, 12.1), by(2, 12.3)]])
def test_what_a_superseded_attempt_wrote_is_a_zombie_write(effects: list[Effect]) -> None:
    """The ledger has it twice for that reason: one effect is told once, with the attempt that should not have."""
    (found,) = reconciled(records(effects=effects))
    assert (found.kind, found.event_id, found.attempt) == (DiscrepancyKind.ZOMBIE_WRITE, 5, 1)
    assert found.message.startswith("attempt 1 wrote it")


def test_a_write_after_the_workflows_end_is_a_zombie_write() -> None:
    """Nothing may be there, and it is too late to take it back."""
    (found,) = reconciled(records(effects=[by(2, 17.5)], facts=[fact(expected=0)]))
    assert (found.kind, found.attempt) == (DiscrepancyKind.ZOMBIE_WRITE, 2)
    assert "2.5 s after its workflow had closed" in found.message


def test_a_write_that_was_not_taken_back_is_uncompensated() -> None:
    """Its workflow had time to."""
    (found,) = reconciled(records(facts=[fact(expected=0)]))
    assert (found.kind, found.event_id, found.window) == (
        DiscrepancyKind.UNCOMPENSATED,
        5,
        "link_down on worker-1.postgres",
    )


def test_an_effect_of_a_workflow_that_nobody_knows_is_a_phantom() -> None:
    """It has no history to point to."""
    strange = replace(by(1, 14.0), workflow_id="nobody", step="pay")
    (found,) = reconciled(records(effects=[by(2, 12.3), strange]))
    assert (found.kind, found.workflow_id, found.event_id, found.attempt) == (
        DiscrepancyKind.PHANTOM,
        "nobody",
        None,
        1,
    )
    assert found.window == "1.0 s after heal of link_down on worker-1.postgres"


def test_rows_that_are_not_there_are_lost() -> None:
    """Nobody wrote them; the place is the activity that was to."""
    (found,) = reconciled(records(effects=[], facts=[fact(found=99, transactions=())]))
    assert (found.kind, found.event_id, found.attempt, found.message) == (
        DiscrepancyKind.LOST,
        5,
        2,
        "99 of 100 rows are there",
    )
    assert found.window == "link_down on worker-1.postgres"


def test_of_several_activities_of_a_step_none_is_named() -> None:
    """Any of them may have been meant."""
    run = workflow(activities=(LOADED, replace(LOADED, activity_id="2", event_id=6)))
    missing = [fact(found=99, transactions=())]
    (found,) = reconciled(records(workflows=[run], effects=[], facts=missing))
    assert (found.event_id, found.attempt, found.window) == (None, None, "")
    (written,) = reconciled(records(workflows=[run], facts=missing))
    assert (written.event_id, written.attempt, written.window) == (None, 2, "link_down on worker-1.postgres")


@pytest.mark.parametrize(("known", "event_id"), [(True, 1), (False, None)])
def test_what_is_about_a_workflow_points_to_its_start(*, known: bool, event_id: int | None) -> None:
    """To its first event, where there is one; it fell into the time in which the start was made."""
    start = operation(sent=12.9, acknowledged=13.5)
    runs = [workflow()] if known else []
    about = Finding(problem="lost", message="as told", workflow_id=WORKFLOW)
    told = reconcile(
        records(operations=[start], workflows=runs, effects=[], facts=[]), [as_judgement("its own", 1, [about])]
    )
    assert told == [
        Discrepancy(
            kind=DiscrepancyKind.LOST,
            workflow_id=WORKFLOW,
            event_id=event_id,
            window="link_down on worker-1.postgres",
            message="as told",
        )
    ]


def test_what_is_about_a_workflow_that_was_not_started_by_a_call_has_no_time() -> None:
    """And no event, where the server does not know it either."""
    about = Finding(problem="lost", message="as told", workflow_id="elsewhere")
    (told,) = reconcile(records(), [as_judgement("its own", 1, [about])])
    assert (told.workflow_id, told.event_id, told.window) == ("elsewhere", None, "")


LONG = replace(LOADED, scheduled=9.0, closed=20.0)


@pytest.mark.parametrize(
    "given",
    [
        records(effects=[by(1, 9.0), by(2, 20.0)], workflows=[workflow()]),
        records(effects=[by(2, 13.5)], facts=[fact(expected=0)]),
        records(effects=[], facts=[fact(found=99, transactions=())], workflows=[workflow(activities=(LONG,))]),
        records(operations=[operation(sent=9.0, acknowledged=20.0)], workflows=[], effects=[], facts=[]),
    ],
    ids=["between two effects", "between schedule and effect", "while an activity went on", "while a start was made"],
)
def test_a_fault_between_the_beginning_and_the_end_is_where_the_cause_lies(given: Records) -> None:
    """Neither of them need fall into its time."""
    (told,) = reconciled(given)
    assert told.window == "link_down on worker-1.postgres"


def test_a_step_without_items_has_its_effect() -> None:
    """A finding that names no item is about the effect that has none."""
    about = Finding(problem="lost", message="as told", workflow_id=WORKFLOW, step="load")
    given = records(effects=[replace(by(3, 12.4), item="")])
    (told,) = reconcile(given, [as_judgement("its own", 1, [about])])
    assert (told.attempt, told.item) == (3, "")


def test_an_acknowledged_start_that_the_server_does_not_know_is_lost() -> None:
    """Told once, whoever else says so."""
    given = records(workflows=[], effects=[], facts=[])
    judgements = [invariant(given) for invariant in applicable(given)]
    assert [each.kind for each in reconcile(given, 2 * judgements)] == [DiscrepancyKind.LOST]


@pytest.mark.parametrize(
    ("kind", "call", "event_id"),
    [(Kind.START, "start Pipeline", 1), (Kind.SIGNAL, "signal Pipeline", 9), (Kind.RESULT, "the result", None)],
)
def test_what_happened_without_the_callers_knowing_is_unacknowledged(
    kind: Kind, call: str, event_id: int | None
) -> None:
    """It is no error, and points to the event by which it was found out."""
    found_out = replace(
        operation(kind=kind, sent=5.0, acknowledged=None),
        given_up=10.5,
        error="Timeout expired",
        event_id=9 if kind is Kind.SIGNAL else None,
    )
    started = [operation()] if kind is not Kind.START else []
    given = records(operations=[*started, found_out])
    assert reconciled(given) == [
        Discrepancy(
            kind=DiscrepancyKind.UNACKNOWLEDGED,
            workflow_id=WORKFLOW,
            event_id=event_id,
            window="link_down on worker-1.postgres",
            message=f"{call} was not answered (Timeout expired), and happened",
        )
    ]


def test_that_no_reason_was_told_is_told() -> None:
    """The caller gave up, and nobody knows why."""
    unheard = replace(operation(acknowledged=None), error=None)
    (told,) = reconciled(records(operations=[operation(), unheard]))
    assert told.message == "start Pipeline was not answered (no reason was told), and happened"


def test_what_never_happened_or_is_not_known_is_no_disagreement() -> None:
    """Nor is what was answered."""
    calls = [operation(), *(operation(kind=Kind.SIGNAL, ack=ack, acknowledged=None) for ack in (Ack.FAIL, Ack.INFO))]
    assert reconciled(records(operations=calls)) == []


def test_other_findings_are_no_disagreements() -> None:
    """A workflow that is open, or a whole run that proves nothing, is told as a finding alone."""
    findings = [
        Finding(problem="open", message="as told", workflow_id=WORKFLOW),
        Finding(problem="lost", message="as told"),
    ]
    assert reconcile(records(), [as_judgement("its own", 1, findings)]) == []


@pytest.mark.parametrize(("problem", "kind"), KINDS.items())
def test_every_kind_comes_from_a_finding(problem: str, kind: DiscrepancyKind) -> None:
    """Of whatever invariant, the target's own included."""
    about = Finding(problem=problem, message="as told", workflow_id="w", step="pay", item="3")
    assert [
        (each.kind, each.workflow_id, each.step, each.item)
        for each in reconcile(records(), [as_judgement("its own", 1, [about])])
    ] == [(kind, "w", "pay", "3")]


@pytest.mark.parametrize(
    ("problems", "kinds"),
    [
        (("doubled", "zombie", "uncompensated"), ["zombie write"]),
        (("doubled", "uncompensated"), ["uncompensated"]),
        (("zombie", "lost", "phantom"), ["zombie write", "lost", "phantom"]),
        (("doubled", "doubled"), ["duplicated"]),
    ],
)
def test_one_effect_is_classed_by_what_tells_most(problems: tuple[str, ...], kinds: list[str]) -> None:
    """That it was written late is why it is there twice, or was not taken back."""
    about = [Finding(problem=problem, message="as told", workflow_id="w", step="pay", item="3") for problem in problems]
    another = Finding(problem="doubled", message="as told", workflow_id="w", step="pay", item="4")
    told = reconcile(records(), [as_judgement("its own", 1, [*about, another])])
    assert [each.kind for each in told] == [*kinds, "duplicated"]


@pytest.mark.parametrize(
    ("since", "until", "told"),
    [
        (8.0, 9.9, ""),
        (8.0, 10.0, "link_down on worker-1.postgres"),
        (11.0, 11.0, "link_down on worker-1.postgres"),
        (12.5, 12.5, "link_down on worker-1.postgres, link_down on worker-2.postgres"),
        (13.0, 13.0, "link_down on worker-1.postgres, link_down on worker-2.postgres"),
        (13.1, 13.1, "link_down on worker-2.postgres"),
        (20.0, 30.0, "link_down on worker-2.postgres"),
        (20.5, 30.0, "0.5 s after heal of link_down on worker-2.postgres"),
    ],
)
def test_what_fell_into_the_time_of_a_fault_is_told_with_it(since: float, until: float, told: str) -> None:
    """Or with the last one before it, and how long ago that was healed."""
    assert when([OTHER_CUT, CUT], since, until) == told
    assert when([], since, until) == ""


def test_a_fault_that_was_never_in_force_is_not_blamed() -> None:
    """Neither for what fell into its time, nor for what came after."""
    dull = replace(CUT, in_force=False)
    assert when([dull], 11.0, 12.0) == ""
    assert when([dull], 14.0, 15.0) == ""
    assert when([dull, OTHER_CUT], 12.0, 12.5) == "link_down on worker-2.postgres"


@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        ("unledgered", DiscrepancyKind.PHANTOM),
        ("torn", DiscrepancyKind.PHANTOM),
        ("overcompensated", DiscrepancyKind.DUPLICATED),
    ],
)
def test_rows_apart_from_their_lines_are_phantoms_and_undone_twice_is_once_too_often(
    problem: str, kind: DiscrepancyKind
) -> None:
    """They are disagreements as any other, and have a place."""
    about = Finding(problem=problem, message="as told", workflow_id=WORKFLOW, step="load", item="0")
    (found,) = reconcile(records(), [as_judgement("its own", 1, [about])])
    assert (found.kind, found.event_id, found.window) == (kind, 5, "link_down on worker-1.postgres")


def test_a_compensation_is_no_second_effect() -> None:
    """What was taken back has its forward effect's place."""
    undone = replace(by(1, 14.0), kind=EffectKind.COMPENSATION)
    (found,) = reconciled(records(effects=[by(2, 12.3), undone]))
    assert (found.kind, found.attempt, found.window) == (
        DiscrepancyKind.UNCOMPENSATED,
        2,
        "link_down on worker-1.postgres",
    )
