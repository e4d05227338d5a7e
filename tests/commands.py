"""The command, as people run it: for tests of what it does with its arguments, its exit codes and its words."""

import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from harness.stack import Stack
from temper.front_door import call

ROOT = Path(__file__).parent.parent
SYSTEM = ("--target", str(ROOT / "temper.toml"))

SMALL = """
name = "small"
task_queue = "{queue}"
services = ["temporal"]
scenarios = "small_target:SCENARIOS"

[environment]
TEMPORAL_ADDRESS = "{{temporal.address}}"
TASK_QUEUE = "{{worker.task_queue}}"
PYTHONPATH = "{tests}"

[worker]
command = ["{{python}}", "-m", "small_process"]
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


async def spawn(*arguments: str, directory: Path) -> asyncio.subprocess.Process:
    """Start the command in this directory."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "temper",
        *arguments,
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests"), "COLUMNS": "200"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def temper(*arguments: str, directory: Path) -> Ended:
    """Run the command to its end."""
    process = await spawn(*arguments, directory=directory)
    out, err = await process.communicate()
    return Ended(process.returncode or 0, out.decode(), err.decode())


Here = Callable[..., Ended]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    """Runs the command in this process, in `tmp_path`: for what is refused before anything is started."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["temper"])
    monkeypatch.setattr(sys, "path", [*sys.path])

    def run(*arguments: str) -> Ended:
        code = call(arguments)
        return Ended(code, *capsys.readouterr())

    return run


@pytest.fixture
def small(tmp_path: Path, stack: Stack) -> tuple[str, ...]:
    """A temper.toml for the tests' own target in `tmp_path`; returns where its Temporal is."""
    (tmp_path / "temper.toml").write_text(SMALL.format(queue=f"command-{tmp_path.name}", tests=ROOT / "tests"))
    return ("--external", f"temporal={stack['temporal'].address}")


@pytest.fixture
def system(tmp_path: Path, stack: Stack, postgres_url: str) -> tuple[str, ...]:
    """The system's own temper.toml in `tmp_path`, but for a queue of its own; returns where its services are."""
    described = (ROOT / "temper.toml").read_text()
    queue = f'task_queue = "command-{tmp_path.name}"'
    assert 'task_queue = "system"' in described
    (tmp_path / "temper.toml").write_text(described.replace('task_queue = "system"', queue))
    # No test's verdict hangs on how fast this machine is.
    (tmp_path / "objectives.toml").write_text("extends = true\n")
    addresses = {"temporal": stack["temporal"].address, "postgres": postgres_url, "redis": stack["redis"].url}
    return tuple(word for name, at in addresses.items() for word in ("--external", f"{name}={at}"))


def below(process: asyncio.subprocess.Process) -> list[psutil.Process]:
    """All that it has started, and that they have."""
    return psutil.Process(process.pid).children(recursive=True)


async def until(stream: asyncio.StreamReader, text: bytes) -> None:
    """Read lines until one holds this text."""
    seen: list[bytes] = []
    while line := await stream.readline():
        seen.append(line)
        if text in line:
            return
    pytest.fail(f"{text!r} was never said: {seen}")
