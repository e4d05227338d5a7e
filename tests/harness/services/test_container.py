"""Services as containers: what the other provider has not, and what goes wrong. Needs an engine, and images."""

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from harness.errors import ServiceFailed, ToolMissing
from harness.eventually import eventually
from harness.links import Links
from harness.services import images
from harness.services.contained import ContainerService
from harness.services.container import Container
from harness.services.engine import Engine, Found
from harness.services.engine_client import docker_client
from harness.services.process import Process
from harness.services.service import Site
from harness.stack import Stack

pytestmark = pytest.mark.containers

PARENT = """
import asyncio, sys
from pathlib import Path
from harness.stack import Stack

async def main() -> None:
    stack = Stack.of(["redis"], provider="container", log_directory=Path(sys.argv[1]))
    async with stack:
        print("standing:", stack["redis"]._container.called, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture(scope="module")
async def engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Found]:
    """The engine of this machine."""
    directory, one = tmp_path_factory.mktemp("engine"), Engine()
    yield await one.start(Site(data=directory, logs=directory, notify=lambda _: None))
    await one.stop()


def names(engine: Found) -> set[str]:
    """What the engine calls its containers, running or not."""
    docker = docker_client(engine)
    found = {each["Names"][0].removeprefix("/") for each in docker.api.containers(all=True)}
    docker.close()
    return found


async def test_links_lead_from_a_child_process_to_a_container_and_back(tmp_path: Path) -> None:
    """Providers mix in one stack: each Toxiproxy reaches what the other provider started, and is reached."""
    for toxiproxy, postgres in (("embedded", "container"), ("container", "embedded")):
        given = {"toxiproxy": toxiproxy, "postgres": postgres}
        async with Stack.of(list(given), provider=given, log_directory=tmp_path) as stack:
            assert {name: service.provider for name, service in stack.services.items()} == given
            links = Links(stack["toxiproxy"], stack.services)
            link = await links.open("worker-1", "postgres")
            connection = await asyncpg.connect(link.url)
            assert await connection.fetchval("SELECT 1") == 1
            await links.api.disable(link)
            with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
                await connection.fetchval("SELECT 1")
            await links.close()


async def test_the_flags_tell_the_image_and_what_the_server_runs_with(stack: Stack, provider: str) -> None:
    """What a run records of a container names its image, so a stand-in is seen to be one; settings are as embedded."""
    assert provider == "container"
    for name, service in stack.services.items():
        assert isinstance(service, ContainerService)
        assert service.flags["image"] == images.image_of(name)
        assert service.process is None
    assert stack["postgres"].flags["synchronous_commit"] == "on"
    assert stack["temporal"].flags["history.transferProcessorMaxPollRPS"] == "2000"


@pytest.mark.usefixtures("heeds_ctrl_c")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
async def test_no_container_outlives_who_started_it(engine: Found, tmp_path: Path, number: int) -> None:
    """After kill -9, and after Ctrl-C, the container is gone, and so is the server that was in it."""
    parent = Process("parent", [sys.executable, "-c", PARENT, str(tmp_path)], log_path=tmp_path / "parent.log")
    parent.start()
    try:
        (said,) = await eventually(lambda: [line for line in parent.last_lines() if "standing:" in line], timeout=60)
        made = said.split()[1]
        assert made in names(engine)
        os.kill(parent.pid, number)
        await eventually(lambda: made not in names(engine), timeout=60)
    finally:
        await parent.kill()


async def test_a_start_that_is_cut_off_leaves_nothing(
    engine: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled while the engine makes the container, it is removed once it is made."""
    called = f"temper-redis-{secrets.token_hex(6)}"
    monkeypatch.setattr(secrets, "token_hex", lambda _: called.rpartition("-")[2])
    starting = asyncio.create_task(Stack.of(["redis"], provider="container", log_directory=tmp_path).start())
    await eventually(lambda: called in names(engine), timeout=60)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    assert called not in names(engine)


async def test_an_image_that_cannot_be_had_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the image, why it cannot be pulled, and the ways out."""
    monkeypatch.setenv("TEMPER_IMAGE_REDIS", "localhost:1/nowhere/redis:1")
    with pytest.raises(ToolMissing, match="The image localhost:1/nowhere/redis:1 is not on this machine") as caught:
        await Stack.of(["redis"], provider="container", log_directory=tmp_path).start()
    assert "Set TEMPER_IMAGE_REDIS" in caught.value.remedy


async def test_what_the_engine_refuses_is_told(engine: Found, tmp_path: Path) -> None:
    """The error has the engine's own words, and nothing is left to remove."""
    refused = Container("redis", "localhost:1/nowhere:1", ["redis-server"], engine=engine, log_path=tmp_path / "log")
    with pytest.raises(ServiceFailed, match=rf"redis \(.*\) could not be started by {engine.name}: .*nowhere"):
        await refused.start()
    assert not refused.alive
    await refused.remove()


async def test_what_stands_still_can_be_stopped(tmp_path: Path) -> None:
    """A paused container is stopped in order, and no process of it is left."""
    async with Stack.of(["redis"], provider="container", log_directory=tmp_path) as stack:
        redis = stack["redis"]
        assert isinstance(redis, ContainerService)
        await redis.pause()
        assert redis.alive
        port = redis.port
    assert not redis.alive
    assert not [each for each in psutil.net_connections("tcp") if each.laddr and each.laddr.port == port and each.pid]
