"""What grows over the time of a soak is told from what is noisy, settles, or grows without mattering."""

from collections.abc import Callable
from random import Random

import polars as pl
import pytest

from harness.checking.drift import HISTORY, RESPONSE_TIME, Drift, Series, drifting, drifts, watched
from harness.checking.responses import Outcome
from harness.records.columns import frame_of
from harness.records.samples import CONNECTIONS, CPU, FILES, MACHINE, MEMORY, THREADS, Sample
from harness.records.verdicts import Verdict
from harness.records.workflows import WorkflowRun

BEGAN, HOUR = 50_000.0, 3_600.0
"""Seconds: an hour from then."""


def series(value: Callable[[float, Random], float], *, name: str = MEMORY, source: str = "worker-1") -> Series:
    """A sample every five seconds of an hour, by the share of the hour that has passed."""
    rng = Random(1)
    points = [(BEGAN + second, value(second / HOUR, rng)) for second in range(0, 3_600, 5)]
    return Series(source=source, name=name, unit="bytes", points=points)


def told(value: Callable[[float, Random], float]) -> Drift:
    """What is said of it."""
    (drift,) = drifts([series(value)], BEGAN, BEGAN + HOUR)
    return drift


def test_a_leak_in_noise_is_found_with_how_fast_it_grows() -> None:
    """From 100 to 140 in the hour, of which the last nine tenths count: 36, about a median of 122."""
    drift = told(lambda passed, rng: 100 + 40 * passed + rng.gauss(0, 10))
    assert drift.verdict is Verdict.INVALID
    assert drift.growth == pytest.approx(36, rel=0.15)
    assert drift.typical == pytest.approx(122, rel=0.02)
    assert drift.share == pytest.approx(0.295, rel=0.15)
    assert drift.p is not None
    assert drift.p < 1e-6


@pytest.mark.parametrize(
    "value",
    [
        lambda _passed, rng: 100 + rng.gauss(0, 30),
        lambda passed, rng: 100 + 8 * passed + rng.gauss(0, 1),
        lambda passed, rng: 100 - 50 * passed + rng.gauss(0, 1),
        lambda passed, _rng: 100 + 900 * min(1, passed / 0.09),
        lambda passed, _rng: 100 + 100 * (passed * 12 % 1),
        lambda _passed, _rng: 12.0,
        lambda _passed, _rng: 0.0,
    ],
    ids=["noise", "too little to matter", "shrinking", "warming up", "a saw", "still", "nothing"],
)
def test_what_does_not_drift_is_said_to_be_steady(value: Callable[[float, Random], float]) -> None:
    """Noise, what fills once and stays, what goes up and down, what grows by less than a tenth."""
    assert told(value).verdict is Verdict.VALID


def test_a_slope_that_chance_explains_is_no_drift() -> None:
    """Twelve noisy values rise by a third of their median, and as many would by chance one time in three."""
    values = [100, 60, 140, 90, 130, 70, 150, 95, 120, 110, 160, 105]
    points = [(BEGAN + HOUR * (0.12 + 0.075 * number), float(value)) for number, value in enumerate(values)]
    (drift,) = drifts([Series(source="a", name=MEMORY, unit="bytes", points=points)], BEGAN, BEGAN + HOUR)
    assert drift.share is not None
    assert drift.share > 0.2
    assert drift.p is not None
    assert drift.p > 0.05
    assert drift.verdict is Verdict.VALID


def test_too_short_a_time_tells_nothing() -> None:
    """Nine windows with samples are too few for a trend, however steep."""
    points = [(BEGAN + HOUR * share / 100, share) for share in range(20, 100, 9)]
    (drift,) = drifts([Series(source="a", name=MEMORY, unit="bytes", points=points)], BEGAN, BEGAN + HOUR)
    assert (drift.verdict, drift.growth, drift.p, drift.share) == (Verdict.UNKNOWN, None, None, None)
    assert (len(drift.windows), drift.typical) == (9, 56)
    (none,) = drifts([Series(source="a", name=MEMORY, unit="bytes", points=())], BEGAN, BEGAN + HOUR)
    assert (none.verdict, none.typical) == (Verdict.UNKNOWN, None)


