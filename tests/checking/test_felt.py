"""A fault is felt by the attempts and calls that failed while it was in force, and by no others."""

import pytest
from handwritten_records import WORKFLOW, operation, window, workflow
from msgspec.structs import replace

from harness.checking.felt import NAMED, felt, felt_all, who_met
from harness.checking.usual import usual
from harness.records.operations import Ack, Kind, Operation
from harness.records.workflows import Activity, Declared, WorkflowRun, WorkflowTask


def activity(
    scheduled: float, started: float | None, *, attempts: int = 2, failure: str | None = "refused"
) -> Activity:
    return Activity(
        type="load_chunk",
        activity_id="1",
        scheduled=scheduled,
        started=started,
        closed=started,
        attempts=attempts,
        worker="w",
        last_failure=failure,
    )


def declared(pause: float) -> Declared:
    """A retry policy that waits so many seconds at first, and twice as long the next time."""
    return Declared(initial_interval=pause, backoff_coefficient=2.0, maximum_interval=100.0)


def call(
    sent: float, *, acknowledged: float | None = None, given_up: float | None = None, kind: Kind = Kind.START
) -> Operation:
    ack = Ack.OK if acknowledged else Ack.INFO
    return replace(operation(kind=kind, ack=ack, sent=sent, acknowledged=acknowledged), given_up=given_up)


@pytest.mark.parametrize(
    ("met", "times"),
    [
        (activity(9.0, 13.5), 1),
        (activity(11.0, 12.0), 1),
        (activity(9.0, 9.5), 0),
        (activity(9.0, 10.0), 0),
        (activity(13.0, 14.0), 0),
        (activity(11.0, 12.0, attempts=1), 0),
        (activity(11.0, None), 0),
        (activity(11.0, 12.0, failure=None), 0),
    ],
)
def test_an_activity_felt_it_if_its_retried_attempts_span_the_window(met: Activity, times: int) -> None:
    """The window is from 10 to 13: retried before, after, or not at all, it met nothing."""
    assert felt(window(felt=0), [workflow(activities=(met,))], []).felt == times


@pytest.mark.parametrize(
    ("met", "times"),
    [
        (replace(activity(3.0, 14.0), asked_pause=10.0), 0),
        (replace(activity(3.0, 14.0), asked_pause=3.9), 1),
        (replace(activity(3.0, 14.0), declared=declared(5.0)), 0),
        (replace(activity(3.0, 14.0), declared=declared(3.9)), 1),
        (replace(activity(3.0, 14.0, attempts=3), declared=declared(2.0)), 0),
        (replace(activity(3.0, 14.0), declared=declared(5.0), asked_pause=1.0), 1),
    ],
    ids=["asked", "asked for less", "declared", "declared less", "grown", "what was asked counts"],
)
def test_an_attempt_that_failed_before_it_did_not_feel_it(met: Activity, times: int) -> None:
    """It failed no later than the last one began, less the pause before it: then nothing ran in the window."""
    assert felt(window(felt=0), [workflow(activities=(met,))], []).felt == times


@pytest.mark.parametrize(
    ("call", "times"),
    [
        (call(sent=11.0, given_up=41.0), 1),
        (call(sent=9.0, given_up=11.0), 1),
        (call(sent=9.0), 1),  # nobody knows when it was given up
        (call(sent=11.0, acknowledged=13.2), 1),  # delayed, though answered in the end
        (call(sent=11.0, acknowledged=13.0), 1),
        (call(sent=13.0, given_up=20.0), 0),
        (call(sent=1.0, given_up=9.5), 0),
        (call(sent=1.0, given_up=10.0), 0),
        (call(sent=11.0, acknowledged=11.1), 0),
        (call(sent=9.0, acknowledged=15.0, kind=Kind.RESULT), 0),  # a result is waited for anyway
    ],
)
def test_a_call_felt_it_if_it_had_to_wait_or_went_unanswered(call: Operation, times: int) -> None:
    """On the client's own link: a call made after heal, given up before inject, or answered meanwhile met nothing."""
    assert felt(window(felt=0, on="client.temporal"), [], [call]).felt == times


