"""What tasks may reach outside the database: their inputs come from anybody who may submit a batch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from system.errors import AccessRefused

if TYPE_CHECKING:
    from yarl import URL

FILES, HOSTS = "TASK_FILES", "TASK_HOSTS"
"""The settings that say so."""


@dataclass(frozen=True, kw_only=True)
class Reach:
    """The one directory that files are read from, and the hosts that are called; nothing, unless it is said."""

    files: Path | None = None
    hosts: frozenset[str] = frozenset()
    """``host`` for any port of it, or ``host:port``; in lower case."""

    def file(self, path: Path) -> Path:
        """Return where a file really is; a path that is not absolute begins at the directory.

        Raises:
            AccessRefused: that is not within the directory, be it by ``..`` or by a symbolic link; or is nowhere.

        """
        if self.files is None:
            raise AccessRefused(f"{path} is not read: {FILES} is not set", wanted=str(path), setting=FILES)
        try:
            real = (self.files / path).resolve()
        except (ValueError, RuntimeError) as error:  # a NUL in its name, links in a circle
            raise AccessRefused(f"{str(path)!r} is not read: {error}", wanted=str(path), setting=FILES) from error
        if not real.is_relative_to(self.files.resolve()):
            raise AccessRefused(f"{path} is not read: it is not within {FILES}", wanted=str(path), setting=FILES)
        return real

    def check_host(self, url: URL) -> None:
        """Make sure that this host may be called.

        Raises:
            AccessRefused: it is none of those that may.

        """
        host = url.host_subcomponent
        named = f"{host}:{url.port}"
        if not self.hosts & {host, named}:
            raise AccessRefused(f"{named} is not called: {HOSTS} does not name it", wanted=named, setting=HOSTS)
