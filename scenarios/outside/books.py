"""Counts every call to the outside, and remembers the first answer to each idempotency key."""

import time
from collections import deque
from dataclasses import dataclass, field

from scenarios.outside.answers import Answer
from scenarios.outside.wire import Action, Count, Entry, Journal, Kind, Request

MOST_KEPT = 200_000
"""Keys, payments and shipments: what would be forgotten could not be asked for, so more are refused."""
JOURNAL_KEPT = 100_000


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call to a provider; `asked` is all that must be the same when its key comes again."""

    key: str
    action: Action
    reference: str
    asked: object = None


@dataclass(frozen=True)
class Open:
    """A call that came in: its place in the journal, and the count it belongs to."""

    entry: Entry
    count: Count

    def took_effect(self) -> None:
        self.entry.effects += 1
        self.count.effects += 1

    def replayed(self) -> None:
        self.entry.replays += 1
        self.count.replays += 1


@dataclass
class Books:
    """What was called, and what was answered."""

    counts: dict[tuple[str, Action, str], Count] = field(default_factory=dict)
    answers: dict[str, tuple[Call, Answer]] = field(default_factory=dict)
    """By idempotency key: the first call with it, and the answer."""
    entries: deque[Entry] = field(default_factory=lambda: deque(maxlen=JOURNAL_KEPT))
    calls: int = 0

    def came_in(self, call: Call, fired: tuple[Kind, ...], prefixes: tuple[str, ...]) -> Open:
        """Count a call, and enter it in the journal."""
        identity = (call.key, call.action, call.reference)
        count = self.counts.get(identity)
        if count is None:
            count = self.counts[identity] = Count(key=call.key, action=call.action, reference=call.reference)
        count.calls += 1
        self.calls += 1
        entry = Entry(
            at=time.time(),
            key=call.key,
            action=call.action,
            reference=call.reference,
            behaviours=fired,
            prefixes=prefixes,
        )
        self.entries.append(entry)
        return Open(entry, count)

    def request(self, key: str) -> Request | None:
        """What became of the call with this key."""
        found = self.answers.get(key)
        if found is None:
            return None
        call, answer = found
        return Request(
            key=key,
            action=call.action,
            reference=call.reference,
            status=answer.status,
            answer=dict(answer.body),
        )

    def counted(self, prefix: str) -> list[Count]:
        """The counts of the references that begin so."""
        return [count for count in self.counts.values() if count.reference.startswith(prefix)]

    def journal(self, prefix: str) -> Journal:
        """The newest calls of the references that begin so."""
        entries = [entry for entry in self.entries if entry.reference.startswith(prefix)]
        return Journal(entries=entries, forgotten=self.calls - len(self.entries))
