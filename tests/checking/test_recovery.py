"""How long it took from heal until nobody was late, and what those who were waited for: each cause by its history."""

from typing import Any

import msgspec
import pytest
from handwritten_stories import AROUND, activity, call, quick, served, story, task, window

from harness.checking.recovery import Recovered, Untold, recoveries
from harness.checking.waits import Cause
from harness.records.experiment import Steady
from harness.records.faults import FaultWindow
from harness.records.operations import Ack, Kind, Operation
from harness.records.workflows import WorkflowRun

LOOSE = Steady(response=5.0)


def recovered(
    operations: list[Operation], *workflows: WorkflowRun, fault: FaultWindow | None = None, steady: Steady = LOOSE
) -> Recovered:
    """How the one fault was recovered from."""
    (found,) = recoveries(operations, workflows, [fault or window()], steady)
    return found


def late(workflow: WorkflowRun, *more: Operation) -> Recovered:
    """How it was, where iteration 0 was meant to start at 12 s and was answered as its workflow closed."""
    return recovered([*AROUND, *served(0, 12.0, workflow.closed), *more], workflow)


def parts(found: Recovered) -> dict[str, Any]:
    """Seconds of each cause."""
    return {each.cause.value: pytest.approx(each.seconds) for each in found.spent}


def test_a_lost_attempt_is_waited_for_until_its_heartbeat_timeout() -> None:
    """Then the pause before the next attempt, and that attempt; what lies before the heal does not count."""
    found = late(
        story(0, 12.0, 19.0, tasks=[task(12.0, 12.0, 12.0)],
              activities=[activity(12.0, 18.5, 19.0, attempts=2, timed_out="heartbeat")])
    )  # fmt: skip
    assert found.seconds == 6.0
    assert parts(found) == {"heartbeat": 3.5, "retry": 2.0, "work": 0.5}
    assert found.spent[0].budget == 5.0
    assert found.spent[0].setting == "heartbeat_timeout of ship"


def test_work_that_was_done_before_an_attempt_was_lost_is_work() -> None:
    """An attempt of eight seconds that fell silent was given up four seconds, and the server's one, after that."""
    found = late(story(0, 12.0, 23.5, activities=[activity(13.0, 23.0, 23.5, attempts=2, timed_out="heartbeat")]))
    assert parts(found) == {"heartbeat": 5.0, "work": 3.5, "retry": 2.0}


def test_a_task_that_a_lost_worker_took_is_waited_for_until_its_time_is_up() -> None:
    """Of a workflow task, the ten seconds that a worker has for it; of an activity, its start-to-close timeout."""
    taken = late(story(0, 12.0, 23.0, tasks=[task(12.0, 12.5, 22.5, outcome="timed_out"), task(22.5, 22.5, 23.0)]))
    assert parts(taken) == {"swallowed": 9.5, "work": 0.5}
    assert taken.spent[0].budget == 10.0
    assert taken.spent[0].setting == "task_timeout of the workflow"
    attempt = late(
        story(0, 12.0, 21.0, activities=[activity(12.0, 20.5, 21.0, attempts=2, timed_out="start_to_close")])
    )
    assert parts(attempt) == {"swallowed": 5.5, "retry": 2.0, "work": 0.5}
    assert attempt.spent[0].setting == "start_to_close_timeout of ship"


def test_a_workflow_task_is_kept_for_a_worker_until_the_sticky_timeout() -> None:
    """Only then does it go to whoever is there. How long that is no history says."""
    found = late(
        story(0, 12.0, 23.0, tasks=[task(12.5, None, 22.5, outcome="timed_out", sticky=True), task(22.5, 22.5, 23.0)])
    )
    assert parts(found) == {"sticky": 9.5, "work": 0.5}
    assert found.spent[0].budget is None
    assert found.spent[0].setting == "sticky_queue_schedule_to_start_timeout of the worker"


def test_a_pause_between_two_attempts_is_as_long_as_the_policy_says() -> None:
    """Laid out from the last one back: eight seconds, of which five were after the heal."""
    found = late(story(0, 4.0, 18.5, activities=[activity(4.0, 18.0, 18.5, attempts=4)]))
    assert parts(found) == {"retry": 5.0, "work": 0.5}
    assert found.spent[0].budget == 8.0
    assert found.spent[0].setting == "maximum_interval of ship"
    short = late(story(0, 11.5, 16.5, activities=[activity(11.5, 16.0, 16.5, attempts=2)]))
    assert parts(short) == {"retry": 2.0, "detection": 1.0, "work": 0.5}
    assert short.spent[0].setting == "initial_interval of ship"


