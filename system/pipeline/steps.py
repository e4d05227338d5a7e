"""The pipeline's steps, as the ledger calls them."""

from __future__ import annotations

from enum import StrEnum


class Step(StrEnum):
    """A step of a load; each is an activity of the same name."""

    PREPARE = "prepare"
    CLAIM = "claim"
    LOAD_CHUNK = "load_chunk"
    RECONCILE = "reconcile"
    CLOSE = "close"
