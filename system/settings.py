"""Settings of the system, read from the environment in this one place."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from system.errors import SettingsError

Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where the services are, and how much one worker takes on."""

    database_url: str
    """``postgresql://user:password@host:port/database``"""
    temporal_address: str = "127.0.0.1:7233"
    temporal_namespace: str = "default"
    task_queue: str = "system"
    redis_url: str | None = None
    """Shown by the health endpoint only."""
    health_address: tuple[str, int] | None = None
    """Host and port of the health endpoint; none is served when absent."""
    work_directory: Path = Path(tempfile.gettempdir()) / "system-work"
    """Holds decoded source files; every worker must see the same directory."""
    drain_seconds: float = 30.0
    """How long running activities may go on after SIGTERM."""
    pool_min: int = 1
    pool_max: int = 8
    """PostgreSQL connections of one worker."""
    max_activities: int = 8
    """Activities one worker runs at the same time."""
    max_cached_workflows: int = 500
    polars_threads: int = 1
    """Threads polars may use within one activity; chunks already run side by side."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read the settings; an absent or empty variable means its default.

        Raises:
            SettingsError: names the variable, its value, and what was expected.
        """
        reader = _Reader(os.environ if environment is None else environment)
        settings = cls(
            database_url=reader.read("DATABASE_URL", _postgres_url, None),
            temporal_address=reader.read("TEMPORAL_ADDRESS", _address_text, cls.temporal_address),
            temporal_namespace=reader.read("TEMPORAL_NAMESPACE", str, cls.temporal_namespace),
            task_queue=reader.read("TASK_QUEUE", str, cls.task_queue),
            redis_url=reader.read_optional("REDIS_URL", _redis_url),
            health_address=reader.read_optional("HEALTH_ADDRESS", _address),
            work_directory=reader.read("WORK_DIRECTORY", _directory, cls.work_directory),
            drain_seconds=reader.read("DRAIN_SECONDS", _seconds, cls.drain_seconds),
            pool_min=reader.read("POOL_MIN", _count, cls.pool_min),
            pool_max=reader.read("POOL_MAX", _count, cls.pool_max),
            max_activities=reader.read("MAX_ACTIVITIES", _count, cls.max_activities),
            max_cached_workflows=reader.read("MAX_CACHED_WORKFLOWS", _count, cls.max_cached_workflows),
            polars_threads=reader.read("POLARS_THREADS", _count, cls.polars_threads),
        )
        if settings.pool_min > settings.pool_max:
            raise SettingsError(
                f"POOL_MIN is {settings.pool_min}, POOL_MAX is {settings.pool_max}: "
                "expected POOL_MIN to be at most POOL_MAX"
            )
        return settings


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def read(self, variable: str, parse: Callable[[str], Value], default: Value | None) -> Value:
        value = self.read_optional(variable, parse)
        if value is not None:
            return value
        if default is None:
            raise SettingsError(f"{variable} is not set: expected {parse.__doc__}")
        return default

    def read_optional(self, variable: str, parse: Callable[[str], Value]) -> Value | None:
        text = self._environment.get(variable, "").strip()
        if not text:
            return None
        try:
            return parse(text)
        except ValueError:
            raise SettingsError(f"{variable} is {text!r}: expected {parse.__doc__}") from None


def _address(text: str) -> tuple[str, int]:
    """host:port, for example 127.0.0.1:8080"""
    host, _, port = text.rpartition(":")
    if not host or not 0 <= int(port) <= 65535:
        raise ValueError(text)
    return host, int(port)


def _address_text(text: str) -> str:
    """host:port, for example 127.0.0.1:7233"""
    _address(text)
    return text


def _postgres_url(text: str) -> str:
    """postgresql://user:password@host:port/database"""
    return _url(text, "postgresql", "postgres")


def _redis_url(text: str) -> str:
    """redis://host:port/number"""
    return _url(text, "redis", "rediss")


def _url(text: str, *schemes: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in schemes or not parts.hostname:
        raise ValueError(text)
    _ = parts.port  # raises ValueError where the port is not a number
    return text


def _directory(text: str) -> Path:
    """an absolute path to a directory, which is made if missing"""
    path = Path(text)
    if not path.is_absolute() or (path.exists() and not path.is_dir()):
        raise ValueError(text)
    return path


def _seconds(text: str) -> float:
    """a number of seconds, zero or more"""
    seconds = float(text)
    if not 0 <= seconds < float("inf"):
        raise ValueError(text)
    return seconds


def _count(text: str) -> int:
    """a whole number, one or more"""
    count = int(text)
    if count < 1:
        raise ValueError(text)
    return count
