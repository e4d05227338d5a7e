"""A stack starts its services together and leaves nothing behind."""

import asyncio
from pathlib import Path

import pytest
from temporalio.client import Client

from harness.errors import CannotRun, ServiceUnreachable, UnknownName
from harness.services import ports
from harness.services.ports import free_port
from harness.services.redis import EmbeddedRedis
from harness.services.toxiproxy import EmbeddedToxiproxy
from harness.stack import EMBEDDED, Stack


async def test_all_four_start_together_and_go_together(tmp_path: Path) -> None:
    """Every service answers at its address with a version; after the end no process and no data are left."""
    told: list[str] = []
    async with Stack.of(list(EMBEDDED), log_directory=tmp_path / "logs", notify=told.append) as stack:
        processes = [service.process for service in stack.services.values()]
        assert all(process is not None and process.alive for process in processes)
        assert all(service.version for service in stack.services.values())
        assert stack.startup_seconds.keys() == EMBEDDED.keys()
        data = stack.directory
        assert data.name.startswith("temper-")
    assert not [process for process in processes if process is None or process.alive]
    assert not data.exists()
    assert {path.name for path in (tmp_path / "logs").iterdir()} == {f"{name}.log" for name in EMBEDDED}
    assert sum(" ready at 127.0.0.1:" in line for line in told) == 4


async def test_two_stacks_run_side_by_side(tmp_path: Path) -> None:
    """Two stacks share neither port nor data."""
    async with (
        Stack.of(["postgres", "redis"], log_directory=tmp_path / "a") as one,
        Stack.of(["postgres", "redis"], log_directory=tmp_path / "b") as other,
    ):
        assert one["postgres"].port != other["postgres"].port
        assert one["redis"].port != other["redis"].port
        assert one.directory != other.directory


async def test_a_failure_stops_what_had_started(tmp_path: Path) -> None:
    """When one service cannot be had, its error is raised and the others are gone."""
    refused = f"127.0.0.1:{free_port()}"
    stack = Stack.of(["redis", "toxiproxy", "postgres"], external={"postgres": refused}, log_directory=tmp_path)
    with pytest.raises(ServiceUnreachable):
        await stack.start()
    assert not [s for s in stack.services.values() if s.process is not None and s.process.alive]
    with pytest.raises(RuntimeError, match="not started"):
        _ = stack.directory


async def test_a_start_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    """Ctrl-C in the middle of the start stops what had started."""
    stack = Stack.of(list(EMBEDDED), log_directory=tmp_path)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await stack.start()
    assert not [s for s in stack.services.values() if s.process is not None and s.process.alive]


class Stubborn(EmbeddedRedis):
    """A Redis that cannot be stopped in order, as when the system refuses a signal."""

    async def stop(self) -> None:
        """Raise, after the server has gone."""
        await super().stop()
        raise PermissionError(f"{self.port} will not")


async def test_one_that_cannot_be_stopped_does_not_keep_the_others(tmp_path: Path) -> None:
    """Where a stop fails, the services before it are stopped, the data go, and the error is raised."""
    stubborn = Stubborn()
    stack = Stack([EmbeddedToxiproxy(), stubborn], log_directory=tmp_path)
    await stack.start()
    data, process = stack.directory, stack["toxiproxy"].process
    assert process is not None
    try:
        with pytest.raises(PermissionError, match=f"{stubborn.port} will not"):
            await stack.stop()
        assert not process.alive
        assert not data.exists()
    finally:
        await process.kill()


async def test_the_namespace_asked_for_is_there_and_named(tmp_path: Path) -> None:
    """An embedded Temporal is ready when its namespace takes workflows; templates can name it."""
    async with Stack.of(["temporal"], log_directory=tmp_path, namespace="orders") as stack:
        assert stack.addresses["temporal.namespace"] == "orders"
        client = await Client.connect(stack["temporal"].url, namespace="orders")
        handle = await client.start_workflow("Anything", id="first", task_queue="nobody")
        assert (await handle.describe()).namespace == "orders"


async def test_a_stack_can_start_again(tmp_path: Path) -> None:
    """A stopped stack starts anew, on data of its own."""
    stack = Stack.of(["redis"], log_directory=tmp_path)
    async with stack:
        first = stack.directory
    async with stack:
        assert stack.directory != first


def test_an_unknown_service_is_told_with_the_known_ones(tmp_path: Path) -> None:
    """A name that is no service is refused, wherever it stands."""
    known = "Known: postgres, redis, temporal, toxiproxy"
    for arguments in (
        {"names": ["postgre"]},
        {"names": ["redis"], "external": {"postgre": "x"}},
        {"names": ["redis"], "ports": {"postgre": 1}},
    ):
        with pytest.raises(UnknownName, match="There is no service 'postgre'") as caught:
            Stack.of(**arguments, log_directory=tmp_path)
        assert known in str(caught.value)


def test_what_would_be_ignored_is_refused(tmp_path: Path) -> None:
    """An address or a port for what the stack does not hold or start is an error, not silence."""
    with pytest.raises(CannotRun, match="An address was given for postgres, which this stack does not hold"):
        Stack.of(["redis"], external={"postgres": "localhost"}, log_directory=tmp_path)
    with pytest.raises(CannotRun, match="A port was given for redis, which this stack does not start itself"):
        Stack.of(["redis"], external={"redis": "localhost"}, ports={"redis": 1}, log_directory=tmp_path)


def test_a_service_is_had_by_name(tmp_path: Path) -> None:
    """A stack is asked for its services by name; one it does not hold is an error that lists those it does."""
    stack = Stack.of(["redis", "redis"], log_directory=tmp_path)
    assert stack["redis"].name == "redis"
    with pytest.raises(UnknownName, match="no service in this stack 'postgres'"):
        _ = stack["postgres"]
    with pytest.raises(ValueError, match="one service of a kind"):
        Stack([EmbeddedRedis(), EmbeddedRedis()], log_directory=tmp_path)


async def test_addresses_are_named_for_templates(tmp_path: Path) -> None:
    """Each service gives its address, host, port and URL under its own name."""
    port = ports.free_port()
    async with Stack.of(["redis"], ports={"redis": port}, log_directory=tmp_path) as stack:
        assert stack.addresses == {
            "redis.address": f"127.0.0.1:{port}",
            "redis.host": "127.0.0.1",
            "redis.port": str(port),
            "redis.url": f"redis://127.0.0.1:{port}/0",
        }
