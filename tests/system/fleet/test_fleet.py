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
from running_system import ROOT, Write, environment

from harness.eventually import eventually
from harness.services import web
from harness.services.ports import free_port
from system.connection import connect
from system.pipeline.models import LoadRequest
from system.pipeline.schema import Schema
from system.pipeline.workflow import Pipeline
from system.settings import Settings


@pytest.fixture
def health() -> str:
    return f"127.0.0.1:{free_port()}"


@pytest.fixture
def fleet(settings: Settings, health: str) -> Iterator[subprocess.Popen[bytes]]:
    """One or two workers, each of which runs one activity at a time."""
    process = subprocess.Popen(
        [sys.executable, "-m", "system", "workers", "--min", "1", "--max", "2"],
        cwd=ROOT,
        env=environment(settings, HEALTH_ADDRESS=health, MIN_ACTIVITIES="1", MAX_ACTIVITIES="1", DRAIN_SECONDS="5"),
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
    fleet: subprocess.Popen[bytes],
    health: str,
    locked: asyncpg.Connection,
    settings: Settings,
    write: Write,
    people: Schema,
) -> None:
    """Two loads on one slot make it start a second worker; once both are done, one of them goes."""
    await eventually(lambda: ready(health), timeout=30)
    client = await connect(settings)
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

    async def count(wanted: int) -> bool:
        return len(workers(fleet)) == wanted

    await eventually(lambda: count(2), timeout=30)
    members = json.loads((await web.get(f"http://{health}/ready"))[1])["members"]
    assert {member["pid"] for member in members} == set(workers(fleet))
    assert all(member["memory"] > 0 for member in members if "memory" in member)
    await locked.close()
    assert [report.rows_loaded for report in await asyncio.gather(*(load.result() for load in loads))] == [1, 1]
    await eventually(lambda: count(1), timeout=60)
    fleet.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(fleet.wait, 20) == 0


async def test_a_dead_worker_is_replaced(fleet: subprocess.Popen[bytes], health: str) -> None:
    """Killed with SIGKILL, a worker has a successor that polls."""
    await eventually(lambda: ready(health), timeout=30)
    [first] = workers(fleet)
    psutil.Process(first).kill()

    async def another() -> bool:
        return workers(fleet) not in ([], [first]) and await ready(health)

    await eventually(another, timeout=30)


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
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "system", "workers", "--min", "3", "--max", "2"],
        cwd=ROOT, env=environment(settings), capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert (done.returncode, "--min is 3, --max is 2" in done.stderr) == (2, True)
