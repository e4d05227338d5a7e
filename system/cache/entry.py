"""Defines what lies in Redis under one key, and how long."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")

LONGEST = 86_400.0
"""Seconds an entry may be kept at most; the versions of tags are kept far longer."""


@dataclass(frozen=True)
class Lifetime:
    """How long a value is kept, in seconds."""

    ttl: float
    early: float = 0.0
    """This long before its end a value that is asked for is loaded anew, in the background; 0 is never."""
    negative_ttl: float = 0.0
    """How long "there is none" (a load that returned None) is kept; 0 is not at all."""
    patience: float = 3.0
    """How long others wait for one load before they load by themselves."""

    def __post_init__(self) -> None:
        """Refuse what would be kept for ever, or never."""
        # Redis counts in milliseconds, and takes zero of them for "without end".
        if not 0.001 <= self.ttl <= LONGEST:
            raise ValueError(f"ttl is {self.ttl:g}: expected 0.001 to {LONGEST:g} seconds")
        if not 0 <= self.early < self.ttl:
            raise ValueError(f"early is {self.early:g}: expected 0, or less than the ttl of {self.ttl:g} seconds")
        if self.negative_ttl and not 0.001 <= self.negative_ttl <= LONGEST:
            raise ValueError(f"negative_ttl is {self.negative_ttl:g}: expected 0, or 0.001 to {LONGEST:g} seconds")
        if self.patience < 0.001:
            raise ValueError(f"patience is {self.patience:g}: expected 0.001 seconds or more")


@dataclass(frozen=True)
class Kind(Generic[T]):
    """A type of values, and a short name of its shape: another shape, another name."""

    adapter: TypeAdapter[T]
    name: str

    @classmethod
    def of(cls, type_: Any) -> Self:
        """Take a type such as ``Product | None``."""
        adapter: TypeAdapter[T] = TypeAdapter(type_)
        schema = json.dumps(adapter.json_schema(), sort_keys=True)
        return cls(adapter, hashlib.sha256(schema.encode()).hexdigest()[:8])


@dataclass(frozen=True, kw_only=True)
class Lookup(Generic[T]):
    """One value that may be in the cache, and how to load it if it is not."""

    key: str
    tags: tuple[str, ...]
    lifetime: Lifetime
    kind: Kind[T]
    load: Callable[[], Awaitable[T]]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A value as it was loaded, and under which versions of its tags."""

    value: bytes
    """JSON."""
    is_negative: bool
    versions: tuple[str, ...]
    refresh_at: float | None
    """Seconds since the epoch, by the writer's clock: a wrong clock only moves the refresh."""

    def encode(self) -> bytes:
        """A line about the value, and the value."""
        header = {"negative": self.is_negative, "versions": self.versions, "refresh_at": self.refresh_at}
        return json.dumps(header).encode() + b"\n" + self.value

    @classmethod
    def decode(cls, data: bytes) -> Entry:
        """Read what ``encode`` wrote; raises ValueError, KeyError or TypeError for anything else."""
        header, _, value = data.partition(b"\n")
        fields = json.loads(header)
        return cls(
            value=value,
            is_negative=fields["negative"],
            versions=tuple(fields["versions"]),
            refresh_at=fields["refresh_at"],
        )
