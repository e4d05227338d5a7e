"""Each service runs as a child process, of programs that are found on this machine."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from harness.errors import PortForbidden, ServiceFailed, ToolMissing
from harness.services import installed, ports, postgres, redis, temporal
from harness.services.postgres import EmbeddedPostgres
from harness.services.process import Process
from harness.services.redis import EmbeddedRedis
from harness.services.service import EmbeddedService
from harness.services.temporal import EmbeddedTemporal
from harness.stack import Stack


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """One service."""
    async with Stack.of(["postgres"], log_directory=tmp_path_factory.mktemp("logs")) as running:
        yield running


def process_of(running: Stack, name: str) -> Process:
    """The child process of an embedded service."""
    process = running[name].process
    assert process is not None
    return process


async def restart(running: Stack, name: str) -> None:
    """Start a service again."""
    embedded = running[name]
    assert isinstance(embedded, EmbeddedService)
    await embedded.restart()


async def test_killing_postgres_ends_its_backends(stack: Stack) -> None:
    """A backend in the middle of a query is gone when the kill returns, so the data can be opened again."""
    connection = await asyncpg.connect(stack["postgres"].url)
    backend = await connection.fetchval("SELECT pg_backend_pid()")
    await process_of(stack, "postgres").kill()
    assert not psutil.pid_exists(backend) or psutil.Process(backend).status() == psutil.STATUS_ZOMBIE
    await connection.close(timeout=1)
    await restart(stack, "postgres")


@pytest.mark.skipif(not ports.is_privileged(1023), reason="this machine lets anybody have every port")
async def test_a_port_the_server_may_not_have_is_told(tmp_path: Path) -> None:
    """PostgreSQL never runs as root, so a low port is refused in one sentence, whoever asks for it."""
    sentence = r"^postgres cannot listen on 127.0.0.1:1023: it runs as a user who is not allowed .*\.\nName a port from"
    with pytest.raises(PortForbidden, match=sentence):
        await Stack.of(["postgres"], ports={"postgres": 1023}, log_directory=tmp_path).start()


@pytest.mark.skipif(not ports.is_privileged(1023), reason="this machine lets anybody have every port")
def test_an_ordinary_user_is_refused_a_low_port_before_the_start(tmp_path: Path) -> None:
    """Where we ourselves may not have the port, nothing is started, and the port is not said to be in use."""
    script = (
        "import asyncio, sys; from pathlib import Path; from harness.stack import Stack\n"
        "asyncio.run(Stack.of(['redis'], ports={'redis': 1023}, log_directory=Path(sys.argv[1])).start())"
    )
    ordinary = ["unshare", "--user"] if os.getuid() == 0 else []
    done = subprocess.run(
        [*ordinary, sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=False, timeout=30
    )
    assert "PortForbidden: redis cannot listen on 127.0.0.1:1023: it runs as a user who is not allowed" in done.stderr


async def test_a_failing_initdb_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the data directory cannot be laid out, the error has initdb's own words."""
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setattr(EmbeddedPostgres, "_data", tmp_path / "data")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "full").touch()
    monkeypatch.setattr(Path, "mkdir", lambda *_, **__: None)
    with pytest.raises(ServiceFailed, match=r"postgres \(initdb\) ended with exit code 1(.|\n)*not empty"):
        await Stack.of(["postgres"], log_directory=tmp_path).start()


async def test_without_user_namespaces_postgres_runs_as_another_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no `unshare`, root runs PostgreSQL as nobody, and an ordinary user as themselves."""
    monkeypatch.setenv("PATH", "/nowhere")
    try:
        account = postgres.choose_account(postgres.find_binaries()[0] / "postgres")
    except ToolMissing as missing:
        pytest.skip(missing.problem)
    assert account.prefix == ()
    async with Stack.of(["postgres"], log_directory=tmp_path) as running:
        assert running["postgres"].version
        assert psutil.Process(process_of(running, "postgres").pid).uids().real != 0
        await restart(running, "postgres")


def test_a_postgres_nobody_can_run_is_told(tmp_path: Path) -> None:
    """Where no way to run it works, the error says what would help."""
    with pytest.raises(ToolMissing, match="could be run neither in a user namespace") as caught:
        postgres.choose_account(tmp_path / "postgres")
    assert "allow user namespaces" in str(caught.value)


@pytest.mark.parametrize("find", [postgres.find_binaries, redis.find_server, temporal.find_cli])
def test_a_missing_program_is_told_with_what_to_install(find: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine without the program, the error says how to get it."""
    monkeypatch.setattr(postgres, "DEBIAN", Path("/nowhere"))
    monkeypatch.setattr(installed, "in_package", lambda *_: None)
    monkeypatch.setattr("sysconfig.get_path", lambda _: "/nowhere")
    monkeypatch.setenv("PATH", "/nowhere")
    assert callable(find)
    with pytest.raises(ToolMissing, match="temper-harness"):
        find()


def test_the_newest_redis_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer server on PATH goes before the packaged one; an older or broken one does not."""
    monkeypatch.setenv("PATH", str(tmp_path))
    server = tmp_path / "redis-server"
    for version, newer in (("99.10.0", True), ("2.8.0", False), ("", False)):
        server.write_text(f"#!/bin/sh\necho 'Redis server v={version}'\n")
        server.chmod(0o755)
        assert (redis.find_server()[0] == server) is newer


def test_a_service_never_started_has_no_place(tmp_path: Path) -> None:
    """Asking for what only a started service has is refused."""
    with pytest.raises(RuntimeError, match="redis was not started"):
        _ = EmbeddedRedis().site
    with pytest.raises(RuntimeError, match="stack was not started"):
        _ = Stack.of(["redis"], log_directory=tmp_path).directory


async def test_temporal_in_memory_forgets(tmp_path: Path) -> None:
    """Without a database file the dev server says so in its flags."""
    async with Stack([EmbeddedTemporal()], log_directory=tmp_path) as running:
        assert running["temporal"].flags["database"] == "memory"
        assert ports.is_free(running["temporal"].port) is False
