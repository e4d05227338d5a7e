"""Settings of the system, read from the environment in this one place."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar
from urllib.parse import urlsplit

from system.errors import SettingsError

Value = TypeVar("Value")

DAY = 86_400.0
MOST = 10_000_000
"""Of anything that is counted; more is a slip of the pen."""
HOST = re.compile(r"(\[[0-9a-f:]+\]|[^\s/@:\[\]]+)(:[0-9]{1,5})?")
MOST_CONNECTIONS = 1_000
"""Of one worker. The pool makes an object for each at once."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where the services are, and how much one worker takes on."""

    database_url: str = field(repr=False)
    """``postgresql://user@host:port/database``, with the password behind the user if there is one"""
    temporal_address: str = "127.0.0.1:7233"
    temporal_namespace: str = "default"
    task_queue: str = "system"
    redis_url: str | None = field(default=None, repr=False)
    """The cache; without it, or while it is down, everything works, and is looked up anew."""
    payment_url: str | None = None
    shipping_url: str | None = None
    """The providers that orders call; without them, an order fails before anything of it is begun."""
    health_address: tuple[str, int] | None = None
    """Host and port of the health endpoint; none is served when absent."""
    metrics_address: tuple[str, int] | None = None
    """IP address and port where a worker shows Prometheus what the SDK measures; nowhere when absent."""
    work_directory: Path = Path(tempfile.gettempdir()) / "system-work"
    """Holds decoded source files; every worker must see the same directory."""
    task_files: Path | None = None
    """The directory whose files tasks may read; without it, they may read none."""
    task_hosts: frozenset[str] = frozenset()
    """Hosts, or host:port, that tasks may deliver to; without any, to none."""
    cache_seconds: float = 0.25
    """How long a call to the cache may take before the worker does without it."""
    drain_seconds: float = 30.0
    """How long running activities may go on after SIGTERM."""
    pool_min: int = 1
    pool_max: int = 8
    """PostgreSQL connections of one worker."""
    slow_query_seconds: float = 0.5
    """Queries that take longer are logged; COPY is not."""
    payload_limit: int = 64 * 1024
    """Bytes from which a payload travels by reference."""
    payload_codec: str | None = None
    """Import path "module:NAME" of what makes a PayloadCodec; of every client and worker, or of none."""
    min_activities: int = 8
    max_activities: int = 32
    """Activities one worker runs at the same time: the most, and the least where memory or processor are short."""
    memory_target: float = 0.8
    cpu_target: float = 0.9
    """Shares of the machine's memory and processors up to which a worker takes on more activities."""
    max_cached_workflows: int = 500
    deployment: str | None = None
    build_id: str | None = None
    """Name of the Worker Deployment and of this build: a worker has both, or neither and no versions."""
    versioning: str = "pinned"
    """Whether workflows stay with the build they began on (pinned), or move on to the current one (auto-upgrade)."""
    polars_threads: int = 1
    """Threads that polars has for all activities of one worker; workers already run side by side."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read the settings; an absent or empty variable means its default.

        Raises:
            SettingsError: names the variable, its value without passwords, and what was expected.

        """
        reader = _Reader(os.environ if environment is None else environment)
        max_activities = reader.read("MAX_ACTIVITIES", COUNT, cls.max_activities)
        settings = cls(
            database_url=reader.read("DATABASE_URL", POSTGRES_URL, None),
            temporal_address=reader.read("TEMPORAL_ADDRESS", ADDRESS_TEXT, cls.temporal_address),
            temporal_namespace=reader.read("TEMPORAL_NAMESPACE", TEXT, cls.temporal_namespace),
            task_queue=reader.read("TASK_QUEUE", TEXT, cls.task_queue),
            redis_url=reader.read_optional("REDIS_URL", REDIS_URL),
            payment_url=reader.read_optional("PAYMENT_URL", HTTP_URL),
            shipping_url=reader.read_optional("SHIPPING_URL", HTTP_URL),
            health_address=reader.read_optional("HEALTH_ADDRESS", ADDRESS),
            metrics_address=reader.read_optional("METRICS_ADDRESS", ADDRESS),
            work_directory=reader.read("WORK_DIRECTORY", DIRECTORY, cls.work_directory),
            task_files=reader.read_optional("TASK_FILES", FILES),
            task_hosts=reader.read("TASK_HOSTS", HOSTS, cls.task_hosts),
            cache_seconds=reader.read("CACHE_SECONDS", DURATION, cls.cache_seconds),
            drain_seconds=reader.read("DRAIN_SECONDS", SECONDS, cls.drain_seconds),
            pool_min=reader.read("POOL_MIN", COUNT, cls.pool_min),
            pool_max=reader.read("POOL_MAX", COUNT, cls.pool_max),
            slow_query_seconds=reader.read("SLOW_QUERY_SECONDS", SECONDS, cls.slow_query_seconds),
            payload_limit=reader.read("PAYLOAD_LIMIT", COUNT, cls.payload_limit),
            payload_codec=reader.read_optional("PAYLOAD_CODEC", TEXT),
            min_activities=reader.read("MIN_ACTIVITIES", COUNT, min(cls.min_activities, max_activities)),
            max_activities=max_activities,
            memory_target=reader.read("MEMORY_TARGET", SHARE, cls.memory_target),
            cpu_target=reader.read("CPU_TARGET", SHARE, cls.cpu_target),
            max_cached_workflows=reader.read("MAX_CACHED_WORKFLOWS", COUNT, cls.max_cached_workflows),
            deployment=reader.read_optional("DEPLOYMENT", TEXT),
            build_id=reader.read_optional("BUILD_ID", TEXT),
            versioning=reader.read("VERSIONING", VERSIONING, cls.versioning),
            polars_threads=reader.read("POLARS_THREADS", COUNT, cls.polars_threads),
        )
        _in_order("POOL_MAX", settings.pool_max, "what one worker may have", MOST_CONNECTIONS)
        _in_order("POOL_MIN", settings.pool_min, "POOL_MAX", settings.pool_max)
        _in_order("MIN_ACTIVITIES", settings.min_activities, "MAX_ACTIVITIES", settings.max_activities)
        if settings.build_id is not None and settings.deployment is None:
            raise SettingsError("BUILD_ID is set and DEPLOYMENT is not: expected the name of the Worker Deployment too")
        return settings


