"""The scenarios of control judge facts as they are: what they demand is what was done."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import (
    ActivityTaskScheduledEventAttributes,
    HistoryEvent,
    WorkflowExecutionSignaledEventAttributes,
    WorkflowTaskCompletedEventAttributes,
)

from harness.clock import now
from harness.driver import drive
from harness.records.effects import Fact
from harness.records.operations import Ack, Iteration, Kind, Operation
from harness.records.run import Recorded
from harness.records.verdicts import Verdict
from harness.records.workflows import WorkflowRun
from harness.scenario import Scenario
from harness.testbed import Testbed
from scenarios import bulk as in_bulk
from scenarios import control as single
from scenarios import flights
from scenarios.bulk import Many, ManyLoads
from scenarios.control import Held, One, OneLoad, PausedLoad
from scenarios.controlled import ACT, SIGNED, kinds
from scenarios.held import PAUSED, started_while_paused
from scenarios.loaded import LOAD_CHUNK, RECONCILE
from scenarios.pipeline import Slice
from system.control.pausable import PAUSE, RESUME

PREFIX = "run.control-x.0."
ROWS = Slice(1000, 100)
HELD = Held(ROWS, 0.1, 0.1)


def operation(
    part: str = "main", *, kind: Kind = Kind.RESULT, name: str = "", status: str | None = "completed"
) -> Operation:
    return Operation(
        scenario="control-x",
        iteration=0,
        kind=kind,
        name=name,
        workflow_id=PREFIX + part,
        run_id=None,
        intended=0,
        sent=0,
        acknowledged=1,
        ack=Ack.OK,
        status=status,
    )


def fact(step: str, part: str = "main", *, item: str = "", found: int = 1, **values: int) -> Fact:
    return Fact(
        scenario="control-x",
        iteration=0,
        workflow_id=PREFIX + part,
        step=step,
        item=item,
        expected=100 if step == LOAD_CHUNK else 1,
        found=found,
        values=values,
    )


def event(number: int, kind: str, **attributes: object) -> HistoryEvent:
    made = {
        "signaled": (EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED, WorkflowExecutionSignaledEventAttributes),
        "completed": (EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, WorkflowTaskCompletedEventAttributes),
        "scheduled": (EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, ActivityTaskScheduledEventAttributes),
    }
    field = {
        "signaled": "workflow_execution_signaled_event_attributes",
        "completed": "workflow_task_completed_event_attributes",
        "scheduled": "activity_task_scheduled_event_attributes",
    }[kind]
    type_, attributes_type = made[kind]
    return HistoryEvent(event_id=number, event_type=type_, **{field: attributes_type(**attributes)})


def paused(number: int) -> HistoryEvent:
    return event(number, "signaled", signal_name=PAUSE)


def resumed(number: int) -> HistoryEvent:
    return event(number, "signaled", signal_name=RESUME)


def ordered(number: int, began: int) -> tuple[HistoryEvent, HistoryEvent]:
    """A workflow task that began at an event, and the activity it ordered."""
    return (
        event(number, "completed", started_event_id=began),
        event(number + 1, "scheduled", workflow_task_completed_event_id=number),
    )


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([*ordered(4, 3)], (0, 0)),
        ([paused(4), *ordered(7, 6)], (1, 1)),
        ([paused(4), resumed(5), *ordered(8, 7)], (0, 1)),
        ([paused(4), *ordered(5, 3)], (0, 1)),
        ([paused(4), *ordered(7, 6), resumed(9), *ordered(12, 11)], (1, 1)),
        ([paused(4), resumed(5), paused(6), *ordered(9, 8), *ordered(12, 11)], (2, 2)),
    ],
    ids=["never paused", "paused", "resumed", "began before", "both", "paused again"],
)
def test_what_was_started_while_paused_is_told_by_history(
    history: list[HistoryEvent], expected: tuple[int, int]
) -> None:
    """A task knows of the signals that came before it began, and of no others."""
    assert started_while_paused(history) == expected


def whole(part: str = "main") -> list[Fact]:
    rejected = flights.dangling(ROWS.first, ROWS.rows)
    return [
        fact(LOAD_CHUNK, part, item="0", found=100, read=100, rejected=rejected),
        fact(RECONCILE, part, found=0),
    ]


def test_a_paused_load_that_started_something_is_found() -> None:
    """As is a pause that was acknowledged and is in no history, and a row that is missing."""
    pause = operation(kind=Kind.SIGNAL, name=PAUSE, status=None)
    good = [*whole(), fact(PAUSED, found=0, pauses=1)]
    assert PausedLoad().check(HELD, [pause, operation()], good) == []
    started = [*whole(), fact(PAUSED, found=2, pauses=1)]
    [impossible] = PausedLoad().check(HELD, [pause, operation()], started)
    assert (impossible.problem, impossible.message) == ("impossible", "paused, it started 2 activities")
    [lost] = PausedLoad().check(HELD, [pause, operation()], [*whole(), fact(PAUSED, found=0, pauses=0)])
    assert (lost.problem, lost.message) == ("lost", "a pause was acknowledged, and it never came")
    [unread] = PausedLoad().check(HELD, [operation()], [fact(RECONCILE, found=0), fact(PAUSED, found=0, pauses=0)])[:1]
    assert unread.message == "the file has 100 rows, 0 were read"


def bulk(story: str, ends: Mapping[str, str]) -> list[Operation]:
    """Every operation of a story has ended, and so have the loads."""
    operations = [operation(f"bulk-{number}") for number in range(len(in_bulk.STORIES[story]))]
    return [*operations, *(operation(part, status=end) for part, end in ends.items())]


def acts(story: str, *, last: str = "done", loads: int = 2, signed: str = SIGNED) -> list[Fact]:
    """What is on record of a story: everything was done, the last thing came to `last`."""
    actions = in_bulk.STORIES[story]
    return [
        fact(
            ACT,
            f"bulk-{number}",
            item=f"{PREFIX}load-{load}/run",
            **{action.kind: 1, last if number + 1 == len(actions) else "done": 1, signed: 1},
        )
        for number, action in enumerate(actions)
        for load in range(loads)
    ]


def many(story: str) -> Many:
    return Many((ROWS, ROWS), 1, story, 5.0)


RECONCILED = [fact(RECONCILE, f"load-{number}") for number in range(2)]
BOTH = ("completed", "completed")


def judged(story: str, ends: Sequence[str], facts: Sequence[Fact]) -> str:
    """What the check finds."""
    operations = bulk(story, {f"load-{number}": end for number, end in enumerate(ends)})
    return "; ".join(found.message for found in ManyLoads().check(many(story), operations, facts))


@pytest.mark.parametrize(
    ("story", "ends"),
    [
        ("resumed", BOTH),
        ("cancelled", ("canceled", "completed")),
        ("terminated", ("terminated", "completed")),
        ("retried", BOTH),
        ("reset", BOTH),
    ],
)
def test_a_bulk_operation_does_what_it_says(story: str, ends: tuple[str, str]) -> None:
    """What goes on completes; what is ended has ended, but for a load that did not wait and was through by then."""
    assert judged(story, ends, [*acts(story), *RECONCILED]) == ""


@pytest.mark.parametrize(
    ("story", "ends", "facts", "says"),
    [
        ("resumed", BOTH, acts("resumed", loads=1), "to act on 2 loads, and has 1 of them"),
        ("resumed", BOTH, acts("resumed"), "is not reconciled"),
        ("resumed", ("canceled", "completed"), acts("resumed"), "nobody has done that"),
        ("resumed", BOTH, acts("resumed", signed="by nobody"), "not signed"),
        ("cancelled", ("canceled", "completed"), acts("cancelled", last="skipped"), "nobody has done that"),
        ("cancelled", ("completed", "canceled"), acts("cancelled"), "paused, then cancelled, and completed"),
        ("terminated", ("terminated", "completed"), acts("terminated", last="failed"), "nobody has done that"),
        ("terminated", ("completed", "terminated"), acts("terminated"), "paused, then terminated, and completed"),
        ("retried", ("terminated", "completed"), acts("retried"), "it was terminated, and is to be retried"),
    ],
)
def test_a_bulk_operation_that_did_not_is_found(
    story: str, ends: tuple[str, str], facts: list[Fact], says: str
) -> None:
    """A target too few, a load that is not whole, nobody's name, an end that nobody made, or that had no effect."""
    assert says in judged(story, ends, facts)


