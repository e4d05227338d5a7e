"""What every service is, whichever provider it comes from."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol
from urllib.parse import urlsplit

from harness.errors import PortForbidden, PortInUse, ServiceFailed, ServiceUnreachable
from harness.services.ports import free_port, is_free, is_privileged, may_bind
from harness.services.process import Ending, NotReady, Process, until_ready

if TYPE_CHECKING:
    from harness.services.engine import Found

Notify = Callable[[str], None]

READY_SECONDS = 30.0
EXTERNAL_SECONDS = 5.0
STOP_SECONDS = 10.0
PORT_TRIES = 5


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a server said of itself when asked: its version, and the settings that change what is measured."""

    version: str
    flags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of service: how its addresses are written, and how to talk to it.

    `url_form` is a URL with "{address}" where host:port belongs. `identify` gets such a URL, and raises NotReady
    with the reason where the server does not answer as one of this kind does. `fields` are what templates can name
    beside the address.
    """

    name: str
    url_form: str
    schemes: tuple[str, ...]
    default_port: int
    identify: Callable[[str], Awaitable[Identity]]
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where the services of one stack live: data to be thrown away, logs to be kept, whom to tell.

    `engine` is there for services that are containers.
    """

    data: Path
    logs: Path
    notify: Notify
    engine: Found | None = None


class Service(ABC):
    """One server: started or reached, with its address, its version and its flags."""

    provider: Literal["embedded", "container", "external"]

    def __init__(self, kind: Kind, *, url_form: str) -> None:
        self.kind = kind
        self.host = "127.0.0.1"
        self.port = 0
        self.identity = Identity(version="")
        self._url_form = url_form

    @property
    def name(self) -> str:
        """The kind's name: "postgres"."""
        return self.kind.name

    @property
    def version(self) -> str:
        """What the server itself said its version is; empty before the start."""
        return self.identity.version

    @property
    def flags(self) -> Mapping[str, str]:
        """The server's settings that change what is measured, for the fingerprint."""
        return self.identity.flags

    @property
    def address(self) -> str:
        """host:port."""
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The address as a client library wants it."""
        return self.url_at(self.address)

    def url_at(self, address: str) -> str:
        """The URL of this server when it is reached at another host:port, as through a link."""
        return self._url_form.replace("{address}", address)

    def fields_at(self, address: str) -> dict[str, str]:
        """What templates can name, as "{postgres.url}", when the server is reached at this host:port."""
        host, _, port = address.rpartition(":")
        return {"address": address, "host": host, "port": port, "url": self.url_at(address), **self.kind.fields}

    @property
    def process(self) -> Process | None:
        """The child process, where there is one to kill and pause."""
        return None

    @property
    def pid(self) -> int | None:
        """The process that all of it came from, while it runs on this machine and is ours."""
        return self.process.pid if self.process is not None and self.process.alive else None

    @abstractmethod
    async def start(self, site: Site) -> None:
        """Start it, or see that it is there, and learn its identity; raises CannotRun."""

    @abstractmethod
    async def stop(self) -> None:
        """Stop what `start` started; can be called at any time, more than once."""


class ExternalService(Service):
    """A server somebody else runs, at an address that was given; nothing is ever started, stopped or broken."""

    provider = "external"

    def __init__(self, kind: Kind, given: str) -> None:
        parts = urlsplit(given if "://" in given else f"//{given}")
        self._shown = given
        try:
            port = parts.port
        except ValueError:
            port = None
            given = ""
        if not given or not parts.hostname or (parts.scheme and parts.scheme not in kind.schemes):
            scheme = f"{kind.schemes[0]}://" if kind.schemes else ""
            raise ServiceUnreachable(
                kind.name, self._shown, f"it is no address of this kind; expected {scheme}host:port"
            )
        userinfo, _, _ = parts.netloc.rpartition("@")
        netloc = f"{userinfo}@{{address}}" if userinfo else "{address}"
        form = parts._replace(netloc=netloc).geturl() if parts.scheme else kind.url_form
        super().__init__(kind, url_form=form)
        self.host = parts.hostname
        self.port = port or kind.default_port
        if parts.password:
            self._shown = given.replace(f":{parts.password}@", ":…@")

    async def start(self, site: Site) -> None:  # noqa: ARG002 - it needs no place of its own
        """See that it answers; raises ServiceUnreachable."""
        try:
            async with asyncio.timeout(EXTERNAL_SECONDS):
                await accepts(self.host, self.port)
                self.identity = await self.kind.identify(self.url)
        except NotReady as answer:
            raise ServiceUnreachable(self.name, self._shown, str(answer).rstrip(".")) from answer
        except TimeoutError as error:
            raise ServiceUnreachable(self.name, self._shown, f"no answer within {EXTERNAL_SECONDS:g} s") from error

    async def stop(self) -> None:
        """Leave it as it is."""


class StartedService(Service):
    """A server of our own on 127.0.0.1, which we may break: killed, paused, and started again on the same data.

    Without a port it takes a free one, and another if that was taken in the meantime; with a port, that or none.
    """

    def __init__(self, kind: Kind, *, port: int | None = None) -> None:
        super().__init__(kind, url_form=kind.url_form)
        self._asked_port = port
        self._site: Site | None = None

    @property
    def site(self) -> Site:
        """Where it lives; raises RuntimeError before the start."""
        if self._site is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._site

    @property
    @abstractmethod
    def alive(self) -> bool:
        """Whether it has been started and has not ended; paused, it is alive."""

    @abstractmethod
    async def kill(self) -> None:
        """Kill it at once, and return when it is gone; its data stays."""

    @abstractmethod
    async def shut_down(self) -> None:
        """End it in order, or kill it if it does not go; its data stays."""

    @abstractmethod
    async def pause(self) -> None:
        """Let it stand still, with its connections open."""

    @abstractmethod
    async def resume(self) -> None:
        """Let it go on after `pause`."""

    @abstractmethod
    async def prepare(self) -> None:
        """Find what it is made of, and lay out its data; raises CannotRun."""

    @abstractmethod
    async def _launch(self) -> None:
        """Start it on the ports that were chosen, on the data it had, and wait until `_probe` answers."""

    @abstractmethod
    def _running(self) -> Running:
        """What was launched."""

    def ports(self) -> dict[int, bool]:
        """The ports it is to listen on, and whether the user fixed each."""
        return {self.port: self._asked_port is not None}

    def choose_ports(self) -> None:
        """Settle on the ports to try next."""
        self.port = self._asked_port or free_port()

    async def start(self, site: Site) -> None:
        """Start it and wait until it answers; raises PortInUse, PortForbidden, ServiceFailed or ToolMissing."""
        self._site = site
        await self.prepare()
        for tries_left in reversed(range(PORT_TRIES)):
            self.choose_ports()
            self._refuse_fixed_ports()
            try:
                return await self._launch()
            except ServiceFailed as failure:
                self._refuse_forbidden_port(failure)
                if not lost_its_port(failure.last_lines):
                    raise
                self._refuse_fixed_ports()
                if not tries_left:
                    raise PortInUse(self.name, self.port) from failure
        raise AssertionError("unreachable")

    async def restart(self) -> None:
        """Start it again, on the same ports and the same data, after it was killed or stopped."""
        await self.shut_down()
        await self._launch()

    async def answers(self) -> None:
        """Wait until it answers, as after `resume`; raises ServiceFailed where it has ended, or takes too long."""
        await until_ready(self._running(), self._probe, READY_SECONDS)

    async def _probe(self) -> Identity:
        running = self._running()
        if lost_its_port(running.last_lines()):
            # Toxiproxy does not end by itself when it cannot listen.
            raise running.failure("lost its port to another process")
        identity = await self.kind.identify(self.url)
        # Another copy's server may have answered, on a port that ours is about to find taken.
        if not all(running.listens_on(port) for port in self.ports()):
            raise NotReady("it does not listen on all of its ports itself")
        return identity

    def _refuse_fixed_ports(self) -> None:
        for port, fixed in self.ports().items():
            if fixed and not may_bind(port):
                raise PortForbidden(self.name, port)
            if fixed and not is_free(port):
                raise PortInUse(self.name, port)

    def _refuse_forbidden_port(self, failure: ServiceFailed) -> None:
        """Say so where the server, which may run as another user than we do, was not allowed its port."""
        forbidden = [port for port in self.ports() if is_privileged(port)]
        if forbidden and any("permission denied" in line.lower() for line in failure.last_lines):
            raise PortForbidden(self.name, forbidden[0]) from failure


class Running(Ending, Protocol):
    """What a server of our own runs in: a child process, or a container."""

    def last_lines(self) -> list[str]:
        """The last lines of its log since it was last started."""

    def listens_on(self, port: int) -> bool:
        """Whether it is this very one, not another's, that listens on the TCP port."""


