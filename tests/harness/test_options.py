"""What the command line says of services is read, and what it cannot mean is told."""

import secrets

import pytest

from harness.errors import UnknownName
from harness.options import providers_of, without_passwords
from harness.stack import CONTAINER, KINDS, PROVIDERS


def test_a_provider_is_for_all_services_or_for_one() -> None:
    """One word is for every service; a service's own goes before it, in whatever order they are said."""
    assert providers_of(None) == dict.fromkeys(KINDS, "embedded")
    assert providers_of(["container"]) == dict.fromkeys(KINDS, "container")
    mixed = dict.fromkeys(KINDS, "container") | {"redis": "embedded"}
    assert providers_of(["redis=embedded", "container"]) == mixed


@pytest.mark.parametrize("options", [["docker"], ["redis=docker"], ["mysql=container"]])
def test_an_unknown_provider_or_service_is_refused(options: list[str]) -> None:
    """The known ones are listed."""
    with pytest.raises(UnknownName, match="Known: "):
        providers_of(options)


def test_every_provider_has_every_service() -> None:
    """Whatever is started can be started by each."""
    assert all(provider.keys() == CONTAINER.keys() == KINDS.keys() for provider in PROVIDERS.values())


@pytest.mark.parametrize(
    ("word", "recorded"),
    [
        ("postgres=postgresql://me:{}@host/x redis=redis://:{}@host", "postgres=postgresql://me:…@host/x redis=redis://:…@host"),
        ("postgres=postgresql://me:{}@{}@host/x", "postgres=postgresql://me:…@host/x"),
        ("postgres=postgresql://host/x?user=me&password={}&sslmode=disable", "postgres=postgresql://host/x?user=me&password=…&sslmode=disable"),
        ("redis=redis://host:6379/0", "redis=redis://host:6379/0"),
    ],
)  # fmt: skip
def test_what_is_recorded_of_a_command_has_no_password(word: str, recorded: str) -> None:
    """All else of it stays: it is how to do the same again."""
    told = word.replace("{}", secrets.token_urlsafe())
    assert without_passwords(["load", told]) == ["load", recorded]
