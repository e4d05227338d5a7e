"""A provider's answer to a call."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec


@dataclass(frozen=True)
class Answer:
    """Status and body; a replay is the first answer to a call, given again."""

    status: HTTPStatus
    body: Mapping[str, Any]
    replayed: bool = False


@dataclass(frozen=True, kw_only=True)
class Terms:
    """How a provider is to look at a call."""

    refusal: str | None = None
    """Why it is to be refused, if it is."""
    again: bool = False
    """It took effect before, and is to take effect once more, whatever that does to the books."""


def done(record: msgspec.Struct) -> Answer:
    """It took effect; this is how things stand now."""
    return Answer(HTTPStatus.CREATED, msgspec.to_builtins(record))


def told(record: msgspec.Struct) -> Answer:
    """The answer to a question."""
    return Answer(HTTPStatus.OK, msgspec.to_builtins(record))


def error(status: HTTPStatus, code: str, message: str) -> Answer:
    """It did not take effect: a code for programs, a message for people."""
    return Answer(status, {"error": code, "message": message})
