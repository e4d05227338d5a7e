"""An external service is used as it is, and seen to be there first."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from harness.errors import ServiceUnreachable
from harness.services.ports import free_port
from harness.services.service import ExternalService
from harness.stack import KINDS, Stack

NAMES = sorted(KINDS)
URLS = {
    "postgres": "postgresql://someone:secret@{}/app?sslmode=disable",  # pragma: allowlist secret - nobody's
    "redis": "redis://:secret@{}/3",
    "temporal": "{}",
    "toxiproxy": "http://{}",
}


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """All four services, run by us and reached as if they were somebody else's."""
    async with Stack.of(NAMES, log_directory=tmp_path_factory.mktemp("logs")) as stack:
        yield stack


@pytest.mark.parametrize("name", NAMES)
async def test_an_external_service_is_asked_who_it_is(running: Stack, name: str, tmp_path: Path) -> None:
    """Given its address, a running server is found, with the version it tells, and left running."""
    ours = running[name]
    told: list[str] = []
    stack = Stack.of([name], external={name: ours.url}, log_directory=tmp_path, notify=told.append)
    async with stack:
        assert stack[name].provider == "external"
        assert stack[name].process is None
        assert stack[name].version == ours.version
        assert stack[name].url == ours.url
    assert told[0].startswith(f"{name} {ours.version} answered at {ours.address} in ")
    assert ours.process is not None
    assert ours.process.alive


async def test_an_external_temporal_must_have_the_namespace(running: Stack, tmp_path: Path) -> None:
    """A namespace that is not there is told by name, with the command that makes it; the one that is there is named."""
    given = {"temporal": running["temporal"].url}
    stack = Stack.of(["temporal"], external=given, log_directory=tmp_path, namespace="nowhere")
    with pytest.raises(ServiceUnreachable, match="cannot be used: it has no namespace 'nowhere'; `temporal operator"):
        await stack.start()
    async with Stack.of(["temporal"], external=given, log_directory=tmp_path) as there:
        assert there.addresses["temporal.namespace"] == "default"


@pytest.mark.parametrize("name", NAMES)
async def test_an_address_that_refuses_is_told(name: str, tmp_path: Path) -> None:
    """Nothing listens: the error names the service, the address without its password, and what to do."""
    given = URLS[name].format(f"127.0.0.1:{free_port()}")
    with pytest.raises(ServiceUnreachable, match=f"{name} at .* cannot be used: .*refused") as caught:
        await Stack.of([name], external={name: given}, log_directory=tmp_path).start()
    assert "secret" not in str(caught.value)
    assert "Check that it runs" in str(caught.value)


@pytest.mark.parametrize("name", NAMES)
async def test_another_kind_of_server_is_told(name: str, running: Stack, tmp_path: Path) -> None:
    """A server that speaks something else is not taken for the service."""
    other = running["redis" if name != "redis" else "toxiproxy"]
    given = URLS[name].format(other.address)
    with pytest.raises(ServiceUnreachable, match=f"{name} at .* cannot be used"):
        await Stack.of([name], external={name: given}, log_directory=tmp_path).start()


async def test_a_server_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    """A server that accepts and never answers is told as unreachable within seconds."""

    async def hush(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hush, "127.0.0.1", free_port())
    given = URLS["redis"].format(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
    async with asyncio.timeout(10):
        with pytest.raises(ServiceUnreachable):
            await Stack.of(["redis"], external={"redis": given}, log_directory=tmp_path).start()
    server.close()


@pytest.mark.parametrize(
    ("name", "given"),
    [("postgres", "mysql://host:3306"), ("postgres", ""), ("redis", "redis://host:port"), ("temporal", "http://h:1")],
)
def test_what_is_no_address_is_refused(name: str, given: str) -> None:
    """An address of another scheme, or none at all, is refused before anything starts."""
    with pytest.raises(ServiceUnreachable, match="it is no address of this kind; expected"):
        ExternalService(KINDS[name], given)


def test_an_address_may_leave_out_scheme_and_port() -> None:
    """host, or host:port, is enough: the rest is the kind's usual."""
    assert ExternalService(KINDS["postgres"], "db").url == "postgresql://postgres@db:5432/postgres"
    assert ExternalService(KINDS["temporal"], "frontend:7000").url == "frontend:7000"


def test_the_rest_of_a_url_is_kept_at_another_address() -> None:
    """User, password, database and options stay when the server is reached through a link."""
    service = ExternalService(KINDS["postgres"], "postgresql://u:{p}@db:5433/app?sslmode=disable")
    assert service.url == "postgresql://u:{p}@db:5433/app?sslmode=disable"
    assert service.url_at("127.0.0.1:1") == "postgresql://u:{p}@127.0.0.1:1/app?sslmode=disable"
