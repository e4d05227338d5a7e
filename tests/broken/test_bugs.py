"""Each bug of the catalogue is found, by a message that names it; without it, the same search finds nothing."""

import re
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import broken_replay
import msgspec
import pytest
from bench import Bench, Found, worker_here
from broken_target import SYSTEM, derived
from bugs import BUGS, Bug
from plants import PLANTS
from running_system import ROOT
from system_bed import system_bed

from harness.stack import Stack
from harness.target import Target, TargetFile

SEARCHES: defaultdict[Callable[[Bench], Awaitable[Found]], set[str]] = defaultdict(set)
"""By what is looked at: the checks that are to find something there."""
for each in BUGS:
    SEARCHES[each.search].add(each.check)


@pytest.fixture(scope="module")
async def bench(stack: Stack, migrated: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    """The system as temper.toml has it, its reference data loaded by a healthy worker."""
    results = tmp_path_factory.mktemp("results")
    async with system_bed(ROOT / "temper.toml", stack, migrated, results) as bed:
        async with worker_here(bed, bed.target.file.task_queue):
            await bed.prepare()
        yield Bench(bed, results)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
async def test_a_planted_bug_is_found_and_named(bug: Bug, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the harness says of it is what the catalogue says, and so is what reconciliation classes it as."""
    PLANTS[bug.name](monkeypatch.setattr)
    found = await bug.search(replace(bench, planted=bug.name))
    assert any(says(problem, bug.message) for problem in found.problems), "\n".join(found.problems)
    assert found.kinds == ({bug.kind, *bug.also} if bug.kind else set())


@pytest.mark.thorough
@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: search.__name__)
async def test_nothing_is_found_where_nothing_is_planted(
    search: Callable[[Bench], Awaitable[Found]], bench: Bench
) -> None:
    """The system as it is; and the checks that find the bugs have looked."""
    found = await search(bench)
    assert (found.problems, found.kinds) == ([], frozenset())
    assert SEARCHES[search] <= found.sound


@pytest.mark.parametrize("name", PLANTS)
def test_a_broken_target_differs_in_what_its_workers_run_alone(name: str) -> None:
    """All else is as temper.toml says."""
    system = msgspec.toml.decode(SYSTEM.read_bytes(), type=TargetFile)
    broken = msgspec.toml.decode(derived(name), type=TargetFile)
    assert broken.worker.command[-1] == name
    assert broken.worker.fault_points == broken.worker.command
    sound = system.worker
    worker = msgspec.structs.replace(broken.worker, command=sound.command, fault_points=sound.fault_points)
    assert msgspec.structs.replace(broken, worker=worker, replay=system.replay) == system


async def test_a_broken_target_is_run_as_any_other(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a worker process, and no fault: the harness finds what it finds here."""
    # Its histories are replayed in this process, with the bug, which no other test is to meet.
    monkeypatch.setattr(broken_replay, "patch", monkeypatch.setattr)
    path = tmp_path / "temper.toml"
    path.write_text(derived("no-idempotency-key"), encoding="utf-8")
    async with (
        bench.trial("orders-place", target=Target.read(path)) as trial,
        trial.bed.workers(1, task_queue=trial.queue),
    ):
        await trial.driven(trial.scenario)
        found = await trial.found()
    problems = {problem.partition(" called the outside without an idempotency key")[0] for problem in found.problems}
    paying = ("authorise_payment", "capture_payment", "arrange_shipment")
    assert problems == {f"one key an effect: orders.{step}" for step in paying}


def test_the_page_lists_the_catalogue() -> None:
    """docs/broken.md has a line for each bug, which says what the catalogue says."""
    page = (ROOT / "docs" / "broken.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in page if line.startswith("| `")]
    assert rows == [f"| `{bug.name}` | {bug.what} | {bug.check} | {bug.said} |" for bug in BUGS]


def test_every_bug_that_can_be_planted_is_in_the_catalogue() -> None:
    """Under one name, once."""
    assert [bug.name for bug in BUGS] == list(PLANTS)


def says(problem: str, message: str) -> bool:
    """Whether it is that message, on however many lines, with anything in place of each …"""
    parts = (re.escape(part) for part in message.split("…"))
    return re.fullmatch(".*".join(parts), " ".join(problem.split())) is not None
