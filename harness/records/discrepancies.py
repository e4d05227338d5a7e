"""What does not agree between operations, histories and effects: each disagreement, and where to look for its cause."""

from enum import StrEnum

from msgspec import Struct


class DiscrepancyKind(StrEnum):
    """The classes of disagreement."""

    LOST = "lost"
    """It was promised, and is not there."""
    DUPLICATED = "duplicated"
    """It was asked for once, and is there more often."""
    PHANTOM = "phantom"
    """It is there, and nobody asked for it: no workflow, or no effect, stands behind it."""
    ZOMBIE_WRITE = "zombie write"
    """An attempt wrote it after others had gone on without it."""
    UNCOMPENSATED = "uncompensated"
    """It should have been taken back, and stands."""
    UNACKNOWLEDGED = "unacknowledged"
    """It happened, and whoever asked for it was never told. That is nobody's error."""


class Discrepancy(Struct, frozen=True, kw_only=True):
    """One disagreement. None, and empty text, stand for what is not known."""

    kind: DiscrepancyKind
    workflow_id: str
    event_id: int | None = None
    """Of the workflow's history: where the activity was scheduled, or the call was taken down."""
    attempt: int | None = None
    """The attempt of the activity that wrote what should not be there."""
    window: str = ""
    """The fault in whose time it fell: "link_down on worker-1.postgres", "0.8 s after heal of …"; empty before any."""
    step: str = ""
    item: str = ""
    message: str
