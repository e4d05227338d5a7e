"""Answers whether the worker lives and is ready, over HTTP."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PROBE_SECONDS = 2.0

Probe = Callable[[], Awaitable[object]]
Figures = Callable[[], Mapping[str, Any]]


class Health:
    """What the worker says about itself."""

    def __init__(self, required: dict[str, Probe], shown: dict[str, Probe], figures: Figures = dict) -> None:
        """Start out not polling.

        Args:
            required: services the worker cannot be ready without; a probe raises where one does not answer.
            shown: services reported only.
            figures: whatever else can be told without asking anybody.

        """
        self.polling = False
        self._required = required
        self._shown = shown
        self._figures = figures

    async def report(self) -> tuple[bool, dict[str, Any]]:
        """Return whether the worker is ready, and the details."""
        probes = self._required | self._shown
        answers = dict(zip(probes, await asyncio.gather(*map(_answer, probes.values())), strict=True))
        ready = self.polling and all(answers[name] == "ok" for name in self._required)
        return ready, {"ready": ready, "polling": self.polling, **answers, **self._figures()}


class HealthServer:
    """Serves ``/live`` and ``/ready`` from a thread of its own, so that a blocked loop shows as not ready."""

    def __init__(self, address: tuple[str, int], health: Health, loop: asyncio.AbstractEventLoop) -> None:
        self._server = ThreadingHTTPServer(address, _handler(health, loop))
        self._server.daemon_threads = True

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens; the port is the real one where 0 was asked for."""
        host, port = self._server.server_address[:2]
        return str(host), int(port)

    def start(self) -> None:
        """Begin to answer."""
        threading.Thread(target=self._server.serve_forever, args=(0.1,), name="health", daemon=True).start()

    def stop(self) -> None:
        """Stop answering and free the port."""
        self._server.shutdown()
        self._server.server_close()


@asynccontextmanager
async def served(address: tuple[str, int] | None, health: Health) -> AsyncIterator[None]:
    """Serve the health endpoint while the body runs; nothing is served without an address."""
    if address is None:
        yield
        return
    server = HealthServer(address, health, asyncio.get_running_loop())
    server.start()
    try:
        yield
    finally:
        server.stop()


async def _answer(probe: Probe) -> str:
    try:
        await asyncio.wait_for(probe(), PROBE_SECONDS)
    except Exception as error:  # noqa: BLE001 a probe may fail in any way: that is its answer
        return f"{type(error).__name__}: {error}"
    return "ok"


def _handler(health: Health, loop: asyncio.AbstractEventLoop) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/live":
                self._reply(200, {"live": True})
            elif self.path == "/ready":
                self._reply(*self._readiness())
            else:
                self._reply(404, {"error": "expected /live or /ready"})

        def _readiness(self) -> tuple[int, dict[str, Any]]:
            try:
                ready, details = asyncio.run_coroutine_threadsafe(health.report(), loop).result(2 * PROBE_SECONDS)
            except TimeoutError:
                return 503, {"ready": False, "error": "the event loop does not answer"}
            return (200 if ready else 503), details

        def _reply(self, status: int, body: dict[str, Any]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the base class's own parameter name
            """Keep probes out of the log."""

    return Handler
