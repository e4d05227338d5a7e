"""Each threshold holds, is breached with the setting to change, or is unknown with the reason."""

from collections.abc import Sequence
from typing import Any

import pytest
from handwritten_samples import BEGIN, counted, flat, scraped
from msgspec.structs import replace

from harness.checking.advice import Advice, TuningVerdict
from harness.checking.tuning import advise
from harness.records import samples as names
from harness.records.columns import frames_of
from harness.records.samples import CPU, MACHINE, Sample, series
from harness.records.workflows import Activity, WorkflowRun, WorkflowTask

OK, BREACH, UNKNOWN = TuningVerdict.OK, TuningVerdict.BREACH, TuningVerdict.UNKNOWN


def server(
    *, sync: float, tasks: float, timeouts: float = 0, seconds: float = 120.0, kind: str = "Workflow"
) -> list[Sample]:
    """What the server counted in that time, of one kind of task; it had counted some before."""
    before = {names.POLL_SUCCESS: 1_000.0, names.POLL_SUCCESS_SYNC: 10.0, names.POLL_TIMEOUTS: 500.0}
    more = {names.POLL_SUCCESS: tasks, names.POLL_SUCCESS_SYNC: sync, names.POLL_TIMEOUTS: timeouts}
    first = {series(name, task_type=kind): value for name, value in before.items()}
    last = {series(name, task_type=kind): value + more[name] for name, value in before.items()}
    return scraped("temporal", first, last, every=seconds)


def free(*values: float, kind: str = "WorkflowWorker", source: str = "worker-1") -> list[Sample]:
    """The slots that a worker had free, look by look."""
    name = series(names.SLOTS_AVAILABLE, worker_type=kind)
    return scraped(source, *({name: value} for value in values))


def waits(metric: str, **below: int) -> list[Sample]:
    """How many waited so many seconds or less, by bounds written as b02 for 0.2, and inf."""
    bounds = {bound: "+Inf" if bound == "inf" else f"{bound[1]}.{bound[2:]}" for bound in below}
    last = {series(metric, le=bounds[bound]): float(count) for bound, count in below.items()}
    return scraped("worker-1", dict.fromkeys(last, 0.0), last)


def run_with(*waited: float, attempts: int = 1) -> WorkflowRun:
    """A run whose activities waited so many seconds."""
    activities = tuple(
        Activity(
            type="a",
            activity_id=str(number),
            scheduled=BEGIN,
            started=BEGIN + wait,
            closed=BEGIN + wait + 1,
            attempts=attempts,
            worker="w",
            last_failure=None,
        )
        for number, wait in enumerate(waited)
    )
    given: dict[str, Any] = {"scenario": "s", "iteration": 0, "workflow_id": "w", "run_id": "r", "type": "T"}
    return WorkflowRun(**given, status="completed", started=BEGIN, closed=BEGIN + 9, events=9, activities=activities)


def told(title: str, *samples: Sequence[Sample], runs: Sequence[WorkflowRun] = ()) -> Advice:
    """The advice of this title."""
    frames = frames_of(WorkflowRun, runs)
    found = advise(flat(*samples), frames[WorkflowTask], frames[Activity])
    return next(advice for advice in found if advice.title == title)


SYNC = "Sync match rate, workflow tasks"
POLLS = "Poll success rate, workflow tasks"
WAIT = "Schedule to start, {}, p99"
SLOTS = "Free slots, workflow tasks"


@pytest.mark.parametrize(
    ("sync", "verdict", "measured"), [(96, OK, "96 %"), (95, BREACH, "95 %"), (94, BREACH, "94 %"), (0, BREACH, "0 %")]
)
def test_the_sync_match_rate_is_above_95_per_cent(sync: float, verdict: TuningVerdict, measured: str) -> None:
    """Of what was handed out in this run, and not before."""
    advice = told(SYNC, server(sync=sync, tasks=100))
    assert (advice.verdict, advice.measured, advice.detail) == (verdict, measured, "of 100 tasks")
    assert bool(advice.change) == (verdict is BREACH)


