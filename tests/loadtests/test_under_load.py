"""A target is put under load on a testbed, in an open loop or a closed one, and what was driven is judged."""

from pathlib import Path

import pytest
from small_target import small_target, standing

from harness.checking.responses import under_load as counted
from harness.clock import now
from harness.errors import CannotRun
from harness.records.operations import Ack, Iteration, Kind, Operation
from harness.records.run import Recorded
from harness.records.verdicts import Judgement, Verdict
from harness.stack import Stack
from loadtests.arrivals import parse
from loadtests.closed import ClosedLoad, in_turns
from loadtests.engine import Progress
from loadtests.load import Load
from loadtests.mix import Mix
from loadtests.run import under_load

TARGET = small_target()


def verdicts(judgements: list[Judgement]) -> dict[str, Verdict]:
    return {judgement.invariant: judgement.verdict for judgement in judgements}


async def test_an_open_loop_is_driven_recorded_and_judged(stack: Stack, tmp_path: Path) -> None:
    """Every planned iteration is noted before it is driven, driven on time and judged; numbers go on from before."""
    load = Load(
        mix=Mix.of(TARGET, ["small-echo=4", "small-steady"]),
        arrivals=parse("constant", 20, 0.5),
        warm_up=0.1,
        tenants={"gold": 1.0},
    )
    seen: list[Progress] = []
    async with standing(TARGET, stack, tmp_path) as bed, bed.workers(1):
        await bed.once(TARGET.scenario("small-echo"))
        begin = now() + 0.3
        await under_load(bed, load, begin=begin, on_progress=seen.append)
        first = await bed.client.get_workflow_handle(bed.iterations[1].id("main")).describe()
        judgements = verdicts(await bed.conclude())
    recorded = Recorded(bed.run.directory)
    iterations = recorded.read(Iteration)
    assert iterations == bed.iterations
    assert [each.intended - begin for each in iterations[1:]] == pytest.approx([n / 20 for n in range(10)], abs=0.001)
    assert recorded.info.load == load.info(begin)
    operations = recorded.read(Operation)
    starts = [op for op in operations if op.kind is Kind.START]
    assert len(starts) == 11
    assert all(op.ack is Ack.OK for op in starts)
    assert {(op.scenario, op.iteration) for op in operations if op.warm_up} == {
        (each.scenario, each.index) for each in iterations[1:3]
    }
    assert not counted(recorded.info, recorded.frame(Operation))["warm_up"].any()
    assert (seen[-1].planned, seen[-1].started, seen[-1].ended, seen[-1].shed) == (10, 10, 10, 0)
    assert {judgements[f"{name}: its own check"] for name in ("small-echo", "small-steady")} == {Verdict.VALID}
    assert judgements["every workflow closed"] is Verdict.VALID
    assert first.raw_description.workflow_execution_info.priority.fairness_key == "gold"


async def test_users_in_a_closed_loop_wait_for_their_answers(stack: Stack, tmp_path: Path) -> None:
    """Each begins an iteration only once the one before has ended; all are noted and judged."""
    load = ClosedLoad(mix=Mix.of(TARGET, ["small-steady"]), users=2, duration=1.0, warm_up=0.3, tenants={"gold": 1.0})
    seen: list[Progress] = []
    async with standing(TARGET, stack, tmp_path) as bed, bed.workers(1):
        await in_turns(bed, load, on_progress=seen.append)
        judgements = verdicts(await bed.conclude())
    recorded = Recorded(bed.run.directory)
    iterations, operations = recorded.read(Iteration), recorded.read(Operation)
    assert recorded.info.load is not None
    assert (recorded.info.load.closed, recorded.info.load.users) == (True, 2)
    assert [each.index for each in iterations] == list(range(len(iterations)))
    assert {each.tenant for each in iterations} == {"gold"}
    begun = {op.iteration: op.sent for op in operations if op.kind is Kind.START}
    ended = {op.iteration: op.acknowledged or 0.0 for op in operations if op.kind is Kind.RESULT}
    at_once = [sum(begun[other] <= begun[each] < ended[other] for other in begun) for each in begun]
    assert max(at_once) == 2
    warm = recorded.info.load.began + load.warm_up
    assert [each.warm_up for each in iterations] == [each.intended < warm for each in iterations]
    assert iterations[0].warm_up
    assert seen[-1].ended == len(iterations) >= load.users
    assert judgements["small-steady: its own check"] is Verdict.VALID
    assert "sent on time" not in judgements


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"users": 0}, "0 users do nothing"),
        ({"duration": 0.0}, "must be above 0 seconds, not 0.0"),
        ({"duration": float("nan")}, "must be above 0 seconds, not nan"),
        ({"think": -1.0}, "cannot think for -1.0 seconds"),
        ({"warm_up": 5.0}, "leaves nothing of 5 s"),
    ],
)
def test_a_closed_loop_that_means_nothing_is_refused(changes: dict[str, float], message: str) -> None:
    settings: dict[str, object] = {"users": 1, "duration": 5.0, **changes}
    with pytest.raises(CannotRun, match=message):
        ClosedLoad(mix=Mix.of(TARGET, ["small-echo"]), **settings)  # type: ignore[arg-type]  # by name, as they are