def test_an_attempt_that_is_due_waits_its_turn_as_long_as_others_do() -> None:
    """A history does not tell how long; so it is what the first attempt waited that was given out just before."""
    other = story(1, 13.0, 17.9, activities=[activity(14.8, 17.8, 17.9)])
    found = late(story(0, 12.0, 18.5, activities=[activity(12.0, 18.0, 18.5, attempts=2)]))
    assert parts(found) == {"retry": 2.0, "detection": 3.0, "work": 0.5}
    behind = recovered(
        [*AROUND, *served(0, 12.0, 18.5)],
        story(0, 12.0, 18.5, activities=[activity(12.0, 18.0, 18.5, attempts=2)]),
        other,
        story(2, 13.0, 13.5, activities=[activity(13.0, 13.2, 13.5)]),
        story(3, 18.1, 19.0, activities=[activity(18.1, 18.2, 18.5)]),
    )
    assert parts(behind) == {"drain": 3.0, "retry": 2.0, "work": 0.5}


def test_a_pause_that_an_attempt_asked_for_is_as_long_as_it_asked() -> None:
    """Whatever the policy says."""
    found = late(story(0, 12.0, 18.5, activities=[activity(12.0, 18.0, 18.5, attempts=2, asked_pause=4.0)]))
    assert parts(found) == {"retry": 4.0, "detection": 1.0, "work": 0.5}
    assert found.spent[0].setting == "next_retry_delay of ship"


def test_a_backlog_is_worked_off_once_somebody_takes_tasks_again() -> None:
    """Before that, nobody had noticed; from then on, others came first."""
    first = story(1, 11.0, 15.5, tasks=[task(11.0, 14.0, 15.5)])
    last = story(0, 12.0, 19.0, tasks=[task(12.0, 18.5, 19.0)])
    operations = [*AROUND, *served(1, 11.0, 15.5), *served(0, 12.0, 19.0)]
    found = recovered(operations, first, last, fault=window(on="worker-1.temporal"))
    assert found.seconds == 6.0
    assert found.late == 2
    assert parts(found) == {"drain": 0.5 * 1.5 + 3.0, "detection": 1.0, "work": 0.5 * 1.5 + 0.5}
    assert {each.cause.value: each.longest for each in found.spent} == {"drain": 4.5, "detection": 1.0, "work": 1.5}


def test_workers_that_were_never_kept_from_asking_have_nothing_to_notice() -> None:
    """They asked all the while that a store was away: what waits then waits its turn."""
    first = story(1, 11.0, 15.5, tasks=[task(11.0, 14.0, 15.5)])
    found = recovered([*AROUND, *served(1, 11.0, 15.5)], first)
    assert parts(found) == {"drain": 1.0, "work": 1.5}
    killed = recovered([*AROUND, *served(1, 11.0, 15.5)], first, fault=window(on="worker-1"))
    assert parts(killed) == {"detection": 1.0, "work": 1.5}


def test_an_activity_that_nobody_took_waited_its_turn_to_the_end() -> None:
    """Though no attempt was ever made."""
    other = story(1, 13.0, 15.2, tasks=[task(13.0, 15.0, 15.2)])
    gave_up = story(0, 12.0, 17.0, activities=[activity(12.0, None, 17.0, attempts=0, outcome="timed_out")])
    found = recovered([*AROUND, *served(0, 12.0, 17.0)], other, gave_up, fault=window(on="temporal"))
    assert parts(found) == {"detection": 2.0, "drain": 2.0}


