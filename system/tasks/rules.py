"""The decisions about batches: pure, undecorated, and about values alone."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from system.tasks.models import Counts, Item, State

SHOWN = 12
"""Members of a cycle that a message names."""

# Temporal ends a run at 51,200 events, and a replay reads all of them. An item costs three, and three more where
# nothing else ends in the same moment; what is in flight at this mark is at most MOST_AT_ONCE items and one take.
FULL_HISTORY = 3_000


def ordered(needs: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the items so that each comes after all it needs, else in the given order (Kahn's algorithm).

    Items on a cycle, and those that need one, are left out.
    """
    missing = {key: len(set(needed)) for key, needed in needs.items()}
    freed_by: dict[str, list[str]] = {}
    for key, needed in needs.items():
        for one in set(needed):
            freed_by.setdefault(one, []).append(key)
    free = deque(key for key, count in missing.items() if not count)
    arranged = []
    while free:
        key = free.popleft()
        arranged.append(key)
        for dependant in freed_by.get(key, ()):
            missing[dependant] -= 1
            if not missing[dependant]:
                free.append(dependant)
    return arranged


def cycle(needs: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the items of one cycle, each needing the next and the last the first; empty where there is none.

    Every item that is needed must itself be in the mapping.
    """
    stuck = needs.keys() - set(ordered(needs))
    if not stuck:
        return []
    # Whatever is stuck needs something stuck: following that, one must come by the same item twice.
    key = min(stuck)
    places: dict[str, int] = {}
    while key not in places:
        places[key] = len(places)
        key = min(one for one in needs[key] if one in stuck)
    return list(places)[places[key] :]


def refusal(needs: Mapping[str, Sequence[str]]) -> str | None:
    """Say why these dependencies cannot be; None where they can."""
    for key, needed in needs.items():
        for one in needed:
            if one not in needs:
                return f"item {key!r} needs {one!r}, and the batch has no such item"
    found = cycle(needs)
    if not found:
        return None
    named = " → ".join(repr(key) for key in found[:SHOWN])
    more = f" → … {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return f"items need each other in a circle: {named}{more} → {found[0]!r}"


def doubled(keys: Iterable[str]) -> str | None:
    """Return a key that is there more than once; None where there is none."""
    return next((key for key, count in Counter(keys).items() if count > 1), None)


def turns(items: Sequence[Item]) -> list[float]:
    """Return when each item's turn is among those of its priority, the lowest first: tenants take turns, by weight.

    An item's turn is as far after the one before it, of its tenant, as its weight is low (weighted fair queueing):
    it is known as soon as all of them are there, so that whose turn it is need not be worked out with each take.
    """
    last: dict[tuple[int, str | None], float] = {}
    found = []
    for item in items:
        queue = (item.priority, item.tenant)
        last[queue] = last.get(queue, 0.0) + 1 / item.weight
        found.append(last[queue])
    return found


def content_key(handler: str, version: int, content: Mapping[str, Any]) -> bytes:
    """Return the key of a result: equal for equal content, whatever the order of its fields."""
    canonical = json.dumps([handler, version, content], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).digest()


def unaccounted(items: int, counts: Counts, *, run: int, settled: int) -> str | None:
    """Say what is wrong where not every item came to exactly one end; None where all did.

    Args:
        items: how many went in.
        counts: what the items' own rows say.
        run: effects of items that were done, in the ledger.
        settled: effects of items that ended otherwise, in the ledger.

    """
    otherwise = counts.failed + counts.cancelled + counts.skipped
    if counts.done + otherwise != items or counts.waiting or counts.running:
        return (
            f"{items} items went in; {counts.done} done + {counts.failed} failed + {counts.cancelled} cancelled + "
            f"{counts.skipped} skipped, {counts.waiting} still waiting, {counts.running} still running"
        )
    if (run, settled) != (counts.done, otherwise):
        return (
            f"{counts.done} items are done and {otherwise} ended otherwise; the ledger has {run} that were done and "
            f"{settled} that ended otherwise"
        )
    return None


def why_not_again(state: State) -> str:
    """Say why an item whose run failed for good must not be run in another batch; empty where it may."""
    if state == "failed":
        return ""
    if state == "done":
        return "the item is done all the same, by an attempt whose completion was lost"
    if state in ("waiting", "running"):
        return "its batch is still at the item: look again once the batch has ended"
    return f"the item was {state} by its batch: submit it in a new one, then discard this letter"


def is_full(events: int, *, suggested: bool) -> bool:
    """Whether a run should hand over to the next."""
    return suggested or events >= FULL_HISTORY
