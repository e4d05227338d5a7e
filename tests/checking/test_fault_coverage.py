"""Which fault met what: every step of a run is a cell for every fault, whether it met it or not."""

import msgspec
from handwritten_stories import activity, call, served, story, task, window

from harness.checking.fault_coverage import Cell, Coverage, fault_coverage
from harness.records.faults import FaultWindow
from harness.records.operations import Kind, Operation
from harness.records.workflows import WorkflowRun

CUT = msgspec.structs.replace(window(), cut=2)
LATER = msgspec.structs.replace(window(20.0, 22.0), cut=2)
TRIED_AGAIN = story(
    0, 12.0, 16.0, tasks=[task(12.0, 12.1, 12.2)],
    activities=[activity(12.2, 15.0, 16.0, attempts=2), activity(2.0, 2.1, 2.2, type_="bill")],
)  # fmt: skip


def only(
    workflows: list[WorkflowRun], operations: list[Operation], *windows: FaultWindow
) -> dict[str, list[tuple[int, int]]]:
    """For each step of the one type of workflow, met and there for each fault."""
    (found,) = fault_coverage(windows, workflows, operations)
    return {
        step: [(row[number].met, row[number].there) for row in found.rows] for number, step in enumerate(found.steps)
    }


def test_a_step_that_met_a_fault_is_counted_beside_how_many_were_under_way() -> None:
    """One that ran at another time shows nothing, and its cell is there."""
    unharmed = story(1, 11.0, 11.5, activities=[activity(11.0, 11.1, 11.5)])
    operations = [*served(0, 12.0, 16.0), call(1, Kind.START, 11.0, 11.0)]
    assert only([TRIED_AGAIN, unharmed], operations, CUT, LATER) == {
        "start Order": [(0, 2), (0, 0)],
        "result": [(0, 1), (0, 0)],
        "workflow task": [(0, 1), (0, 0)],
        "ship": [(1, 2), (0, 0)],
        "bill": [(0, 0), (0, 0)],
    }


def test_a_call_belongs_to_the_workflow_that_it_is_about() -> None:
    """Also a start that nobody answered, and of which nothing came."""
    lost = call(0, Kind.START, 11.0, None)
    fault = msgspec.structs.replace(window(on="client.temporal"), cut=1)
    (found,) = fault_coverage([fault], [], [lost, call(0, Kind.RESULT, 11.0, None), call(1, Kind.START, 12.0, 12.1)])
    cells = (Cell(met=1, there=2), Cell(met=1, there=1))
    assert found == Coverage(type="Order", steps=("start Order", "result"), rows=(cells,))


def test_what_a_fault_counted_itself_has_a_step_of_its_own() -> None:
    """Where no workflow of that name is known, under no type."""
    fault = msgspec.structs.replace(window(), met=("run.orders.0.main: ship, attempt 1", "outside: a call"))
    known, unknown = fault_coverage([fault], [TRIED_AGAIN], [])
    assert dict(zip(known.steps, known.rows[0], strict=True))["ship"] == Cell(met=1, there=1)
    assert (unknown.type, unknown.steps, unknown.rows) == ("", ("a call",), ((Cell(met=1, there=1),),))


def test_each_type_of_workflow_has_a_matrix() -> None:
    """And each fault a row in it, in the order given."""
    other = msgspec.structs.replace(story(2, 21.0, 21.5, activities=[activity(21.0, 21.1, 21.5)]), type="Refund")
    found = fault_coverage([CUT, LATER], [TRIED_AGAIN, other], [])
    assert [coverage.type for coverage in found] == ["Order", "Refund"]
    assert [row[-1] for row in found[1].rows] == [Cell(met=0, there=0), Cell(met=0, there=1)]


def test_what_had_not_ended_is_still_under_way_and_what_touches_is_not() -> None:
    """From inject to heal, both left out."""
    runs = [
        story(0, 1.0, None, activities=[activity(1.0, 1.0, None)]),
        story(1, 9.0, 10.0, activities=[activity(9.0, 9.0, 10.0)]),
        story(2, 13.0, 14.0, activities=[activity(13.0, 13.0, 14.0)]),
    ]
    assert only(runs, [], CUT)["ship"] == [(0, 1)]
