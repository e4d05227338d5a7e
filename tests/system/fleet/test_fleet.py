"""A fleet of real worker processes: grows, shrinks, replaces the dead, and drains."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import asyncpg
import psutil
import pytest
from running_system import ROOT, Write, command, environment

from harness.eventually import eventually
from harness.services import web
from harness.services.ports import free_port
from system.connection import connect
from system.fleet import supervisor
from system.fleet.rules import Bounds
from system.fleet.supervisor import Fleet
from system.pipeline.models import LoadRequest
from system.pipeline.schema import Schema
from system.pipeline.workflow import Pipeline
from system.settings import Settings


@pytest.fixture
def health() -> str:
    return f"127.0.0.1:{free_port()}"


@pytest.fixture
def narrow(settings: Settings, health: str) -> dict[str, str]:
    """The environment of workers that run one activity at a time."""
    return environment(settings, HEALTH_ADDRESS=health, MIN_ACTIVITIES="1", MAX_ACTIVITIES="1", DRAIN_SECONDS="5")


@pytest.fixture
def fleet(narrow: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """One or two workers, kept by a process of their own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "system", "workers", "--min", "1", "--max", "2"],
        cwd=ROOT,
        env=narrow,
        stderr=subprocess.DEVNULL,
    )
    yield process
    process.kill()
    process.wait()


@pytest.fixture
async def locked(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """Holds every load back in its first activity until it is closed."""
    one = await asyncpg.connect(settings.database_url)
    await one.execute("BEGIN; LOCK TABLE loads")
    yield one
    await one.close()


def workers(fleet: subprocess.Popen[bytes]) -> list[int]:
    return [child.pid for child in psutil.Process(fleet.pid).children()]


async def ready(health: str) -> bool:
    try:
        return (await web.get(f"http://{health}/ready"))[0] == 200
    except OSError:
        return False


async def test_it_grows_with_the_work_and_shrinks_after_it(
    narrow: dict[str, str],
    locked: asyncpg.Connection,
    settings: Settings,
    write: Write,
    people: Schema,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two loads on one slot make it start a second worker; once both are done, one of them goes; then all drain."""
    for name, value in narrow.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(supervisor, "LOOK_SECONDS", 0.2)
    client, stop = await connect(settings), asyncio.Event()
    kept = Fleet(client, settings.task_queue, Bounds(least=1, most=2), drain_seconds=5)
    running = asyncio.create_task(kept.run(stop))
    sources = [str(write(b"name,age\nann,1\n")), str(write(b"name,age\nbob,2\n"))]
    loads = [
        await client.start_workflow(
            Pipeline.run,
            LoadRequest(sources=(source,), schema=people),
            id=f"{settings.task_queue}-{number}",
            task_queue=settings.task_queue,
        )
        for number, source in enumerate(sources)
    ]
    try:
        await eventually(lambda: kept.polling == 2, timeout=60)
        processes = [psutil.Process(member.pid) for member in kept.members]
        assert all(member.status is not None and member.status.memory > 0 for member in kept.members)
        await locked.close()
        assert [report.rows_loaded for report in await asyncio.gather(*(load.result() for load in loads))] == [1, 1]
        await eventually(lambda: len(kept.members) == 1, timeout=60)
    finally:
        stop.set()
        await running
    assert not any(process.is_running() for process in processes)


async def test_a_dead_worker_is_replaced_and_told_to_stop_all_drain(
    fleet: subprocess.Popen[bytes], health: str
) -> None:
    """Killed with SIGKILL, a worker has a successor that polls; on SIGTERM the fleet ends, and with it the workers."""
    await eventually(lambda: ready(health), timeout=30)
    [first] = workers(fleet)
    psutil.Process(first).kill()

    async def another() -> bool:
        return workers(fleet) not in ([], [first]) and await ready(health)

    await eventually(another, timeout=30)
    members = json.loads((await web.get(f"http://{health}/ready"))[1])["members"]
    assert [member["pid"] for member in members] == workers(fleet)
    [second] = [psutil.Process(pid) for pid in workers(fleet)]
    fleet.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(fleet.wait, 20) == 0
    assert not second.is_running()


async def test_workers_do_not_outlive_their_fleet(fleet: subprocess.Popen[bytes], health: str) -> None:
    """A fleet that is killed leaves no worker behind: they notice, and drain."""
    await eventually(lambda: ready(health), timeout=30)
    [worker] = [psutil.Process(pid) for pid in workers(fleet)]
    fleet.kill()
    assert await asyncio.to_thread(psutil.wait_procs, [worker], 20) != ([], [worker])


async def test_workers_that_cannot_start_end_the_fleet(settings: Settings) -> None:
    """A database without its tables: the fleet says so and ends with 2, rather than trying for ever."""
    wrong = environment(settings, DATABASE_URL=settings.database_url.rpartition("/")[0] + "/postgres")
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "system", "workers"], cwd=ROOT, env=wrong, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert done.returncode == 2
    assert "migrate" in done.stderr
    assert "no worker can start" in done.stderr


async def test_bounds_in_the_wrong_order_are_refused(settings: Settings) -> None:
    """The least above the most is an error that says so."""
    status, _, err = await command(settings, "workers", "--min", "3", "--max", "2")
    assert (status, "--min is 3, --max is 2" in err) == (2, True)
