"""Each service runs as a child process, and comes back on the same port and the same data."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import psutil
import pytest
from redis.asyncio import Redis
from temporalio.client import Client

from harness.errors import PortForbidden, PortInUse, ServiceFailed, ToolMissing
from harness.eventually import eventually
from harness.services import installed, ports, postgres, redis, service, temporal
from harness.services.ports import free_port
from harness.services.postgres import EmbeddedPostgres
from harness.services.process import Process
from harness.services.redis import EmbeddedRedis
from harness.services.service import EmbeddedService
from harness.services.temporal import EmbeddedTemporal
from harness.stack import EMBEDDED, Stack


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """All four services."""
    logs = tmp_path_factory.mktemp("logs")
    async with Stack.of(list(EMBEDDED), log_directory=logs, persistent=True) as running:
        yield running


def process_of(running: Stack, name: str) -> Process:
    """The child process of an embedded service."""
    process = running[name].process
    assert process is not None
    return process


async def restart(running: Stack, name: str) -> None:
    """Kill a service with SIGKILL and start it again."""
    await process_of(running, name).kill()
    embedded = running[name]
    assert isinstance(embedded, EmbeddedService)
    await embedded.restart()


@pytest.mark.parametrize("name", list(EMBEDDED))
async def test_a_killed_service_comes_back_on_its_port(stack: Stack, name: str) -> None:
    """After kill -9 and a restart it answers at the same address, as another process."""
    address, pid = stack[name].address, process_of(stack, name).pid
    await restart(stack, name)
    assert stack[name].address == address
    assert process_of(stack, name).pid != pid
    assert (await stack[name].kind.identify(stack[name].url)).version == stack[name].version


async def test_postgres_loses_nothing_when_killed(stack: Stack) -> None:
    """What was committed before kill -9 is there after the restart."""
    url = stack["postgres"].url
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE kept (n int)")
    await connection.execute("INSERT INTO kept SELECT generate_series(1, 1000)")
    await restart(stack, "postgres")
    await connection.close(timeout=1)
    connection = await asyncpg.connect(url)
    assert await connection.fetchval("SELECT count(*) FROM kept") == 1000
    await connection.close()


async def test_killing_postgres_ends_its_backends(stack: Stack) -> None:
    """A backend in the middle of a query is gone when the kill returns, so the data can be opened again."""
    connection = await asyncpg.connect(stack["postgres"].url)
    backend = await connection.fetchval("SELECT pg_backend_pid()")
    await process_of(stack, "postgres").kill()
    assert not psutil.pid_exists(backend) or psutil.Process(backend).status() == psutil.STATUS_ZOMBIE
    await connection.close(timeout=1)
    await restart(stack, "postgres")


async def test_a_paused_postgres_answers_nobody_until_resumed(stack: Stack) -> None:
    """A pause reaches the backends too, though they left the server's process group."""
    connection = await asyncpg.connect(stack["postgres"].url)
    process_of(stack, "postgres").pause()
    with pytest.raises(TimeoutError):
        await connection.fetchval("SELECT 1", timeout=0.2)
    process_of(stack, "postgres").resume()
    await connection.close(timeout=5)
    assert (await postgres.identify(stack["postgres"].url)).version


async def test_postgres_is_ready_for_logical_decoding_and_many_clients(stack: Stack) -> None:
    """The settings a run leans on are in force, and told as the server itself shows them."""
    flags = stack["postgres"].flags
    assert flags["wal_level"] == "logical"
    assert flags["max_connections"] == "200"
    assert flags["fsync"] == "off"
    assert flags["synchronous_commit"] == "on"


async def test_a_database_is_copied_from_a_template(stack: Stack) -> None:
    """A new database has all its template has, and is gone after the drop, connections or not."""
    server = stack["postgres"].url
    template = await postgres.create_database(server, "migrated")
    connection = await asyncpg.connect(template)
    await connection.execute("CREATE TABLE there (n int)")
    await connection.close()
    copy = await postgres.create_database(server, 'a "copy"', template="migrated")
    connection = await asyncpg.connect(copy)
    assert await connection.fetchval("SELECT count(*) FROM there") == 0
    await postgres.drop_database(server, 'a "copy"')
    await postgres.drop_database(server, "never there")
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
        await connection.fetchval("SELECT 1")
    await connection.close(timeout=1)


