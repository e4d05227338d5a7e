"""Nothing outlives the process that started it, however that ends."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import NoReturn

import psutil
import pytest

from harness.eventually import eventually
from harness.services import guard
from harness.services.process import Process
from harness.services.reaper import Reaper, reaper

PARENT = """
import asyncio, sys
from pathlib import Path
from harness.services.process import Process
from harness.services.reaper import reaper
from harness.stack import Stack

async def main() -> None:
    stack = Stack.of(sys.argv[2:], log_directory=Path(sys.argv[1]))
    await stack.start()
    paused = Process("paused", ["sleep", "600"], log_path=Path(sys.argv[1]) / "paused.log")
    paused.start()
    paused.pause()
    pids = [service.process.pid for service in stack.services.values()]
    print(stack.directory, reaper.pid, paused.pid, *pids, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""

CHILD = """
import os, sys, time
from pathlib import Path
from harness.services.process import Process
from harness.services.reaper import reaper
child = Process("child", ["sleep", "600"], log_path=Path(sys.argv[1]) / "child.log")
child.start()
"""


def lives(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    stat = guard.read_stat(pid)
    return stat is not None and not stat.dead


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process in a session of its own that does nothing, not known to the reaper of the tests."""
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as child:
        yield child
        child.kill()


@pytest.fixture
def directory() -> Iterator[Path]:
    """A temporary directory of ours with something in it."""
    path = Path(tempfile.mkdtemp(prefix="temper-test-"))
    (path / "file").write_text("x")
    yield path
    guard.remove(str(path))


@pytest.fixture
async def run(tmp_path: Path) -> AsyncIterator[Callable[..., Process]]:
    """Starts a script that is to be a parent itself, with the test's directory as its first argument."""
    started: list[Process] = []

    def start(script: str, *arguments: str) -> Process:
        argv = [sys.executable, "-c", script, str(tmp_path), *arguments]
        started.append(Process("parent", argv, log_path=tmp_path / "parent.log"))
        started[-1].start()
        return started[-1]

    yield start
    for process in started:
        await process.kill()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_killed_parent_leaves_no_process_and_no_directory(run: Callable[..., Process], number: int) -> None:
    """After kill -9 the servers, their backends, a paused process, the data and the guard are gone within 5 s."""
    parent = run(PARENT, "postgres", "redis")
    data, *numbers = (await eventually(parent.last_lines, timeout=20))[0].split()
    pids = [int(each) for each in numbers]
    backends = [child.pid for pid in pids for child in psutil.Process(pid).children(recursive=True)]
    assert len(backends) >= 3
    assert all(lives(pid) for pid in (*pids, *backends))
    assert Path(data).is_dir()
    os.kill(parent.pid, number)
    await eventually(lambda: not [pid for pid in (*pids, *backends) if lives(pid)], timeout=5)
    await eventually(lambda: not Path(data).exists(), timeout=5)


async def test_an_orderly_end_takes_everything_along(run: Callable[..., Process]) -> None:
    """A parent that just ends, without stopping its child, has nothing left when it is gone."""
    parent = run(CHILD + "print(reaper.pid, child.pid, flush=True)")
    assert await parent.wait() == 0
    assert not [pid for pid in map(int, parent.last_lines()[0].split()) if lives(pid)]


async def test_a_forked_child_does_not_keep_the_guard_waiting(run: Callable[..., Process]) -> None:
    """The guard acts at the parent's end although a forked copy of the parent lives on."""
    parent = run(
        CHILD + "forked = os.fork()\nif not forked:\n    time.sleep(600)\n"
        "print(forked, child.pid, flush=True)\nos.kill(os.getpid(), 9)"
    )
    assert await parent.wait() == -signal.SIGKILL
    forked, child = map(int, parent.last_lines()[0].split())
    await eventually(lambda: not lives(child))
    assert lives(forked)


async def test_a_killed_guard_is_replaced_and_told_anew(sleeper: subprocess.Popen[bytes], directory: Path) -> None:
    """Where somebody kills the guard, the next order starts another that knows all that stands."""
    ours = Reaper()
    ours.watch(sleeper.pid)
    first = ours.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await eventually(lambda: not lives(first))
    ours.watch_directory(directory)
    assert ours.pid != first
    ours.close()
    assert sleeper.wait(timeout=5) == -signal.SIGKILL
    assert not directory.exists()


async def test_what_is_forgotten_is_spared(sleeper: subprocess.Popen[bytes], directory: Path) -> None:
    """What ended or was removed is no longer the guard's business, nor that of a guard which replaces it."""
    ours = Reaper()
    ours.forget(sleeper.pid, ours.watch(sleeper.pid))
    ours.watch_directory(directory)
    ours.forget_directory(directory)
    first = ours.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await eventually(lambda: not lives(first))
    ours.watch_directory(directory.with_name("temper-never-there"))
    ours.close()
    assert sleeper.poll() is None
    assert directory.exists()
    ours.close()


def test_forgetting_one_does_not_forget_its_pid(sleeper: subprocess.Popen[bytes]) -> None:
    """A process that has the pid of one that ended before is still watched when the earlier one is forgotten."""
    ours = Reaper()
    started = ours.watch(sleeper.pid)
    ours.forget(sleeper.pid, started - 1)
    ours.close()
    assert sleeper.wait(timeout=5) == -signal.SIGKILL


def test_a_path_that_is_no_text_is_removed(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """A folder with bytes in its name that are no UTF-8 neither stays nor keeps the guard from its work."""
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/temper-\xff"))
    folder.mkdir()
    ours = Reaper()
    ours.watch_directory(folder)
    ours.watch(sleeper.pid)
    ours.close()
    assert sleeper.wait(timeout=5) == -signal.SIGKILL
    assert not folder.exists()


def test_the_guard_heeds_no_signal_of_the_terminal() -> None:
    """The guard sits in a session of its own, away from Ctrl-C."""
    ours = Reaper()
    ours.forget(1, 1)
    assert ours.pid is not None
    assert os.getsid(ours.pid) == ours.pid
    ours.close()


@pytest.mark.parametrize("name", ["data", "tempered", "temper-\n"])
def test_only_directories_of_ours_are_accepted(tmp_path: Path, name: str) -> None:
    """A directory whose name does not begin with "temper-" is refused before anything can remove it."""
    with pytest.raises(ValueError, match="no name for a temporary directory"):
        reaper.watch_directory(tmp_path / name)


def test_a_process_that_is_gone_cannot_be_watched(sleeper: subprocess.Popen[bytes]) -> None:
    """There is no start time to tell it by."""
    sleeper.kill()
    sleeper.wait()
    with pytest.raises(ProcessLookupError):
        reaper.watch(sleeper.pid)


def test_the_guard_kills_and_removes_at_the_end_of_its_orders(
    sleeper: subprocess.Popen[bytes], directory: Path
) -> None:
    """The last word on each line counts; a line cut short by the writer's death does not."""
    stat = guard.read_stat(sleeper.pid)
    assert stat is not None
    os.kill(sleeper.pid, signal.SIGSTOP)
    guard.look_after(
        [
            *("pid 1 1\n", "forget-pid 1 1\n", "dir /temper-x\n", "forget-dir /temper-x\n"),
            *(f"pid {sleeper.pid} {stat.started}\n", f"dir {directory}\n", f"forget-dir {directory}x"),
        ]
    )
    assert sleeper.wait(timeout=5) == -signal.SIGKILL
    assert not directory.exists()


def test_a_reused_pid_is_spared(sleeper: subprocess.Popen[bytes]) -> None:
    """A process that started at another time than the one told is not ours."""
    stat = guard.read_stat(sleeper.pid)
    assert stat is not None
    guard.look_after([f"pid {sleeper.pid} {stat.started - 1}\n"])
    stat.started -= 1
    guard.signal_all([stat], signal.SIGKILL)
    assert guard.still_there([stat]) == []
    assert sleeper.poll() is None


def test_nothing_is_removed_that_is_not_ours(tmp_path: Path, directory: Path) -> None:
    """A directory of another name stays, and so does one that a link of a fitting name points to."""
    other = tmp_path / "other"
    other.mkdir()
    link = tmp_path / "temper-link"
    link.symlink_to(other)
    guard.remove(str(other))
    guard.remove(str(link))
    assert other.is_dir()
    guard.remove(str(directory))
    assert not directory.exists()


def test_a_process_we_may_not_see_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where /proc is mounted with hidepid, as stands in here, what belongs to others counts as not there."""

    def refuse(*_: object) -> NoReturn:
        raise PermissionError

    monkeypatch.setattr(guard, "open", refuse, raising=False)
    assert guard.read_stat(os.getpid()) is None
    assert guard.family(os.getpid(), 1) == []


def test_a_process_we_may_not_signal_is_passed_over(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that may not be killed, as a setuid program, does not keep the guard from killing the next."""
    mine, theirs = guard.read_stat(sleeper.pid), guard.read_stat(os.getpid())
    assert mine is not None
    assert theirs is not None
    kill = os.kill

    def only_mine(pid: int, number: int) -> None:
        if pid != sleeper.pid:
            raise PermissionError
        kill(pid, number)

    monkeypatch.setattr(os, "kill", only_mine)
    guard.signal_all([theirs, mine], signal.SIGKILL)
    assert sleeper.wait(timeout=5) == -signal.SIGKILL


BROODS = """
import os, sys, time
os.setsid()
for _ in range(2000):
    if not os.fork():
        os.setsid()
        time.sleep(600)
    time.sleep(0.0005)
time.sleep(600)
"""


async def test_a_family_that_grows_is_killed_whole(run: Callable[..., Process], tmp_path: Path) -> None:
    """Children made between the look and the kill, in sessions of their own, are found and killed as well."""
    leader = run(f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BROODS!r}, {str(tmp_path)!r}])")

    def brood() -> list[int]:
        return [
            each.pid for each in psutil.process_iter() if lives(each.pid) and str(tmp_path) in " ".join(_argv(each))
        ]

    await eventually(lambda: len(brood()) > 20)
    await leader.kill()
    assert brood() == []


def _argv(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


async def test_what_stayed_in_a_session_is_found_after_its_leader_died() -> None:
    """A leader that was killed and reaped leaves its children to be found by their session."""
    script = "sleep 600 & echo $!; read end"
    with subprocess.Popen(  # noqa: ASYNC220 - it is killed at once
        ["sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as leader:
        assert leader.stdout is not None
        stat = guard.read_stat(leader.pid)
        assert stat is not None
        child = int(leader.stdout.readline())
        leader.kill()
        leader.wait()
        assert [each.pid for each in guard.family(leader.pid, stat.started)] == [child]
        guard.kill_family(leader.pid, stat.started)
    await eventually(lambda: not lives(child))
