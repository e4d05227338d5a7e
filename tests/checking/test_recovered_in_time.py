"""The judgement over all faults of an experiment, and the advice on what to change."""

import msgspec
import pytest
from handwritten_stories import AROUND, EXPERIMENT, LOAD, activity, call, quick, served, story, task, window

from harness.checking.applicable import applicable
from harness.checking.invariants import Records
from harness.checking.recovered_in_time import recovered_in_time
from harness.checking.recovery import Spent
from harness.checking.recovery_advice import WORDS, advice
from harness.checking.waits import Cause
from harness.records.faults import FaultWindow
from harness.records.operations import Kind, Operation
from harness.records.verdicts import Judgement, Verdict
from harness.records.workflows import WorkflowRun


def judged(operations: list[Operation], *workflows: WorkflowRun, faults: tuple[FaultWindow, ...] = ()) -> Judgement:
    """What is concluded of one fault, or of these; six seconds are allowed."""
    return recovered_in_time(records(operations, *workflows, faults=faults))


def records(operations: list[Operation], *workflows: WorkflowRun, faults: tuple[FaultWindow, ...] = ()) -> Records:
    """Those of an experiment."""
    return Records(
        operations=operations,
        workflows=workflows,
        effects=None,
        facts=[],
        faults=faults or (window(),),
        load=LOAD,
        experiment=EXPERIMENT,
    )


def test_steady_within_the_time_allowed_is_valid_and_a_moment_later_is_not() -> None:
    """Six seconds from the heal."""
    assert judged([*AROUND, *served(0, 12.0, 19.0)]).verdict is Verdict.VALID
    assert judged([*AROUND, *served(0, 12.0, 19.01)]).verdict is Verdict.INVALID


def test_what_took_most_and_what_to_change_is_told() -> None:
    """With the setting by its name."""
    workflow = story(0, 12.0, 24.0, activities=[activity(12.0, 23.5, 24.0, attempts=4)])
    (finding,) = judged([*AROUND, *served(0, 12.0, 24.0)], workflow).findings
    assert finding.problem == "slow_recovery"
    assert finding.message == (
        "link_down on worker-1.postgres: steady 11 s after its heal; allowed: 6 s. Most of it is pauses between "
        "attempts, 10.5 s. Lower maximum_interval of ship. Below 1 s nothing is gained: Temporal fires no timer sooner."
    )


def test_what_is_never_steady_again_is_invalid() -> None:
    """With for how long it was watched."""
    found = judged([*AROUND, *served(0, 12.0, None)])
    assert found.verdict is Verdict.INVALID
    assert "not steady for 27 s after its heal" in found.findings[0].message


def test_a_fault_that_is_followed_too_soon_is_left_to_the_next() -> None:
    """It is judged where it had as long as is allowed, and was not steady by then."""
    late = [*AROUND, *served(0, 12.0, 23.0)]
    soon = judged(late, faults=(window(), window(18.5, 19.0)))
    assert (soon.verdict, soon.checked) == (Verdict.VALID, 1)
    long = judged(late, faults=(window(), window(20.0, 21.0)))
    assert (long.verdict, long.checked) == (Verdict.INVALID, 2)
    assert "not steady for 7 s" in long.findings[0].message


def test_a_load_that_ends_before_the_heal_leaves_it_unknown() -> None:
    """Though all was well after another fault."""
    found = judged([*quick(*range(20))], faults=(window(), window(18.0, 25.0)))
    assert found.verdict is Verdict.UNKNOWN
    assert found.reason == (
        "link_down on worker-1.postgres: nobody was to be served after it; let the load go on after it is healed"
    )


def test_where_no_fault_was_in_force_nothing_is_known() -> None:
    """With the reason for each."""
    found = judged(AROUND, faults=(window(in_force=False),))
    assert (found.verdict, found.reason) == (
        Verdict.UNKNOWN,
        "link_down on worker-1.postgres: it was never in force",
    )


def test_what_was_not_under_load_or_warmed_up_is_left_out() -> None:
    """A job beside the load may take as long as it likes."""
    beside = [msgspec.structs.replace(op, scenario="job") for op in served(0, 12.0, 25.0)]
    warming = [msgspec.structs.replace(op, warm_up=True) for op in served(1, 12.0, 25.0)]
    assert judged([*AROUND, *beside, *warming]).verdict is Verdict.VALID


def test_recovery_is_judged_of_experiments_with_faults() -> None:
    """And of nothing else."""
    whole = records([call(0, Kind.START, 1.0, 1.0)])
    assert recovered_in_time in applicable(whole)
    assert recovered_in_time not in applicable(msgspec.structs.replace(whole, faults=()))
    assert recovered_in_time not in applicable(msgspec.structs.replace(whole, experiment=None))
    assert recovered_in_time not in applicable(msgspec.structs.replace(whole, load=None))


def test_each_cause_has_a_name_and_advice_that_names_its_setting() -> None:
    """Where there is a setting."""
    for cause in Cause:
        assert WORDS[cause]
        told = advice(Spent(cause=cause, seconds=1.0, longest=1.0, budget=None, setting="some_setting"), window())
        named = {Cause.HEARTBEAT, Cause.SWALLOWED, Cause.STICKY, Cause.RETRY}
        assert ("some_setting" in told) == (cause in named)


def test_work_that_takes_longer_than_usual_wants_more_workers() -> None:
    """And work that does not is to be made shorter."""
    usual = Spent(cause=Cause.WORK, seconds=1.0, longest=1.0, budget=1.0, setting="")
    assert "Make activities shorter" in advice(usual, window())
    assert "Add workers" in advice(msgspec.structs.replace(usual, longest=1.1), window())


@pytest.mark.parametrize(
    ("on", "told"),
    [
        ("worker-1.temporal", "the SDK's own pauses"),
        ("temporal", "the SDK's own pauses"),
        ("worker-2.postgres", "dead connections to postgres"),
        ("redis", "dead connections to redis"),
        ("worker-2", "Have workers start sooner"),
    ],
)
def test_how_a_heal_is_noticed_sooner_depends_on_what_was_broken(on: str, told: str) -> None:
    """A store, a worker, or Temporal itself."""
    spent = Spent(cause=Cause.DETECTION, seconds=1.0, longest=1.0, budget=None, setting="")
    assert told in advice(spent, window(on=on))


@pytest.mark.parametrize(("name", "told"), [("point", "Have workers start sooner"), ("wire", "the SDK's own pauses")])
def test_a_fault_within_a_worker_or_on_the_wire_is_no_dead_connection(name: str, told: str) -> None:
    """It stands on an activity's type, which is no service."""
    spent = Spent(cause=Cause.DETECTION, seconds=1.0, longest=1.0, budget=None, setting="")
    on_activity = msgspec.structs.replace(window(on="orders.capture_payment"), name=name)
    assert told in advice(spent, on_activity)


def test_a_pause_of_the_server_itself_cannot_be_set() -> None:
    """After a workflow task that failed."""
    workflow = story(0, 12.0, 20.0, tasks=[task(12.0, 12.0, 12.5, outcome="failed"), task(19.5, 19.5, 20.0)])
    (finding,) = judged([*AROUND, *served(0, 12.0, 20.0)], workflow).findings
    assert finding.message.endswith("after a workflow task that failed, the server itself pauses.")
