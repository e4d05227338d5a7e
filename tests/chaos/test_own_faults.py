"""A target's own faults are chosen by their names in temper.toml, and used as any other."""

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace

from chaos.experiment import Experiment, LoadPlan
from chaos.faults.fault import Bite, Trigger
from chaos.faults.own import OwnFaultInUse, OwnPlan
from harness.errors import CannotRun, UnknownName
from harness.scenario import Stores
from harness.target import Target
from temper.experiments import check_experiment

SLOW = OwnPlan(name="outside.slow", parameters={"seconds": 3, "actions": ["capture"]}, at=1, duration=2)


def test_its_parameters_are_those_of_the_targets_kind(target: Target) -> None:
    """What it breaks is the part of its name before the dot."""
    assert SLOW.on == "outside"
    made: Any = SLOW.of(target)
    assert (made.seconds, made.actions) == (3, ("capture",))


@pytest.mark.parametrize(
    ("plan", "error", "says"),
    [
        (replace(SLOW, name="outside.slwo"), UnknownName, "Did you mean 'outside.slow'"),
        (replace(SLOW, parameters={"second": 3}), CannotRun, "outside.slow: Object contains unknown field `second`"),
        (replace(SLOW, parameters={"seconds": "x"}), CannotRun, r"Expected `float`, got `str` - at `\$.seconds`"),
    ],
)
def test_what_the_target_does_not_know_is_refused(
    target: Target, plan: OwnPlan, error: type[Exception], says: str
) -> None:
    """With what it was, and what there is."""
    with pytest.raises(error, match=says):
        plan.of(target)


def test_it_is_refused_before_anything_is_started(target: Target) -> None:
    """An experiment with a fault that its target does not have cannot be run."""
    load = LoadPlan(scenarios=("orders-place",), rate=1, duration=9)
    good = Experiment(name="slow", title="Slow", expect="Nothing is lost.", load=load, fault=(SLOW,))
    check_experiment(target, good, 1)
    with pytest.raises(UnknownName, match="Did you mean"):
        check_experiment(target, replace(good, fault=(replace(SLOW, name="outside.slo"),)), 1)


def test_a_moment_that_nobody_could_tell_is_refused_before_anything_is_started(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which effects are committed, a target without a ledger does not tell while it runs; whatever the fault is."""
    load = LoadPlan(scenarios=("orders-place",), rate=1, duration=9)
    waiting = Experiment(
        name="slow",
        title="Slow",
        expect="Nothing is lost.",
        load=load,
        fault=(replace(SLOW, at=None, when=Trigger(effect="capture_payment", nth=2)),),
    )
    check_experiment(target, waiting, 1)
    monkeypatch.setattr(target, "read_effects", None)
    with pytest.raises(CannotRun, match=r"waits for effect 2 of capture_payment, and system tells no effects"):
        check_experiment(target, waiting, 1)
    check_experiment(target, replace(waiting, fault=(replace(waiting.fault[0], when=Trigger(started=2)),)), 1)


class Forgetful(Struct):
    """A fault that is in force while it is told to, and lists everybody who ever met it; it stands in for a world."""

    on: bool = False
    everybody: list[str] = []

    async def inject(self, stores: Stores, prefix: str) -> None:
        self.on = True

    async def in_force(self, stores: Stores, prefix: str) -> str:
        return "it says so" if self.on else ""

    async def heal(self, stores: Stores, prefix: str) -> None:
        self.on = False

    async def met(self, stores: Stores, prefix: str) -> Sequence[str] | None:
        assert (stores.postgres, prefix) == (None, "run.")
        return self.everybody


async def test_who_met_it_before_does_not_count_again() -> None:
    """Each time it is injected, those count who came since."""
    own = Forgetful(everybody=["a: capture"])
    fault = OwnFaultInUse("world.gone", "world", own, Stores(), "run.")
    assert not (await fault.bite()).in_force
    await fault.inject()
    assert await fault.bite() == Bite(in_force=True, evidence="it says so")
    assert await fault.met() == ()
    own.everybody.append("b: capture")
    await fault.heal()
    assert await fault.met() == ("b: capture",)
    assert not (await fault.bite()).in_force
