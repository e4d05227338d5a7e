"""An experiment is load plus faults on one clock, and what it did is judged like anything else."""

from pathlib import Path

import msgspec
import pytest
from small_target import small_target, standing

from chaos.experiment import Experiment, LoadPlan, parsed
from chaos.faults.links import LinkDownPlan
from chaos.runner import run_experiment
from chaos.steadiness import NotSteady
from harness.errors import CannotRun, UnknownName
from harness.records.experiment import Steady
from harness.records.faults import FaultWindow
from harness.records.operations import Ack, Kind, Operation
from harness.records.run import Recorded
from harness.records.verdicts import Verdict
from harness.stack import Stack


def experiment(service: str = "temporal") -> Experiment:
    """The client's way to a service cut for a second, in the middle of a short load."""
    return Experiment(
        name="cut",
        title="The client is cut off",
        expect="What it asked for happens late.",
        load=LoadPlan(scenarios=("small-echo",), rate=5, duration=3),
        fault=(LinkDownPlan(owner="client", service=service, at=0.5, duration=2),),  # type: ignore[arg-type]  # any name may be asked for
        workers=1,
    )


async def test_a_fault_is_in_force_in_the_middle_of_the_load(stack: Stack, tmp_path: Path) -> None:
    """Every iteration is fired on time, those within the window are answered only after it, and nothing is lost."""
    told: list[str] = []
    async with standing(small_target(), stack, tmp_path, links=True, notify=told.append) as bed:
        await run_experiment(bed, experiment())
        judgements = await bed.conclude()
    recorded = Recorded(bed.run.directory)
    (window,) = recorded.read(FaultWindow)
    assert (window.name, window.on, window.in_force) == ("link_down", "client.temporal", True)
    begin = bed.iterations[0].intended
    assert begin + 0.5 <= window.injected < bed.iterations[-1].intended
    assert window.healed - window.injected >= 2
    assert window.sure is not None
    since, until = window.sure
    assert window.injected < since < until < window.healed
    starts = [op for op in recorded.read(Operation) if op.kind is Kind.START]
    assert len(starts) == 15
    assert all(op.lag < 2 and op.ack is Ack.OK for op in starts)
    within = [op for op in starts if since < op.sent < until]
    assert within
    assert all(op.acknowledged is not None and op.acknowledged > until for op in within)
    verdicts = {judgement.invariant: judgement.verdict for judgement in judgements}
    assert verdicts.pop("nothing doubled") is Verdict.UNKNOWN, "this target keeps neither ledger nor rows"
    verdicts.pop("superseded attempts write nothing", None)  # asked, and not known, where an attempt had to be repeated
    assert set(verdicts.values()) == {Verdict.VALID}, judgements
    assert window.cut
    assert window.felt >= sum(op.sent < until - 0.5 for op in within), "each of them had to wait for heal"
    assert any("in force" in line for line in told)
    noted = recorded.experiment()
    assert noted is not None
    assert (noted.title, noted.expect) == ("The client is cut off", "What it asked for happens late.")
    assert parsed(noted.toml) == experiment(), "a file that does the same again"


async def test_a_link_that_does_not_exist_is_told(stack: Stack, tmp_path: Path) -> None:
    """A fault on a service the target does not use is refused, with the links there are."""
    async with standing(small_target(), stack, tmp_path, links=True) as bed:
        with pytest.raises(UnknownName, match=r"no link 'client\.redis'[\s\S]*client\.temporal, worker-1\.temporal"):
            await run_experiment(bed, experiment("redis"))
    assert bed.iterations == []


async def test_without_links_there_is_nothing_to_break(stack: Stack, tmp_path: Path) -> None:
    """A testbed that goes direct cannot run an experiment, and says so."""
    async with standing(small_target(), stack, tmp_path) as bed:
        with pytest.raises(CannotRun, match="no links"):
            await run_experiment(bed, experiment())


async def test_nothing_is_broken_while_the_load_is_not_served(stack: Stack, tmp_path: Path) -> None:
    """An answer within a microsecond is asked for, which nobody gives: no fault is injected, and it is told why."""
    hurried = msgspec.structs.replace(experiment(), steady=Steady(response=1e-6))
    async with standing(small_target(), stack, tmp_path, links=True) as bed:
        with pytest.raises(ExceptionGroup) as caught:
            await run_experiment(bed, hurried)
    assert caught.group_contains(NotSteady, match=r"Before the first fault \d+ of \d+ iterations were not served")
    assert Recorded(bed.run.directory).read(FaultWindow) == []


async def test_an_experiment_that_goes_too_far_is_stopped_and_healed(stack: Stack, tmp_path: Path) -> None:
    """Nobody is answered for as long as patience lasts: the fault is healed before its time, and the load ends."""
    cut = experiment()
    long = msgspec.structs.replace(
        cut,
        load=msgspec.structs.replace(cut.load, duration=60),
        fault=(msgspec.structs.replace(cut.fault[0], duration=50),),
        steady=Steady(patience=2),
    )
    async with standing(small_target(), stack, tmp_path, links=True) as bed:
        with pytest.raises(ExceptionGroup) as caught:
            await run_experiment(bed, long)
        assert bed.links is not None
        (link,) = [each for each in bed.links if each.name == "client.temporal"]
        assert (await bed.links.api.state(link)).enabled
    assert caught.group_contains(NotSteady, match="nobody was answered for 2 s")
    (window,) = Recorded(bed.run.directory).read(FaultWindow)
    assert window.healed - window.injected < 40
