"""Links: one way from one worker, or from the client, to one service, through a Toxiproxy proxy of its own."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields, replace
from typing import Any

import requests
from toxiproxy.api import APIConsumer
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists

from harness.errors import CannotRun, ProxyFailed, UnknownName
from harness.services.ports import free_port
from harness.services.service import Service, StartedService

CONNECT_SECONDS = 1.0
CALL_SECONDS = 3.0
"""How long one call to Toxiproxy may take; a heal can hang far longer while a reader is stalled."""
FLUSH_SECONDS = 0.05
"""How long Toxiproxy has to pass on what a toxic held, and to close the connections of who has left."""

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, kw_only=True)
class Link:
    """One proxied way: `owner` connects to `listen`, Toxiproxy passes it on to `upstream`."""

    owner: str
    service: str
    listen: str
    upstream: str
    url: str

    @property
    def name(self) -> str:
        """What the proxy is called: "worker-1.postgres"."""
        return f"{self.owner}.{self.service}"


@dataclass(frozen=True, kw_only=True)
class Toxic:
    """One disturbance on a link, in Toxiproxy's own words: attributes in ms, KB/s or bytes, toxicity from 0 to 1."""

    name: str
    type: str
    stream: str = "downstream"
    toxicity: float = 1.0
    attributes: Mapping[str, int] = field(default_factory=dict)


TOXIC_KEYS = tuple(each.name for each in fields(Toxic))


@dataclass(frozen=True, kw_only=True)
class LinkState:
    """What Toxiproxy says a link is like now."""

    enabled: bool
    toxics: tuple[Toxic, ...] = ()


class ProxyApi:
    """Toxiproxy's API, made safe: on a thread of its own, every call with a deadline, every change read back.

    Every method raises ProxyFailed where Toxiproxy does not answer in time, refuses, or does not show afterwards
    what it was told; the state of the link is then not known.
    """

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self.address = address
        # toxiproxy-python keeps the server's address in the globals of a class, and cannot be given a deadline
        # above this level; a subclass for each server keeps two servers apart.
        self._consumer: type[APIConsumer] = type("Consumer", (APIConsumer,), {"host": host, "port": int(port)})
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="toxiproxy")

    async def create(self, link: Link) -> None:
        """Make the proxy of a link."""
        wanted = {"name": link.name, "listen": link.listen, "upstream": link.upstream, "enabled": True}
        made = await self._call("post", "/proxies", json=wanted)
        if any(made.get(key) != value for key, value in wanted.items()):
            raise ProxyFailed(f"Toxiproxy made {made} where {wanted} was asked for.")

    async def remove(self, link: Link) -> None:
        """Remove the proxy of a link; connections through it are closed."""
        await self._call("delete", f"/proxies/{link.name}")
        if link.name in await self._call("get", "/proxies"):
            raise ProxyFailed(f"Toxiproxy still has the link {link.name} after removing it.")

    async def state(self, link: Link) -> LinkState:
        """What the link is like now, as Toxiproxy says."""
        return _state(await self._call("get", f"/proxies/{link.name}"))

    async def disable(self, link: Link) -> None:
        """Cut the link: its connections are closed, and new ones refused."""
        await self._switch(link, on=False)

    async def enable(self, link: Link) -> None:
        """Let connections through again; toxics stay as they are."""
        await self._switch(link, on=True)

    async def add_toxic(self, link: Link, toxic: Toxic) -> None:
        """Disturb the link."""
        body = {
            "name": toxic.name,
            "type": toxic.type,
            "stream": toxic.stream,
            "toxicity": toxic.toxicity,
            "attributes": dict(toxic.attributes),
        }
        await self._call("post", f"/proxies/{link.name}/toxics", json=body)
        if not any(_covers(shown, toxic) for shown in (await self.state(link)).toxics):
            raise ProxyFailed(f"Toxiproxy does not show the toxic {toxic.name} on {link.name} after adding it.")

    async def remove_toxic(self, link: Link, name: str) -> None:
        """Take one disturbance away."""
        # Removing one that holds data for a client which has left hangs for good; one that is no longer in effect holds
        # nothing. Its attributes must stay: Toxiproxy 2.12 panics where a bandwidth's rate is raised under traffic.
        await self._call("post", f"/proxies/{link.name}/toxics/{name}", json={"toxicity": 0})
        await asyncio.sleep(FLUSH_SECONDS)
        await self._call("delete", f"/proxies/{link.name}/toxics/{name}")
        if any(toxic.name == name for toxic in (await self.state(link)).toxics):
            raise ProxyFailed(f"Toxiproxy still shows the toxic {name} on {link.name} after removing it.")

    async def reset(self) -> None:
        """Enable every proxy and remove every toxic."""
        await self._call("post", "/reset")
        for name, proxy in (await self._call("get", "/proxies")).items():
            if _state(proxy) != LinkState(enabled=True):
                raise ProxyFailed(f"Toxiproxy shows {proxy} for {name} after a reset.")

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _switch(self, link: Link, *, on: bool) -> None:
        await self._call("post", f"/proxies/{link.name}", json={"enabled": on})
        if (await self.state(link)).enabled != on:
            raise ProxyFailed(f"Toxiproxy shows {link.name} enabled={not on} after being told enabled={on}.")

    async def _call(self, method: str, path: str, **arguments: Any) -> Any:
        send = functools.partial(self._send, getattr(self._consumer, method), path, arguments)
        call = asyncio.get_running_loop().run_in_executor(self._thread, send)
        try:
            return await asyncio.wait_for(call, CONNECT_SECONDS + CALL_SECONDS)
        except TimeoutError as error:
            raise self._failed(method, path, f"no answer within {CALL_SECONDS:g} s") from error

    def _send(self, call: Callable[..., requests.Response], path: str, arguments: dict[str, Any]) -> Any:
        method = call.__name__
        # Named proxies keep out those of the environment, which must not stand before 127.0.0.1.
        arguments = {**arguments, "timeout": (CONNECT_SECONDS, CALL_SECONDS), "proxies": {"http": "", "https": ""}}
        try:
            response = call(path, **arguments)
        except (NotFound, ProxyExists, InvalidToxic) as refusal:
            raise self._failed(method, path, f"it refused: {refusal}") from refusal
        except requests.Timeout as error:
            raise self._failed(method, path, f"no answer within {CALL_SECONDS:g} s") from error
        except requests.RequestException as error:
            raise self._failed(method, path, f"it cannot be reached: {error}") from error
        if not response.ok:
            raise self._failed(method, path, f"it answered {response.status_code}: {response.text.strip()}")
        return response.json() if response.content else {}

    def _failed(self, method: str, path: str, reason: str) -> ProxyFailed:
        return ProxyFailed(f"Toxiproxy at {self.address}, {method.upper()} {path}: {reason}.")


