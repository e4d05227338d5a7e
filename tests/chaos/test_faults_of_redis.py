"""Redis that is down, still, empty or full is seen to be so, and serves again afterwards."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from subprocess import PIPE, Popen

import pytest
import redis.asyncio
from redis.exceptions import OutOfMemoryError
from small_target import small_target, standing

from chaos.faults.redis import RedisFlushedPlan, RedisFullPlan, RedisKilledPlan, RedisPlan, RedisStalledPlan
from harness.stack import Stack
from harness.testbed import Testbed

ASKS = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
    connection.sendall(sys.argv[2].encode())
    print("asked", flush=True)
    print(connection.recv(99).decode().strip())
"""
PLANS = [plan(at=0, duration=1) for plan in (RedisKilledPlan, RedisStalledPlan, RedisFlushedPlan, RedisFullPlan)]


@pytest.fixture(scope="module")
async def bed(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Testbed]:
    """A testbed with a Redis of its own."""
    target = small_target(services=["temporal", "redis"])
    async with standing(target, stack, tmp_path_factory.mktemp("results"), own=["redis"]) as made:
        yield made


@pytest.fixture
async def cache(bed: Testbed) -> redis.asyncio.Redis:
    """The testbed's own client, on an empty Redis."""
    assert bed.stores.redis is not None
    await bed.stores.redis.flushall()
    return bed.stores.redis


@contextmanager
def asking(bed: Testbed, said: str) -> Iterator[Popen[str]]:
    """Another process, which has connected to Redis, has said this, and waits for an answer."""
    command = [sys.executable, "-c", ASKS, str(bed.stack["redis"].port), said]
    with Popen(command, stdout=PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "asked\n"
        yield process


async def test_killed_it_is_gone_and_comes_back_empty(bed: Testbed, cache: redis.asyncio.Redis) -> None:
    """After SIGKILL connections are refused; at heal it serves again, and the testbed's client knows it."""
    fault = RedisKilledPlan(at=0, duration=1).fault(bed)
    await cache.set("key", "value")
    with asking(bed, ""):
        await fault.inject()
    bite = await fault.bite()
    assert (bite.in_force, bite.cut) == (True, 1), "our own connection is not counted"
    assert bite.evidence == "it has ended, with 1 connections open; a new one was refused: connection refused"
    await fault.heal()
    assert await cache.get("key") is None
    assert (await fault.bite()).evidence == "it runs"


async def test_what_ended_by_itself_is_not_started_by_heal(bed: Testbed) -> None:
    """A server that died without the fault stays dead, or the fault would hide it."""
    fault = RedisKilledPlan(at=0, duration=1).fault(bed)
    await fault.service.kill()
    try:
        await fault.heal()
        assert not fault.service.alive
    finally:
        await fault.service.restart()


async def test_still_it_answers_nobody_and_knows_who_asked(bed: Testbed, cache: redis.asyncio.Redis) -> None:
    """Who asked meanwhile and waits, and who gave up, met it; we ourselves did not, nor the fault's own hello."""
    fault = RedisStalledPlan(at=0, duration=1).fault(bed)
    await fault.inject()
    bite = await fault.bite()
    assert (bite.in_force, bite.evidence) == (True, "a new connection said hello, and had no answer within 1 s")
    with asking(bed, "PING\r\n") as impatient:
        impatient.kill()
    reader, writer = await asyncio.open_connection(bed.stack["redis"].host, bed.stack["redis"].port)
    writer.write(b"PING\r\n")
    with asking(bed, "PING\r\n") as patient:
        await fault.heal()
        assert patient.communicate()[0] == "+PONG\n"
    assert await reader.readline() == b"+PONG\r\n"
    writer.close()
    assert await cache.ping()
    met = await fault.met() or ()
    told = sorted(each.partition(": ")[2] for each in met)
    assert told == ["not read, 6 bytes", "not read, 6 bytes, and it gave up"]
    await fault.inject()
    await fault.heal()
    assert await fault.met() == (), "another time, nobody asked"


async def test_answered_it_does_not_stand_still(bed: Testbed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a new connection is answered, or nobody is there, the fault is not in force."""
    monkeypatch.setattr("chaos.faults.services.TRY_SECONDS", 30)
    fault = RedisStalledPlan(at=0, duration=1).fault(bed)
    assert (await fault.bite()).evidence == "it was not stopped"
    await fault.inject()
    await fault.service.resume()
    bite = await fault.bite()
    assert (bite.in_force, bite.evidence) == (False, "a new connection was answered: b'+'")
    await fault.service.kill()
    bite = await fault.bite()
    assert not bite.in_force
    assert bite.evidence.startswith("it does not stand still, it is gone")
    await fault.heal()
    assert not fault.service.alive
    await fault.service.restart()


async def test_flushed_it_forgets_and_tells_what_was_missed(bed: Testbed, cache: redis.asyncio.Redis) -> None:
    """Every key is gone at once; those that somebody writes again were missed. Nothing to forget is no fault."""
    fault = RedisFlushedPlan(at=0, duration=1).fault(bed)
    await fault.inject()
    assert not (await fault.bite()).in_force
    await cache.mset({"one": "1", "two": "2"})
    await fault.inject()
    bite = await fault.bite()
    assert (bite.in_force, bite.evidence) == (True, "keys that it forgot: 2")
    assert await cache.dbsize() == 0
    await cache.mset({"two": "2", "three": "3"})
    await fault.heal()
    assert await fault.met() == ("two: written again",)
    assert await cache.dbsize() == 2, "what is there now stays"


async def test_full_it_refuses_writes_and_counts_them(bed: Testbed, cache: redis.asyncio.Redis) -> None:
    """What is there can be read, nothing is evicted, and no write is taken until heal gives it the settings it had."""
    await cache.config_set("maxmemory-policy", "allkeys-lru")
    await cache.set("key", "value")
    fault = RedisFullPlan(at=0, duration=1).fault(bed)
    assert (await fault.bite()).evidence == "SET was obeyed"
    await fault.inject()
    bite = await fault.bite()
    assert bite.in_force
    assert "used memory > 'maxmemory'" in bite.evidence
    for _ in range(2):
        with pytest.raises(OutOfMemoryError):
            await cache.set("other", "value")
    assert await cache.get("key") == b"value"
    await fault.heal()
    assert await fault.met() == ("set: refused, 2 times",)
    await cache.set("other", "value")
    assert await cache.config_get("maxmemory") == {"maxmemory": "0"}
    assert await cache.config_get("maxmemory-policy") == {"maxmemory-policy": "allkeys-lru"}


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: str(plan.kind))
async def test_healing_is_harmless(bed: Testbed, plan: RedisPlan, cache: redis.asyncio.Redis) -> None:
    """Heal may be called first, twice, and after the server has died of something else."""
    await cache.set("key", "value")
    fault = plan.fault(bed)
    assert (fault.name, fault.on) == (plan.kind, "redis")
    await fault.heal()
    await fault.heal()
    assert await cache.get("key") == b"value"
    await fault.inject()
    service = plan.ours(bed)
    await service.kill()
    await fault.heal()
    await fault.heal()
    if not service.alive:
        await service.restart()
    assert await cache.set("key", "value")
