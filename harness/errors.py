"""The errors the harness raises.

HarnessError
├── CannotRun                 what the user can put right; the command exits with 2
│   ├── UnknownName           a service, placeholder or other name that does not exist
│   ├── PortInUse             a port that was asked for is taken
│   ├── PortForbidden         a port that was asked for is for root alone
│   ├── ServiceFailed         a child process died, or was never ready
│   ├── ServiceUnreachable    an external address does not answer as it should
│   └── ToolMissing           a program that a service is made of is not installed
└── ProxyFailed               Toxiproxy did not do, in time, what it was told
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class HarnessError(Exception):
    """The base of every error the harness raises on purpose."""


class CannotRun(HarnessError):
    """Something the user can put right stands in the way: says what is wrong, and what to do about it."""

    def __init__(self, problem: str, *, remedy: str = "") -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem}\n{self.remedy}" if self.remedy else self.problem


class UnknownName(CannotRun):
    """A name was given that does not exist; the known ones are listed."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        close = difflib.get_close_matches(name, names, n=1)
        hint = f"Did you mean {close[0]!r}? " if close else ""
        super().__init__(
            f"There is no {kind} {name!r}.", remedy=f"{hint}Known: {', '.join(names) if names else 'none'}."
        )
        self.name = name


class PortInUse(CannotRun):
    """The port asked for is taken by another process."""

    def __init__(self, service: str, port: int) -> None:
        super().__init__(
            f"{service} cannot listen on 127.0.0.1:{port}: the port is in use.",
            remedy=f"Stop what listens there (`ss -ltnp 'sport = :{port}'` shows it), name another port, "
            "or name none to get a free one.",
        )
        self.service = service
        self.port = port


class PortForbidden(CannotRun):
    """The port asked for is one that the server is not allowed to listen on."""

    def __init__(self, service: str, port: int) -> None:
        super().__init__(
            f"{service} cannot listen on 127.0.0.1:{port}: it runs as a user who is not allowed ports that low.",
            remedy="Name a port from 1024 on, or name none to get a free one.",
        )
        self.service = service
        self.port = port


class ServiceFailed(CannotRun):
    """A child process died, or was not ready in time; quotes the last lines of its log."""

    def __init__(self, name: str, what: str, *, log_path: object, last_lines: Iterable[str] = ()) -> None:
        lines = list(last_lines)
        quoted = "\n".join(f"    {line}" for line in lines) if lines else "    (it wrote nothing)"
        super().__init__(f"{name} {what}. The last lines of its log:\n{quoted}", remedy=f"The whole log: {log_path}")
        self.name = name
        self.last_lines = lines


class ServiceUnreachable(CannotRun):
    """An external address was given that does not answer as the service should."""

    def __init__(self, service: str, address: str, reason: str) -> None:
        super().__init__(
            f"{service} at {address} cannot be used: {reason}.",
            remedy="Check that it runs and that the address is right, or leave the address out to have "
            f"{service} started for you.",
        )
        self.service = service
        self.address = address


class ToolMissing(CannotRun):
    """A program that a service is made of is not installed, or cannot be used."""


class ProxyFailed(HarnessError):
    """Toxiproxy did not do, in time, what it was told; the state of the link is not known."""
