"""What is started here keeps its promises, whichever provider starts it: ports, data, flags, what breaks it."""

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis
from temporalio.client import Client

from harness.errors import PortInUse, ServiceFailed
from harness.eventually import eventually
from harness.services import postgres, service, temporal, web
from harness.services.ports import free_port
from harness.services.process import NotReady
from harness.services.service import StartedService
from harness.stack import EMBEDDED, Stack


@pytest.fixture(scope="module")
async def stack(provider: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """All four services."""
    logs = tmp_path_factory.mktemp("logs")
    async with Stack.of(list(EMBEDDED), provider=provider, log_directory=logs, persistent=True) as running:
        yield running


def started(running: Stack, name: str) -> StartedService:
    """A service that may be broken."""
    found = running[name]
    assert isinstance(found, StartedService)
    return found


async def restart(running: Stack, name: str) -> None:
    """Kill a service with SIGKILL and start it again."""
    await started(running, name).kill()
    await started(running, name).restart()


@pytest.mark.parametrize("name", list(EMBEDDED))
async def test_a_killed_service_comes_back_on_its_port(stack: Stack, name: str) -> None:
    """After kill -9 it answers nobody, and after a restart at the same address."""
    address = stack[name].address
    await started(stack, name).kill()
    assert not started(stack, name).alive
    with pytest.raises(NotReady):
        await stack[name].kind.identify(stack[name].url)
    await started(stack, name).restart()
    assert stack[name].address == address
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


async def test_a_paused_postgres_answers_nobody_until_resumed(stack: Stack) -> None:
    """A pause reaches the backends too, though they left the server's process group."""
    connection = await asyncpg.connect(stack["postgres"].url)
    await started(stack, "postgres").pause()
    with pytest.raises(TimeoutError):
        await connection.fetchval("SELECT 1", timeout=0.2)
    await started(stack, "postgres").resume()
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


async def test_temporal_tells_its_flags_its_ui_and_its_metrics(stack: Stack) -> None:
    """The fingerprint shows the raised poll rates and that the database is SQLite; UI and metrics have their URLs."""
    flags = stack["temporal"].flags
    assert flags["history.transferProcessorMaxPollRPS"] == "2000"
    assert "sqlite" in flags["persistence"]
    assert stack.addresses["temporal.ui"].startswith("http://127.0.0.1:")
    assert stack.addresses["temporal.namespace"] == "default"
    status, body = await web.get(stack.addresses["temporal.metrics"], timeout=20)
    assert status == 200
    assert b"\nservice_requests{" in body


async def test_redis_keeps_nothing_when_killed(stack: Stack) -> None:
    """Redis is a cache: after kill -9 it comes back empty."""
    assert stack["redis"].flags["save"] == ""
    assert stack["redis"].flags["appendonly"] == "no"
    async with Redis.from_url(stack["redis"].url) as client:
        await client.set("key", "value")
        await restart(stack, "redis")
    async with Redis.from_url(stack["redis"].url) as client:
        assert await client.get("key") is None


async def test_a_fixed_port_is_kept_to(provider: str, tmp_path: Path) -> None:
    """A port that was asked for is the one listened on."""
    port = free_port()
    async with Stack.of(["redis"], provider=provider, ports={"redis": port}, log_directory=tmp_path) as running:
        assert running["redis"].port == port


@pytest.mark.parametrize("asked", ["redis", "temporal.ui"])
async def test_a_fixed_port_in_use_is_told(provider: str, tmp_path: Path, asked: str) -> None:
    """A port that was asked for and is taken is an error that names it, and nothing is started."""
    name = asked.partition(".")[0]
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = taken.getsockname()[1]
        running = Stack.of([name], provider=provider, ports={asked: port}, log_directory=tmp_path)
        with pytest.raises(PortInUse, match=f"{name} cannot listen on 127.0.0.1:{port}: the port is in use"):
            await running.start()
    assert not started(running, name).alive


@pytest.mark.parametrize("name", list(EMBEDDED))
async def test_a_port_taken_in_the_meantime_is_changed(
    provider: str, tmp_path: Path, name: str, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where another server got the chosen port first, the service starts on another, and never answers as that one."""
    choices = itertools.chain([stack[name].port], (free_port() for _ in itertools.count()))
    for module in (service, temporal):
        monkeypatch.setattr(module, "free_port", lambda: next(choices))
    second = Stack.of([name], provider=provider, log_directory=tmp_path)
    async with asyncio.timeout(60), second:
        assert second[name].port != stack[name].port
        assert started(second, name).alive


async def test_ports_that_are_always_taken_are_given_up(
    provider: str, tmp_path: Path, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a few tries the error names the port."""
    monkeypatch.setattr(service, "free_port", lambda: stack["redis"].port)
    with pytest.raises(PortInUse, match=str(stack["redis"].port)):
        await Stack.of(["redis"], provider=provider, log_directory=tmp_path).start()


async def test_a_server_that_dies_at_once_is_quoted(
    provider: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL refusing its settings ends in an error with PostgreSQL's own words."""
    monkeypatch.setitem(postgres.SETTINGS, "wal_level", "nonsense")
    with pytest.raises(ServiceFailed, match=r'postgres .*ended with exit code 1(.|\n)*"wal_level": "nonsense"'):
        await Stack.of(["postgres"], provider=provider, log_directory=tmp_path).start()
