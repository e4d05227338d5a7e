"""Workers that are killed, paused, drained, late or restarted are seen to be so, and come again."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from chaos.faults.each import OnEach
from chaos.faults.fault import Bite, Fault
from chaos.faults.workers import RollingRestart, WorkerDown, WorkerKilledPlan, WorkerPaused
from harness.errors import ServiceFailed
from harness.services import web
from harness.workers import Worker, Workers, WorkerSpec

SERVES = """
import http.server, os
host, port = os.environ["HEALTH"].split(":")
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_): pass
http.server.HTTPServer((host, int(port)), Handler).serve_forever()
"""
SPEC = WorkerSpec(
    command=["{python}", "-S", "-c", SERVES],
    environment={"HEALTH": "{worker.health}"},
    ready_url="http://{worker.health}/",
)


@pytest.fixture
async def workers(tmp_path: Path) -> AsyncIterator[Workers]:
    """Two workers that tell their health, and do no work."""
    members = [Worker(name, SPEC, {}, log_path=tmp_path / f"{name}.log") for name in ("worker-1", "worker-2")]
    async with Workers(members) as running:
        yield running


def faults_of(worker: Worker) -> list[tuple[Fault, str]]:
    """Every fault of one worker, and how it is seen."""
    return [
        (WorkerDown("worker_killed", worker), "has ended"),
        (WorkerDown("worker_drained", worker, drained=True), "has ended"),
        (WorkerPaused(worker), "is stopped"),
    ]


async def test_each_bites_and_heals(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Healed first and twice it changes nothing; in force the worker is gone or stands still, and does not answer."""
    monkeypatch.setattr("chaos.faults.workers.TRY_SECONDS", 0.3)
    worker = workers[0]
    for fault, seen in faults_of(worker):
        before = worker.pid
        assert fault.on == "worker-1"
        await fault.heal()
        assert worker.pid == before
        assert not (await fault.bite()).in_force
        await fault.inject()
        bite = await fault.bite()
        assert bite.in_force, fault.name
        assert bite.evidence == f"its process {before} {seen}; its health URL does not answer"
        await fault.heal()
        after = worker.pid
        await fault.heal()
        assert worker.pid == after
        assert await web.get(worker.ready_url, timeout=30)
        assert (after == before) == (fault.name == "worker_paused")


async def test_a_worker_that_is_not_started_again_stays_dead(workers: Workers) -> None:
    """Others do its work from then on; draining it is harmless."""
    plan = WorkerKilledPlan(worker="worker-1", restart=False, duration=1)
    fault = plan.of(workers[0])
    await fault.inject()
    await fault.heal()
    assert not workers[0].alive
    assert (await fault.bite()).in_force
    assert await workers.drain() == []


async def test_a_worker_that_is_dead_already_is_not_killed_again(workers: Workers) -> None:
    """Whatever happens meanwhile is the first fault's doing."""
    await WorkerDown("worker_killed", workers[0], restart=False).inject()
    fault = WorkerDown("worker_killed", workers[0], restart=False)
    await fault.inject()
    assert await fault.bite() == Bite(in_force=False, evidence=f"its process {workers[0].pid} had ended before")


async def test_a_drain_that_is_interrupted_is_healed(workers: Workers) -> None:
    """Ctrl-C while a worker drains leaves it running again."""
    fault = WorkerDown("worker_drained", workers[0], drained=True)
    workers[0].spec = replace(SPEC, drain_signal="SIGWINCH")  # of which it takes no notice
    draining = asyncio.create_task(fault.inject())
    await asyncio.sleep(0)
    draining.cancel()
    with pytest.raises(asyncio.CancelledError):
        await draining
    workers[0].spec = SPEC
    await fault.heal()
    assert await web.get(workers[0].ready_url, timeout=30)


async def test_a_dead_worker_is_not_paused(workers: Workers) -> None:
    """A worker that ended by itself stands not still: the fault is not in force, and heals."""
    fault = WorkerPaused(workers[0])
    await workers[0].kill()
    await fault.inject()
    assert not (await fault.bite()).in_force
    await fault.heal()


async def test_all_workers_at_once(workers: Workers) -> None:
    """A fault of every worker is one fault, in force where all are gone."""
    fault = OnEach("workers", [WorkerDown("worker_killed", worker) for worker in workers])
    assert (fault.name, fault.on, fault.slows, await fault.met()) == ("worker_killed", "workers", None, None)
    await fault.faults[0].inject()
    assert not (await fault.bite()).in_force
    await fault.inject()
    bite = await fault.bite()
    assert (bite.in_force, bite.cut) == (True, None)
    assert bite.evidence.startswith("worker-1: its process ")
    assert "; worker-2: its process " in bite.evidence
    await fault.heal()
    assert all(worker.alive for worker in workers)


async def test_one_that_cannot_be_healed_does_not_keep_the_others_from_it(workers: Workers) -> None:
    """Every worker is started again that can be, and what the first failure was is raised."""
    fault = OnEach("workers", [WorkerDown("worker_killed", worker) for worker in workers])
    await fault.inject()
    workers[0].process.argv = ("false",)
    with pytest.raises(ServiceFailed, match="worker-1 ended with exit code 1 before it was ready"):
        await fault.heal()
    assert await web.get(workers[1].ready_url, timeout=30)


async def test_a_rolling_restart_reaches_every_worker(workers: Workers) -> None:
    """The first is drained when it is in force, and when it has healed each is another process, and well."""
    before = [worker.pid for worker in workers]
    fault = RollingRestart(tuple(workers), seconds=3600)
    await fault.heal()
    assert not (await fault.bite()).in_force
    await fault.inject()
    bite = await fault.bite()
    assert bite.in_force
    assert bite.evidence == f"worker-1's process {before[0]} has ended; worker-2 will follow"
    assert workers[1].pid == before[1]
    await fault.heal()
    await fault.heal()
    assert not {worker.pid for worker in workers} & set(before)
    again = [worker.pid for worker in workers]
    await fault.inject()
    assert not fault.hurry.is_set(), "the others have their time, the second time too"
    await fault.heal()
    assert not {worker.pid for worker in workers} & set(again)
    for worker in workers:
        assert await web.get(worker.ready_url, timeout=30)
