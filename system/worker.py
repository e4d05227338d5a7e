"""Runs one worker: connects, polls, and drains when told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import tempfile
import threading
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

from temporalio.worker import Interceptor, Worker

from system.breaker import Breakers
from system.cache.cache import Cache
from system.composition import Resources, activities
from system.connection import connect
from system.errors import ProviderUnanswered, SettingsError, Unavailable
from system.fleet.status import Occupancy, Status, resident_bytes, tell
from system.health import Health, Probe, served
from system.orders.providers import Http
from system.settings import Settings
from system.storage.pool import Pool, check_migrated, open_pool
from system.telemetry import measured
from system.tuning import HEARTBEATS, POLLS, STICKY, build_id, deployment, tuner

logger = logging.getLogger(__name__)


async def run_worker(
    settings: Settings,
    interceptors: Sequence[Interceptor] = (),
    stop: asyncio.Event | None = None,
    status_pipe: int | None = None,
) -> None:
    """Poll until SIGTERM, SIGINT or ``stop``; then take no new work and let what runs end.

    Args:
        settings: where the services are.
        interceptors: of whoever composes this worker into something larger; they see activities first.
        stop: ends the worker as SIGTERM does.
        status_pipe: file descriptor by which the fleet this worker belongs to hears of it.

    Raises:
        Unavailable: Temporal or PostgreSQL does not answer.
        NotMigrated: the database lacks tables.
        SettingsError: the work directory cannot be written, a deployment has no build, or metrics cannot be served.

    """
    versioning = deployment(settings)
    _make_writable(settings.work_directory)
    stop = stop or asyncio.Event()
    _stop_on_signals(stop)
    async with _database(settings) as database, Http() as http, _cache(settings) as cache:
        client = await connect(settings, database, measured(settings.metrics_address))
        occupancy = Occupancy()
        # Ten, because a provider that fails is asked about each failure, and an answer closes the breaker again.
        breakers = Breakers(threshold=10, ttl=5, failures=(ProviderUnanswered,))
        worker = Worker(
            client,
            task_queue=settings.task_queue,
            activities=activities(
                Resources(
                    settings=settings, database=database, client=client, http=http, cache=cache, breakers=breakers
                )
            ),
            interceptors=[occupancy, *interceptors],
            tuner=tuner(settings),
            build_id=build_id(settings),
            deployment_config=versioning,
            workflow_task_poller_behavior=POLLS,
            activity_task_poller_behavior=POLLS,
            sticky_queue_schedule_to_start_timeout=STICKY,
            max_cached_workflows=settings.max_cached_workflows,
            graceful_shutdown_timeout=timedelta(seconds=settings.drain_seconds),
            max_heartbeat_throttle_interval=HEARTBEATS,
        )

        def figures() -> dict[str, Any]:
            return {
                "memory": resident_bytes(),
                "busy": occupancy.busy,
                "cache": {**cache.statistics().model_dump(), "hit_ratio": cache.statistics().hit_ratio},
                "breakers": [state.model_dump() for state in breakers.states()],
            }

        health = Health({"postgres": _postgres_probe(database)}, _redis_probe(settings.redis_url), figures)
        async with served(settings.health_address, health):
            telling = _tell(status_pipe, health, occupancy, settings.max_activities, stop)
            try:
                await _poll(worker, health, settings, stop, _warm_up(settings, cache))
            finally:
                telling.cancel()


def _tell(
    pipe: int | None, health: Health, occupancy: Occupancy, slots: int, stop: asyncio.Event
) -> asyncio.Future[None]:
    """Tell the fleet this worker belongs to how it is; without a fleet any more, drain."""

    def status() -> Status:
        return Status(polling=health.polling, busy=occupancy.busy, slots=slots, memory=resident_bytes())

    if pipe is None:
        return asyncio.get_running_loop().create_future()
    return asyncio.ensure_future(tell(pipe, status, stop.set))


def _make_writable(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise SettingsError(
            f"WORK_DIRECTORY is {directory}: cannot write there ({error.strerror}); "
            "expected a directory that can be made and written"
        ) from error


async def _poll(
    worker: Worker, health: Health, settings: Settings, stop: asyncio.Event, meanwhile: Coroutine[Any, Any, None]
) -> None:
    polling = asyncio.create_task(worker.run())
    health.polling = True
    logger.info("polling %s on %s", settings.task_queue, settings.temporal_address)
    warming = asyncio.create_task(meanwhile)
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({polling, stopping}, return_when=asyncio.FIRST_COMPLETED)
    health.polling = False
    stopping.cancel()
    if not polling.done():
        logger.info("draining, for up to %g s", settings.drain_seconds)
        await worker.shutdown()
    try:
        await polling
    except RuntimeError as error:  # the SDK's own: it says no more of its kind
        raise Unavailable(f"Temporal refused the worker ({error}); is TEMPORAL_NAMESPACE right?") from error
    finally:
        warming.cancel()
        await asyncio.gather(warming, return_exceptions=True)
    logger.info("stopped")


async def _warm_up(settings: Settings, cache: Cache) -> None:
    """Import what the first chunk needs, and open the cache, while the worker already polls."""
    os.environ.setdefault("POLARS_MAX_THREADS", str(settings.polars_threads))
    # Within half a second polars would give back the memory that the next chunk takes again; and with a heap for each
    # thread that chunk would take it elsewhere.
    os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:10000,narenas:1")
    await asyncio.to_thread(import_module, "system.pipeline.stages")
    await cache.open()


@asynccontextmanager
async def _cache(settings: Settings) -> AsyncIterator[Cache]:
    """Yield the cache, not yet open: its first use opens it, and until then everything is looked up anew."""
    cache = Cache(settings.redis_url, call_seconds=settings.cache_seconds)
    try:
        yield cache
    finally:
        await cache.close()


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Pool]:
    pool = await open_pool(settings)
    try:
        async with pool.acquire() as connection:
            await check_migrated(connection)
        yield pool
    finally:
        # A connection whose link is down would make a graceful close wait for it.
        pool.terminate()


def _stop_on_signals(stop: asyncio.Event) -> None:
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)


def _postgres_probe(database: Pool) -> Probe:
    async def answer() -> object:
        return await database.fetchval("SELECT 1")

    return answer


def _redis_probe(url: str | None) -> dict[str, Probe]:
    if url is None:
        return {}

    async def answer() -> object:
        from redis.asyncio import Redis  # noqa: PLC0415 imported when the worker already polls

        async with Redis.from_url(url) as client:
            return await client.ping()

    return {"redis": answer}