class EmbeddedService(StartedService):
    """A server run as a child process."""

    provider = "embedded"
    stop_signal: ClassVar[int] = signal.SIGTERM

    def __init__(self, kind: Kind, *, port: int | None = None) -> None:
        super().__init__(kind, port=port)
        self._process: Process | None = None

    @property
    def process(self) -> Process | None:
        """The child process, once started."""
        return self._process

    @property
    def alive(self) -> bool:
        """Whether the process runs, or is paused."""
        return self._process is not None and self._process.alive

    @abstractmethod
    def build(self, log_path: Path) -> Process:
        """The process that serves on `self.port`, not yet started."""

    async def stop(self) -> None:
        """Stop it in order, and kill it if it does not go."""
        await self.shut_down()

    def _running(self) -> Process:
        assert self._process is not None
        return self._process

    async def kill(self) -> None:
        """Kill the process with SIGKILL, with all its children."""
        if self._process is not None:
            await self._process.kill()

    async def shut_down(self) -> None:
        """Send the process its stop signal, and kill it if it does not go."""
        if self._process is not None:
            await self._process.terminate(STOP_SECONDS, number=self.stop_signal)

    async def pause(self) -> None:
        """Stop the process with SIGSTOP, with all its children."""
        if self._process is not None:
            self._process.pause()

    async def resume(self) -> None:
        """Let the process go on."""
        if self._process is not None:
            self._process.resume()

    async def _launch(self) -> None:
        self._process = process = self.build(self.site.logs / f"{self.name}.log")
        try:
            process.start()
            self.identity = await process.ready(self._probe, READY_SECONDS)
        except BaseException:
            await process.kill()
            raise


def lost_its_port(log: Iterable[str]) -> bool:
    """Whether a log says that the port was taken."""
    return any("address already in use" in line.lower() for line in log)


async def accepts(host: str, port: int) -> None:
    """Return if something accepts TCP connections there; raises NotReady with the reason otherwise."""
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        # Of a name that is not known the number is negative, and of several attempts there is none.
        number = error.errno or 0
        raise NotReady(os.strerror(number).lower() if number > 0 else error.strerror or str(error)) from error
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
