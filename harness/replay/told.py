"""What replay found, side by side."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from harness.replay.commands import ABSENT, Json
from harness.replay.semantic import Replayed

SAID = re.compile(r'message: "((?:[^"\\]|\\.)*)"')
"""What the SDK's core says, in the printed form of its structures."""
LONGEST = 200
"""Characters of a value."""
SHOWN = 3
"""Differences told in full; the first is what matters, the others often follow from it."""


def told(replayed: Replayed) -> Iterator[str]:
    """Say why a replay is not the same; nothing where it is."""
    name = f"{replayed.workflow_type} {replayed.workflow_id!r} (run {replayed.run_id})"
    if replayed.failure is not None:
        said = SAID.search(str(replayed.failure))
        yield f"{name} does not replay: {said[1] if said else replayed.failure}"
    elif replayed.differences:
        count = len(replayed.differences)
        yield f"{name} replays, and does not command what it did: {count} of {replayed.compared} commands differ"
    for difference in replayed.differences[:SHOWN]:
        event = difference.command.event
        yield f"  {f'event {event}' if event else 'no event'}, {difference.command}"
        width = max(len(change.path) for change in difference.changes)
        for change in difference.changes:
            yield f"    {change.path:<{width}}  then {_value(change.then)}   now {_value(change.now)}"
    if len(replayed.differences) > SHOWN:
        yield f"  … and {len(replayed.differences) - SHOWN} more"


def _value(value: Json) -> str:
    text = "nothing" if value is ABSENT else json.dumps(value, sort_keys=True, default=str)
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"
