"""How many workers there should be: pure, from what was seen in the last looks."""

from __future__ import annotations

from dataclasses import dataclass, replace

FULL = 0.8
"""Share of the slots in use from which one more worker is worth its memory."""
LOOKS_TO_GROW = 2
LOOKS_TO_SHRINK = 10
"""Looks in a row that must agree. A worker that goes takes its cached workflows along: shrinking is done slowly."""


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """The least and the most workers."""

    least: int
    most: int


@dataclass(frozen=True, kw_only=True)
class Look:
    """What was seen at one moment."""

    workers: int
    backlog: int
    """Tasks that no worker has taken yet, by the server's own estimate."""
    busy: int
    """Activities that run."""
    slots: int
    """Activities that could run, of all workers together."""

    @property
    def is_full(self) -> bool:
        """Whether there is work that waits for a worker, or soon will be."""
        return self.backlog > 0 or (self.slots > 0 and self.busy >= FULL * self.slots)

    @property
    def is_idle(self) -> bool:
        """Whether one worker less would do, with room to spare."""
        left = self.slots * (self.workers - 1) / self.workers if self.workers else 0
        return self.backlog == 0 and self.busy < FULL / 2 * left


@dataclass(frozen=True, kw_only=True)
class Trend:
    """How many looks in a row were full, or idle."""

    full: int = 0
    idle: int = 0

    def seeing(self, look: Look) -> Trend:
        """Return the trend with one look more."""
        return Trend(full=self.full + 1 if look.is_full else 0, idle=self.idle + 1 if look.is_idle else 0)


def decide(trend: Trend, look: Look, bounds: Bounds) -> tuple[int, Trend]:
    """Return how many workers there should be now, and the trend to go on with; at most one more or one less."""
    trend = trend.seeing(look)
    if look.workers < bounds.least:
        return bounds.least, trend
    if look.workers > bounds.most:
        return bounds.most, trend
    if trend.full >= LOOKS_TO_GROW and look.workers < bounds.most:
        return look.workers + 1, replace(trend, full=0)
    if trend.idle >= LOOKS_TO_SHRINK and look.workers > bounds.least:
        return look.workers - 1, replace(trend, idle=0)
    return look.workers, trend


def restart_delay(quick_deaths: int) -> float:
    """Seconds to wait before a worker that died is replaced: none, but doubling from 1 to 30 s when it keeps dying."""
    return 0.0 if quick_deaths == 0 else min(2.0 ** (quick_deaths - 1), 30.0)
