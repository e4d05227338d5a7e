"""Workers are started until ready, drained, killed and paused."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from harness.errors import CannotRun, ServiceFailed, UnknownName
from harness.eventually import eventually
from harness.services import web
from harness.services.ports import free_port
from harness.services.process import NotReady
from harness.workers import Worker, Workers, WorkerSpec

SERVES = """
import http.server, os, sys
host, port = os.environ["HEALTH"].split(":")
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/ready?x=1" else 503)
        self.end_headers()
    def log_message(self, *_): pass
print(os.environ["NAME"], sys.argv[1], flush=True)
http.server.HTTPServer((host, int(port)), Handler).serve_forever()
"""

ENVIRONMENT = {"HEALTH": "{worker.health}", "NAME": "{worker.name}"}
SERVER = WorkerSpec(
    command=["{python}", "-c", SERVES, "{postgres.url}"],
    environment=ENVIRONMENT,
    ready_url="http://{worker.health}/ready?x=1",
)
ADDRESSES = {"postgres.url": "postgresql://p"}

Make = Callable[..., Worker]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """Makes a worker, and kills it after the test."""
    made: list[Worker] = []

    def one(spec: WorkerSpec = SERVER, name: str = "worker-1") -> Worker:
        made.append(Worker(name, spec, ADDRESSES, log_path=tmp_path / f"{name}.log"))
        return made[-1]

    yield one
    for worker in made:
        await worker.kill()


def script(text: str, **settings: object) -> WorkerSpec:
    """A worker without a ready URL."""
    return WorkerSpec(command=["{python}", "-c", text], **{"settle_seconds": 0.5, **settings})  # type: ignore[arg-type]  # of mixed types


async def test_it_is_ready_when_its_ready_url_says_so(make: Make) -> None:
    """After the start the ready URL answers 200, and the templates have been filled."""
    worker = make()
    await worker.start()
    assert await web.get(worker.ready_url) == (200, b"")
    assert worker.process.last_lines() == ["worker-1 postgresql://p"]
    assert worker.alive


async def test_it_is_not_ready_on_any_other_answer(make: Make) -> None:
    """A 503 is no 200: the error says what the URL answered."""
    worker = make(WorkerSpec(**{**vars(SERVER), "ready_url": "http://{worker.health}/", "ready_seconds": 1.0}))
    with pytest.raises(ServiceFailed, match=r"worker-1 was not ready within 1 s: http://.*/ answered 503"):
        await worker.start()
    assert not worker.alive


async def test_a_worker_that_dies_at_the_start_is_quoted(make: Make) -> None:
    """A worker that raises while it starts is told with its last words, ready URL or not."""
    worker = make(script("raise SystemExit('no database')"))
    with pytest.raises(ServiceFailed, match=r"ended with exit code 1(.|\n)*no database"):
        await worker.start()
    worker = make(WorkerSpec(command=["{python}", "-c", "1/0"], ready_url="http://{worker.health}/"))
    with pytest.raises(ServiceFailed, match=r"ended with exit code 1(.|\n)*ZeroDivisionError"):
        await worker.start()


async def test_without_a_ready_url_living_is_enough(make: Make) -> None:
    """A worker that lives through the settling time counts as ready."""
    worker = make(script("import time; time.sleep(600)"))
    await worker.start()
    assert worker.alive


async def test_a_drained_worker_ends_by_itself(make: Make) -> None:
    """The drain signal reaches it, and it has time to finish."""
    text = (
        "import signal, sys, time\nsignal.signal(signal.SIGINT, lambda *_: (print('drained', flush=True), sys.exit(0)))"
        "\ntime.sleep(600)"
    )
    worker = make(script(text, drain_signal="SIGINT"))
    await worker.start()
    assert await worker.drain()
    assert worker.process.returncode == 0
    assert worker.process.last_lines() == ["drained"]


async def test_a_worker_that_does_not_drain_is_killed(make: Make) -> None:
    """After its drain seconds it is killed, and that is told."""
    text = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(600)"
    group = Workers([make(script(text, drain_seconds=0.2)), make(name="worker-2")])
    await group.start()
    assert await group.drain() == [group[0]]
    assert group[0].process.returncode == -signal.SIGKILL


async def test_a_killed_worker_can_be_started_again(make: Make) -> None:
    """It comes back on the same health address, as another process."""
    worker = make()
    await worker.start()
    first, health = worker.pid, worker.health
    await worker.kill()
    assert not worker.alive
    await worker.start()
    assert worker.pid != first
    assert worker.health == health


async def test_a_paused_worker_answers_nothing_until_resumed(make: Make) -> None:
    """SIGSTOP is in force until SIGCONT."""
    worker = make()
    await worker.start()
    worker.pause()
    await eventually(lambda: psutil.Process(worker.pid).status() == psutil.STATUS_STOPPED)
    with pytest.raises(NotReady, match="timed out"):
        await web.get(worker.ready_url, timeout=0.1)
    worker.resume()
    assert (await web.get(worker.ready_url))[0] == 200


async def test_a_group_starts_and_drains_as_one(make: Make) -> None:
    """Inside the block every worker is ready on an address of its own; after it none runs."""
    members = [make(name=f"worker-{n}") for n in range(3)]
    async with Workers(members) as group:
        assert len(group) == 3
        assert all(worker.alive for worker in group)
        assert len({worker.health for worker in group}) == 3
    assert not any(worker.alive for worker in members)


async def test_one_that_fails_takes_the_group_with_it(make: Make) -> None:
    """If one worker cannot start, its error is raised and the others are gone."""
    group = Workers([make(), make(script("raise SystemExit(3)", settle_seconds=30), name="worker-2")])
    with pytest.raises(ServiceFailed, match="worker-2 ended with exit code 3"):
        await group.start()
    assert not any(worker.alive for worker in group)


async def test_kept_alive_each_comes_back_as_often_as_it_dies(make: Make) -> None:
    """Inside the block whoever dies is started again, whatever killed it, until it is ready, and that is counted."""
    group = Workers([make(), make(name="worker-2"), make(name="worker-3")])
    await group.start()
    async with group.kept_alive() as restarts:
        await _die(group[0], signal.SIGKILL)
        await _die(group[0], signal.SIGKILL)
        await _die(group[1], signal.SIGTERM)
        await eventually(lambda: web.get(group[1].ready_url))
    assert restarts == {"worker-1": 2, "worker-2": 1}
    assert group[2].alive


async def test_one_that_is_killed_before_it_is_ready_comes_back(make: Make) -> None:
    """A fault may bite as soon as a worker polls: that is another death, and no failure to start."""
    worker = make(script("import time; time.sleep(600)", settle_seconds=60.0))
    worker.process.start()
    async with Workers([worker]).kept_alive() as restarts:
        for _ in range(3):
            await _die(worker, signal.SIGKILL)
    assert restarts.total() == 3


async def _die(worker: Worker, number: int) -> None:
    """Let it die of a signal, and wait for it to be another process."""
    pid = worker.pid
    os.kill(pid, number)
    await eventually(lambda: worker.alive and worker.pid != pid)


async def test_one_that_cannot_come_back_ends_the_block(make: Make, tmp_path: Path) -> None:
    """Its error is raised as itself, and nobody waits for work that no worker will do."""
    once = tmp_path / "once"
    text = f"import pathlib, time\npathlib.Path({str(once)!r}).mkdir()\ntime.sleep(600)"
    group = Workers([make(script(text)), make(name="worker-2")])
    await group.start()

    async def kill_and_wait() -> None:
        async with group.kept_alive():
            os.kill(group[0].pid, signal.SIGKILL)
            await asyncio.Event().wait()

    with pytest.raises(ServiceFailed, match=r"worker-1 ended with exit code 1(.|\n)*FileExistsError"):
        await kill_and_wait()


async def test_an_error_inside_the_block_comes_as_itself(make: Make) -> None:
    """Not in a group: a failed assertion reads as ever."""
    worker = make()
    await worker.start()
    with pytest.raises(KeyError, match="odd"):
        async with Workers([worker]).kept_alive():
            raise KeyError("odd")


@pytest.mark.parametrize("part", ["command", "environment", "ready_url"])
def test_an_unknown_placeholder_is_told_before_the_start(make: Make, part: str) -> None:
    """Wherever it stands, a placeholder that does not exist is named, with the known ones."""
    wrong = {"command": ["{postgre.url}"], "environment": {"URL": "{postgre.url}"}, "ready_url": "{postgre.url}"}
    with pytest.raises(UnknownName, match=r"no placeholder '\{postgre.url\}'") as caught:
        make(WorkerSpec(**{"command": ["true"], part: wrong[part]}))  # type: ignore[arg-type]  # of mixed types
    for known in ("{postgres.url}", "{python}", "{worker.health}", "{worker.name}"):
        assert known in str(caught.value)


def test_a_command_or_signal_that_cannot_be_is_refused() -> None:
    """An empty command and a signal of no such name are told at once."""
    with pytest.raises(CannotRun, match="worker command is empty"):
        WorkerSpec(command=[])
    with pytest.raises(CannotRun, match="'SIGNOPE' is no signal"):
        WorkerSpec(command=["true"], drain_signal="SIGNOPE")


async def test_it_runs_in_its_directory(make: Make, tmp_path: Path) -> None:
    """A worker's directory is where its relative paths begin."""
    worker = make(
        script(
            "import os; print(os.getcwd(), flush=True); input if 0 else __import__('time').sleep(600)",
            directory=tmp_path,
        )
    )
    await worker.start()
    assert worker.process.last_lines() == [os.fspath(tmp_path)]
    assert sys.executable == worker.process.argv[0]


async def test_nothing_there_is_told_as_not_ready() -> None:
    """An address nobody listens on, plain or encrypted, is a reason, not a traceback."""
    for scheme in ("http", "https"):
        with pytest.raises(NotReady, match="refused"):
            await web.get(f"{scheme}://127.0.0.1:{free_port()}")
