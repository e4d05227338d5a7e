"""The services as containers: the servers, settings and ports of the embedded ones, out of an image."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from harness.services import postgres, redis, temporal, toxiproxy
from harness.services.container import Container
from harness.services.engine import Found
from harness.services.engine_client import pull_missing
from harness.services.images import image_of
from harness.services.process import until_ready
from harness.services.service import READY_SECONDS, STOP_SECONDS, Identity, StartedService

DATABASE = Path("/tmp/temporal.db")  # noqa: S108  # nosec B108 # within the container, which is its own
"""Where a persistent Temporal keeps its state; the image's user may write there."""


class ContainerService(StartedService):
    """A server run in a container on the network of this machine, so that its address is that of an embedded one.

    Links reach it, and lead through it where it is Toxiproxy, as if it were a child process. It has no `process`.
    """

    provider = "container"
    environment: ClassVar[Mapping[str, str]] = {}
    _container: Container | None = None

    @property
    def image(self) -> str:
        """The image it is started from."""
        return image_of(self.name)

    @property
    def _engine(self) -> Found:
        if self.site.engine is None:
            raise RuntimeError(f"{self.name} has no container engine")
        return self.site.engine

    @property
    def alive(self) -> bool:
        """Whether the container runs, or is paused."""
        return self._container is not None and self._container.alive

    @property
    def pid(self) -> int | None:
        """The container's first process, as this machine sees it."""
        return self._container.pid if self._container is not None and self._container.alive else None

    @abstractmethod
    def command(self) -> list[str]:
        """What the image's entry point is told, to serve on `self.port`."""

    async def prepare(self) -> None:
        """See that the image is there, or pull it."""
        await pull_missing(self.name, self.image, self._engine, self.site.notify)

    async def stop(self) -> None:
        """Stop it in order, and remove it with its data."""
        if self._container is not None:
            try:
                await self.shut_down()
            finally:
                await self._container.remove()
                self._container = None

    async def kill(self) -> None:
        """Kill the container with SIGKILL; its data stays."""
        if self._container is not None:
            await self._container.kill()

    async def shut_down(self) -> None:
        """Send the container its image's stop signal, and kill it if it does not go."""
        if self._container is not None:
            await self._container.terminate(STOP_SECONDS)

    async def pause(self) -> None:
        """Freeze the container."""
        if self._container is not None:
            await self._container.pause()

    async def resume(self) -> None:
        """Let the container go on."""
        if self._container is not None:
            await self._container.resume()

    def _running(self) -> Container:
        assert self._container is not None
        return self._container

    async def _launch(self) -> None:
        again = self._container is not None
        self._container = container = self._container or Container(
            self.name,
            self.image,
            self.command(),
            engine=self._engine,
            log_path=self.site.logs / f"{self.name}.log",
            env=self.environment,
        )
        try:
            await container.start()
            self.identity = await until_ready(container, self._probe, READY_SECONDS)
        except BaseException:
            if again:
                await container.kill()
            else:
                self._container = None
                await container.remove()
            raise

    async def _probe(self) -> Identity:
        identity = await super()._probe()
        return Identity(version=identity.version, flags={"image": self.image, **identity.flags})


class ContainerPostgres(ContainerService):
    """PostgreSQL, which trusts whoever connects."""

    environment: ClassVar[Mapping[str, str]] = {
        "POSTGRES_HOST_AUTH_METHOD": "trust",
        "POSTGRES_INITDB_ARGS": " ".join(postgres.INITDB),
    }

    def __init__(self, *, port: int | None = None) -> None:
        super().__init__(postgres.KIND, port=port)

    def command(self) -> list[str]:
        """`postgres`, once the entry point has made the data directory over a Unix socket."""
        return ["postgres", *postgres.server_arguments(self.host, self.port)]


class ContainerRedis(ContainerService):
    """Redis, without persistence."""

    def __init__(self, *, port: int | None = None) -> None:
        super().__init__(redis.KIND, port=port)

    def command(self) -> list[str]:
        """`redis-server`."""
        return ["redis-server", *redis.server_arguments(self.host, self.port)]


class ContainerToxiproxy(ContainerService):
    """Toxiproxy; its proxies are made by Links."""

    environment: ClassVar[Mapping[str, str]] = toxiproxy.ENVIRONMENT

    def __init__(self, *, port: int | None = None) -> None:
        super().__init__(toxiproxy.KIND, port=port)

    def command(self) -> list[str]:
        """Its arguments; the program is the image's entry point."""
        return toxiproxy.server_arguments(self.host, self.port)


class ContainerTemporal(temporal.DevServer, ContainerService):
    """The dev server of the Temporal CLI's image."""

    environment: ClassVar[Mapping[str, str]] = temporal.ENVIRONMENT

    def command(self) -> list[str]:
        """`server start-dev`; the program is the image's entry point."""
        return self.arguments(DATABASE)
