"""The schedule injects and heals at the planned times, heals whatever happens, and records what was really done."""

import asyncio
from dataclasses import dataclass, field

import pytest

from chaos.faults.fault import Bite, Trigger
from chaos.faults.links import LinkDown
from chaos.schedule import NotHealed, Planned, Stage, carry_out
from chaos.situation import Situation
from harness.clock import now
from harness.eventually import eventually
from harness.links import Link, Links
from harness.records.effects import Effect, EffectKind, Source
from harness.records.faults import FaultWindow
from loadtests.engine import Progress


@pytest.fixture
async def link(links: Links) -> Link:
    """A link to Redis."""
    return await links.open("schedule-test", "redis")


@pytest.fixture
def windows() -> list[FaultWindow]:
    """What the schedule recorded."""
    return []


def staged(begin: float, windows: list[FaultWindow], told: list[str] | None = None) -> Stage:
    """A stage on which nothing has happened yet."""
    notify = (lambda _: None) if told is None else told.append
    return Stage(begin=begin, situation=Situation(None), record=windows.append, notify=notify)


async def test_a_fault_is_injected_and_healed_at_its_times(
    links: Links, link: Link, windows: list[FaultWindow]
) -> None:
    """The window begins at its time after the start of the load, lasts as planned, and shows the evidence."""
    begin = now() + 0.2
    told: list[str] = []
    await carry_out([Planned(fault=LinkDown(links, link), at=0.2, duration=0.4)], staged(begin, windows, told))
    (window,) = windows
    assert (window.name, window.on, window.in_force) == ("link_down", "schedule-test.redis", True)
    assert "refused" in window.evidence
    assert 0.2 <= window.injected - begin < 1
    assert 0.4 <= window.healed - window.injected < 2
    assert (await links.api.state(link)).enabled
    assert told[0].startswith("link_down on schedule-test.redis: in force")
    assert told[1].startswith("link_down on schedule-test.redis: healed after")


async def test_cancelled_in_the_middle_it_heals_first(links: Links, link: Link, windows: list[FaultWindow]) -> None:
    """Ctrl-C while a fault is in force heals it and records the window before the schedule ends."""
    plan = [Planned(fault=LinkDown(links, link), at=0, duration=60)]
    schedule = asyncio.create_task(carry_out(plan, staged(now(), windows)))

    async def cut() -> bool:
        return not (await links.api.state(link)).enabled

    await eventually(cut)
    schedule.cancel()
    with pytest.raises(asyncio.CancelledError):
        await schedule
    assert (await links.api.state(link)).enabled
    (window,) = windows
    assert window.healed - window.injected < 10


async def test_cancelled_before_its_time_a_fault_never_happens(
    links: Links, link: Link, windows: list[FaultWindow]
) -> None:
    """A fault that was still to come leaves no window."""
    plan = [Planned(fault=LinkDown(links, link), at=60, duration=1)]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await carry_out(plan, staged(now(), windows))
    assert windows == []


@dataclass
class Scripted:
    """A fault of the outside world that does as it is told; it stands in for one that cannot be had at will."""

    name: str = "scripted"
    on: str = "nothing"
    slows: float | None = None
    in_force: bool = False
    inject_raises: bool = False
    heal_raises: bool = False
    heal_seconds: float = 0.0
    done: list[str] = field(default_factory=list)

    async def inject(self) -> None:
        self.done.append("inject")
        if self.inject_raises:
            raise ConnectionError("the proxy does not answer")

    async def bite(self) -> Bite:
        return Bite(in_force=self.in_force, evidence="as told")

    async def heal(self) -> None:
        await asyncio.sleep(self.heal_seconds)
        if self.heal_raises:
            raise ConnectionError("the proxy does not answer")
        self.done.append("heal")

    async def met(self) -> None:
        """Nobody."""


async def test_a_fault_that_is_not_in_force_is_recorded_as_such(windows: list[FaultWindow]) -> None:
    """Injecting is not enough: the window says that the fault was tried and was not there."""
    told: list[str] = []
    await carry_out([Planned(fault=Scripted(), at=0, duration=0.01)], staged(now(), windows, told))
    (window,) = windows
    assert (window.in_force, window.evidence, window.bit) == (False, "as told", False)
    assert "NOT in force" in told[0]