def test_a_fault_on_a_workers_link_is_felt_by_attempts_alone() -> None:
    """A call that the client gave up meanwhile says nothing of a worker's link."""
    assert felt(window(felt=0), [], [call(sent=11.0, given_up=12.0)]).felt == 0


def test_a_fault_on_the_clients_link_is_felt_by_calls_alone() -> None:
    """An attempt that failed meanwhile says nothing of the client's link."""
    run = workflow(activities=(activity(11.0, 12.0),))
    assert felt(window(felt=0, on="client.temporal"), [run], []).felt == 0


def test_a_link_that_nobody_used_was_felt_by_nobody() -> None:
    """Where no connection was open to be cut, an attempt that failed meanwhile failed for another reason."""
    before = replace(window(felt=3, cut=0), felt_by=("somebody",))
    now = felt(before, [workflow(activities=(activity(11.0, 12.0),))], [])
    assert (now.felt, now.felt_by) == (0, ())


def test_all_who_felt_it_are_counted_and_some_are_named() -> None:
    """The count is exact where the names are cut short, and each name says what happened."""
    told = felt(window(felt=0), [workflow(activities=(activity(11.0, 12.0),) * 9)], [])
    assert (told.felt, len(told.felt_by)) == (9, NAMED)
    assert told.felt_by[0] == "run.slice.0.main: load_chunk, attempt 2: refused"


def test_every_window_is_told_anew() -> None:
    """Each by itself, whatever it said before."""
    assert [w.felt for w in felt_all([window(felt=4), window(felt=0)], [], [])] == [0, 0]
    run, unanswered = workflow(activities=(activity(11.0, 12.0),) * 2), call(sent=11.0)
    both = felt_all([window(felt=0), window(felt=0, on="client.temporal")], [run], [unanswered])
    assert [w.felt for w in both] == [2, 1]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (call(sent=11.0, acknowledged=13.2), "answered 2.2 s after it was sent"),
        (replace(call(sent=11.0), error=None), "no answer"),
        (replace(call(sent=11.0), error="deadline exceeded"), "deadline exceeded"),
    ],
)
def test_a_call_that_felt_it_says_how(call: Operation, says: str) -> None:
    """With the workflow, the kind of call and its name."""
    assert felt(window(felt=0, on="client.temporal"), [], [call]).felt_by == (f"{WORKFLOW}: start Pipeline, {says}",)


def lasting(started: float, closed: float | None, name: str = "load_chunk") -> Activity:
    """One attempt, which ended well."""
    return replace(activity(started, started, attempts=1, failure=None), type=name, closed=closed)


def task(started: float | None, closed: float, *, worker: str = "1@host", outcome: str = "completed") -> WorkflowTask:
    return WorkflowTask(
        scheduled=closed if started is None else started, started=started, closed=closed, outcome=outcome, worker=worker
    )


def of(*activities: Activity, tasks: tuple[WorkflowTask, ...] = ()) -> list[WorkflowRun]:
    return [replace(workflow(activities=activities), tasks=tasks)]


SURE = (10.5, 12.5)


def test_who_counted_itself_met_it_and_nobody_else() -> None:
    """Whatever failed meanwhile, and whatever it broke; those it counted are named as they are."""
    told = replace(window(felt=0, cut=0), met=("a: capture", "b: load, attempt 2"))
    now = felt(told, of(activity(11.0, 12.0)), [])
    assert (now.felt, now.felt_by) == (2, ("a: capture", "b: load, attempt 2"))
    assert felt(replace(told, cut=2, met=()), of(activity(11.0, 12.0)), []).felt == 0
    steps = [met.step for met in who_met(told, [], [], usual([], [], []))]
    assert steps == ["capture", "load"]


@pytest.mark.parametrize(
    ("held", "times"),
    [
        (lasting(11.0, 12.6), 1),  # in flight as its healing began
        (lasting(9.0, 13.5), 1),
        (lasting(10.6, 12.3), 0),  # ended before
        (lasting(12.2, 12.9), 0),  # took no longer than others do
        (lasting(12.5, 14.0), 0),  # began when it was healed
        (lasting(12.4, None), 0),  # nobody knows
    ],
)
def test_an_attempt_that_was_held_up_until_heal_felt_it(held: Activity, times: int) -> None:
    """Without failing: it ran as healing began, and took longer than any of its type did without a fault."""
    stalled = replace(window(felt=0, cut=None), sure=SURE)
    usually = (lasting(1.0, 1.5), lasting(2.0, 3.0))
    assert felt(stalled, of(*usually, held), []).felt == times


