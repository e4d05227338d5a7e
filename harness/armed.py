"""A fault point that is armed: for which attempts, whom it bit, and its end."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct
from temporalio.activity import Info

from harness.records.operations import substream

BITTEN = "bitten.jsonl"
Point = Literal["before", "after"]
"""Before the activity's body is called, or after it ended well and before that is reported."""
Act = Literal["raise", "refuse", "lose", "hold", "twice", "kill"]
"""A retryable failure, one that is not, no report at all, a standstill until it is too late, once more, SIGKILL."""


class Attempts(Struct, frozen=True, kw_only=True):
    """Which attempts of which activity."""

    workflow_id: str
    """The whole id; or how it begins, if `prefix`."""
    prefix: bool
    activity: str
    first: int
    last: int
    """Counted from 1, both included."""
    call: int | None
    """Which call of the activity, counted from 1; None is every call."""
    share: float = 1.0
    """Of those workflows, above 0 and up to 1."""
    seed: int = 0
    """Draws which of them, each by what follows the prefix in its id."""

    def may_include(self, info: Info) -> bool:
        """Whether this is an attempt of that activity in that workflow, be it of another call or number."""
        workflow_id = info.workflow_id or ""
        same = workflow_id.startswith(self.workflow_id) if self.prefix else workflow_id == self.workflow_id
        return same and info.activity_type == self.activity and self._draws(workflow_id)

    def _draws(self, workflow_id: str) -> bool:
        if self.share == 1:
            return True
        rest = workflow_id.removeprefix(self.workflow_id)
        return substream(self.seed, "fault points", rest).random() < self.share


class Fault(Struct, frozen=True, kw_only=True):
    """What is to happen, and to which attempts."""

    attempts: Attempts
    point: Point
    act: Act
    times: int | None = None
    """How many attempts it bites at most: the first that get there; None is all of them."""
    armed_by: int = 0
    """The process that armed it, which it never kills."""


class Bitten(Struct, frozen=True, kw_only=True):
    """A fault that bit: when, where, and what it did. Written before it bites, so that a kill is told too."""

    fault: str
    """Name of the file by which it was armed."""
    at: float
    """Seconds since the Unix epoch."""
    pid: int
    workflow_id: str
    run_id: str
    activity: str
    activity_id: str
    attempt: int
    point: Point
    act: Act


class Armed:
    """A fault that was armed: whom it bit, and its end."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def bitten(self) -> list[Bitten]:
        """Every time it bit, in that order."""
        return [bite for bite in bitten_in(self._path.parent.parent) if bite.fault == self._path.stem]

    def disarm(self) -> None:
        """Bite nobody from now on, and let go whom it holds; harmless when called twice."""
        self._path.with_suffix(".woken").touch()
        self._path.unlink(missing_ok=True)


def bitten_in(directory: Path) -> list[Bitten]:
    """Every fault that bit, in that order."""
    try:
        lines = (directory / BITTEN).read_bytes().splitlines()
    except FileNotFoundError:
        return []
    return [msgspec.json.decode(line, type=Bitten) for line in lines]
