"""A supervised child process is seen to be ready, and never left behind."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import NoReturn

import psutil
import pytest

from harness.errors import ServiceFailed
from harness.eventually import eventually
from harness.services.process import NotReady, Process, describe_exit
from harness.services.reaper import reaper

Launch = Callable[..., Process]


@pytest.fixture
async def launch(tmp_path: Path) -> AsyncIterator[Launch]:
    """Starts a Python script as a process, and kills it after the test."""
    started: list[Process] = []

    def start(script: str, **options: str) -> Process:
        process = Process("child", [sys.executable, "-c", script], log_path=tmp_path / "log", env=options)
        started.append(process)
        process.start()
        return process

    yield start
    for process in started:
        await process.kill()


def says(process: Process, line: str) -> Callable[[], Awaitable[str]]:
    """A probe that waits for a line in the log."""

    async def probe() -> str:
        if line not in process.last_lines():
            raise NotReady(f"no line {line!r} yet")
        return line

    return probe


SLEEPER = "import time; print('up', flush=True); time.sleep(600)"


async def test_ready_returns_what_the_probe_found(launch: Launch) -> None:
    """The process is ready when the probe stops raising NotReady, and its answer comes back."""
    child = launch(SLEEPER)
    assert await child.ready(says(child, "up"), timeout=10) == "up"
    assert child.alive
    assert child.returncode is None


async def test_a_death_before_ready_is_told_at_once_with_the_log(launch: Launch) -> None:
    """The error quotes the last 15 lines, long before the timeout."""
    child = launch("for n in range(40): print('line', n)\nraise SystemExit(3)")
    async with asyncio.timeout(10):
        with pytest.raises(ServiceFailed, match="child ended with exit code 3 before it was ready") as caught:
            await child.ready(says(child, "up"), timeout=60)
    assert caught.value.last_lines == [f"line {n}" for n in range(25, 40)]
    assert str(child.log_path) in str(caught.value)


async def test_a_death_is_told_even_while_the_probe_hangs(launch: Launch) -> None:
    """A probe that never answers does not hide that the process has ended."""
    child = launch("raise SystemExit(4)")
    async with asyncio.timeout(10):
        with pytest.raises(ServiceFailed, match="exit code 4"):
            await child.ready(asyncio.Event().wait, timeout=60)


async def test_not_ready_in_time_gives_the_last_reason(launch: Launch) -> None:
    """When the time is up the error says what the probe said last."""
    child = launch(SLEEPER)
    with pytest.raises(ServiceFailed, match=r"not ready within 0.1 s: no line 'never' yet"):
        await child.ready(says(child, "never"), timeout=0.1)


async def test_a_probe_that_hangs_is_given_up(launch: Launch) -> None:
    """A probe without an answer counts as not ready when the time is up."""
    child = launch(SLEEPER)
    with pytest.raises(ServiceFailed, match=r"not ready within 0.1 s: no answer"):
        await child.ready(asyncio.Event().wait, timeout=0.1)


async def test_a_program_that_does_not_exist_is_quoted(tmp_path: Path) -> None:
    """A wrong command ends in an error that names it, not in a hang."""
    child = Process("child", ["/no/such/program"], log_path=tmp_path / "log")
    child.start()
    with pytest.raises(ServiceFailed, match="/no/such/program"):
        await child.ready(says(child, "up"), timeout=10)
    await child.kill()


async def test_terminate_lets_it_end_by_itself(launch: Launch) -> None:
    """A process that heeds the signal ends with its own exit code, and that is told."""
    child = launch(
        "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\nprint('up', flush=True)\n"
        "time.sleep(600)"
    )
    await child.ready(says(child, "up"), timeout=10)
    assert await child.terminate(grace=10)
    assert child.returncode == 7


async def test_terminate_kills_what_does_not_heed_it(launch: Launch) -> None:
    """After the grace a process that ignores the signal is killed, and that is told."""
    child = launch(f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{SLEEPER}")
    await child.ready(says(child, "up"), timeout=10)
    assert not await child.terminate(grace=0.1)
    assert child.returncode == -signal.SIGKILL


async def test_terminate_reaches_a_paused_process(launch: Launch) -> None:
    """A paused process is woken to heed the signal."""
    child = launch(SLEEPER)
    await child.ready(says(child, "up"), timeout=10)
    child.pause()
    assert await child.terminate(grace=10)
    assert child.returncode == -signal.SIGTERM


@pytest.mark.parametrize("end", ["kill", "terminate"])
async def test_children_that_left_the_session_end_too(launch: Launch, end: str) -> None:
    """A grandchild with a session of its own, as PostgreSQL's backends have, is gone when the call returns."""
    child = launch(
        "import subprocess, sys\n"
        "g = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)\n"
        f"print(g.pid, flush=True)\n{SLEEPER}"
    )
    await child.ready(says(child, "up"), timeout=10)
    grandchild = int(child.last_lines()[0])
    await (child.kill() if end == "kill" else child.terminate(grace=10))
    assert not psutil.pid_exists(grandchild) or psutil.Process(grandchild).status() == psutil.STATUS_ZOMBIE


