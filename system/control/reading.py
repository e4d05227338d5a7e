"""Puts recorded operations into lines of text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from system.control import store
from system.control.models import Operation, Recorded
from system.control.rules import described
from system.errors import ControlRefused

if TYPE_CHECKING:
    from system.storage.pool import Pool


async def latest(database: Pool, *, workflow_id: str | None, limit: int) -> Sequence[str]:
    """Return the latest operations, a line each."""
    async with database.acquire() as connection:
        found = await store.recent(connection, workflow_id=workflow_id, limit=limit)
    return [_line(one) for one in found] or ["there is none"]


async def operation(database: Pool, name: str, *, state: str | None, after: int, limit: int) -> Sequence[str]:
    """Return one operation, and its targets with what became of each.

    Raises:
        ControlRefused: there is no such operation.

    """
    async with database.acquire() as connection:
        found = await store.read(connection, name)
        if found is None:
            raise ControlRefused(f"there is no operation {name}: `control show` lists the latest")
        targets = await store.outcomes(connection, name, state=state, after=after, limit=limit)
    lines = [_line(found), *([f"  query: {found.query}"] if found.query else [])]
    lines += [f"  {found.message}"] if found.message else []
    lines += [_target(one) for one in targets]
    if len(targets) == limit:
        lines.append(f"  more: --after {targets[-1].number}")
    return lines


def _line(found: Operation) -> str:
    counts = ", ".join(f"{number:,} {state}" for state, number in sorted(found.counts.items()))
    return (
        f"{found.name}  {_when(found.started_at)}  {found.state}  {described(found.action)} "
        f"by {found.by}: {found.reason}  ({counts or 'no targets'})"
    )


def _target(one: Recorded) -> str:
    unknown = one.state == "pending" and one.attempted_at is not None
    state = "attempted" if unknown else one.state
    more = "; ".join(part for part in (one.message, f"new run {one.new_run_id}" if one.new_run_id else "") if part)
    when = _when(one.ended_at) if one.ended_at else " " * 20
    return f"  {one.number:>6}  {state:<9}  {when}  {one.workflow_id}  {one.run_id}{f'  {more}' if more else ''}"


def _when(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
