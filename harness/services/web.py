"""One plain HTTP GET with a deadline, straight to the address, whatever proxies the environment names."""

from __future__ import annotations

import asyncio
import http.client
from urllib.parse import urlsplit

from harness.services.process import NotReady


async def get(url: str, *, timeout: float = 2.0) -> tuple[int, bytes]:
    """The status and body at `url`; raises NotReady where nothing answers within `timeout` seconds."""
    try:
        return await asyncio.to_thread(_get, url, timeout)
    except (OSError, http.client.HTTPException) as error:
        raise NotReady(f"{url}: {str(error) or type(error).__name__}") from error


def _get(url: str, timeout: float) -> tuple[int, bytes]:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout)
    try:
        connection.request("GET", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
