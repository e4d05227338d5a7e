"""Metrics are read in one spelling and one unit, whatever the settings of who exposes them."""

import pytest

from harness.records import samples
from harness.records.samples import series
from harness.scraping import COUNTERS_OF_WORKER, GAUGES_OF_WORKER, OF_SERVER, readings

WAIT = "temporal_activity_schedule_to_start_latency"


def wait(**counts: float) -> dict[str, float]:
    return {series(samples.ACTIVITY_WAIT, le=le): count for le, count in counts.items()}


@pytest.mark.parametrize(
    ("name", "bounds"),
    [
        (f"{WAIT}_bucket", ("100", "500")),
        (f"{WAIT}_milliseconds_bucket", ("100", "500")),
        (f"{WAIT}_seconds_bucket", ("0.1", "0.5")),
        (f"{WAIT}_bucket", ("0.1", "0.5")),
    ],
)
def test_buckets_are_in_seconds(name: str, bounds: tuple[str, str]) -> None:
    """By the unit in the name; without one a bound below 1 can only be seconds, for milliseconds are whole."""
    lines = [f'{name}{{task_queue="q",le="{bound}"}} {count}' for bound, count in zip(bounds, (3, 4), strict=True)]
    body = "\n".join([*lines, f'{name}{{task_queue="q",le="+Inf"}} 5', ""]).encode()
    found = readings(body, COUNTERS_OF_WORKER)
    assert found == {**wait(**{"0.1": 3, "0.5": 4}), series(samples.ACTIVITY_WAIT, le="+Inf"): 5}


@pytest.mark.parametrize("ending", ["", "_total"])
def test_counters_have_one_name(ending: str) -> None:
    """Of several workflow types, the sum; a metric that only begins alike is another one."""
    name = f"temporal_sticky_cache_hit{ending}"
    body = f'{name}{{workflow_type="A"}} 2\n{name}{{workflow_type="B"}} 3\n{name}ting 9\n'.encode()
    assert readings(body, COUNTERS_OF_WORKER) == {samples.STICKY_HIT: 5}


def test_the_slots_of_the_queue_that_has_fewest_count() -> None:
    """A queue without a free slot is not helped by another's."""
    name = samples.SLOTS_AVAILABLE
    body = "".join(
        f'{name}{{task_queue="{queue}",worker_type="{kind}"}} {value}\n'
        for queue, kind, value in (("a", "WorkflowWorker", 0), ("b", "WorkflowWorker", 50), ("a", "ActivityWorker", 7))
    )
    assert readings(body.encode(), GAUGES_OF_WORKER) == {
        series(name, worker_type="WorkflowWorker"): 0,
        series(name, worker_type="ActivityWorker"): 7,
    }


def test_other_namespaces_are_not_ours() -> None:
    """What is not kept is not counted; what is not finite neither."""
    lines = [f'poll_success{{namespace="{name}",task_type="Activity"}} 1' for name in ("mine", "mine", "theirs")]
    body = "\n".join([*lines, 'poll_timeouts{namespace="mine",task_type="Activity"} NaN', ""]).encode()
    found = readings(body, OF_SERVER, lambda labels: labels["namespace"] == "mine")
    assert found == {series("poll_success", task_type="Activity"): 2}


def test_what_is_no_exposition_is_refused() -> None:
    """An endpoint that answers with something else is told, not taken for one that counted nothing."""
    with pytest.raises(ValueError):  # noqa: PT011 - the parser's own words
        readings(b'poll_success{task_type="Activity" oops\n', OF_SERVER)