def _in_order(lesser: str, least: int, greater: str, most: int) -> None:
    if least > most:
        raise SettingsError(f"{lesser} is {least}, {greater} is {most}: expected {lesser} to be at most {greater}")


def masked(url: str) -> str:
    """Return a URL, or what was given for one, with its passwords left out."""
    userinfo_masked = re.sub(r"^((?:[\w+]*:/+)?+[^:@]*):.*@", r"\1:…@", url)
    return re.sub(r"(?i)(password\s*=\s*)('[^']*'|[^&\s]*)", r"\1…", userinfo_masked)


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def read(self, variable: str, kind: _Kind[Value], default: Value | None) -> Value:
        value = self.read_optional(variable, kind)
        if value is not None:
            return value
        if default is None:
            raise SettingsError(f"{variable} is not set: expected {kind.expected}")
        return default

    def read_optional(self, variable: str, kind: _Kind[Value]) -> Value | None:
        text = self._environment.get(variable, "").strip()
        if not text:
            return None
        try:
            return kind.parse(text)
        except ValueError:
            raise SettingsError(f"{variable} is {masked(text)!r}: expected {kind.expected}") from None


@dataclass(frozen=True)
class _Kind(Generic[Value]):
    parse: Callable[[str], Value]
    expected: str


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not 0 <= int(port) <= 65535:
        raise ValueError(text)
    return host, int(port)


def _address_text(text: str) -> str:
    _address(text)
    return text


def _url(*schemes: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        parts = urlsplit(text)
        if parts.scheme not in schemes or not parts.hostname:
            raise ValueError(text)
        _ = parts.port  # raises ValueError where the port is not a number
        return text

    return parse


def _directory(text: str) -> Path:
    path = Path(text)
    if not path.is_absolute() or (path.exists() and not path.is_dir()):
        raise ValueError(text)
    return path


def _hosts(text: str) -> frozenset[str]:
    hosts = frozenset(host.strip().lower() for host in text.split(","))
    if not all(HOST.fullmatch(host) for host in hosts):
        raise ValueError(text)
    return hosts


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= DAY:
        raise ValueError(text)
    return seconds


def _duration(text: str) -> float:
    seconds = _seconds(text)
    if seconds == 0:
        raise ValueError(text)
    return seconds


def _versioning(text: str) -> str:
    if text not in ("pinned", "auto-upgrade"):
        raise ValueError(text)
    return text


def _share(text: str) -> float:
    share = float(text)
    if not 0 < share <= 1:
        raise ValueError(text)
    return share


def _count(text: str) -> int:
    count = int(text)
    if not 1 <= count <= MOST:
        raise ValueError(text)
    return count


TEXT = _Kind(str, "a text")
ADDRESS = _Kind(_address, "host:port, for example 127.0.0.1:8080")
ADDRESS_TEXT = _Kind(_address_text, "host:port, for example 127.0.0.1:7233")
POSTGRES_URL = _Kind(_url("postgresql", "postgres"), "postgresql://user:password@host:port/database")
REDIS_URL = _Kind(_url("redis", "rediss"), "redis://host:port/number")
HTTP_URL = _Kind(_url("http", "https"), "http://host:port")
DIRECTORY = _Kind(_directory, "an absolute path to a directory, which is made if missing")
FILES = _Kind(_directory, "an absolute path to a directory")
HOSTS = _Kind(_hosts, "hosts or host:port, separated by commas, for example hooks.example.com, localhost:8080")
SECONDS = _Kind(_seconds, "a number of seconds, from zero to a day")
VERSIONING = _Kind(_versioning, "pinned or auto-upgrade")
SHARE = _Kind(_share, "a share above 0, at most 1")
DURATION = _Kind(_duration, "a number of seconds above zero, up to a day")
COUNT = _Kind(_count, f"a whole number from one to {MOST:,}")
