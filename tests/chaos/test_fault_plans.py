"""What an experiment says of links and workers is checked before anything is started."""

from typing import Any

import msgspec
import pytest

from chaos.catalogue import AnyFault
from chaos.faults.fault import FaultPlan
from chaos.faults.toxics import ToxicPlan


def planned(kind: str, **told: Any) -> FaultPlan:
    """The fault as an experiment would write it."""
    plan: FaultPlan = msgspec.convert({"kind": kind, "at": 1.0, "for": 2.0, **told}, AnyFault)
    return plan


LINK = {"owner": "worker-1", "service": "postgres"}


def disturbing(kind: str, **told: Any) -> ToxicPlan:
    """A fault of that link which lets something through."""
    plan = planned(kind, **LINK, **told)
    assert isinstance(plan, ToxicPlan)
    return plan


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        (
            planned("link_down", owner="worker-3", service="redis"),
            "expected one of client, worker-1, worker-2, workers",
        ),
        (planned("latency", **LINK, latency=0.0), "latency is 0 s: expected a millisecond (0.001) or more"),
        (planned("latency", **LINK, latency=0.1, jitter=0.2), "jitter is 0.2 s: expected from 0 to the latency, 0.1 s"),
        (planned("latency", owner="me", service="redis", latency=0.1), "expected one of client, worker-1"),
        (
            planned("bandwidth", **LINK, kilobytes_a_second=0),
            "kilobytes_a_second is 0: expected 1 or more, or a blackhole",
        ),
        (planned("slow_close", **LINK, seconds=0), "seconds is 0: expected a millisecond (0.001) or more"),
        (planned("slicer", **LINK, bytes=0), "bytes is 0: expected 1 or more"),
        (planned("slicer", **LINK, bytes=1, delay=-1), "delay is -1 s: expected 0 or more"),
        (planned("limit_data", **LINK, bytes=0), "bytes is 0: expected 1 or more"),
        (planned("worker_killed", worker="worker-3"), "expected one of worker-1, worker-2, workers"),
        (planned("worker_killed", worker="worker-1", restart=False, every=5, times=2), "it can be killed only once"),
        (planned("worker_late", worker="worker-1"), "a worker is late from the start of the load: leave `at` out"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_is_told(plan: FaultPlan, says: str) -> None:
    """A wrong owner or a parameter out of bounds is one problem, which says what was expected."""
    (problem,) = plan.problems(workers=2)
    assert problem.startswith(says)


@pytest.mark.parametrize(
    ("plan", "on", "touches"),
    [
        (planned("blackhole", **LINK), "worker-1.postgres", {"worker-1.postgres"}),
        (planned("reset", owner="client", service="temporal"), "client.temporal", {"client.temporal"}),
        (planned("link_down", owner="workers", service="redis"), "workers.redis", {"worker-1.redis", "worker-2.redis"}),
        (planned("worker_paused", worker="worker-2"), "worker-2", {"worker-2"}),
        (planned("worker_drained", worker="workers"), "workers", {"worker-1", "worker-2"}),
        (planned("rolling_restart"), "workers", {"worker-1", "worker-2"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_broken_is_known_beforehand(plan: FaultPlan, on: str, touches: set[str]) -> None:
    """A fault of all workers breaks each one's, under one name; none of these has anything wrong with it."""
    assert (plan.on, set(plan.touches(workers=2))) == (on, touches)
    assert list(plan.problems(workers=2)) == []


def test_a_direction_is_a_toxic_each() -> None:
    """What is disturbed both ways has a toxic on each; latency, which a round trip meets once, is on the way back."""
    streams = {
        told: [toxic.stream for toxic in disturbing("blackhole", direction=told).toxics()]
        for told in ("both", "upstream", "downstream")
    }
    assert streams == {"both": ["upstream", "downstream"], "upstream": ["upstream"], "downstream": ["downstream"]}
    (toxic,) = disturbing("latency", latency=0.2, jitter=0.05).toxics()
    assert (toxic.stream, toxic.attributes) == ("downstream", {"latency": 200, "jitter": 50})


@pytest.mark.parametrize(
    ("plan", "slows"),
    [
        (disturbing("blackhole"), None),
        (disturbing("latency", latency=0.2, jitter=0.05), 0.15),
        (disturbing("latency", latency=0.2, jitter=0.05, direction="both"), 0.3),
        (disturbing("bandwidth", kilobytes_a_second=10), 0.1),
        (disturbing("slicer", bytes=10, delay=0.02), 0.02),
        (disturbing("limit_data", bytes=10), None),
        (disturbing("slow_close", seconds=3), None),
    ],
    ids=lambda value: str(value.__struct_config__.tag) if isinstance(value, ToxicPlan) else "",
)
def test_what_holds_up_says_how_long(plan: ToxicPlan, slows: float | None) -> None:
    """The least that a round trip takes longer, or a kilobyte, or two pieces; None where what meets it fails."""
    assert plan.slows == slows


def test_a_late_worker_is_late_from_the_start() -> None:
    """Its time need not be given."""
    late = msgspec.convert({"kind": "worker_late", "worker": "worker-1", "for": 2.0}, AnyFault)
    assert late.at == 0
    assert list(late.problems(workers=1)) == []
