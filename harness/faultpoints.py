"""Fault points: makes an activity attempt raise, get lost or kill its worker, as another process has armed it to.

Tests and chaos arm faults in a directory with `FaultPoints`, also while workers run. A worker that was started with
FAULT_POINTS naming that directory has the interceptor, looks there whenever an attempt begins, and writes down each
fault that bit before it bites. A worker started without has no interceptor at all.

    <directory>/bitten.jsonl           every fault that bit
    <directory>/<key>/<fault>.json     an armed fault; the key is a hash of workflow id and activity type
    <directory>/<key>/<fault>.met      the attempts that came by
    <directory>/prefixes/              the same, for faults armed by the beginning of a workflow id
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct
from temporalio import activity
from temporalio.activity import Info
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from harness.clock import now
from harness.errors import CannotRun

VARIABLE = "FAULT_POINTS"
"""Names the directory to a worker."""
ERROR_TYPE = "FaultPoint"
"""Type of the failure that Temporal sees where a fault raised."""

Point = Literal["before", "after"]
"""Before the activity's body is called, or after it ended well and before that is reported."""
Act = Literal["raise", "refuse", "lose", "kill"]
"""A retryable failure, one that is not, no report at all, SIGKILL."""

BITTEN = "bitten.jsonl"
PREFIXES = "prefixes"


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

    def may_include(self, info: Info) -> bool:
        """Whether this is an attempt of that activity in that workflow, be it of another call or number."""
        workflow_id = info.workflow_id or ""
        same = workflow_id.startswith(self.workflow_id) if self.prefix else workflow_id == self.workflow_id
        return same and info.activity_type == self.activity


class Fault(Struct, frozen=True, kw_only=True):
    """What is to happen, and to which attempts."""

    attempts: Attempts
    point: Point
    act: Act


class Bitten(Struct, frozen=True, kw_only=True):
    """A fault that bit: when, where, and what it did. Written before it bites, so that a kill is told too."""

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


