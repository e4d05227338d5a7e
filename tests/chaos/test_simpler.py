"""Simpler forms of a fault, by what a run wrote down of it; on records that are written by hand."""

from chaos.faults.fault import Trigger
from chaos.faults.links import LinkDownPlan
from chaos.faults.own import OwnPlan
from chaos.faults.toxics import LatencyPlan
from chaos.simpler import Journal, simpler
from harness.records.effects import Effect, EffectKind, Source
from harness.records.faults import FaultWindow

BEGAN = 1000.0


def effect(step: str, at: float, kind: EffectKind = EffectKind.FORWARD) -> Effect:
    """One effect, so many seconds after the start of the load."""
    return Effect(
        workflow_id="w", step=step, item="", kind=kind, run_id=None, attempt=1, transaction=1,
        committed_at=BEGAN + at, source=Source.LEDGER,
    )  # fmt: skip


def window(at: float, on: str = "client.temporal", **situation: int) -> FaultWindow:
    """The window of a cut link, so many seconds after the start of the load."""
    injected = BEGAN + at
    return FaultWindow(
        name="link_down", on=on, injected=injected, healed=injected + 1, in_force=True, evidence="", situation=situation
    )


def journal(*windows: FaultWindow, effects: tuple[Effect, ...] = ()) -> Journal:
    """Of a load that began at BEGAN."""
    return Journal(windows=windows, effects=effects, began=BEGAN)


def fault(at: float | None = 3.0, *, duration: float = 0.8, **more: object) -> LinkDownPlan:
    """The client's way to Temporal, cut."""
    return LinkDownPlan(owner="client", service="temporal", at=at, duration=duration, **more)  # type: ignore[arg-type]  # as they are named


def moments(fault: LinkDownPlan, journal: Journal) -> list[Trigger | None]:
    """The triggers in place of the clock."""
    return [each.when for each in simpler(fault, journal) if each.when != fault.when]


def test_a_moment_is_told_by_the_step_that_was_last() -> None:
    """Of the steps with an effect by then it is the one that had the last, whatever came later, or was undone."""
    effects = (
        effect("ship", 2.9), effect("reserve", 1), effect("reserve", 2), effect("pay", 2.5), effect("reserve", 3.2),
        effect("pay", 2.95, EffectKind.COMPENSATION),
    )  # fmt: skip
    found = journal(window(3.05, in_flight=4, started=9, reserve=2, pay=1, ship=1, refund=0), effects=effects)
    assert [*simpler(fault(), found)] == [
        fault(at=None, when=Trigger(effect="ship", nth=1)),
        fault(at=None, when=Trigger(started=9)),
    ]


def test_a_moment_before_the_first_effect_is_told_by_what_had_started() -> None:
    """A trigger counts from 1, so what had not happened tells nothing."""
    assert moments(fault(), journal(window(3, started=2, in_flight=1, pay=0))) == [Trigger(started=2)]
    assert moments(fault(), journal(window(3, started=0, in_flight=0))) == []


def test_each_fault_has_the_window_that_is_its_own() -> None:
    """On the same thing, and nearest to when it was meant; kinds may be told by other names than they are planned."""
    found = journal(
        window(1, started=1), window(9, started=9), window(3.1, "client.redis", started=5), window(3.4, started=4)
    )
    assert moments(fault(), found) == [Trigger(started=4)]
    assert moments(fault(at=1), found) == [Trigger(started=1)]
    assert moments(fault(), journal(window(3, "client.redis", started=5))) == []


def test_a_moment_that_is_told_already_stays() -> None:
    """What has no time of the clock needs no other."""
    assert moments(fault(at=None, when=Trigger(started=1)), journal(window(3, started=4))) == []


def test_once_comes_before_fewer_and_shorter() -> None:
    """A fault that comes again is tried once, then half as often; its length is halved, and not below half a second."""
    repeated = fault(duration=3, every=5.0, times=4)
    assert [*simpler(repeated, journal())] == [
        fault(duration=3),
        fault(duration=3, every=5.0, times=2),
        fault(duration=1.5, every=5.0, times=4),
    ]
    assert [*simpler(fault(duration=1), journal())] == [fault(duration=0.5)]
    assert [*simpler(fault(duration=0.8), journal())] == []
    assert [each.times for each in simpler(fault(duration=0.8, every=5.0, times=3), journal())] == [1]


def test_a_fault_is_told_in_a_line() -> None:
    """What, on what, when and for how long."""
    assert str(fault()) == "link_down on client.temporal at 3 s for 0.8 s"
    assert str(fault(every=2.5, times=3)) == "link_down on client.temporal at 3 s for 0.8 s, 3 times every 2.5 s"
    assert (
        str(fault(at=None, when=Trigger(effect="pay", nth=3)))
        == "link_down on client.temporal at effect 3 of pay for 0.8 s"
    )
    assert str(fault(at=None)) == "link_down on client.temporal drawn for 0.8 s"
    slow = LatencyPlan(owner="client", service="redis", latency=0.25, at=1, duration=2)
    assert str(slow) == "latency on client.redis (latency=0.25) at 1 s for 2 s"
    own = OwnPlan(name="outside.slow", parameters={"seconds": 1}, at=1, duration=2)
    assert str(own) == "own on outside (name=outside.slow, parameters={'seconds': 1}) at 1 s for 2 s"
    assert str(OwnPlan(name="outside.slow", at=1, duration=2)) == "own on outside (name=outside.slow) at 1 s for 2 s"
    assert str(fault(at=0)) == "link_down on client.temporal at 0 s for 0.8 s"