async def test_temporal_keeps_what_it_has_when_killed(stack: Stack) -> None:
    """A workflow started before kill -9 is known after the restart."""
    client = await Client.connect(stack["temporal"].url)
    handle = await client.start_workflow("Anything", id="kept", task_queue="nobody")
    await restart(stack, "temporal")
    described = await eventually(handle.describe, timeout=20)
    assert described.run_id == handle.result_run_id


async def test_temporal_tells_its_flags_and_its_ui(stack: Stack) -> None:
    """The fingerprint shows the raised poll rates and that the database is SQLite; the UI is a URL of its own."""
    flags = stack["temporal"].flags
    assert flags["history.transferProcessorMaxPollRPS"] == "2000"
    assert "sqlite" in flags["persistence"]
    assert stack.addresses["temporal.ui"].startswith("http://127.0.0.1:")
    assert stack.addresses["temporal.namespace"] == "default"


async def test_redis_keeps_nothing_when_killed(stack: Stack) -> None:
    """Redis is a cache: after kill -9 it comes back empty."""
    assert stack["redis"].flags["save"] == ""
    assert stack["redis"].flags["appendonly"] == "no"
    async with Redis.from_url(stack["redis"].url) as client:
        await client.set("key", "value")
        await restart(stack, "redis")
    async with Redis.from_url(stack["redis"].url) as client:
        assert await client.get("key") is None


async def test_a_fixed_port_is_kept_to(tmp_path: Path) -> None:
    """A port that was asked for is the one listened on."""
    port = free_port()
    async with Stack.of(["redis"], ports={"redis": port}, log_directory=tmp_path) as running:
        assert running["redis"].port == port


@pytest.mark.parametrize("asked", ["redis", "temporal.ui"])
async def test_a_fixed_port_in_use_is_told(tmp_path: Path, asked: str) -> None:
    """A port that was asked for and is taken is an error that names it, and nothing is started."""
    name = asked.partition(".")[0]
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = taken.getsockname()[1]
        running = Stack.of([name], ports={asked: port}, log_directory=tmp_path)
        with pytest.raises(PortInUse, match=f"{name} cannot listen on 127.0.0.1:{port}: the port is in use"):
            await running.start()
    assert running[name].process is None


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


@pytest.mark.parametrize("name", list(EMBEDDED))
async def test_a_port_taken_in_the_meantime_is_changed(
    tmp_path: Path, name: str, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where another server got the chosen port first, the service starts on another, and never answers as that one."""
    choices = iter([stack[name].port, free_port(), free_port(), free_port()])
    for module in (service, temporal):
        monkeypatch.setattr(module, "free_port", lambda: next(choices))
    second = Stack.of([name], log_directory=tmp_path)
    async with asyncio.timeout(20), second:
        assert second[name].port != stack[name].port
        assert process_of(second, name).listens_on(second[name].port)


async def test_ports_that_are_always_taken_are_given_up(
    tmp_path: Path, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a few tries the error names the port."""
    monkeypatch.setattr(service, "free_port", lambda: stack["redis"].port)
    with pytest.raises(PortInUse, match=str(stack["redis"].port)):
        await Stack.of(["redis"], log_directory=tmp_path).start()


async def test_a_server_that_dies_at_once_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL refusing its settings ends in an error with PostgreSQL's own words."""
    monkeypatch.setitem(postgres.SETTINGS, "wal_level", "nonsense")
    with pytest.raises(ServiceFailed, match=r'postgres ended with exit code 1(.|\n)*"wal_level": "nonsense"'):
        await Stack.of(["postgres"], log_directory=tmp_path).start()


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
