"""What `temper chaos replay` and `temper chaos shrink` do with the run that they are given."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest
import typer

from chaos.catalogue import AnyFault
from chaos.experiment import Experiment, LoadPlan, read
from chaos.faults.fault import Trigger
from chaos.faults.links import LinkDownPlan
from chaos.faults.workers import WorkerLatePlan, WorkerPausedPlan
from chaos.runner import info_of
from harness.records.faults import FaultWindow
from harness.records.run import Recorded, Run
from harness.records.verdicts import Judgement, Verdict
from harness.target import Target
from temper.front_door import call
from temper.shrinking import Tries, shrink

SMALL = Path(__file__).with_name("small.toml")
CLIENT, WORKER = (
    LinkDownPlan(owner=owner, service="temporal", at=at, duration=0.8)
    for at, owner in enumerate(["client", "worker-1"])
)
EXPERIMENT = Experiment(
    name="two cuts",
    title="Both are cut off",
    expect="Nothing is lost.",
    load=LoadPlan(scenarios=("small-echo",), rate=1, duration=9),
    fault=(CLIENT, WORKER),
)
LOST = Judgement(invariant="nothing lost", verdict=Verdict.INVALID, checked=1)
HELD = Judgement(invariant="nothing doubled", verdict=Verdict.VALID, checked=1)
CUT = FaultWindow(
    name="link_down", on="client.temporal", injected=0, healed=1, in_force=True, evidence="", situation={"started": 3}
)
LATE = msgspec.structs.replace(CUT, name="worker_late", on="worker-1")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands run in a directory of their own, and leave where modules are found as it was."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["temper"])
    monkeypatch.setattr(sys, "path", [*sys.path])


def recorded(
    *judgements: Judgement,
    experiment: Experiment | None = EXPERIMENT,
    target: str = "small",
    windows: Sequence[FaultWindow] = (),
    ended: bool = True,
    **noted: str,
) -> Recorded:
    """A run below results, in which this was judged."""
    with Run.create(Path("results"), kind="chaos", title="a test", target=target, seed=7, command="pytest") as run:
        if experiment is not None:
            run.write_experiment(msgspec.structs.replace(info_of(experiment), **noted))
        run.write_all(windows or [CUT])
        run.write_all(judgements)
        if ended:
            run.end()
    return Recorded(run.directory)


RUNS: dict[str, tuple[Callable[[], Recorded], str]] = {
    "no experiment": (lambda: recorded(experiment=None), "has no experiment.json: nothing was broken in it on purpose"),
    "another target": (lambda: recorded(target="other"), "is a run of other, and"),
    "no TOML": (lambda: recorded(toml="name = cut"), "experiment.json: Invalid value"),
    "a scenario that is gone": (
        lambda: recorded(toml=info_of(EXPERIMENT).toml.replace("small-echo", "small-gone")),
        "no scenario or domain 'small-gone'",
    ),
}


@pytest.mark.parametrize("verb", ["replay", "shrink"])
@pytest.mark.parametrize("case", RUNS)
def test_a_run_that_cannot_be_done_again_is_told(verb: str, case: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is wrong with it is said, with no traceback; nothing is started."""
    make, says = RUNS[case]
    assert call(["chaos", verb, make().info.id, "--target", str(SMALL)]) == 2
    err = capsys.readouterr().err
    assert says in err
    assert "Traceback" not in err
    assert len([*Path("results").iterdir()]) == 1


def test_a_run_in_which_nothing_is_broken_is_not_shrunk(capsys: pytest.CaptureFixture[str]) -> None:
    """There is nothing that could fail again."""
    run = recorded(HELD)
    assert call(["chaos", "shrink", str(run.directory), "--target", str(SMALL)]) == 2
    assert f"No invariant is broken in results/{run.info.id}" in capsys.readouterr().err


def test_a_run_that_was_not_judged_is_not_shrunk(capsys: pytest.CaptureFixture[str]) -> None:
    """How it failed, if it did, is not known."""
    run = recorded(ended=False)
    assert call(["chaos", "shrink", run.info.id, "--target", str(SMALL)]) == 2
    assert f"results/{run.info.id} was cut off before it was judged" in capsys.readouterr().err


def test_a_try_is_a_run_with_all_that_the_first_one_had() -> None:
    """Its links, and PostgreSQL's journal: what is seen by that alone could not fail again without it."""
    tries = Tries(Target.read(SMALL), EXPERIMENT, recorded(LOST), "nothing lost", ["postgres=container"])
    assert (tries.wanted.links, tries.wanted.journal) == (True, True)
    assert tries.wanted.providers["postgres"] == "container"


class Scripted(Tries):
    """Fails as it is told to; it stands in for runs of half a minute."""

    fails: Callable[[tuple[AnyFault, ...]], bool]

    async def __call__(self, faults: tuple[AnyFault, ...]) -> bool:
        return self.fails(faults)


