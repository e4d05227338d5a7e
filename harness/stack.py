"""The services of one run: started together, stopped in reverse, with their addresses."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.errors import CannotRun, UnknownName
from harness.services.postgres import KIND as POSTGRES
from harness.services.postgres import EmbeddedPostgres
from harness.services.reaper import reaper
from harness.services.redis import KIND as REDIS
from harness.services.redis import EmbeddedRedis
from harness.services.service import EmbeddedService, ExternalService, Kind, Notify, Service, Site
from harness.services.temporal import KIND as TEMPORAL
from harness.services.temporal import NAMESPACE, EmbeddedTemporal, kind_in
from harness.services.toxiproxy import KIND as TOXIPROXY
from harness.services.toxiproxy import EmbeddedToxiproxy
from harness.together import together

EMBEDDED: dict[str, Callable[..., EmbeddedService]] = {
    "temporal": EmbeddedTemporal,
    "postgres": EmbeddedPostgres,
    "redis": EmbeddedRedis,
    "toxiproxy": EmbeddedToxiproxy,
}
KINDS: dict[str, Kind] = {kind.name: kind for kind in (TEMPORAL, POSTGRES, REDIS, TOXIPROXY)}


def quietly(message: str) -> None:
    """Tell nobody."""


class Stack:
    """Services that start concurrently on entering, and stop in reverse on leaving.

    Their data lives in a temporary directory that goes with them; their logs stay in `log_directory`.
    """

    def __init__(self, services: Sequence[Service], *, log_directory: Path, notify: Notify = quietly) -> None:
        self.services: dict[str, Service] = {service.name: service for service in services}
        if len(self.services) != len(services):
            raise ValueError("a stack holds one service of a kind")
        self.log_directory = log_directory
        self.startup_seconds: dict[str, float] = {}
        self._notify = notify
        self._directory: Path | None = None

    @classmethod
    def of(
        cls,
        names: Sequence[str],
        *,
        log_directory: Path,
        external: Mapping[str, str] | None = None,
        ports: Mapping[str, int] | None = None,
        persistent: bool = False,
        namespace: str = NAMESPACE,
        notify: Notify = quietly,
    ) -> Self:
        """A stack of the named services: at the `external` address where one is given, embedded otherwise.

        `ports` fixes the ports of embedded ones ("temporal.ui" is the UI's); `persistent` lets an embedded Temporal
        survive being killed, as PostgreSQL does anyway. An embedded Temporal makes the `namespace`, an external one
        must have it. Raises UnknownName for what is no service, and CannotRun for a port or an address of a service
        the stack does not hold.
        """
        external, ports = external or {}, dict(ports or {})
        for name in (*names, *external, *(port.removesuffix(".ui") for port in ports)):
            if name not in KINDS:
                raise UnknownName("service", name, KINDS)
        kinds = KINDS | {"temporal": kind_in(namespace)}
        services: list[Service] = []
        for name in dict.fromkeys(names):
            if name in external:
                services.append(ExternalService(kinds[name], external[name]))
                continue
            options: dict[str, int | bool | str | None] = {"port": ports.pop(name, None)}
            if name == "temporal":
                options |= {
                    "ui_port": ports.pop("temporal.ui", None),
                    "persistent": persistent,
                    "namespace": namespace,
                }
            services.append(EMBEDDED[name](**options))
        _refuse_unused(names, external, ports)
        return cls(services, log_directory=log_directory, notify=notify)

    def __getitem__(self, name: str) -> Service:
        try:
            return self.services[name]
        except KeyError:
            raise UnknownName("service in this stack", name, self.services) from None

    @property
    def addresses(self) -> dict[str, str]:
        """What templates can name: {"postgres.url": "postgresql://…", "temporal.ui": "http://…", …}."""
        return {
            f"{service.name}.{field}": value
            for service in self.services.values()
            for field, value in service.fields_at(service.address).items()
        }

    @property
    def directory(self) -> Path:
        """The temporary directory with the services' data; raises RuntimeError before the start."""
        if self._directory is None:
            raise RuntimeError("the stack was not started")
        return self._directory

    async def start(self) -> None:
        """Start every service; if one cannot, those that did are stopped, and its error is raised."""
        self.log_directory.mkdir(parents=True, exist_ok=True)
        self._directory = Path(tempfile.mkdtemp(prefix="temper-"))
        reaper.watch_directory(self._directory)
        site = Site(data=self._directory, logs=self.log_directory.absolute(), notify=self._notify)
        try:
            await together(self._start(service, site) for service in self.services.values())
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop every service, the last one first, and remove the data.

        Goes on where one cannot be stopped, and then raises its error; of several the last, with the others behind it.
        """
        async with contextlib.AsyncExitStack() as exits:
            exits.push_async_callback(self._remove_directory)
            for service in self.services.values():
                exits.push_async_callback(service.stop)

    async def _remove_directory(self) -> None:
        if self._directory is not None:
            await asyncio.to_thread(shutil.rmtree, self._directory, ignore_errors=True)
            reaper.forget_directory(self._directory)
            self._directory = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _start(self, service: Service, site: Site) -> None:
        began = time.monotonic()
        await service.start(site)
        self.startup_seconds[service.name] = seconds = time.monotonic() - began
        verb = "answered" if service.provider == "external" else "ready"
        self._notify(f"{service.name} {service.version} {verb} at {service.address} in {seconds:.2f} s")


def _refuse_unused(names: Sequence[str], external: Mapping[str, str], ports: Mapping[str, int]) -> None:
    if idle := [name for name in external if name not in names]:
        raise CannotRun(
            f"An address was given for {', '.join(idle)}, which this stack does not hold.",
            remedy=f"Leave the address out, or ask for the service too. Asked for: {', '.join(names)}.",
        )
    if ports:
        raise CannotRun(
            f"A port was given for {', '.join(ports)}, which this stack does not start itself.",
            remedy="Leave the port out: an external service listens where its address says.",
        )
