"""The base of everything that goes over the wire, and what is said where something else came."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict, ValidationError


class Record(BaseModel):
    """Frozen; unknown fields are ignored, so that versions can meet during a deployment.

    What checks a record is built when one is first read: a worker starts without building those it never meets.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)


class Strict(Record):
    """Written by people: a field that is not known is a mistake, and is refused."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")


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
