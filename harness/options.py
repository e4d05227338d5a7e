"""Reads what the command line says of services: where they are, on which ports, and whether they may be used."""

import re
import sys
from collections.abc import Iterable, Sequence

from harness.errors import CannotRun, UnknownName

PASSWORD = re.compile(r"(://[^:/@\s]*:)\S*(?=@)|([?&]password=)[^&\s]*")
"""A password in an address."""


def pairs_of(options: Sequence[str] | None) -> dict[str, str]:
    """Read options of the form SERVICE=VALUE. Raises CannotRun."""
    pairs = {}
    for option in options or ():
        name, equals, value = option.partition("=")
        if not (name and equals and value):
            raise CannotRun(f"{option!r} is no pair.", remedy="Write it as SERVICE=VALUE, for example postgres=5432.")
        pairs[name] = value
    return pairs


def ports_of(options: Sequence[str] | None) -> dict[str, int]:
    """Read options of the form SERVICE=PORT. Raises CannotRun."""
    ports = {}
    for name, value in pairs_of(options).items():
        if not value.isdecimal() or not 0 < int(value) < 65536:
            raise CannotRun(f"{value!r} is no port for {name}.", remedy="A port is a number from 1 to 65535.")
        ports[name] = int(value)
    return ports


def providers_of(options: Sequence[str] | None) -> dict[str, str]:
    """Read options of the form PROVIDER, for every service, or SERVICE=PROVIDER, for one. Raises CannotRun."""
    from harness.stack import KINDS, PROVIDERS  # noqa: PLC0415 - slow, and not needed to show help

    for_all = [option for option in options or () if "=" not in option]
    for_one = pairs_of([option for option in options or () if "=" in option])
    for provider in (*for_all, *for_one.values()):
        if provider not in PROVIDERS:
            raise UnknownName("provider", provider, PROVIDERS)
    for service in for_one:
        if service not in KINDS:
            raise UnknownName("service", service, KINDS)
    return {**dict.fromkeys(KINDS, for_all[-1] if for_all else "embedded"), **for_one}


def without_passwords(words: Iterable[str]) -> list[str]:
    """The words of a command line, to be recorded: nothing that is recorded has a password."""
    return [PASSWORD.sub(r"\1\2…", word) for word in words]


def allow_external(rate: float, cap: float | None, *, yes: bool) -> None:
    """Put load on what is not ours only under a cap on the rate, and after a typed yes. Raises CannotRun."""
    if cap is None or not rate <= cap:  # a cap that is no number is none
        raise CannotRun(
            f"This would put {rate:g} iterations a second on a service that was not started here.",
            remedy="Say how much it may get: --rate-cap RATE, at least the rate asked for.",
        )
    ask_leave(yes=yes)


def ask_leave(*, yes: bool) -> None:
    """Use what is not ours only after a typed yes. Raises CannotRun."""
    question = "Are the external services yours, and may they be migrated and written to? Type yes: "
    if not yes and not (sys.stdin.isatty() and input(question).strip() == "yes"):
        raise CannotRun("Nobody said yes to using an external service.", remedy="Type yes when asked, or say --yes.")