def test_without_any_other_to_compare_with_it_must_have_run_all_the_while() -> None:
    """What began in the middle of it may always take so long."""
    stalled = replace(window(felt=0, cut=None), sure=SURE)
    assert felt(stalled, of(lasting(10.4, 12.6), lasting(11.0, 14.0)), []).felt == 1


def test_what_is_slowed_took_so_much_longer() -> None:
    """Than the fastest of its kind without the fault: attempts of its activity, and calls of the same name."""
    slow = replace(window(felt=0, cut=None), sure=SURE, slows=0.5)
    attempts = of(lasting(1.0, 1.2), lasting(11.0, 11.8), lasting(11.0, 11.6), lasting(14.0, 15.0))
    assert felt(slow, attempts, []).felt_by == (f"{WORKFLOW}: load_chunk, attempt 1: it took 0.8 s",)
    calls = [
        call(sent=1.0, acknowledged=1.2),
        call(sent=11.0, acknowledged=11.8),
        call(sent=11.0, acknowledged=11.6),
        call(sent=12.6, acknowledged=13.6),  # healing had begun
        call(sent=14.0, acknowledged=15.0),
    ]
    theirs = replace(slow, on="client.temporal")
    assert felt(theirs, [], calls).felt_by == (f"{WORKFLOW}: start Pipeline, answered 0.8 s after it was sent",)
    assert felt(theirs, [], [call(sent=11.0, given_up=12.0)]).felt == 1


@pytest.mark.parametrize("slows", [0.0, 0.001])
def test_what_holds_up_by_nothing_to_speak_of_is_felt_by_what_it_held_up_to_its_end(slows: float) -> None:
    """Every attempt takes longer than the fastest one by as little."""
    barely = replace(window(felt=0, cut=None), sure=SURE, slows=slows)
    usually = (lasting(1.0, 1.2), lasting(2.0, 3.0))
    assert felt(barely, of(*usually, lasting(11.0, 11.8)), []).felt == 0
    assert felt(barely, of(*usually, lasting(11.0, 12.6)), []).felt == 1
    calls = [call(sent=1.0, acknowledged=1.2), call(sent=11.0, acknowledged=11.8)]
    assert felt(replace(barely, on="client.temporal"), [], calls).felt == 0


@pytest.mark.parametrize(
    ("tasks", "says"),
    [
        ((task(None, 11.0, outcome="timed_out"),), ["timed out"]),
        ((task(None, 13.9, outcome="timed_out"),), []),  # scheduled when it was healed
        ((task(None, 9.0, outcome="timed_out"),), []),
        ((task(10.4, 12.6),), ["held up"]),
        ((task(10.4, 12.4),), []),
        ((task(9.0, 9.1), task(11.0, 11.1, worker="2@host")), ["went to another worker"]),
        ((task(9.0, 9.1), task(11.0, 11.1)), []),
        ((task(9.0, 9.1), task(14.0, 14.1, worker="2@host")), []),
        ((task(8.0, 8.1), task(9.0, 9.1, worker="2@host"), task(11.0, 11.1, worker="2@host")), []),
        ((task(9.0, 9.1), task(11.0, 11.1, worker="")), []),
    ],
)
def test_a_worker_that_is_gone_is_felt_by_workflow_tasks(tasks: tuple[WorkflowTask, ...], says: list[str]) -> None:
    """That nobody took, that were held up, or that another worker went on with."""
    gone = replace(window(felt=0, on="worker-1", cut=None), sure=SURE)
    assert list(felt(gone, of(tasks=tasks), []).felt_by) == [f"{WORKFLOW}: workflow task, {each}" for each in says]
    elsewhere = felt(replace(gone, on="worker-1.postgres"), of(tasks=tasks), [])
    assert elsewhere.felt == 0, "whoever reaches Temporal has workflow tasks"