async def test_a_fault_that_cannot_be_injected_is_healed_all_the_same(windows: list[FaultWindow]) -> None:
    """Nobody knows how far a failed injection came, so it is healed, recorded as not in force, and raised."""
    fault = Scripted(inject_raises=True)
    with pytest.raises(ExceptionGroup) as caught:
        await carry_out([Planned(fault=fault, at=0, duration=1)], staged(now(), windows))
    assert caught.group_contains(ConnectionError)
    assert fault.done == ["inject", "heal"]
    (window,) = windows
    assert not window.in_force
    assert "interrupted" in window.evidence


async def test_a_fault_that_cannot_be_healed_is_recorded_and_raised(windows: list[FaultWindow]) -> None:
    """A heal that fails is an error, and what is known of the fault is on record all the same."""
    fault = Scripted(in_force=True, heal_raises=True)
    with pytest.raises(ExceptionGroup) as caught:
        await carry_out([Planned(fault=fault, at=0, duration=0.01)], staged(now(), windows))
    assert caught.group_contains(ConnectionError)
    assert [(window.in_force, window.evidence) for window in windows] == [
        (True, "as told; then: the proxy does not answer"),
    ]


class Hanging(Scripted):
    """Its healing comes to no end the first time."""

    begun: int = 0

    async def heal(self) -> None:
        self.begun += 1
        if self.begun == 1:
            await asyncio.Event().wait()
        await super().heal()