def test_windows_are_medians_within_the_time() -> None:
    """The first tenth and what comes after the end are left out; one that is far off does not count."""
    points = [(BEGAN + second, 1_000.0 if second % 60 == 0 else second / 60) for second in range(0, 7_200, 10)]
    (drift,) = drifts([Series(source="a", name=MEMORY, unit="bytes", points=points)], BEGAN, BEGAN + HOUR)
    assert len(drift.windows) == 60
    assert drift.windows[0][0] == pytest.approx(BEGAN + 360 + 27)
    assert drift.windows[0][1] == pytest.approx((390 + 400) / 2 / 60)
    assert drift.windows[-1][0] < BEGAN + HOUR
    assert max(value for _, value in drift.windows) < 61


def test_what_grows_comes_first() -> None:
    """Then by source and name."""
    steady, leak = (lambda _passed, _rng: 1.0), (lambda passed, _rng: 1 + passed)
    found = drifts(
        [
            series(steady, source="b"),
            series(steady, source="a", name=THREADS),
            series(leak, source="z"),
            series(steady, source="a", name=FILES),
        ],
        BEGAN,
        BEGAN + HOUR,
    )
    assert [(drift.source, drift.name) for drift in found] == [
        ("z", MEMORY),
        ("a", FILES),
        ("a", THREADS),
        ("b", MEMORY),
    ]


def test_how_many_drift_is_known_only_where_memory_was_watched() -> None:
    """Without a process's memory nothing is known; with it each that grows counts, and what cannot be told does not."""
    steady, leak = series(lambda _passed, _rng: 1.0), series(lambda passed, _rng: 1 + passed, name=FILES)
    short = Series(source="b", name=MEMORY, unit="bytes", points=[(BEGAN + HOUR / 2, 1.0)])

    def count(*found: Series) -> int | None:
        return drifting(drifts(found, BEGAN, BEGAN + HOUR))

    assert [count(steady), count(steady, leak), count(steady, leak, short)] == [0, 1, 1]
    assert [count(), count(leak), count(leak, short)] == [None, None, None]


def test_what_may_not_grow_is_watched() -> None:
    """Memory, files, threads and connections of each process; response times, histories; not the machine, nor CPU."""

    def sample(source: str, name: str) -> Sample:
        return Sample(time=1.0, source=source, name=name, value=2.0)

    run = WorkflowRun(
        scenario="s",
        iteration=0,
        workflow_id="w",
        run_id="r",
        type="Order",
        status="completed",
        started=5.0,
        closed=6.0,
        events=17,
    )
    names = (MEMORY, FILES, THREADS, CONNECTIONS, CPU)
    found = watched(
        [*(sample("worker-1", name) for name in names), sample(MACHINE, MEMORY), sample("worker-1", MEMORY)],
        pl.DataFrame(
            {
                "scenario": ["s", "s", "s"],
                "intended": [3.0, 3.0, 3.0],
                "outcome": [Outcome.ANSWERED, Outcome.FAILED, Outcome.UNANSWERED],
                "time": [0.5, 6.0, None],
            }
        ),
        frame_of(WorkflowRun, [run]),
    )
    assert [(each.source, each.name, each.unit, list(each.points)) for each in found] == [
        ("worker-1", MEMORY, "bytes", [(1, 2), (1, 2)]),
        ("worker-1", FILES, "open files", [(1, 2)]),
        ("worker-1", THREADS, "threads", [(1, 2)]),
        ("worker-1", CONNECTIONS, "connections", [(1, 2)]),
        ("s", RESPONSE_TIME, "s", [(3, 0.5)]),
        ("Order", HISTORY, "events", [(5, 17)]),
    ]
