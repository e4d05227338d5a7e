"""What was at its limit is named with the figure that says so, and the next setting to try."""

from collections.abc import Iterator

import pytest

from harness.checking.saturation import saturated
from harness.records.samples import BACKLOG, CLIENT, CPU, MACHINE, SLOTS_AVAILABLE, Sample, series

ACTIVITIES = series(SLOTS_AVAILABLE, worker_type="ActivityWorker")
WORKFLOW_TASKS = series(SLOTS_AVAILABLE, worker_type="WorkflowWorker")
QUEUE = series(BACKLOG, task_type="Activity")


def sampled(*told: tuple[str, str, float]) -> Iterator[Sample]:
    """Each figure steady from second 10 to 20, and quite another before and after."""
    for source, name, value in told:
        for time in range(30):
            within = 10 <= time <= 20
            yield Sample(time=time, source=source, name=name, value=value if within else 55.0)


IDLE = (
    (CLIENT, CPU, 30.0),
    ("worker-1", CPU, 40.0),
    ("worker-2", CPU, 50.0),
    ("temporal", CPU, 60.0),
    (MACHINE, CPU, 70.0),
)


@pytest.mark.parametrize(
    ("told", "what", "evidence", "change"),
    [
        (
            (("worker-2", CPU, 95.0),),
            "the workers' processors",
            "worker-2 used 95 % of a core",
            "start more workers than 2 (--workers 3)",
        ),
        (
            (("temporal", CPU, 160.0), ("worker-2", CPU, 95.0), (MACHINE, CPU, 96.0)),
            "the processors of the machine",
            "96 % of all cores were busy, at the median; this run used 325 % of one, most of it temporal, 160 %",
            "give the machine more cores, or temporal a machine of its own",
        ),
        (
            (("worker-1", ACTIVITIES, 0.0), ("worker-2", ACTIVITIES, 4.0)),
            "the workers' slots for activities",
            "worker-1 had none free most of the time",
            "raise max_concurrent_activities",
        ),
        (
            (("worker-1", WORKFLOW_TASKS, 0.0),),
            "the workers' slots for workflow tasks",
            "worker-1 had none free",
            "raise max_concurrent_workflow_tasks",
        ),
        (
            (("temporal", QUEUE, 12.0), ("temporal", CPU, 120.0)),
            "the workers' pollers",
            "12 tasks waited in a queue",
            "raise the maximum of the pollers",
        ),
        ((("temporal", CPU, 120.0), ("postgres", CPU, 95.0)), "temporal", "120 % of a core", "more history shards"),
        ((("postgres", CPU, 90.0),), "postgres", "90 % of a core", "slowest statements"),
        (((CLIENT, CPU, 190.0), ("redis", CPU, 91.0)), "redis", "91 % of a core", "slowest commands"),
    ],
)
def test_each_limit_is_named(told: tuple[tuple[str, str, float], ...], what: str, evidence: str, change: str) -> None:
    """Beside processes that have room: what was short, by how much, and what to change."""
    changed = {(source, name) for source, name, _ in told}
    found = saturated(sampled(*(each for each in IDLE if each[:2] not in changed), *told), 10, 20, processors=2)
    assert found is not None
    assert found.what == what
    assert evidence in found.evidence
    assert change in found.change


def test_a_generator_that_was_late_is_named_before_all_else() -> None:
    """What it offered was not the rate, so nothing else is to blame; whether it had its turn is told."""
    busy = saturated(sampled((CLIENT, CPU, 97.0), (MACHINE, CPU, 99.0)), 10, 20, processors=2, generator_late=True)
    assert busy is not None
    assert (busy.what, busy.evidence) == (
        "the generator",
        "it used 97 % of a core, at the median, and 99 % of all cores were busy: it did not get its turn",
    )
    alone = saturated(sampled((CLIENT, CPU, 97.0), (MACHINE, CPU, 60.0)), 10, 20, processors=2, generator_late=True)
    assert alone is not None
    assert (alone.evidence, "more processes" in alone.change) == ("it used 97 % of a core, at the median", True)
    unseen = saturated((), 10, 20, processors=2, generator_late=True)
    assert unseen is not None
    assert unseen.evidence == "it sent late"


def test_a_machine_that_others_use_is_told_as_such() -> None:
    """Of four processors this run used one and a half: more of them would not help it as much as to be alone."""
    samples = [*sampled(("temporal", CPU, 150.0), ("worker-1", CPU, 30.0), (MACHINE, CPU, 95.0))]
    shared, own = (saturated(samples, 10, 20, processors=each) for each in (4, 2))
    assert shared is not None
    assert own is not None
    assert shared.change == "stop what else runs on this machine: it used more than this run did"
    assert own.change == "give the machine more cores, or temporal a machine of its own"


def test_a_machine_of_which_only_the_whole_was_seen_is_named_alone() -> None:
    """Nobody is blamed who was not looked at."""
    found = saturated(sampled((MACHINE, CPU, 99.0)), 10, 20, processors=2)
    assert found is not None
    assert (found.evidence, found.change) == (
        "99 % of all cores were busy, at the median",
        "give the machine more cores",
    )


@pytest.mark.parametrize(
    "told", [IDLE, (), ((MACHINE, CPU, 89.0), ("temporal", QUEUE, 9.0), ("worker-1", ACTIVITIES, 1.0))]
)
def test_where_nothing_was_at_its_limit_nothing_is_named(told: tuple[tuple[str, str, float], ...]) -> None:
    """Nor where nothing was sampled: it was not seen."""
    assert saturated(sampled(*told), 10, 20, processors=2) is None


def test_a_moment_s_peak_is_no_limit() -> None:
    """Medians over the time decide, and what was before or after it does not count."""
    peaks = [
        Sample(time=10 + number, source=MACHINE, name=CPU, value=value) for number, value in enumerate((20, 30, 100))
    ]
    assert saturated(peaks, 10, 20, processors=2) is None
    assert saturated(peaks, 12, 20, processors=2) is not None
    assert saturated(peaks, 13, 20, processors=2) is None
