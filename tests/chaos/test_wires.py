"""A fault of the wire hits the calls that it chooses, between whom it is told and Temporal."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from small_target import small_target, standing

from chaos.faults.wires import WirePlan
from harness.errors import CannotRun
from harness.eventually import eventually
from harness.stack import Stack
from harness.testbed import Testbed

PATIENCE = 60
COMPLETED = "RespondActivityTaskCompleted"


def plan(owner: str = "worker-1", **changes: Any) -> WirePlan:
    return WirePlan(**{"owner": owner, "rpc": COMPLETED, "act": "lose_request", "at": 1, "duration": 1, **changes})


STARTED = plan("client", rpc="StartWorkflowExecution", act="lose_response", most=1)


@pytest.fixture
async def bed(stack: Stack, tmp_path: Path) -> AsyncIterator[Testbed]:
    """A testbed of the small target, with a wire before its one worker, and one before the client."""
    async with standing(small_target(), stack, tmp_path, links=True) as standing_one:
        await plan("workers").prepare(standing_one, 1)
        await STARTED.prepare(standing_one, 1)
        async with standing_one.workers(1, linked=True):
            yield standing_one


async def test_it_hits_the_calls_that_it_chose(bed: Testbed) -> None:
    """Those of the worker until heal, when what was lost is sent again; and as many of the client's as it is told."""
    echo = bed.target.scenario("small-echo")
    assert set(bed.wires) == {"worker-1", "client"}
    lost, unheard = plan("workers", activity="answers", attempt=1).fault(bed), STARTED.fault(bed)
    assert (lost.name, lost.on, unheard.on) == ("wire lose_request", "workers.temporal", "client.temporal")
    assert not (await lost.bite()).in_force
    await lost.heal()
    await lost.inject()
    await unheard.inject()
    bites = await asyncio.gather(lost.bite(), unheard.bite())
    assert all(bite.in_force for bite in bites), bites
    assert "calls of worker-1 have come by" in bites[0].evidence
    used = asyncio.create_task(bed.once(echo))

    await eventually(lambda: len(bed.wires["worker-1"].bitten) > 1, timeout=PATIENCE)
    await lost.heal()
    await lost.heal()
    await used
    assert bed.broken == []
    workflow = bed.iterations[0].id("main")
    (met,) = await lost.met()
    assert met.startswith(f"{workflow}: answers, attempt 1, {COMPLETED}, ")
    assert met.endswith(" times"), "it was sent again"
    assert await unheard.met() == (f"{workflow}: StartWorkflowExecution",)
    await bed.once(echo)
    assert await lost.met() == (met,), "healed, it hits nobody"


async def test_without_a_wire_it_is_refused(stack: Stack, tmp_path: Path) -> None:
    """A wire stands before its owner from the owner's start, or never; and before links."""
    async with standing(small_target(), stack, tmp_path) as bed:
        with pytest.raises(CannotRun, match="No wire stands before worker-1"):
            plan().fault(bed)
        with pytest.raises(CannotRun, match="no links"):
            await plan().prepare(bed, 1)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"owner": "worker-3"}, "expected one of client, workers, worker-1, worker-2"),
        ({"act": "delay"}, "`seconds` above 0 belongs to delay, and to nothing else"),
        ({"seconds": 1.0}, "`seconds` above 0 belongs to delay, and to nothing else"),
        ({"most": 0}, "`most` counts from 1"),
        ({"act": "duplicate", "silent": True}, "`silent` belongs to what is lost"),
        ({"new": True}, "`new` belongs to duplicates"),
        ({"rpc": "RespondActivityTaskComplete"}, f"Did you mean '{COMPLETED}'"),
        ({"signal": "go"}, f"A call of {COMPLETED} says nothing of signal: the rule would never bite."),
    ],
)
def test_what_can_never_hit_anything_is_told(changes: dict[str, Any], says: str) -> None:
    """Before anything is started."""
    (problem,) = replace(plan(), **changes).problems(2)
    assert says in problem
    assert list(plan().problems(2)) == []
