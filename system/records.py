"""What goes over the wire: the base of all records, what texts in them can be stored, and what is said of others."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

SHORTENED = " … (shortened)"


class Record(BaseModel):
    """Frozen; unknown fields are ignored, so that versions can meet during a deployment.

    What checks a record is built when one is first read: a worker starts without building those it never meets.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)


class Request(Record):
    """What a workflow is started with, by anybody: one that cannot be read fails it (`system.inputs`)."""


class Strict(Record):
    """Written by people: a field that is not known is a mistake, and is refused."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")


def storable(text: str, limit: int) -> str:
    """Return the text as PostgreSQL takes it: without NUL and lone surrogates, and not too long."""
    clean = text.replace("\0", "\N{SYMBOL FOR NULL}").encode("utf-8", "backslashreplace").decode()
    return clean if len(clean) <= limit else clean[: limit - len(SHORTENED)] + SHORTENED


def _unchanged(text: str) -> str:
    if storable(text, len(text)) != text:
        raise ValueError("it holds a NUL or half a character, which cannot be stored: leave that out")
    return text


Storable = AfterValidator(_unchanged)
"""Annotates a text that is refused where `storable` would have to change it."""


def explain(error: ValidationError) -> str:
    """Say in one line what is wrong with each field, and never its value."""
    return "; ".join(explain_each(error))


def explain_each(error: ValidationError) -> Iterator[str]:
    """Say of each field that is wrong where it is, and why."""
    for one in error.errors(include_url=False):
        place = ".".join(str(step) for step in one["loc"])
        why = "unknown key" if one["type"] == "extra_forbidden" else one["msg"].removeprefix("Value error, ")
        why = why[:1].lower() + why[1:]
        yield f"{place}: {why}" if place else why