@pytest.mark.parametrize(("tasks", "verdict"), [(19, UNKNOWN), (20, BREACH)])
def test_a_share_of_a_few_says_nothing(tasks: float, verdict: TuningVerdict) -> None:
    """One of nineteen is more than five per cent, and may be chance."""
    advice = told(SYNC, server(sync=tasks - 1, tasks=tasks))
    assert advice.verdict is verdict
    assert ("too few to tell" in advice.detail) == (verdict is UNKNOWN)
    assert bool(advice.change) == (verdict is BREACH)


def test_a_share_just_below_its_threshold_never_reads_as_the_threshold() -> None:
    """Shares are rounded down."""
    advice = told(SYNC, server(sync=99_999, tasks=100_000))
    assert advice.measured == "99.9 %"


def test_what_workers_ran_out_of_is_what_to_change() -> None:
    """Slots, a core, the machine; and where there was room of everything, pollers."""
    breached = server(sync=0, tasks=100)
    busy = counted("worker-1", CPU, 97, 98, 99)
    assert "PollerBehaviorAutoscaling" in told(SYNC, breached).change
    assert "PollerBehaviorAutoscaling" in told(SYNC, breached, free(5, 5), counted("worker-1", CPU, 10, 99, 11)).change
    assert "A worker is at its limit" in told(SYNC, breached, free(5, 5), busy).change
    assert "raise max_concurrent_workflow_tasks" in told(SYNC, breached, free(5, 0), busy).change
    saturated = counted(MACHINE, CPU, 95, 99, 100)
    assert "The machine is at its limit" in told(SYNC, breached, free(5, 0), busy, saturated).change


def test_the_slots_that_count_are_of_the_kind_of_task() -> None:
    """Workflow tasks do not wait for activities' slots."""
    breached = server(sync=0, tasks=100)
    assert "slots" not in told(SYNC, breached, free(0, kind="ActivityWorker")).change


@pytest.mark.parametrize(
    ("timeouts", "seconds", "verdict"),
    [(4, 120.0, OK), (6, 120.0, BREACH), (0, 120.0, OK), (0, 30.0, UNKNOWN), (50, 30.0, BREACH)],
)
def test_the_poll_success_rate_is_above_95_per_cent(timeouts: float, seconds: float, verdict: TuningVerdict) -> None:
    """A poll waits for a minute: in less, that none timed out proves nothing, and that many did is enough."""
    advice = told(POLLS, server(sync=100, tasks=100, timeouts=timeouts, seconds=seconds))
    assert advice.verdict is verdict
    assert ("lower workflow_task_poller_behavior" in advice.change) == (verdict is BREACH)
    assert ("watched for 30 s" in advice.detail) == (verdict is UNKNOWN)


def test_how_long_activities_waited_is_exact_where_histories_tell() -> None:
    """99 of 100 waited 0.1 s: their 99th percentile is 100 ms, whatever the buckets bound."""
    buckets = waits(names.ACTIVITY_WAIT, b05=0, inf=100)
    advice = told(WAIT.format("activities"), buckets, runs=[run_with(*[0.1] * 99, 5.0)])
    assert (advice.verdict, advice.measured) == (OK, "100 ms")
    advice = told(WAIT.format("activities"), buckets, runs=[run_with(*[0.1] * 98, 5.0, 5.0)])
    assert (advice.verdict, advice.measured) == (BREACH, "5,000 ms")
    assert advice.change


def test_how_long_workflow_tasks_waited_is_exact_where_histories_tell() -> None:
    """Of those that a worker was given: one that was kept for a worker in vain is scheduled again."""
    buckets = waits(names.WORKFLOW_TASK_WAIT, b05=0, inf=100)

    def run_of(*waited: float | None) -> WorkflowRun:
        tasks = (WorkflowTask(scheduled=BEGIN, started=None if each is None else BEGIN + each) for each in waited)
        return replace(run_with(), tasks=tuple(tasks))

    advice = told(WAIT.format("workflow tasks"), buckets, runs=[run_of(*[0.1] * 99), run_of(5.0, None)])
    assert (advice.verdict, advice.measured) == (OK, "100 ms")
    assert advice.detail == "exact, of 100 workflow tasks that a worker was given"
    advice = told(WAIT.format("workflow tasks"), runs=[run_of(*[0.1] * 98, 5.0, 5.0), run_with()])
    assert (advice.verdict, advice.measured) == (BREACH, "5,000 ms")
    assert advice.change
    assert "by buckets" in told(WAIT.format("workflow tasks"), buckets, runs=[run_of(None)]).detail


