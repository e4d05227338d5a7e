"""What is to be done so that the schedules there are become the declared ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from system.scheduling.models import Mark

Doing = Literal["create", "update", "unchanged", "delete", "refuse"]


@dataclass(frozen=True)
class Existing:
    """A schedule as the server has it."""

    owner: str | None
    """The file that declared it; None where somebody made it by hand."""
    mark: Mark | None


@dataclass(frozen=True)
class Step:
    """What is to be done with one schedule."""

    id: str
    doing: Doing
    reason: str = ""


def plan(owner: str, declared: Mapping[str, str], existing: Mapping[str, Existing], *, prune: bool) -> tuple[Step, ...]:
    """Return a step for each schedule that is declared, in that order; then for those that are not any more.

    Args:
        owner: name of the file.
        declared: the digest of each declaration, by schedule id.
        existing: the schedules there are, at least those of these ids and those of this file.
        prune: delete what this file once declared and no longer does; what others made is never touched.

    """
    steps = [_step(owner, schedule_id, digest, existing.get(schedule_id)) for schedule_id, digest in declared.items()]
    gone = sorted(
        schedule_id for schedule_id, one in existing.items() if one.owner == owner and schedule_id not in declared
    )
    return (*steps, *(Step(each, "delete", "no longer declared") for each in gone if prune))


def remaining(declared: int | None, mark: Mark | None, left: int | None) -> int | None:
    """Return how many runs an updated schedule has left: what is left, unless another number is declared now.

    Args:
        declared: in the file, now; None is without end.
        mark: as it was declared before.
        left: on the server; None is without end.

    """
    return left if mark is not None and mark.remaining_actions == declared else declared


def _step(owner: str, schedule_id: str, digest: str, found: Existing | None) -> Step:
    if found is None:
        return Step(schedule_id, "create")
    if found.owner != owner:
        whose = f"it is declared by {found.owner!r}" if found.owner else "somebody made it by hand"
        return Step(schedule_id, "refuse", f"{whose}: delete it first, or choose another id")
    if found.mark is not None and found.mark.digest == digest:
        return Step(schedule_id, "unchanged")
    return Step(schedule_id, "update", "its declaration has changed")