class Place:
    """The attempts that were chosen; each method arms one fault there. Several faults may share a place."""

    def __init__(self, directory: Path, attempts: Attempts) -> None:
        self._directory = directory
        self._attempts = attempts

    def before(self, *, retryable: bool = True) -> None:
        """Fail without calling the activity's body."""
        self._arm("before", "raise" if retryable else "refuse")

    def after(self, *, retryable: bool = True) -> None:
        """Fail once the body has ended well: its effect is committed, and Temporal is told that it failed."""
        self._arm("after", "raise" if retryable else "refuse")

    def lose(self) -> None:
        """Report nothing once the body has ended well: the attempt times out, and its slot is free meanwhile.

        Has no effect on local activities, which report through their workflow task.
        """
        self._arm("after", "lose")

    def kill_before(self) -> None:
        """Kill the worker process with SIGKILL instead of calling the body."""
        self._arm("before", "kill")

    def kill_after(self) -> None:
        """Kill the worker process with SIGKILL once the body has ended well, and before that is reported."""
        self._arm("after", "kill")

    def _arm(self, point: Point, act: Act) -> None:
        fault = Fault(attempts=self._attempts, point=point, act=act)
        key = PREFIXES if self._attempts.prefix else _key(self._attempts.workflow_id, self._attempts.activity)
        # The name tells the order of arming. A worker sees the file only once it is whole.
        path = self._directory / key / f"{time.time_ns()}-{secrets.token_hex(4)}.json"
        path.parent.mkdir(exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_bytes(msgspec.json.encode(fault))
        unfinished.rename(path)


class FaultPoints:
    """The faults armed in one directory, which is made if missing, and what became of them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    @property
    def environment(self) -> dict[str, str]:
        """What a worker must be started with for the faults to reach it."""
        return {VARIABLE: str(self.directory)}

    def at(self, workflow_id: str, activity_type: str, *, attempt: int | range = 1, call: int | None = 1) -> Place:
        """Choose attempts of one workflow's activity: one number, or all of a range.

        `call` chooses among the workflow's calls of that activity, counted from 1 since the fault was armed and in
        the order in which workers begin them; None is every call. An attempt is bitten by a fault once at most.
        """
        return self._place(workflow_id, activity_type, attempt, call, prefix=False)

    def under(self, prefix: str, activity_type: str, *, attempt: int | range = 1, call: int | None = 1) -> Place:
        """As `at`, for all workflows whose ids begin with `prefix`: their calls are counted as one sequence."""
        return self._place(prefix, activity_type, attempt, call, prefix=True)

    def bitten(self) -> list[Bitten]:
        """Every fault that bit, in that order. One that is not here was not in force, and proves nothing."""
        try:
            lines = (self.directory / BITTEN).read_bytes().splitlines()
        except FileNotFoundError:
            return []
        return [msgspec.json.decode(line, type=Bitten) for line in lines]

    def _place(
        self, workflow_id: str, activity_type: str, attempt: int | range, call: int | None, *, prefix: bool
    ) -> Place:
        attempts = range(attempt, attempt + 1) if isinstance(attempt, int) else attempt
        if not attempts or attempts.start < 1 or attempts.step != 1 or (call is not None and call < 1):
            message = f"attempt={attempt!r}, call={call!r}: attempts and calls are counted from 1"
            raise ValueError(message)
        chosen = Attempts(
            workflow_id=workflow_id,
            prefix=prefix,
            activity=activity_type,
            first=attempts[0],
            last=attempts[-1],
            call=call,
        )
        return Place(self.directory, chosen)


def interceptors(environment: Mapping[str, str] = os.environ) -> list[Interceptor]:
    """What a worker is to be composed with: nothing, unless FAULT_POINTS names a directory.

    They belong outside all others, where an attempt's outcome is decided and not yet reported.
    """
    text = environment.get(VARIABLE, "")
    if not text:
        return []
    if not Path(text).is_dir():
        raise CannotRun(f"{VARIABLE} is {text}: there is no such directory.", remedy="Make it, or leave it unset.")
    return [FaultPointInterceptor(Path(text))]


class FaultPointInterceptor(Interceptor):
    """Lets the faults that are armed in a directory bite."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 the SDK's own parameter name
        """See base class."""
        return _Inbound(next, self._directory)


class _Inbound(ActivityInboundInterceptor):
    def __init__(self, following: ActivityInboundInterceptor, directory: Path) -> None:
        super().__init__(following)
        self._directory = directory

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 the SDK's own parameter name
        info = activity.info()
        faults = list(_due(self._directory, info))
        self._bite("before", faults, info)
        result = await self.next.execute_activity(input)
        self._bite("after", faults, info)
        return result

    def _bite(self, point: Point, faults: Sequence[Fault], info: Info) -> None:
        for fault in faults:
            if fault.point == point:
                _record(self._directory, fault, info)
                _do(fault, info)


def _due(directory: Path, info: Info) -> Iterator[Fault]:
    """The faults armed for this attempt, in the order of arming."""
    for key in (_key(info.workflow_id or "", info.activity_type), PREFIXES):
        for path in _armed(directory / key):
            fault = msgspec.json.decode(path.read_bytes(), type=Fault)
            if fault.attempts.may_include(info) and _meets(path, fault, info):
                yield fault


def _armed(directory: Path) -> list[Path]:
    try:
        names = sorted(os.listdir(directory))  # noqa: PTH208 - costs one system call where nothing is armed
    except FileNotFoundError:
        return []
    return [directory / name for name in names if name.endswith(".json")]


def _meets(path: Path, fault: Fault, info: Info) -> bool:
    """Note that this attempt came by, and tell whether the fault is meant for it.

    The note is a file, because the calls are counted over all workers, and over those that a fault has killed. One
    attempt can come by twice: a local activity begins again, by the same number, when its workflow task does.
    """
    if fault.act == "lose" and info.is_local:
        return False
    call = f"{info.workflow_run_id}/{info.activity_id}"
    attempt = f"{call}/{info.attempt}"
    with path.with_suffix(".met").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        met = file.read().splitlines()
        if attempt in met:
            return False
        file.write(f"{attempt}\n")
    calls = list(dict.fromkeys(each.rpartition("/")[0] for each in [*met, attempt]))
    wanted = fault.attempts
    return wanted.call in (None, calls.index(call) + 1) and wanted.first <= info.attempt <= wanted.last


def _record(directory: Path, fault: Fault, info: Info) -> None:
    bitten = Bitten(
        at=now(),
        pid=os.getpid(),
        workflow_id=info.workflow_id or "",
        run_id=info.workflow_run_id or "",
        activity=info.activity_type,
        activity_id=info.activity_id,
        attempt=info.attempt,
        point=fault.point,
        act=fault.act,
    )
    with (directory / BITTEN).open("ab", buffering=0) as file:
        file.write(msgspec.json.encode(bitten) + b"\n")


def _do(fault: Fault, info: Info) -> None:
    match fault.act:
        case "raise" | "refuse":
            message = f"fault point {fault.point} {info.activity_type}, attempt {info.attempt}"
            raise ApplicationError(message, type=ERROR_TYPE, non_retryable=fault.act == "refuse")
        case "lose":
            # Says that somebody else will report the outcome, which nobody does: neither a slot nor a draining
            # worker waits for it, and no heartbeat keeps it alive.
            activity.raise_complete_async()
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)


def _key(workflow_id: str, activity_type: str) -> str:
    return hashlib.blake2b(f"{workflow_id}\n{activity_type}".encode(), digest_size=16).hexdigest()
