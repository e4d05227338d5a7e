"""Finds the container engine, Docker or Podman, and serves Podman's interface where nobody does."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from harness.errors import CannotRun, ToolMissing
from harness.services import guard, installed
from harness.services.process import NotReady, Process
from harness.services.service import READY_SECONDS, STOP_SECONDS, Site

ASK_SECONDS = 5.0
DOCKER_SOCKET = Path("/var/run/docker.sock")
PODMAN_SOCKET = Path("/run/podman/podman.sock")
LOOPBACK = ("127.0.0.1", "localhost", "::1")

REMEDY = (
    "Start Docker, or install Podman (on Debian: `apt-get install --no-install-recommends podman runc`), or set "
    "DOCKER_HOST; or leave `--provider container` out: the embedded provider needs neither."
)


@dataclass(frozen=True, kw_only=True)
class Found:
    """A container engine: one that answers at `address`, or the `program` of one that has to be served first."""

    name: str
    version: str
    address: str = ""
    program: Path | None = None


def find() -> Found:
    """The engine to use: DOCKER_HOST's, else Docker's, else Podman's, else one to be served; raises CannotRun."""
    if given := os.environ.get("DOCKER_HOST"):
        return _given(given)
    silent = []
    for path in sockets():
        if not os.access(path, os.F_OK):
            continue
        try:
            return ask(f"unix://{path}")
        except NotReady as answer:
            silent.append(f"{path} does not answer ({answer})")
    program = shutil.which("podman")
    if program and (version := installed.version_of(Path(program), "--version")):
        return Found(name="podman", version=installed.dotted(version), program=Path(program))
    seen = "; ".join(silent) or "there is no socket of Docker or Podman"
    raise ToolMissing(f"No container engine was found: {seen}, and no `podman` on PATH that runs.", remedy=REMEDY)


def sockets() -> list[Path]:
    """Where engines listen, in the order in which they are asked."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    rootless = [Path(runtime, "docker.sock"), Path(runtime, "podman/podman.sock")] if runtime else []
    return [DOCKER_SOCKET, PODMAN_SOCKET, *rootless]


def ask(address: str) -> Found:
    """Ask the engine at unix://PATH or tcp://HOST:PORT who it is; raises NotReady."""
    try:
        connection = guard.connect(address, ASK_SECONDS)
        try:
            connection.request("GET", "/version")
            said = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        parts = [part["Name"] for part in said.get("Components") or []]
        name = "podman" if any("podman" in part.lower() for part in parts) else "docker"
        return Found(name=name, version=said["Version"], address=address)
    except OSError as error:
        raise NotReady((error.strerror or str(error)).lower()) from error
    except (http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        raise NotReady(f"no answer of a container engine: {error!r}") from error


def _given(address: str) -> Found:
    parts = urlsplit(address)
    if parts.scheme != "unix" and not (parts.scheme == "tcp" and parts.hostname in LOOPBACK):
        raise CannotRun(
            f"DOCKER_HOST is {address}, which is not on this machine; containers share its network.",
            remedy="Point DOCKER_HOST at an engine of this machine (unix://…), unset it, or give the addresses of "
            "services that run already.",
        )
    try:
        return ask(address)
    except NotReady as answer:
        raise ToolMissing(
            f"DOCKER_HOST is {address}, where no container engine answers: {answer}.",
            remedy="Start the engine, or unset DOCKER_HOST to have one found.",
        ) from answer


class Engine:
    """The engine of one stack; where only Podman's program is there, it is served for as long as the stack stands."""

    def __init__(self) -> None:
        self._server: Process | None = None

    async def start(self, site: Site) -> Found:
        """Find it, and serve it where nobody does; returns it with its address. Raises CannotRun."""
        found = await asyncio.to_thread(find)
        if found.program is None:
            return found
        address = f"unix://{site.data}/podman.sock"
        argv = [str(found.program), "system", "service", "--time=0", address]
        self._server = Process("podman", argv, log_path=site.logs / "podman.log")

        async def asked() -> Found:
            return await asyncio.to_thread(ask, address)

        try:
            self._server.start()
            return await self._server.ready(asked, READY_SECONDS)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop serving it; an engine that was there already is left alone."""
        if self._server is not None:
            await self._server.terminate(STOP_SECONDS)
            self._server = None
