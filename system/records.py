"""The base of everything that goes over the wire."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Frozen; unknown fields are ignored, so that versions can meet during a deployment."""

    model_config = ConfigDict(frozen=True)


class Strict(Record):
    """Written by people: a field that is not known is a mistake, and is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
