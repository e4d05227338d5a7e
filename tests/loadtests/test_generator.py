"""One process drives its share of a load without Locust; what it cannot write itself, it reports."""

from pathlib import Path

import msgspec
import pytest
from small_target import small_target
from small_worker import Quiet, small_worker

from harness.clock import now
from harness.driver import App
from harness.eventually import eventually
from harness.records.operations import Ack, Iteration, Kind, Operation
from harness.records.run import Recorded, Run
from harness.stack import Stack
from loadtests.generator import Generator
from loadtests.hosted import Loop, Plan, Share, Wish
from loadtests.leader import Leader


async def test_what_is_driven_on_another_machine_is_in_the_run(stack: Stack, tmp_path: Path) -> None:
    """There the run has no directory: its calls come with the reports, and all but the warm-up are counted."""
    target = small_target()
    with Run.create(tmp_path, kind="load", title="t", target="small", seed=1, command="pytest") as run:
        plan = Plan(
            run=run.info.id, directory=str(run.directory), seed=1, target="temper.toml",
            task_queue=target.file.task_queue, addresses=stack.addresses, workspace=str(tmp_path),
            wish=Wish(mix=["small-echo"], rate=40, duration=0.2, warm_up=0.1, in_flight=100),
        )  # fmt: skip
        leader = Leader(plan, target)
        told: list[tuple[Loop, Operation]] = []
        far = Plan(**{name: getattr(plan, name) for name in plan.__struct_fields__} | {"directory": "/nowhere"})
        generator = Generator(far, target, lambda loop, operation: told.append((loop, operation)))
        async with small_worker(stack.addresses["temporal.address"], target.file.task_queue):
            await generator.connect()
            assert not generator.unwalked
            generator.warm_up(plan.wish)
            leader.begin(plan.wish, ["far", "gone"])
            generator.take(leader.shares["far"])
            assert not generator.over
            assert generator.unwalked
            await generator.walk()
            assert not generator.unwalked
            await eventually(lambda: generator.over)
        for _ in range(2):
            leader.hear("far", generator.report())
        leader.run.close()
    found = Recorded(run.directory).read(Operation)
    assert [operation for _, operation in told] == [operation for operation in found if not operation.warm_up]
    assert sorted((op.iteration, op.kind) for op in found) == [
        (index, kind) for index in (0, 2, 4, 6) for kind in (Kind.RESULT, Kind.START)
    ]
    assert {line.calls for line in leader.tally.lines.values()} == {2}
    assert {share.wish.in_flight for share in leader.shares.values()} == {50}
    assert leader.over(["far"])
    assert not leader.over(["far", "gone"])


@pytest.mark.parametrize("told", [True, False])
async def test_what_nobody_is_told_of_is_not_counted(stack: Stack, tmp_path: Path, told: bool) -> None:
    """A process that reports how far it is, and no figures, spends no time on them."""

    class Records(Quiet):
        name = "small-records"

        async def run(self, app: App, given: object) -> None:
            app.record(
                Operation(
                    scenario=self.name, iteration=app.iteration.index, kind=Kind.START, name="",
                    workflow_id=app.iteration.id("main"), run_id=None, intended=app.iteration.intended, sent=now(),
                    acknowledged=now(), ack=Ack.OK,
                )
            )  # fmt: skip

    target = small_target()
    target.scenarios = {**target.scenarios, Records.name: Records()}
    wish = Wish(mix=[Records.name], rate=100, duration=0.05)
    plan = Plan(
        run="r", directory=str(tmp_path / "nowhere"), seed=1, target="temper.toml", task_queue="q",
        addresses=stack.addresses, workspace=str(tmp_path), wish=wish,
    )  # fmt: skip
    generator = Generator(plan, target, (lambda *_: None) if told else None)
    await generator.connect()
    generator.take(Share(begin=now(), process=0, processes=1, wish=wish))
    await generator.walk()
    reported = generator.report()
    assert len(reported["records"]) == 5
    assert [line["calls"] for line in reported["lines"]] == ([5] if told else [])


def test_scenarios_read_what_they_need_once_and_before_the_share_comes(tmp_path: Path) -> None:
    """It may take longer than what lies between the share and the first arrival."""
    read: list[str] = []

    class Reads(Quiet):
        name = "small-reads"

        def warm_up(self) -> None:
            read.append(self.name)

    target = small_target()
    target.scenarios = {**target.scenarios, Reads.name: Reads()}
    wish = Wish(mix=[Reads.name], rate=1, duration=1)
    plan = Plan(
        run="r", directory=str(tmp_path / "nowhere"), seed=1, target="temper.toml", task_queue="q", addresses={},
        workspace="/", wish=wish,
    )  # fmt: skip
    generator = Generator(plan, target, lambda *_: None)
    generator.warm_up(wish)
    assert read == [Reads.name]
    generator.take(Share(begin=now(), process=0, processes=1, wish=wish))
    assert read == [Reads.name]


def test_a_share_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    """As where a trace is on the leader's machine alone: nobody is to walk it."""
    wish = Wish(mix=["small-echo"], rate=1, duration=1)
    plan = Plan(
        run="r", directory=str(tmp_path / "nowhere"), seed=1, target="temper.toml", task_queue="q", addresses={},
        workspace="/", wish=wish,
    )  # fmt: skip
    generator = Generator(plan, small_target(), lambda *_: None)
    lost = msgspec.structs.replace(wish, arrivals="trace:nowhere.csv")
    with pytest.raises(ValueError, match=r"nowhere\.csv cannot be read"):
        generator.take(Share(begin=now(), process=0, processes=1, wish=lost))
    assert not generator.unwalked


async def test_users_who_wait_have_tenants_too(stack: Stack, tmp_path: Path) -> None:
    """Each iteration of a closed loop is on behalf of one, by its share; none where there are none."""
    target = small_target()
    async with small_worker(stack.addresses["temporal.address"], target.file.task_queue):
        for run, tenants in (("one", {"gold": 1.0}), ("none", {})):
            wish = Wish(mix=["small-echo"], rate=1, duration=1, loop=Loop.CLOSED, tenants=tenants)
            plan = Plan(
                run=run, directory=str(tmp_path / "nowhere"), seed=1, target="temper.toml",
                task_queue=target.file.task_queue, addresses=stack.addresses, workspace="/", wish=wish,
            )  # fmt: skip
            generator = Generator(plan, target, lambda *_: None)
            await generator.connect()
            generator.take(Share(begin=now(), process=0, processes=1, wish=wish))
            await generator.once(())
            (iteration,) = [record for kind, record in generator.report()["records"] if kind == "Iteration"]
            assert msgspec.json.decode(iteration, type=Iteration).tenant == ("gold" if tenants else "")