def test_an_operation_whose_end_is_not_known_is_not_judged() -> None:
    """Under faults it may have come to nothing: liveness is not judged here."""
    assert ManyLoads().check(many("resumed"), [operation("bulk-0"), operation("load-0")], []) == []


def by_hand(story: str, *, missing: str = "", signed: str = SIGNED) -> list[Fact]:
    """What is on record of a load that was acted on by hand; one action may be missing."""
    done = [*kinds(single.STORIES[story]), *(["retry"] if story == "loaded" else [])]
    if missing:
        done.remove(missing)
    return [
        fact(ACT, "single-1", item=f"{PREFIX}main/{number}", **{kind: 1, "done": 1, signed: 1})
        for number, kind in enumerate(done)
    ]


@pytest.mark.parametrize(
    ("story", "ends", "facts", "says"),
    [
        ("ended", ["terminated"], by_hand("ended"), []),
        ("loaded", ["failed", "completed"], [*by_hand("loaded"), *whole()], []),
        ("loaded", ["failed"], by_hand("loaded", missing="reset"), []),
        ("loaded", ["failed", "failed"], by_hand("loaded"), ["it ended failed, and should be completed"]),
        ("ended", ["terminated"], by_hand("ended", missing="terminate"), ["terminate was ordered 1 times, and 0 are"]),
        ("ended", ["terminated"], by_hand("ended", missing="reset"), ["reset was ordered 1 times, and 0 are"]),
        (
            "loaded",
            ["failed", "completed"],
            [*by_hand("loaded", missing="retry"), *whole()],
            ["retry was ordered 2 times, and 1 are"],
        ),
        ("ended", ["terminated"], by_hand("ended", signed="by nobody"), ["not signed", "not signed"]),
        ("loaded", ["failed", "completed"], by_hand("loaded"), ["is not reconciled", "0 were read"]),
    ],
)
def test_a_load_acted_on_by_hand_is_judged(story: str, ends: list[str], facts: list[Fact], says: list[str]) -> None:
    """It ends as its story does, with every action on record, and signed; where it goes on it is whole.

    One that was to be retried, and whose iteration was cut off before that, is not judged.
    """
    operations = [operation(status=end) for end in ends]
    found = OneLoad().check(One(ROWS, story), operations, facts)
    assert len(found) >= len(says)
    assert all(any(one in finding.message for finding in found) for one in says)
    assert bool(found) == bool(says)