def test_a_retry_waits_for_its_back_off_and_is_left_out() -> None:
    """Of an activity that needed more than one attempt, the history knows when the last one began."""
    advice = told(WAIT.format("activities"), runs=[run_with(30.0, attempts=2), run_with(0.05)])
    assert (advice.verdict, advice.measured) == (OK, "50 ms")


@pytest.mark.parametrize(
    ("below", "verdict", "measured"),
    [
        ({"b01": 10, "b02": 100, "inf": 100}, OK, "≤ 200 ms"),
        ({"b01": 10, "b02": 98, "b05": 100, "inf": 100}, BREACH, "> 200 ms, ≤ 500 ms"),
        ({"b01": 10, "b05": 100, "inf": 100}, UNKNOWN, "≤ 500 ms"),
        ({"b01": 10, "b05": 10, "inf": 100}, BREACH, "> 500 ms"),
    ],
)
def test_a_bucket_bounds_how_long_tasks_waited(below: dict[str, int], verdict: TuningVerdict, measured: str) -> None:
    """Where the threshold lies within the bucket, nobody knows."""
    for kind, metric in (("workflow tasks", names.WORKFLOW_TASK_WAIT), ("activities", names.ACTIVITY_WAIT)):
        advice = told(WAIT.format(kind), waits(metric, **below))
        assert (advice.verdict, advice.measured) == (verdict, measured)
        assert "by buckets" in advice.detail


def test_a_slot_is_always_free() -> None:
    """The least of all looks at all workers counts."""
    advice = told(SLOTS, free(5, 3), free(4, 2, source="worker-2"))
    assert (advice.verdict, advice.measured) == (OK, "2")
    advice = told(SLOTS, free(5, 3), free(4, 0, source="worker-2"))
    assert (advice.verdict, advice.measured) == (BREACH, "0")
    assert "raise max_concurrent_workflow_tasks" in advice.change.lower()
    assert "1 found none" in advice.detail


def test_slots_that_follow_resources_are_unknown_and_told_used() -> None:
    """Such a worker says how many are used, and of none that it is free."""
    used = scraped(
        "worker-1", *({series(names.SLOTS_USED, worker_type="ActivityWorker"): value} for value in (1.0, 7.0))
    )
    advice = told("Free slots, activities", used)
    assert advice.verdict is UNKNOWN
    assert "7 were used at most" in advice.detail


@pytest.mark.parametrize(("misses", "verdict"), [(4, OK), (6, BREACH)])
def test_the_sticky_cache_hits(misses: float, verdict: TuningVerdict) -> None:
    """Misses that were not there at the first look were none then."""
    looks = scraped("worker-1", {names.STICKY_HIT: 20.0}, {names.STICKY_HIT: 120.0, names.STICKY_MISS: misses})
    advice = told("Sticky cache hits", looks)
    assert advice.verdict is verdict
    assert ("max_cached_workflows" in advice.change) == (verdict is BREACH)


def test_what_was_not_measured_is_unknown_and_says_why() -> None:
    """No endpoint that is known, an endpoint that never answered, and one that counted nothing are three things."""
    silent = advise([])
    assert {advice.verdict for advice in silent} == {UNKNOWN}
    assert {advice.measured for advice in silent} == {"not measured"}
    assert all("no metrics endpoint" in advice.detail for advice in silent)
    dead = advise(flat(scraped("temporal", None, None), scraped("worker-1", None)))
    assert all("never answered" in advice.detail for advice in dead)
    idle = advise(flat(scraped("temporal", {}, {}), scraped("worker-1", {}, {})))
    assert {advice.verdict for advice in idle} == {UNKNOWN}
    assert not any("endpoint" in advice.detail for advice in idle)
