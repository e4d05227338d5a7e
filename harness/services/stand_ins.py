"""Builds stand-ins for the services' images, for machines on which the official ones cannot be pulled.

PostgreSQL and Redis are Debian's packages, Temporal and Toxiproxy the programs that the embedded provider starts. A
stand-in is told what the official image would be told, and says by its name what it is.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ToolMissing
from harness.services import installed, temporal, toxiproxy
from harness.services.engine import Found
from harness.services.engine_client import docker_client
from harness.services.service import Notify

PREFIX = "localhost/temper"
RECIPE = "temper.recipe"
"""The label by which a stand-in that is there already is known to be as it would be built now."""
USER = 999
ACCOUNTS = f"root:x:0:0::/:/bin/sh\nserver:x:{USER}:{USER}::/data:/bin/sh\n"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

POSTGRES_ENTRY_POINT = """#!/bin/sh
set -e
[ -s "$PGDATA/PG_VERSION" ] || initdb --username=postgres --auth="$POSTGRES_HOST_AUTH_METHOD" $POSTGRES_INITDB_ARGS
exec "$@"
"""
"""What of the official image's entry point is used here."""


@dataclass(frozen=True)
class Laid:
    """A file system that was laid out: the version of what is in it, and how it is run, in a Dockerfile's words."""

    version: str
    changes: Sequence[str]


def build(service: str, engine: Found, folder: Path, notify: Notify) -> str:
    """The name of the service's stand-in, which is built in an empty `folder` unless it is there; raises ToolMissing.

    Takes up to a minute; found again, a moment. Toxiproxy's program must be there already.
    """
    recipe = hashlib.sha256(Path(__file__).read_bytes() + _program_version(service).encode()).hexdigest()[:16]
    label = f"{RECIPE}={service}-{recipe}"
    with contextlib.closing(docker_client(engine)) as docker:
        for image in docker.images.list(filters={"label": label}):
            if image.tags:
                notify(f"{image.tags[0]} is there already")
                return str(image.tags[0])
        notify(f"building a stand-in for {service}")
        root = folder / "root"
        root.mkdir(parents=True)
        laid = LAY_OUT[service](root)
        image, archive = f"{PREFIX}/{service}-stand-in:{laid.version}", folder / "image.tar"
        _archive(root, archive)
        changes = [*laid.changes, "USER server", f"ENV PATH={PATH}", f"LABEL {label}"]
        said = docker.api.import_image_from_file(str(archive), repository=image, changes=changes)
        if "error" in said.lower():
            raise ToolMissing(f"{engine.name} could not make {image}: {said.strip()}")
    return image


def _program_version(service: str) -> str:
    if service == "temporal":
        return installed.dotted(installed.version_of(temporal.find_cli(), "--version"))
    return toxiproxy.VERSION if service == "toxiproxy" else ""


def _temporal(root: Path) -> Laid:
    _copy(temporal.find_cli(), root / "bin/temporal")
    return Laid(_program_version("temporal"), ['ENTRYPOINT ["/bin/temporal"]'])


def _toxiproxy(root: Path) -> Laid:
    program = toxiproxy.find_server()
    if program is None:
        raise ToolMissing("There is no toxiproxy-server to make an image of.", remedy=toxiproxy.REMEDY)
    _copy(program, root / "bin/toxiproxy")
    return Laid(toxiproxy.VERSION, ['ENTRYPOINT ["/bin/toxiproxy"]'])


def _redis(root: Path) -> Laid:
    version = _install(root, "redis-server")
    return Laid(version, ["WORKDIR /data"])


def _postgres(root: Path) -> Laid:
    _install(root, "postgresql", "dash")
    binaries = next(root.glob("usr/lib/postgresql/*/bin"))
    entry_point = root / "entry-point"
    entry_point.write_text(POSTGRES_ENTRY_POINT)
    entry_point.chmod(0o755)
    for program in binaries.iterdir():
        (root / "usr/bin" / program.name).unlink(missing_ok=True)
        (root / "usr/bin" / program.name).symlink_to(f"/{program.relative_to(root)}")
    changes = ['ENTRYPOINT ["/entry-point"]', "ENV PGDATA=/data/postgres", "STOPSIGNAL SIGINT"]
    return Laid(binaries.parent.name, changes)


LAY_OUT: dict[str, Callable[[Path], Laid]] = {
    "temporal": _temporal,
    "postgres": _postgres,
    "redis": _redis,
    "toxiproxy": _toxiproxy,
}


def _copy(program: Path, to: Path) -> None:
    to.parent.mkdir()
    shutil.copy2(program, to)


def _install(root: Path, *packages: str) -> str:
    """Unpack Debian packages with all they need into an empty directory; returns the first one's version.

    Nothing is configured, and nothing of this machine is changed; root updates the lists of packages where they are
    missing. Raises ToolMissing.
    """
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise ToolMissing(
            "Stand-ins are made of Debian packages, and there is no apt-get here.",
            remedy="Make them on Debian, or name images that are on this machine.",
        )
    archives, status = root.parent / "packages", root.parent / "status"
    (archives / "partial").mkdir(parents=True)
    status.touch()  # on a machine where nothing is installed, everything is needed
    options = {
        "Dir::State::status": status, "Dir::Cache::archives": archives, "Debug::NoLocking": 1,
        "APT::Sandbox::User": "root",
    }  # fmt: skip
    words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    download = ["apt-get", "-qq", "--yes", "--no-install-recommends", "--download-only", *words, "install", *packages]
    try:
        if _run(download) and os.geteuid() == 0:
            _run(["apt-get", "-qq", "update"], needed=True)
        _run(download, needed=True)
        for package in sorted(archives.glob("*.deb")):
            _run(["dpkg-deb", "--extract", str(package), str(root)], needed=True)
    except subprocess.CalledProcessError as error:
        raise ToolMissing(
            f"Debian's {packages[0]} cannot be had: {error.stderr.strip() or error}",
            remedy="Run `apt-get update` once.",
        ) from error
    (newest,) = archives.glob(f"{packages[0]}_*.deb")
    epoch = re.compile(r"_(\d+%3a)?")
    return installed.dotted(installed.version_in(epoch.split(newest.name)[2]))


def _run(argv: Sequence[str], *, needed: bool = False) -> int:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(argv, check=needed, capture_output=True, text=True, env=environment).returncode


def _archive(root: Path, archive: Path) -> None:
    """The file system in one archive: /data and /run are the server's own, and /tmp is everybody's."""
    modes = {"./data": 0o700, "./run": 0o755, "./tmp": 0o1777, "./var/run/postgresql": 0o755}

    def owned(info: tarfile.TarInfo) -> tarfile.TarInfo:
        ours = info.name in modes
        info.uid = info.gid = USER if ours else 0
        info.mode = modes.get(info.name, info.mode)
        return info

    for path in modes:
        (root / path).mkdir(parents=True, exist_ok=True)
    (root / "etc").mkdir(exist_ok=True)
    (root / "etc/passwd").write_text(ACCOUNTS)
    with tarfile.open(archive, "w") as tar:
        tar.add(root, arcname=".", filter=owned)
