"""The base of everything that goes over the wire."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Frozen; unknown fields are ignored, so that versions can meet during a deployment."""

    model_config = ConfigDict(frozen=True)
