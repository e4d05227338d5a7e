"""A command as both sides tell it: what code issues on replay, and what a history holds; plain data, no Temporal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any, TypeAlias

Json: TypeAlias = Any
"""What JSON can hold; durations are seconds as float."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """Something a workflow asked of the server.

    Attributes:
        kind: "activity", "timer", "child workflow", "child cancellation", "Nexus operation", "signal",
            "cancel request", "continue as new", "completion", "failure", "cancellation", "search attributes", "memo",
            "update acceptance", "update result".
        fields: its arguments, timeouts, results, …; what the server fills in is filled in on both sides.
        name: what a reader knows it by: an activity's type, a child's type and id; empty where the kind says all.
        key: what it is matched by among those of its kind: an activity's or timer's id, an update's id, else its
            number among those of its kind, from 1; empty where it is not numbered yet.
        event: id of the event that recorded it; 0 for what code commands now.
        withdrawn: whether it was cancelled in the task that commanded it: then it may never have been sent.

    """

    kind: str
    fields: Mapping[str, Json]
    name: str = ""
    key: str = ""
    event: int = 0
    withdrawn: bool = False

    def __str__(self) -> str:
        return " ".join(part for part in (self.kind, self.name, f"({self.key})" if self.key else "") if part)


ABSENT = object()
"""In place of a value that one side has not."""
UNORDERED = frozenset({"update acceptance", "update result", "child cancellation"})
"""Kinds that a history may hold in another order than they were commanded in, or not at all."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """One value that is not what it was: where in the command's fields, and both values; ABSENT for none."""

    path: str
    then: Json
    now: Json


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One command that is not what it was."""

    command: Command
    changes: Sequence[Change]


def differences(then: Sequence[Command], now: Sequence[Command]) -> list[Difference]:
    """Compare what a history holds with what code commands now, in the history's order.

    A command of now without a counterpart is none: it was dropped before it was sent (a timer cancelled in the task
    that started it) or comes after the end of the history. One of then without a counterpart is.
    """
    current = {(command.kind, command.key): command for command in now}
    found = []
    for command in then:
        counterpart = current.get((command.kind, command.key))
        if counterpart is None:
            changes = [Change(path="", then=str(command), now=ABSENT)]
        else:
            changes = list(changed(command.fields, counterpart.fields))
        if changes:
            found.append(Difference(command=command, changes=changes))
    return found


def first_other(then: Sequence[Command], now: Sequence[Command]) -> Difference | None:
    """Find the first place at which another command stands now, or none does, or one does where none stood.

    Both are in their order, ``then`` as far as it was replayed. None if the same commands stand in the same order: then
    it is something else that they differ in, a value or what is told of no command.
    """
    known = {_identity(command) for command in then}
    stood = [command for command in then if command.kind not in UNORDERED]
    stand = [
        command
        for command in now
        if command.kind not in UNORDERED and (_identity(command) in known or not command.withdrawn)
    ]
    for one, other in zip_longest(stood, stand):
        if one is None:
            return Difference(command=other, changes=[Change(path="", then=ABSENT, now=str(other))])
        if other is None or _identity(one) != _identity(other):
            instead = ABSENT if other is None else str(other)
            return Difference(command=one, changes=[Change(path="", then=str(one), now=instead)])
    return None


def _identity(command: Command) -> tuple[str, str, str]:
    return command.kind, command.name, command.key


def changed(then: Json, now: Json, path: str = "") -> Iterator[Change]:
    """Tell each place at which two values differ, by a path such as ``arguments[0].amount``."""
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys([*then, *now]):
            inner = f"{path}.{key}" if path else str(key)
            yield from changed(then.get(key, ABSENT), now.get(key, ABSENT), inner)
    elif isinstance(then, list) and isinstance(now, list):
        for index in range(max(len(then), len(now))):
            sides = [side[index] if index < len(side) else ABSENT for side in (then, now)]
            yield from changed(sides[0], sides[1], f"{path}[{index}]")
    elif not _same(then, now):
        yield Change(path=path, then=then, now=now)


def _same(then: Json, now: Json) -> bool:
    # True equals 1 in Python, and not in JSON; NaN is itself here.
    if isinstance(then, bool) is not isinstance(now, bool):
        return False
    return then is now or bool(then == now) or (then != then and now != now)  # noqa: PLR0124 only NaN is not itself


def numbered(commands: Sequence[Command]) -> list[Command]:
    """Give a key to those that have none: their number among those of their kind."""
    counts: dict[str, int] = {}
    keyed = []
    for command in commands:
        if command.key:
            keyed.append(command)
            continue
        counts[command.kind] = count = counts.get(command.kind, 0) + 1
        keyed.append(replace(command, key=str(count)))
    return keyed
