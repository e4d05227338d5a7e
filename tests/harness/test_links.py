"""A link is one way to one service that can be cut and healed."""

import http.server
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from temporalio.client import Client

from harness import links as links_module
from harness.errors import CannotRun, ProxyFailed, UnknownName
from harness.eventually import eventually
from harness.links import Link, Links, LinkState, ProxyApi, Toxic
from harness.services.ports import free_port, is_free
from harness.services.service import ExternalService, StartedService
from harness.stack import EMBEDDED, KINDS, Stack


@pytest.fixture(scope="module")
async def stack(provider: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """All four services."""
    logs = tmp_path_factory.mktemp("logs")
    async with Stack.of(list(EMBEDDED), provider=provider, log_directory=logs) as running:
        yield running


@pytest.fixture
async def links(stack: Stack) -> AsyncIterator[Links]:
    """No links yet."""
    opened = Links(stack["toxiproxy"], stack.services)
    yield opened
    await opened.heal()
    await opened.close()


@pytest.fixture
async def link(links: Links) -> Link:
    """A link to PostgreSQL."""
    return await links.open("worker-1", "postgres")


async def answers(url: str) -> bool:
    """Whether a new connection to PostgreSQL at this URL answers."""
    connection = await asyncpg.connect(url, timeout=5)
    try:
        return bool(await connection.fetchval("SELECT true"))
    finally:
        await connection.close()


async def test_a_link_leads_to_its_service(link: Link, stack: Stack) -> None:
    """A connection through the link reaches the server; the link's URL differs in host and port alone."""
    assert await answers(link.url)
    assert link.name == "worker-1.postgres"
    assert link.upstream == stack["postgres"].address
    assert link.url == stack["postgres"].url.replace(link.upstream, link.listen)


async def test_every_service_can_be_linked_to(links: Links) -> None:
    """One call links an owner to all services; each answers through its link."""
    addresses = await links.open_all("client")
    assert {each.service for each in links.of("client")} == {"temporal", "postgres", "redis"}
    await Client.connect(addresses["temporal.url"])
    assert await answers(addresses["postgres.url"])
    async with Redis.from_url(addresses["redis.url"]) as client:
        assert await client.ping()


async def test_only_the_owner_sees_its_links(links: Links, link: Link, stack: Stack) -> None:
    """The addresses of an owner have its links in them; another owner's are the services' own."""
    own = links.addresses("worker-1")
    assert own["postgres.url"] == link.url
    assert own["postgres.port"] == link.listen.partition(":")[2]
    assert own["redis.url"] == stack["redis"].url
    assert own["temporal.ui"] == stack.addresses["temporal.ui"]
    assert links.addresses("worker-2") == stack.addresses


async def test_a_cut_link_is_dead_and_a_healed_one_is_not(links: Links, link: Link) -> None:
    """While it is cut, open connections are closed and new ones refused; then it works again."""
    pooled = await asyncpg.connect(link.url)
    await links.api.disable(link)
    assert await links.api.state(link) == LinkState(enabled=False)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await pooled.fetchval("SELECT 1", timeout=5)
    with pytest.raises(ConnectionRefusedError):
        await answers(link.url)
    await links.api.enable(link)
    assert await links.api.state(link) == LinkState(enabled=True)
    assert await answers(link.url)
    await pooled.close(timeout=1)


async def test_a_cut_leaves_the_others_alone(links: Links, link: Link) -> None:
    """Another owner's link to the same service, and the same owner's to another, go on."""
    other = await links.open("worker-2", "postgres")
    redis = await links.open("worker-1", "redis")
    await links.api.disable(link)
    assert await answers(other.url)
    async with Redis.from_url(redis.url) as client:
        assert await client.ping()
        await links.api.disable(redis)
        with pytest.raises(RedisConnectionError):
            await client.ping()


async def test_a_toxic_is_felt_and_read_back(links: Links, link: Link) -> None:
    """A latency toxic slows what goes through; the state shows it until it is removed."""
    toxic = Toxic(name="slow", type="latency", attributes={"latency": 200})
    await links.api.add_toxic(link, toxic)
    (shown,) = (await links.api.state(link)).toxics
    assert shown.name == "slow"
    assert shown.attributes["latency"] == 200
    began = time.monotonic()
    assert await answers(link.url)
    assert time.monotonic() - began >= 0.2
    await links.api.remove_toxic(link, "slow")
    assert (await links.api.state(link)).toxics == ()


async def test_a_reset_makes_every_link_whole(links: Links, link: Link) -> None:
    """After a reset no link is cut and no toxic is left, and that is read back."""
    other = await links.open("worker-2", "postgres")
    await links.api.disable(link)
    await links.api.add_toxic(other, Toxic(name="stall", type="bandwidth", attributes={"rate": 0}))
    assert await links.heal() == "reset"
    for each in (link, other):
        assert await links.api.state(each) == LinkState(enabled=True)


async def test_a_dead_proxy_is_healed_on_the_same_ports(links: Links, link: Link, stack: Stack) -> None:
    """When Toxiproxy is gone, heal starts it again; the link's address is what it was."""
    toxiproxy = stack["toxiproxy"]
    assert isinstance(toxiproxy, StartedService)
    await toxiproxy.kill()
    with pytest.raises(ProxyFailed, match="cannot be reached"):
        await links.api.state(link)
    assert await links.heal() == "respawn"
    assert await answers(link.url)


async def test_a_stalled_proxy_is_given_up_in_time(
    links: Links, link: Link, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Toxiproxy that accepts and never answers costs the deadline, no more, and is then replaced."""
    monkeypatch.setattr(links_module, "CALL_SECONDS", 0.3)
    toxiproxy = stack["toxiproxy"]
    assert isinstance(toxiproxy, StartedService)
    await toxiproxy.pause()
    began = time.monotonic()
    with pytest.raises(ProxyFailed, match=r"no answer within 0\.3 s"):
        await links.api.disable(link)
    assert time.monotonic() - began < 3
    assert await links.heal() == "respawn"
    assert await answers(link.url)


async def test_what_else_is_broken_stays_so_when_the_proxy_is_replaced(
    links: Links, link: Link, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To mend one link a stalled Toxiproxy is started again; what others have broken meanwhile is put back."""
    monkeypatch.setattr(links_module, "CALL_SECONDS", 0.3)
    cut, slow = await links.open("worker-2", "postgres"), await links.open("worker-3", "postgres")
    first, second = (Toxic(name=name, type="latency", attributes={"latency": 1, "jitter": 0}) for name in "ab")
    await links.disable(link)
    await links.disable(cut)
    await links.add_toxic(slow, first)
    await links.add_toxic(slow, second)
    toxiproxy = stack["toxiproxy"]
    assert isinstance(toxiproxy, StartedService)
    await toxiproxy.pause()
    await links.enable(link)
    assert await links.state(link) == LinkState(enabled=True)
    assert await links.state(cut) == LinkState(enabled=False)
    assert (await links.state(slow)).toxics == (first, second)
    await toxiproxy.pause()
    await links.remove_toxic(slow, "a")
    assert (await links.state(slow)).toxics == (second,)
    await links.heal()
    await links.respawn()
    for each in (link, cut, slow):
        assert await links.state(each) == LinkState(enabled=True)


async def test_what_toxiproxy_refuses_is_told(links: Links, link: Link) -> None:
    """A toxic of no known type, a link that is not there and one that is there already are errors."""
    with pytest.raises(ProxyFailed, match="it refused"):
        await links.api.add_toxic(link, Toxic(name="x", type="nonsense"))
    with pytest.raises(ProxyFailed, match="it refused"):
        await links.api.remove_toxic(link, "never there")
    with pytest.raises(ProxyFailed, match="it refused"):
        await links.api.create(link)
    with pytest.raises(ValueError, match=r"worker-1.postgres is open already"):
        await links.open("worker-1", "postgres")


async def test_closing_removes_the_links(stack: Stack) -> None:
    """After the close nothing listens where the link was."""
    own = Links(stack["toxiproxy"], stack.services)
    link = await own.open("short", "redis")
    await own.close()
    assert is_free(int(link.listen.rpartition(":")[2]))
    assert list(own) == []


async def test_two_toxiproxies_are_kept_apart(links: Links, link: Link, tmp_path: Path) -> None:
    """Links through a second Toxiproxy in the same process do not touch the first."""
    async with Stack.of(["toxiproxy", "redis"], log_directory=tmp_path) as second:
        own = Links(second["toxiproxy"], second.services)
        cut = await own.open("worker-1", "redis")
        await own.api.disable(cut)
        assert await links.api.state(link) == LinkState(enabled=True)
        assert await own.api.state(cut) == LinkState(enabled=False)
        await own.close()


async def test_proxies_of_the_environment_are_passed_by(
    links: Links, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An HTTP proxy named in the environment does not stand between us and 127.0.0.1."""
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    assert (await links.api.state(link)).enabled


async def test_a_link_that_cannot_be_is_refused(links: Links, stack: Stack) -> None:
    """An unknown service, or a Toxiproxy on another machine, is told before anything is made."""
    with pytest.raises(UnknownName, match="service to link to 'kafka'"):
        await links.open("worker-1", "kafka")
    far = Links(ExternalService(KINDS["toxiproxy"], "http://elsewhere.example:8474"), stack.services)
    with pytest.raises(CannotRun, match="Links need a Toxiproxy on this machine"):
        await far.open("worker-1", "postgres")


async def test_what_is_not_ours_is_not_killed(stack: Stack) -> None:
    """A Toxiproxy somebody else runs is never respawned."""
    theirs = ExternalService(KINDS["toxiproxy"], f"127.0.0.1:{free_port()}")
    with pytest.raises(ProxyFailed, match="cannot be reached"):
        await Links(theirs, stack.services).heal()
    with pytest.raises(ProxyFailed, match="not ours to start again"):
        await Links(theirs, stack.services).respawn()
    link = Link(owner="worker-1", service="postgres", listen="127.0.0.1:1", upstream="127.0.0.1:2", url="")
    with pytest.raises(ProxyFailed, match="cannot be reached"):
        await Links(theirs, stack.services).enable(link)


class Liar(http.server.BaseHTTPRequestHandler):
    """Stands in for a Toxiproxy that says yes and does nothing, as the real one does under load."""

    status = 200

    def do_GET(self) -> None:
        """Every proxy is enabled, with a toxic."""
        toxic = b'{"name": "t", "type": "latency", "stream": "downstream", "toxicity": 1, "attributes": {}}'
        proxy = b'{"name": "o.redis", "enabled": true, "toxics": [%s]}' % toxic
        self._answer(b'{"o.redis": %s}' % proxy if self.path == "/proxies" else proxy)

    def do_POST(self) -> None:
        """Yes."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(b"{}")

    def do_DELETE(self) -> None:
        """Yes, too."""
        self._answer(b"{}")

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, body: bytes) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def liar() -> Iterator[ProxyApi]:
    """The API of a Toxiproxy that lies."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), Liar) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        api = ProxyApi(f"127.0.0.1:{server.server_address[1]}")
        yield api
        api.close()
        server.shutdown()


async def test_a_lie_is_found_out(liar: ProxyApi) -> None:
    """What was told and is not shown afterwards is an error, call by call."""
    link = Link(owner="o", service="redis", listen="127.0.0.1:1", upstream="127.0.0.1:2", url="")
    for told in (
        liar.create(link),
        liar.remove(link),
        liar.disable(link),
        liar.add_toxic(link, Toxic(name="t", type="latency", attributes={"latency": 5})),
        liar.remove_toxic(link, "t"),
        liar.reset(),
    ):
        with pytest.raises(ProxyFailed, match=r"after|asked for"):
            await told


async def test_an_answer_of_503_is_an_error(liar: ProxyApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal the client library passes over in silence is told."""
    monkeypatch.setattr(Liar, "status", 503)
    with pytest.raises(ProxyFailed, match="it answered 503"):
        await liar.reset()
    assert await eventually(lambda: True)
