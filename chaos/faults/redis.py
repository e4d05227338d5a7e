"""Faults of Redis: down or still, empty, or full."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, RedisError

from chaos.faults.fault import Bite
from chaos.faults.services import Down, ServicePlan, Stalled
from harness.services.service import StartedService

if TYPE_CHECKING:
    from harness.testbed import Testbed

ANSWER_SECONDS = 5.0
PROBE = "temper:probe"
"""The key that is written to see whether writing is refused."""
KEPT = {"maxmemory": "1", "maxmemory-policy": "noeviction"}
"""The settings of a Redis that takes no more and throws nothing away."""


class RedisPlan(ServicePlan, frozen=True, kw_only=True):
    """A fault of Redis."""

    breaks: ClassVar[str] = "redis"


class RedisKilledPlan(RedisPlan, frozen=True, kw_only=True, tag="redis_killed"):
    """SIGKILL; at heal it is started again, empty."""

    def fault(self, bed: Testbed) -> Down:
        return Down(self.ours(bed), self.kind)


class RedisStalledPlan(RedisPlan, frozen=True, kw_only=True, tag="redis_stalled"):
    """SIGSTOP, and SIGCONT at heal: connections stay open, and nothing is answered."""

    def fault(self, bed: Testbed) -> Stalled:
        return Stalled(self.ours(bed), self.kind, cache=True)


class RedisFlushedPlan(RedisPlan, frozen=True, kw_only=True, tag="redis_flushed"):
    """It forgets all it has, once; the time to heal is that in which somebody is to miss it."""

    def fault(self, bed: Testbed) -> Flushed:
        return Flushed(self.ours(bed), self.kind)


class RedisFullPlan(RedisPlan, frozen=True, kw_only=True, tag="redis_full"):
    """Every write is refused, as where memory is full and nothing may be evicted; what is there can be read."""

    def fault(self, bed: Testbed) -> Full:
        return Full(self.ours(bed), self.kind)


RedisFault = RedisKilledPlan | RedisStalledPlan | RedisFlushedPlan | RedisFullPlan
"""[[fault]] of one of these kinds."""


@dataclass
class Flushed:
    """Redis has forgotten every key. Who then writes one of them again has missed it."""

    service: StartedService
    name: str
    slows: float | None = None
    _forgotten: frozenset[bytes] | None = None
    _missed: tuple[str, ...] = ()

    @property
    def on(self) -> str:
        return self.service.name

    async def inject(self) -> None:
        self._missed = ()
        async with _client(self.service) as client, client.pipeline(transaction=True) as both:
            both.keys("*")
            both.flushall()
            keys, _ = await both.execute()
        self._forgotten = frozenset(keys)

    async def bite(self) -> Bite:
        """Nothing is forgotten where nothing was known."""
        if self._forgotten is None:
            return Bite(in_force=False, evidence="it was not flushed")
        return Bite(in_force=bool(self._forgotten), evidence=f"keys that it forgot: {len(self._forgotten)}")

    async def heal(self) -> None:
        """Nothing is put back: look who did; harmless where the server is gone."""
        forgotten, self._forgotten = self._forgotten, None
        if forgotten:
            with contextlib.suppress(RedisConnectionError):
                async with _client(self.service) as client:
                    again = forgotten & frozenset(await client.keys("*"))
                self._missed = tuple(sorted(f"{key.decode(errors='replace')}: written again" for key in again))

    async def met(self) -> tuple[str, ...]:
        """The keys that were forgotten, and that somebody has written again by heal."""
        return self._missed


@dataclass
class Full:
    """Redis refuses to write: more memory is used than it may have, and it may evict nothing."""

    service: StartedService
    name: str
    slows: float | None = None
    _before: Mapping[str, str] | None = None
    _refused_before: Mapping[str, int] = field(default_factory=dict)
    _refused: Mapping[str, int] = field(default_factory=dict)
    _own: int = 0

    @property
    def on(self) -> str:
        return self.service.name

    async def inject(self) -> None:
        self._own, self._refused = 0, {}
        async with _client(self.service) as client:
            self._refused_before = await _refused(client)
            self._before = {name: str((await client.config_get(name))[name]) for name in KEPT}
            # First what keeps it from evicting all it has.
            for name, value in reversed(KEPT.items()):
                await client.config_set(name, value)

    async def bite(self) -> Bite:
        """Try to write."""
        try:
            async with _client(self.service) as client:
                await client.set(PROBE, "", px=1)
        except OutOfMemoryError as refusal:
            self._own += 1
            return Bite(in_force=True, evidence=f"SET was refused: {refusal}")
        except RedisError as error:
            return Bite(in_force=False, evidence=f"it cannot be asked: {error}")
        return Bite(in_force=False, evidence="SET was obeyed")

    async def heal(self) -> None:
        """Give it the memory it had; harmless where the server is gone, which forgets its settings."""
        if self._before is None:
            return
        with contextlib.suppress(RedisConnectionError):
            async with _client(self.service) as client:
                for name, value in self._before.items():
                    await client.config_set(name, value)
                self._refused = await _refused(client)
        self._before = None

    async def met(self) -> tuple[str, ...]:
        """The commands that it refused, each with how often."""
        own = {"set": self._own}
        counted = {
            name: times - self._refused_before.get(name, 0) - own.get(name, 0) for name, times in self._refused.items()
        }
        return tuple(f"{name}: refused, {times} times" for name, times in sorted(counted.items()) if times > 0)


def _client(service: StartedService) -> Redis:
    return Redis.from_url(
        service.url,
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


async def _refused(client: Redis) -> dict[str, int]:
    """How often each command was refused since Redis began to count."""
    stats: Mapping[str, Any] = await client.info("commandstats")
    return {name.removeprefix("cmdstat_"): counts.get("rejected_calls", 0) for name, counts in stats.items()}