@pytest.mark.parametrize(
    ("due", "says"),
    [
        ((11.0, 13.2), ["waited for a worker"]),
        ((9.0, 12.5), ["waited for a worker"]),
        ((12.0, None), ["waited for a worker"]),
        ((11.0, 12.2), []),
        ((12.5, 14.2), []),
    ],
)
def test_where_no_worker_is_there_whatever_is_due_waits(due: tuple[float, float | None], says: list[str]) -> None:
    """Until one can take it; where one is there, it is not the fault that is waited for."""
    scheduled, started = due
    waiting = replace(task(20.0, 20.1), scheduled=scheduled, started=started)
    none = replace(window(felt=0, on="workers.temporal"), sure=SURE)
    assert list(felt(none, of(tasks=(waiting,)), []).felt_by) == [f"{WORKFLOW}: workflow task, {each}" for each in says]
    assert felt(replace(none, on="worker-1.temporal"), of(tasks=(waiting,)), []).felt == 0


def test_temporal_itself_is_felt_by_calls_attempts_and_workflow_tasks() -> None:
    """Everybody needs it."""
    away = replace(window(felt=0, on="temporal"), sure=SURE)
    runs = of(activity(11.0, 12.0), tasks=(task(None, 11.0, outcome="timed_out"),))
    assert felt(away, runs, [call(sent=11.0, acknowledged=13.2)]).felt == 3
    moved = of(tasks=(task(9.0, 9.1), task(11.0, 11.1, worker="2@host")))
    assert felt(away, moved, []).felt == 0, "that is not Temporal's doing"


@pytest.mark.parametrize("on", ["redis", "worker-1.redis", "workers.redis"])
def test_a_cache_that_was_in_use_is_felt_by_its_connections(on: str) -> None:
    """Nothing has to fail while it is away: open connections that were cut while attempts ran show that it was used."""
    away = replace(window(felt=0, on=on, cut=2), sure=SURE)
    at_work = of(lasting(11.0, 11.5))
    assert felt(away, at_work, []).felt_by == (f"{on}: an open connection, cut",) * 2
    assert felt(away, of(lasting(8.0, 10.0), lasting(13.0, 14.0)), []).felt == 0, "nobody was at work"
    assert felt(away, of(lasting(11.0, 11.5), activity(11.0, 12.0)), []).felt == 1, "who failed counts instead"
    assert felt(replace(away, cut=0), at_work, []).felt == 0
    assert felt(replace(away, cut=None), at_work, []).felt == 0
    assert felt(replace(away, on="worker-1.postgres"), at_work, []).felt == 0, "without a database attempts fail"


@pytest.mark.parametrize("name", ["worker_drained", "worker_late", "rolling_restart"])
def test_a_worker_that_goes_as_it_is_meant_to_is_felt_by_the_work_of_others(name: str) -> None:
    """Nobody need notice: what was done while it was away was done without it; who noticed counts instead."""
    away = replace(window(felt=0, on="worker-1", cut=None), name=name, sure=SURE)
    runs = of(lasting(10.0, 10.4), lasting(11.0, 11.5), lasting(12.5, 13.0))
    assert felt(away, runs, []).felt_by == (f"{WORKFLOW}: load_chunk, made meanwhile",)
    assert felt(away, of(lasting(11.0, 11.5), tasks=(task(None, 11.0, outcome="timed_out"),)), []).felt_by == (
        f"{WORKFLOW}: workflow task, timed out",
    )
    assert felt(replace(away, name="worker_killed"), runs, []).felt == 0, "whom it killed in the middle, notices"


def test_what_another_window_held_up_is_not_usual() -> None:
    """Else the second fault of a run would be measured by the first."""
    first = replace(window(felt=0, cut=None), sure=SURE)
    second = replace(first, injected=20.0, healed=23.0, sure=(20.5, 22.5))
    runs = of(lasting(1.0, 1.5), lasting(9.0, 13.0), lasting(21.0, 23.0))
    assert [each.felt for each in felt_all([first, second], runs, [])] == [1, 1]