def test_one_waits_longer_than_it_may_whatever_the_share_of_it_is() -> None:
    """Work that takes three times as long as it did, beside four others who wait for something else."""
    usual = story(9, 1.0, 2.0, tasks=[task(1.0, 1.0, 1.1)], activities=[activity(1.0, 1.5, 2.0)])
    slow = story(0, 13.0, 14.6, tasks=[task(13.0, 13.0, 13.1)], activities=[activity(13.1, 13.1, 14.6)])
    kept = [story(n, 12.0, 14.6, tasks=[task(12.0, None, 14.6, outcome="timed_out", sticky=True)]) for n in range(1, 5)]
    operations = [*AROUND, *served(0, 13.0, 14.6), *(op for n in range(1, 5) for op in served(n, 12.0, 14.6))]
    sticky, work = recovered(operations, usual, slow, *kept).spent
    assert work.seconds == pytest.approx(0.32)
    assert work.longest == pytest.approx(1.6)
    assert work.budget == pytest.approx(0.6)
    assert work.over
    assert not sticky.over
    alone = recovered([*AROUND, *served(0, 13.0, 14.6)], slow).spent[0]
    assert alone.budget is None
    assert not alone.over


def test_a_sticky_task_waits_for_its_own_worker_whoever_else_is_back() -> None:
    """What another worker takes is no sign of life of this one."""
    other = story(1, 13.0, 13.3, tasks=[task(13.1, 13.2, 13.3, worker="worker-2")])
    mine = story(0, 12.0, 17.5, tasks=[task(12.0, 17.0, 17.5, sticky=True)])
    operations = [*AROUND, *served(1, 13.0, 13.3), *served(0, 12.0, 17.5)]
    found = recovered(operations, other, mine, fault=window(on="worker-1.temporal"))
    assert parts(found) == {"detection": 4.0, "work": 0.5}


def test_a_call_that_is_not_answered_is_not_noticed() -> None:
    """The start came through late; and so did the answer, after the workflow had closed."""
    calls = [call(0, Kind.START, 12.0, 16.0), call(0, Kind.RESULT, 12.0, 18.0, status="completed")]
    workflow, cut = story(0, 16.0, 17.0, tasks=[task(16.0, 16.0, 17.0)]), window(on="client.temporal")
    assert parts(recovered([*AROUND, *calls], workflow, fault=cut)) == {"detection": 4.0, "work": 1.0}
    assert parts(recovered([*AROUND, *calls], workflow)) == {"other": 4.0, "work": 1.0}
    workflow = story(0, 12.0, 18.0, tasks=[task(12.0, 12.0, 13.0), task(17.0, 17.0, 18.0)])
    sooner, later = (
        recovered([*AROUND, *served(0, 12.0, 18.0), call(0, Kind.SIGNAL, sent, 16.0)], workflow, fault=cut)
        for sent in (12.5, 13.5)
    )
    assert parts(sooner) == {"detection": 3.0, "other": 1.0, "work": 1.0}
    assert parts(later) == {"other": 4.0, "work": 1.0}  # who calls once it is mended has nothing to notice


def test_an_execution_that_the_heal_found_under_way_had_to_notice_it() -> None:
    """What it takes beyond the usual is spent on that; of one that began later, all is work."""
    usual = story(1, 1.0, 2.0, activities=[activity(1.0, 1.5, 2.0)])
    hung = story(0, 12.0, 17.0, activities=[activity(12.0, 12.0, 17.0)])
    found = recovered([*AROUND, *served(0, 12.0, 17.0)], usual, hung)
    assert parts(found) == {"detection": 3.5, "work": 0.5}
    after = story(0, 12.0, 18.0, activities=[activity(13.5, 13.5, 18.0)])
    assert parts(recovered([*AROUND, *served(0, 12.0, 18.0)], usual, after)) == {"work": 4.5, "other": 0.5}


def test_where_everything_takes_long_there_was_nothing_to_notice() -> None:
    """Neither in an execution that the heal found under way, nor in an attempt that began later and failed."""
    usual = story(1, 1.0, 2.0, activities=[activity(1.0, 1.5, 2.0)])
    busy = story(2, 14.0, 18.0, activities=[activity(14.0, 14.0, 17.0)])
    hung = story(0, 12.0, 17.0, activities=[activity(12.0, 12.0, 17.0)])
    found = recovered([*AROUND, *served(0, 12.0, 17.0)], usual, busy, hung)
    assert parts(found) == {"detection": 1.0, "work": 3.0}
    failed = story(0, 13.0, 22.5, activities=[activity(14.0, 22.0, 22.5, attempts=2)])
    again = recovered([*AROUND, *served(0, 13.0, 22.5)], usual, failed)
    assert parts(again) == {"drain": 5.5, "retry": 2.0, "other": 1.0, "detection": 0.5, "work": 0.5}