def scripted(fails: Callable[[tuple[AnyFault, ...]], bool]) -> Scripted:
    """Tries of a run in which something was lost."""
    tries = Scripted(Target.read(SMALL), EXPERIMENT, recorded(LOST), "nothing lost", None)
    tries.fails = fails
    return tries


def test_what_is_left_is_written_as_an_experiment_and_as_a_test(capsys: pytest.CaptureFixture[str]) -> None:
    """Beside the records of the run that was shrunk, with how often it failed when it was repeated."""
    tries = scripted(lambda faults: any(fault.on == "client.temporal" for fault in faults))
    asyncio.run(shrink(tries, SMALL, 30))
    told = capsys.readouterr()
    assert "run 3 of at most 30: link_down on worker-1.temporal at 1 s for 0.8 s\n" in told.err
    directory = tries.recorded.directory
    file, test = directory / "two-cuts-shrunk.toml", directory / "test_two_cuts_shrunk.py"
    assert told.out == (
        "2 faults became 1, in 11 runs:\n    link_down on client.temporal at 3 started for 0.8 s\n"
        f"Repeated, it failed 5 of 5 times.\n{file}\n{test}\n"
    )
    shrunk = read(file)
    assert shrunk.name == "two cuts-shrunk"
    assert shrunk.fault == (msgspec.structs.replace(CLIENT, at=None, when=Trigger(started=3)),)
    assert msgspec.structs.replace(shrunk, name="two cuts", fault=EXPERIMENT.fault) == EXPERIMENT
    said = f"Shrunk from {tries.recorded.info.id}, in which was broken: nothing lost. Repeated, it failed 5 of 5 times."
    assert file.read_text().startswith(f"# {said}\n")
    assert test.read_text().startswith(f'"""{said}"""\n')
    assert f'Path("{SMALL}")' in test.read_text()
    assert "seed=7" in test.read_text()


def test_what_fails_without_any_fault_is_a_loads_doing(capsys: pytest.CaptureFixture[str]) -> None:
    """No file blames a fault; the load that shows it is told as a command."""
    tries = scripted(lambda _: True)
    assert tries.with_faults(()).fault == ()
    asyncio.run(shrink(tries, SMALL, 30))
    told = capsys.readouterr()
    assert "run 2 of at most 30: no fault\n" in told.err
    assert told.out == (
        "It fails without any fault, in 7 runs. Repeated, it failed 5 of 5 times. The load alone:\n"
        "    temper load small-echo --rate 1 --duration 9 --arrivals constant --workers 2 --seed 7 "
        f"--target {SMALL}\n"
    )
    assert not [*tries.recorded.directory.glob("*shrunk*")]


def test_only_what_can_be_is_tried() -> None:
    """A worker can be late at the start of the load alone, so it is at no other moment, however that is told."""
    late = WorkerLatePlan(worker="worker-1", duration=4)
    tries = Scripted(Target.read(SMALL), EXPERIMENT, recorded(LOST, windows=[LATE]), "nothing lost", None)
    assert tries.simpler(late) == [msgspec.structs.replace(late, duration=2)]
    paused = WorkerPausedPlan(worker="worker-1", at=0, duration=4)
    assert [each.when for each in tries.simpler(paused)] == [Trigger(started=3), None]


def stopped_after(*outcomes: bool) -> Scripted:
    """Tries with these outcomes, and Ctrl-C in the next."""
    left = iter(outcomes)

    def fails(_: tuple[AnyFault, ...]) -> bool:
        for outcome in left:
            return outcome
        raise asyncio.CancelledError

    return scripted(fails)


def test_what_was_stopped_is_written_as_far_as_it_went(capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C costs nothing that was found."""
    tries = stopped_after(True, False, False, True)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(shrink(tries, SMALL, 30))
    assert read(tries.recorded.directory / "two-cuts-shrunk.toml").fault == (CLIENT,)
    assert "It was not repeated. Not everything smaller was tried.\n" in capsys.readouterr().out


def test_what_was_stopped_before_it_failed_again_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Whether it can be reproduced is not known then."""
    tries = stopped_after(False)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(shrink(tries, SMALL, 30))
    assert not [*tries.recorded.directory.glob("*shrunk*")]
    assert capsys.readouterr().out == ""


def test_what_does_not_fail_again_is_said_to_be_so(capsys: pytest.CaptureFixture[str]) -> None:
    """It exits with 1, and writes nothing."""
    tries = scripted(lambda _: False)
    with pytest.raises(typer.Exit) as ended:
        asyncio.run(shrink(tries, SMALL, 30))
    assert ended.value.exit_code == 1
    assert capsys.readouterr().out == "Not reproduced in 5 runs: nothing lost was not broken again.\n"
    assert not [*tries.recorded.directory.glob("*shrunk*")]
