"""Histories of a run that were replayed with today's code, and what came of it."""

from msgspec import Struct


class Replay(Struct, frozen=True, kw_only=True):
    """One history that was replayed."""

    workflow_id: str
    run_id: str
    differs: tuple[str, ...] = ()
    """Why it does not replay, or which commands are other ones now, line by line; empty where all are the same."""