def _state(proxy: Mapping[str, Any]) -> LinkState:
    toxics = (Toxic(**{key: each[key] for key in TOXIC_KEYS}) for each in proxy["toxics"])
    return LinkState(enabled=proxy["enabled"], toxics=tuple(toxics))


def _covers(shown: Toxic, wanted: Toxic) -> bool:
    """Whether a toxic that is shown is the one that was wanted; Toxiproxy adds the attributes left out."""
    return replace(shown, attributes={}) == replace(wanted, attributes={}) and (
        wanted.attributes.items() <= shown.attributes.items()
    )


WHOLE = LinkState(enabled=True)


class Links:
    """The links of one run, through one Toxiproxy.

    A link keeps its port for as long as it lives, also through `heal`, so nobody need learn a new address. What is
    broken by these methods is put back when Toxiproxy has to be started again to mend something else.
    """

    def __init__(self, toxiproxy: Service, services: Mapping[str, Service]) -> None:
        self._toxiproxy = toxiproxy
        self._services = services
        self._links: dict[str, Link] = {}
        self._meant: dict[str, LinkState] = {}
        self._turn = asyncio.Lock()  # while Toxiproxy is started again, nobody talks to it
        self.api = ProxyApi(toxiproxy.address)

    def __iter__(self) -> Iterator[Link]:
        return iter(self._links.values())

    async def open(self, owner: str, service: str) -> Link:
        """Open a link of `owner`'s own to a service; raises CannotRun or ProxyFailed."""
        target = self._services.get(service)
        if target is None:
            raise UnknownName("service to link to", service, self._services)
        if self._toxiproxy.host not in LOOPBACK:
            raise CannotRun(
                f"Links need a Toxiproxy on this machine, and this one is at {self._toxiproxy.address}.",
                remedy="Leave its address out, to have one started.",
            )
        listen = f"127.0.0.1:{free_port()}"
        link = Link(owner=owner, service=service, listen=listen, upstream=target.address, url=target.url_at(listen))
        if link.name in self._links:
            raise ValueError(f"the link {link.name} is open already")
        await self.api.create(link)
        self._links[link.name] = link
        return link

    async def open_all(self, owner: str) -> dict[str, str]:
        """Open links of `owner`'s own to every service but Toxiproxy; returns the addresses it is to use."""
        for service in self._services:
            if service != self._toxiproxy.name:
                await self.open(owner, service)
        return self.addresses(owner)

    def of(self, owner: str) -> list[Link]:
        """The links of one owner."""
        return [link for link in self if link.owner == owner]

    def addresses(self, owner: str) -> dict[str, str]:
        """What templates can name, with the owner's links in place of the services' own addresses."""
        linked = {link.service: link.listen for link in self.of(owner)}
        return {
            f"{name}.{key}": value
            for name, service in self._services.items()
            for key, value in service.fields_at(linked.get(name, service.address)).items()
        }

    async def state(self, link: Link) -> LinkState:
        """What Toxiproxy says the link is like now. Raises ProxyFailed."""
        async with self._turn:
            return await self.api.state(link)

    async def disable(self, link: Link) -> None:
        """Cut the link until `enable`. Raises ProxyFailed."""
        async with self._turn:
            await self.api.disable(link)
            self._meant[link.name] = replace(self._meaning(link), enabled=False)

    async def enable(self, link: Link) -> None:
        """Let connections through again, as `respawn` does where Toxiproxy does not obey. Raises ProxyFailed."""
        async with self._turn:
            self._meant[link.name] = replace(self._meaning(link), enabled=True)
            try:
                await self.api.enable(link)
            except ProxyFailed as failure:
                await self._respawn(failure)

    async def add_toxic(self, link: Link, toxic: Toxic) -> None:
        """Disturb the link until `remove_toxic`. Raises ProxyFailed."""
        async with self._turn:
            await self.api.add_toxic(link, toxic)
            meant = self._meaning(link)
            self._meant[link.name] = replace(meant, toxics=(*meant.toxics, toxic))

    async def remove_toxic(self, link: Link, name: str) -> None:
        """Take a disturbance away, where it is there, as `respawn` does where Toxiproxy does not obey.

        The other disturbances stay. Raises ProxyFailed.
        """
        async with self._turn:
            meant = self._meaning(link)
            self._meant[link.name] = replace(meant, toxics=tuple(each for each in meant.toxics if each.name != name))
            try:
                if any(toxic.name == name for toxic in (await self.api.state(link)).toxics):
                    await self.api.remove_toxic(link, name)
            except ProxyFailed as failure:
                await self._respawn(failure)

    async def heal(self) -> str:
        """Make every link whole again; returns how: "reset", or "respawn" where Toxiproxy would not.

        A reset can hang while the reader behind a toxic is stalled; the proxy is then killed and started again
        on the same ports. Raises ProxyFailed where it is not ours to kill.
        """
        async with self._turn:
            self._meant.clear()
            try:
                await self.api.reset()
            except ProxyFailed as failure:
                await self._respawn(failure)
                return "respawn"
            return "reset"

    async def respawn(self) -> None:
        """Kill Toxiproxy and start it again: every link on the port it had, and as it is meant to be.

        Connections through any link are closed. Raises ProxyFailed where it is not ours to kill.
        """
        async with self._turn:
            await self._respawn(None)

    async def _respawn(self, failure: ProxyFailed | None) -> None:
        if not isinstance(self._toxiproxy, StartedService):
            theirs = f"The Toxiproxy at {self._toxiproxy.address} is not ours to start again."
            raise failure or ProxyFailed(theirs)
        if failure is not None:
            told = f"{failure} It is started again, and every connection through a link closed."
            self._toxiproxy.site.notify(told)
        await self._toxiproxy.kill()
        self.api.close()
        await self._toxiproxy.restart()
        self.api = ProxyApi(self._toxiproxy.address)
        for link in self:
            await self.api.create(link)
            meant = self._meaning(link)
            for toxic in meant.toxics:
                await self.api.add_toxic(link, toxic)
            if not meant.enabled:
                await self.api.disable(link)

    def _meaning(self, link: Link) -> LinkState:
        return self._meant.get(link.name, WHOLE)

    async def close(self) -> None:
        """Remove the links, where Toxiproxy still runs."""
        links = list(self)
        self._links.clear()
        gone = isinstance(self._toxiproxy, StartedService) and not self._toxiproxy.alive
        try:
            for link in [] if gone else links:
                await self.api.remove(link)
        finally:
            self.api.close()