async def test_a_healing_that_hangs_is_given_up_and_told(
    windows: list[FaultWindow], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The window says so, too; nobody waits for ever, whatever a fault of a target's own does."""
    monkeypatch.setattr("chaos.schedule.HEAL_SECONDS", 0.05)
    with pytest.raises(ExceptionGroup) as caught:
        await carry_out([Planned(fault=Hanging(in_force=True), at=0, duration=0.01)], staged(now(), windows))
    assert caught.group_contains(NotHealed, match=r"scripted on nothing was not healed within 0\.05 s")
    assert [window.evidence for window in windows] == [
        "as told; then: scripted on nothing was not healed within 0.05 s.",
    ]


async def test_a_healing_that_is_cut_off_is_begun_anew(windows: list[FaultWindow]) -> None:
    """A second Ctrl-C has every task cancelled, that of the healing too."""
    others, fault = asyncio.all_tasks(), Hanging(in_force=True)
    schedule = asyncio.create_task(carry_out([Planned(fault=fault, at=0, duration=0.01)], staged(now(), windows)))
    await eventually(lambda: fault.begun == 1)
    for task in asyncio.all_tasks() - others:
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await schedule
    assert fault.done == ["inject", "heal"]
    assert len(windows) == 1


async def test_a_cancellation_while_healing_does_not_stop_the_healing(windows: list[FaultWindow]) -> None:
    """A Ctrl-C in the middle of a heal still leaves the system healed, and the window recorded."""
    fault = Scripted(in_force=True, heal_seconds=0.3)
    schedule = asyncio.create_task(carry_out([Planned(fault=fault, at=0, duration=0.01)], staged(now(), windows)))
    await eventually(lambda: fault.done == ["inject"])
    await asyncio.wait({schedule}, timeout=0.1)
    schedule.cancel()
    with pytest.raises(asyncio.CancelledError):
        await schedule
    assert fault.done == ["inject", "heal"]
    assert len(windows) == 1


async def test_several_faults_overlap(windows: list[FaultWindow]) -> None:
    """Each fault keeps its own times, whatever the others do."""
    begin = now() + 0.05
    plan = [Planned(fault=Scripted(on=str(number)), at=number / 10, duration=0.3) for number in range(3)]
    await carry_out(plan, staged(begin, windows))
    assert [window.on for window in sorted(windows, key=lambda window: window.injected)] == ["0", "1", "2"]
    assert max(window.injected for window in windows) < min(window.healed for window in windows)


class Watched(Situation):
    """Counts how often it is looked whether a moment has come."""

    looks = 0

    async def _is_there(self, trigger: Trigger) -> bool:
        self.looks += 1
        return await super()._is_there(trigger)


async def test_a_fault_waits_for_its_moment(windows: list[FaultWindow]) -> None:
    """It is injected once as many iterations have begun as its trigger says, and its window tells how things were."""
    situation = Watched(None)
    stage = Stage(begin=now(), situation=situation, record=windows.append)
    fault = Scripted(in_force=True)
    plan = [Planned(fault=fault, when=Trigger(started=3), duration=0.01)]
    schedule = asyncio.create_task(carry_out(plan, stage))
    situation.progress = Progress(planned=9, started=2)
    await eventually(lambda: situation.looks > 3)
    assert fault.done == []
    situation.progress = Progress(planned=9, started=4)
    await schedule
    assert fault.done == ["inject", "heal"]
    assert [window.situation for window in windows] == [{"in_flight": 0, "started": 4}]


async def test_a_moment_that_never_comes_is_told(windows: list[FaultWindow]) -> None:
    """The load has ended before: the window says so, and that nothing was in force."""
    stage, fault = staged(now(), windows), Scripted()
    stage.over.set()
    await carry_out([Planned(fault=fault, when=Trigger(started=2), duration=1)], stage)
    assert fault.done == []
    assert [(each.in_force, each.evidence) for each in windows] == [(False, "its moment never came: 2 started")]


@pytest.mark.parametrize(("steps", "seen"), [(("open", "load", "load"), "load 2, open 1"), ((), "none of any step")])
async def test_an_effect_that_never_came_is_told_beside_those_that_did(
    windows: list[FaultWindow], steps: tuple[str, ...], seen: str
) -> None:
    """The name of its step may be misspelt."""

    async def effects() -> list[Effect]:
        return [
            Effect(
                workflow_id="w",
                step=step,
                item="",
                kind=EffectKind.FORWARD,
                run_id=None,
                attempt=1,
                transaction=None,
                committed_at=1.0,
                source=Source.LEDGER,
            )
            for step in steps
        ]

    stage = Stage(begin=now(), situation=Situation(effects), record=windows.append)
    stage.over.set()
    await carry_out([Planned(fault=Scripted(), when=Trigger(effect="laod"), duration=1)], stage)
    assert [each.evidence for each in windows] == [
        f"its moment never came: effect 1 of laod, where there were: {seen}",
    ]


async def test_a_fault_comes_again(windows: list[FaultWindow]) -> None:
    """As often as it was told, so far apart."""
    begin = now()
    await carry_out([Planned(fault=Scripted(), at=0.1, every=0.2, times=3, duration=0.05)], staged(begin, windows))
    assert [window.injected >= begin + 0.1 + 0.2 * number for number, window in enumerate(windows)] == [True] * 3


async def test_what_is_broken_is_healed_before_it_is_broken_again(windows: list[FaultWindow]) -> None:
    """Two faults that touch the same wait for each other: the first to heal would heal the other."""
    plan = [
        Planned(fault=Scripted(on=name), at=0, duration=0.2, touches=frozenset(touches))
        for name, touches in (("all", ["a", "b"]), ("one", ["b"]), ("other", ["c"]))
    ]
    await carry_out(plan, staged(now(), windows))
    found = {window.on: window for window in windows}
    first, second = sorted((found["all"], found["one"]), key=lambda window: window.injected)
    assert second.injected >= first.healed
    assert found["other"].injected < first.healed


async def test_nothing_is_broken_unless_all_was_well_before(windows: list[FaultWindow]) -> None:
    """What is called before the first fault can end the schedule."""

    def unwell() -> None:
        raise RuntimeError("not steady")

    fault = Scripted()
    stage = Stage(begin=now(), situation=Situation(None), record=windows.append, before_first=unwell)
    with pytest.raises(ExceptionGroup, match="unhandled"):
        await carry_out([Planned(fault=fault, duration=1), Planned(fault=fault, at=5, duration=1)], stage)
    assert (fault.done, windows) == ([], [])
