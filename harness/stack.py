"""The services of one run: started together, stopped in reverse, with their addresses."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.errors import CannotRun, UnknownName
from harness.services.command import CommandService, CommandSpec, kind_of
from harness.services.contained import (
    ContainerPostgres,
    ContainerRedis,
    ContainerService,
    ContainerTemporal,
    ContainerToxiproxy,
)
from harness.services.engine import Engine
from harness.services.postgres import KIND as POSTGRES
from harness.services.postgres import EmbeddedPostgres
from harness.services.reaper import reaper
from harness.services.redis import KIND as REDIS
from harness.services.redis import EmbeddedRedis
from harness.services.service import ExternalService, Kind, Notify, Service, Site, StartedService
from harness.services.temporal import KIND as TEMPORAL
from harness.services.temporal import NAMESPACE, EmbeddedTemporal, kind_in
from harness.services.toxiproxy import KIND as TOXIPROXY
from harness.services.toxiproxy import EmbeddedToxiproxy
from harness.together import together

EMBEDDED: dict[str, Callable[..., StartedService]] = {
    "temporal": EmbeddedTemporal,
    "postgres": EmbeddedPostgres,
    "redis": EmbeddedRedis,
    "toxiproxy": EmbeddedToxiproxy,
}
CONTAINER: dict[str, Callable[..., StartedService]] = {
    "temporal": ContainerTemporal,
    "postgres": ContainerPostgres,
    "redis": ContainerRedis,
    "toxiproxy": ContainerToxiproxy,
}
PROVIDERS = {"embedded": EMBEDDED, "container": CONTAINER}
KINDS: dict[str, Kind] = {kind.name: kind for kind in (TEMPORAL, POSTGRES, REDIS, TOXIPROXY)}


def quietly(message: str) -> None:
    """Tell nobody."""


class Stack:
    """Services that start concurrently on entering, and stop in reverse on leaving.

    Processes of the target's own that are told where the services are start once those stand.
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
        self._engine = Engine()

    @classmethod
    def of(  # noqa: PLR0913 - each is a choice of the user's
        cls,
        names: Sequence[str],
        *,
        log_directory: Path,
        provider: str | Mapping[str, str] = "embedded",
        external: Mapping[str, str] | None = None,
        ports: Mapping[str, int] | None = None,
        persistent: bool = False,
        namespace: str = NAMESPACE,
        processes: Mapping[str, CommandSpec] | None = None,
        notify: Notify = quietly,
    ) -> Self:
        """A stack of the named services, then `processes`: at its `external` address if one is given, else started.

        `provider` is "embedded" or "container" for all, or for each by its name, embedded where it is not named.
        `ports` fixes the ports of started ones ("temporal.ui" is the UI's); `persistent` lets a started Temporal
        survive being killed, as PostgreSQL does anyway. A started Temporal makes the `namespace`, an external one
        must have it. Raises UnknownName for what is no service or provider, and CannotRun for a port or an address of
        a service the stack does not hold.
        """
        external, ports, processes = external or {}, dict(ports or {}), processes or {}
        _refuse_unknown(names, [*external, *(port.removesuffix(".ui") for port in ports)], processes)
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
            services.append(_provided(name, provider)(**options))
        known = functools.partial(_addresses, tuple(services))
        for name, spec in processes.items():
            if name in external:
                default_port = 443 if external[name].startswith("https://") else 80
                services.append(ExternalService(kind_of(name, spec, default_port=default_port), external[name]))
            else:
                services.append(CommandService(name, spec, known, port=ports.pop(name, None)))
        _refuse_unused([*names, *processes], external, ports)
        return cls(services, log_directory=log_directory, notify=notify)

    def __getitem__(self, name: str) -> Service:
        try:
            return self.services[name]
        except KeyError:
            raise UnknownName("service in this stack", name, self.services) from None

    @property
    def addresses(self) -> dict[str, str]:
        """What templates can name: {"postgres.url": "postgresql://…", "temporal.ui": "http://…", …}."""
        return _addresses(self.services.values())

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
        told = [each for each in self.services.values() if isinstance(each, CommandService) and each.waits_for_services]
        try:
            if any(isinstance(service, ContainerService) for service in self.services.values()):
                site = dataclasses.replace(site, engine=await self._engine.start(site))
            await together(self._start(service, site) for service in self.services.values() if service not in told)
            await together(self._start(process, site) for process in told)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop every service, the last one first, and remove the data.

        Goes on where one cannot be stopped, and then raises its error; of several the last, with the others behind it.
        """
        async with contextlib.AsyncExitStack() as exits:
            exits.push_async_callback(self._remove_directory)
            exits.push_async_callback(self._engine.stop)
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
        named = f"{service.name} {service.version}".rstrip()
        self._notify(f"{named} {verb} at {service.address} in {seconds:.2f} s")


def _addresses(services: Iterable[Service]) -> dict[str, str]:
    return {
        f"{service.name}.{field}": value
        for service in services
        for field, value in service.fields_at(service.address).items()
    }


def _provided(name: str, provider: str | Mapping[str, str]) -> Callable[..., StartedService]:
    chosen = provider if isinstance(provider, str) else provider.get(name, "embedded")
    if chosen not in PROVIDERS:
        raise UnknownName("provider", chosen, PROVIDERS)
    return PROVIDERS[chosen][name]


def _refuse_unknown(names: Sequence[str], others: Sequence[str], processes: Mapping[str, CommandSpec]) -> None:
    for name in names:
        if name not in KINDS:
            raise UnknownName("service", name, KINDS)
    for name in others:
        if name not in {*KINDS, *processes}:
            raise UnknownName("service", name, {*KINDS, *processes})


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