def test_what_goes_on_beside_what_is_waited_for_held_up_nobody() -> None:
    """Of two activities at once, the one that ended last counts, and the other not at all."""
    found = late(
        story(0, 12.0, 18.5, tasks=[task(18.0, 18.0, 18.5)],
              activities=[activity(12.0, 12.0, 16.0, type_="bill"), activity(12.0, 17.5, 18.0, attempts=2)])
    )  # fmt: skip
    assert parts(found) == {"retry": 2.0, "detection": 2.5, "work": 1.0}


def test_what_a_child_waits_for_is_what_its_parent_waits_for() -> None:
    """All workflows of an iteration are one story."""
    parent = story(0, 12.0, 18.0, tasks=[task(12.0, 12.0, 12.5), task(17.5, 17.5, 18.0)])
    child = story(0, 12.5, 17.5, activities=[activity(12.5, 17.0, 17.5, attempts=2)])
    found = recovered([*AROUND, *served(0, 12.0, 18.0)], parent, child)
    assert parts(found) == {"retry": 2.0, "detection": 2.0, "work": 1.0}


def test_parts_add_up_to_the_time_in_which_somebody_was_late() -> None:
    """Each moment is shared out evenly, and one without anybody late belongs to nobody."""
    one = story(1, 12.0, 15.0, activities=[activity(12.0, 13.0, 15.0)])
    two = story(2, 12.0, 15.0, tasks=[task(12.0, None, 15.0, outcome="timed_out", sticky=True)])
    again = story(3, 16.0, 19.0, activities=[activity(16.0, 16.0, 19.0)])
    found = recovered(
        [*AROUND, *served(1, 12.0, 15.0), *served(2, 12.0, 15.0), *served(3, 16.0, 19.0)], one, two, again
    )
    assert found.seconds == 6.0
    assert parts(found) == {"work": 4.0, "sticky": 1.0}


def test_nobody_late_is_recovered_at_once() -> None:
    """There is nothing to tell of it."""
    found = recovered(AROUND)
    assert (found.seconds, found.untold, found.late, found.spent) == (0.0, None, 0, ())


def test_late_is_what_takes_twice_as_long_as_usual_and_a_second_at_least() -> None:
    """By the p99 before the first fault; never longer than the experiment allows."""
    assert recovered([*AROUND, *served(0, 13.5, 14.6)]).seconds == pytest.approx(1.6)
    assert recovered([*AROUND, *served(0, 13.5, 14.4)]).seconds == 0.0
    slow = [op for at in range(8) for op in served(at, at, at + 1.5)]
    assert recovered([*slow, *served(20, 13.5, 16.0)]).seconds == 0.0
    assert recovered([*slow, *served(20, 13.5, 16.0)]).limit == 3.0
    assert recovered([*slow, *served(20, 13.5, 16.0)], steady=Steady(response=2.0)).seconds == 3.0


def test_a_short_delay_long_after_is_none_of_its_and_a_long_one_is() -> None:
    """Two seconds without anybody late are steady, unless somebody is later still than the experiment allows."""
    assert recovered([*AROUND, *served(0, 20.0, 22.0)]).seconds == 0.0
    assert recovered([*AROUND, *served(0, 14.5, 16.5)]).seconds == 3.5
    assert recovered([*AROUND, *served(0, 20.0, 25.5)]).seconds == 12.5


def test_as_many_may_be_late_as_the_experiment_allows() -> None:
    """One of eighteen who were to be served from the heal on, of two in any two seconds."""
    one = [*AROUND, *served(0, 12.5, 22.0)]
    assert recovered(one, steady=Steady(served=0.9)).seconds == 9.0
    assert recovered(one, steady=Steady(served=0.5)).seconds == 0.0
    assert recovered(one, steady=Steady(served=0.5)).late == 0


def test_an_iteration_that_fails_is_answered_and_one_that_is_refused_is_not() -> None:
    """Whether a workflow may fail is for others to judge; who was not let in was not served."""
    assert recovered([*AROUND, *served(0, 14.1, 14.2, status="failed")]).seconds == 0.0
    refused = msgspec.structs.replace(call(0, Kind.START, 16.0, 16.0), ack=Ack.FAIL)
    assert recovered([*AROUND, refused]).seconds == 3.0