async def test_pause_returns_when_every_thread_stands_still(launch: Launch) -> None:
    """One on another processor, in the middle of a computation, goes on for a moment after the signal."""
    work = "lambda: [hashlib.pbkdf2_hmac('sha256', b'x', b'y', 2_000) for _ in iter(int, 1)]"
    child = launch(f"import hashlib, threading\n[threading.Thread(target={work}).start() for _ in range(8)]")
    await eventually(lambda: psutil.Process(child.pid).num_threads() == 9)
    for _ in range(20):
        child.pause()
        tasks = Path(f"/proc/{child.pid}/task").iterdir()
        assert {(task / "stat").read_text().rpartition(")")[2].split()[0] for task in tasks} == {"T"}
        child.resume()


async def test_pause_stops_it_and_resume_lets_it_go_on(launch: Launch) -> None:
    """A paused process is alive and does nothing; resumed it carries on where it was."""
    child = launch("import time\nwhile True: print(time.time(), flush=True); time.sleep(0.001)")
    await eventually(child.last_lines)
    child.pause()
    assert psutil.Process(child.pid).status() == psutil.STATUS_STOPPED
    paused_at = child.last_lines()
    assert child.alive
    assert child.last_lines() == paused_at
    child.resume()
    await eventually(lambda: child.last_lines() != paused_at)


async def test_it_starts_again_with_a_log_of_its_own(launch: Launch) -> None:
    """After a restart the quoted lines are those since then, while the file keeps all."""
    child = launch(SLEEPER)
    await child.ready(says(child, "up"), timeout=10)
    await child.kill()
    assert not child.alive
    child.start()
    await child.ready(says(child, "up"), timeout=10)
    assert child.last_lines() == ["up"]
    assert child.log_path.read_text() == "up\nup\n"


async def test_starting_twice_is_refused(launch: Launch) -> None:
    """A running process is not started over."""
    child = launch(SLEEPER)
    with pytest.raises(RuntimeError, match="child runs already"):
        child.start()


async def test_a_process_never_started_can_be_stopped(tmp_path: Path) -> None:
    """Stopping is always allowed; asking for the pid is not."""
    child = Process("child", ["true"], log_path=tmp_path / "log")
    assert await child.terminate(grace=1)
    await child.kill()
    child.pause()
    child.resume()
    assert child.returncode is None
    assert child.last_lines() == []
    with pytest.raises(RuntimeError, match="never started"):
        _ = child.pid


async def test_it_inherits_the_environment_and_adds_to_it(launch: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child sees our environment with its own variables over it, and an empty standard input."""
    monkeypatch.setenv("OURS", "1")
    monkeypatch.setenv("ITS", "1")
    child = launch("import os, sys; print(os.environ['OURS'], os.environ['ITS'], repr(sys.stdin.read()))", ITS="2")
    assert await child.wait() == 0
    assert child.last_lines() == ["1 2 ''"]


async def test_it_does_not_share_our_session(launch: Launch) -> None:
    """A session of its own keeps the terminal's Ctrl-C away from it."""
    child = launch("import os; print(os.getsid(0) == os.getpid())")
    await child.wait()
    assert child.last_lines() == ["True"]


async def test_who_listens_is_told_apart(launch: Launch) -> None:
    """A port counts as the child's only where the child itself listens on it."""
    child = launch(
        "import socket, time\ns = socket.create_server(('127.0.0.1', 0))\nprint(s.getsockname()[1], flush=True)\n"
        "time.sleep(600)"
    )
    port = int((await eventually(child.last_lines))[0])
    assert child.listens_on(port)
    assert not child.listens_on(port + 1)
    await child.kill()
    assert not child.listens_on(port)


def test_an_exit_is_described_in_words() -> None:
    """A signal is named; a code is given as a number."""
    assert describe_exit(3) == "exit code 3"
    assert describe_exit(-9) == "signal SIGKILL"


async def test_a_process_the_guard_cannot_be_told_of_never_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no guard can be had, the error is raised, the program never begins, and a kill returns at once."""

    def refuse(_: int) -> NoReturn:
        raise BlockingIOError("no more processes")

    process = Process("child", ["touch", str(tmp_path / "ran")], log_path=tmp_path / "log")
    monkeypatch.setattr(reaper, "watch", refuse)
    with pytest.raises(BlockingIOError):
        process.start()
    await asyncio.wait_for(process.kill(), 5)
    assert not process.alive
    assert not (tmp_path / "ran").exists()
