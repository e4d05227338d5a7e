"""A worker as a process: ready, and drained."""

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from running_system import ROOT, Write, environment

from harness.eventually import eventually
from system.connection import connect
from system.pipeline.models import LoadRequest
from system.pipeline.schema import Schema
from system.pipeline.workflow import Pipeline
from system.settings import Settings


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def start_worker(environ: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "system", "worker"], cwd=ROOT, env=environ, stderr=subprocess.DEVNULL
    )


def ask(port: int, path: str) -> tuple[int, dict[str, Any]]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        text: bytes = answer.read()
        return text.decode()


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def metrics() -> str:
    return f"127.0.0.1:{free_port()}"


@pytest.fixture
def worker(settings: Settings, redis_url: str, port: int, metrics: str) -> Iterator[subprocess.Popen[bytes]]:
    more = {"HEALTH_ADDRESS": f"127.0.0.1:{port}", "METRICS_ADDRESS": metrics, "REDIS_URL": redis_url}
    more["DRAIN_SECONDS"] = "20"
    process = start_worker(environment(settings, **more))
    yield process
    process.kill()
    process.wait()


async def test_health_tells_polling_and_services(worker: subprocess.Popen[bytes], port: int) -> None:
    """Ready only when it polls and PostgreSQL answers; Redis and figures are shown; other paths are unknown."""

    async def ready() -> bool:
        return (await asyncio.to_thread(ask, port, "/ready"))[0] == 200

    await eventually(ready, timeout=20)
    status, details = ask(port, "/ready")
    expected = {"ready": True, "polling": True, "postgres": "ok", "redis": "ok", "busy": 0, "breakers": []}
    assert (status, {name: details[name] for name in expected}) == (200, expected)
    assert details["cache"]["hit_ratio"] is None, "nothing was looked up yet"
    assert details["memory"] < 200 * 1024 * 1024, "the memory of a worker at rest"
    assert ask(port, "/live") == (200, {"live": True})
    assert ask(port, "/other")[0] == 404
    assert worker.poll() is None


async def test_sigterm_drains(
    worker: subprocess.Popen[bytes], settings: Settings, write: Write, people: Schema, metrics: str
) -> None:
    """Told to stop in the middle of a load it shows metrics of, it ends with 0; another finishes it, each row once."""
    client = await connect(settings)
    source = write(b"name,age\n" + b"".join(b"n%d,1\n" % number for number in range(3000)))
    handle = await client.start_workflow(
        Pipeline.run,
        LoadRequest(sources=(str(source),), schema=people, chunk_bytes=200, concurrency=2),
        id=settings.task_queue,
        task_queue=settings.task_queue,
    )

    async def under_way() -> bool:
        return (await handle.query(Pipeline.progress)).chunks_done > 2

    await eventually(under_way, timeout=20)
    shown = await asyncio.to_thread(read, f"http://{metrics}/metrics")
    waited = re.findall(
        r'^temporal_activity_schedule_to_start_latency_seconds_bucket.*le="0.2"} \d+$', shown, re.MULTILINE
    )
    assert len(waited) == 1, "a bucket ends where Temporal's threshold is"
    worker.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(worker.wait, 30) == 0
    other = start_worker(environment(settings))
    try:
        report = await asyncio.wait_for(handle.result(), 60)
    finally:
        other.terminate()
        await asyncio.to_thread(other.wait, 30)
    assert (report.rows_read, report.rows_loaded) == (3000, 3000)