def test_without_an_answer_it_is_never_steady_again() -> None:
    """What they waited for is told as far as anything is known."""
    waiting = story(0, 12.0, None, tasks=[task(12.0, None, None)])
    found = recovered([*AROUND, *served(0, 12.0, None)], waiting, fault=window(on="temporal"))
    assert found.seconds is None
    assert found.untold is Untold.NEVER_STEADY
    assert found.watched == 27.0
    assert parts(found) == {"detection": 27.0}


def test_the_next_fault_ends_the_watch() -> None:
    """Whoever becomes late only under the next fault is late because of it."""
    faults = [window(), window(16.0, 17.0)]
    sooner = [window(), window(15.5, 17.0)]
    first, second = recoveries([*AROUND, *served(0, 14.9, 19.0)], [], sooner, LOOSE)
    assert (first.seconds, second.seconds) == (0.0, 2.0)
    first, second = recoveries([*AROUND, *served(0, 12.0, 19.0)], [], faults, LOOSE)
    assert first.untold is Untold.NEXT_FAULT
    assert first.watched == 3.0
    assert second.seconds == 2.0


def test_a_fault_that_never_was_in_force_is_no_next_fault() -> None:
    """And nothing can be said of how it was recovered from."""
    first, second = recoveries(
        [*AROUND, *served(0, 12.0, 19.0)], [], [window(), window(16.0, 17.0, in_force=False)], LOOSE
    )
    assert first.seconds == 6.0
    assert second.untold is Untold.NOT_IN_FORCE


def test_while_another_fault_is_in_force_nobody_can_tell() -> None:
    """Of two that overlap, the one that is healed last is told."""
    first, second = recoveries([*AROUND, *served(0, 12.0, 19.0)], [], [window(), window(11.0, 15.0)], LOOSE)
    assert (first.untold, first.watched, first.late) == (Untold.OTHERS_IN_FORCE, 0.0, 0)
    assert second.seconds == 4.0


def test_where_nobody_was_to_be_served_nobody_can_tell() -> None:
    """A load that ends with the fault shows nothing of what comes after."""
    found = recovered(quick(*range(10)))
    assert found.untold is Untold.NOBODY
    assert found.seconds is None


def test_a_run_without_faults_has_nothing_to_recover_from() -> None:
    """Nothing is told of it."""
    assert recoveries(AROUND, [], [], LOOSE) == []


@pytest.mark.parametrize(
    ("on", "budget"),
    [
        ("worker-1.temporal", (3 + 0.2) * 1.2),
        ("temporal", (3 + 0.2) * 1.2),
        ("worker-1", None),
    ],
)
def test_noticing_has_as_long_as_the_sdk_pauses_at_most(on: str, budget: float | None) -> None:
    """Its pauses grow with the outage; those of other clients are not known."""
    workflow = story(0, 12.0, 16.0, tasks=[task(12.0, 15.0, 16.0)])
    found = recovered([*AROUND, *served(0, 12.0, 16.0)], workflow, fault=window(on=on))
    (noticed,) = [each for each in found.spent if each.cause is Cause.DETECTION]
    assert noticed.budget == (budget and pytest.approx(budget))
    assert not noticed.over


def test_a_client_has_as_long_as_its_own_pauses() -> None:
    """They are shorter than a worker's."""
    calls = [call(0, Kind.START, 12.0, 16.0), call(0, Kind.RESULT, 12.0, 16.5, status="completed")]
    workflow = story(0, 16.0, 16.5, tasks=[task(16.0, 16.0, 16.5)])
    noticed, _ = recovered([*AROUND, *calls], workflow, fault=window(on="client.temporal")).spent
    assert noticed.cause is Cause.DETECTION
    assert noticed.budget == pytest.approx((0.7 * 3 + 0.1) * 1.2)


def test_a_pause_of_the_sdk_is_never_longer_than_its_maximum() -> None:
    """After a minute: ten seconds, give or take a fifth."""
    fault = window(5.0, 65.0, on="temporal")
    operations = [*quick(1, 2, 3), *served(0, 60.0, 90.0)]
    workflow = story(0, 60.0, 90.0, tasks=[task(60.0, 80.0, 90.0)])
    (noticed,) = [each for each in recovered(operations, workflow, fault=fault).spent if each.cause is Cause.DETECTION]
    assert noticed.budget == 12.0
    assert noticed.seconds == 15.0
    assert noticed.over