@pytest.mark.thorough
async def test_every_story_holds_on_real_servers(bed: Testbed) -> None:
    """One by one and in bulk; every judgement is valid, and each kind of action is on record as done, both ways."""
    for name, stories in (("control-single", single.STORIES), ("control-bulk", in_bulk.STORIES)):
        scenario = bed.target.scenario(name)
        chosen = [_quickest(bed, scenario, story) for story in stories]
        bed.planned(chosen)
        for broken in await asyncio.gather(*(drive(scenario, bed.app(iteration)) for iteration in chosen)):
            bed.broken += broken
    judgements = await bed.conclude()
    assert [(one.invariant, one.findings) for one in judgements if one.verdict is not Verdict.VALID] == []
    recorded = [one for one in Recorded(bed.run.directory).read(Fact) if one.step == ACT]
    for scenario_name, all_kinds in (
        ("control-single", {"terminate", "retry", "reset", "signal"}),
        ("control-bulk", {"pause", "resume", "cancel", "terminate", "retry", "reset", "signal"}),
    ):
        done = [one.values for one in recorded if one.scenario == scenario_name and "done" in one.values]
        assert {kind for kind in all_kinds if any(kind in values for values in done)} == all_kinds
    ended = [one.status for one in Recorded(bed.run.directory).read(WorkflowRun)]
    assert ended.count("terminated") > 1, "whose letters the invariant looks for"


def _quickest(bed: Testbed, scenario: Scenario[Any], story: str) -> Iteration:
    """An iteration that draws this story, and not for many loads at a slow rate."""

    def iteration(index: int) -> Iteration:
        run = bed.run.info
        return Iteration(run=run.id, scenario=scenario.name, index=index, seed=run.seed, intended=now())

    def seconds(one: Iteration) -> float:
        drawn = scenario.draw(one.rng())
        return len(drawn.loads) / drawn.rate if isinstance(drawn, Many) else 0.0

    return min((one for one in map(iteration, range(100)) if scenario.draw(one.rng()).story == story), key=seconds)
