"""Fault points: makes an activity attempt raise, hang, run twice, get lost or kill its worker, as it is armed to.

    faults.at("orders.capture_payment", attempt=1).after_commit()

Tests and chaos arm faults in a directory with `FaultPoints`, also while workers run. A worker that was started with
FAULT_POINTS naming that directory has the interceptor, looks there whenever an attempt begins, and writes down each
fault that bit before it bites. A worker started without has no interceptor at all.

    <directory>/bitten.jsonl           every fault that bit
    <directory>/<key>/<fault>.json     an armed fault; the key is a hash of workflow id and activity type
    <directory>/<key>/<fault>.met      the attempts that came by
    <directory>/<key>/<fault>.woken    it holds nobody any more
    <directory>/prefixes/              the same, for faults armed by the beginning of a workflow id
    <directory>/looking/<pid>          a process whose attempts look here
"""

from __future__ import annotations

import fcntl
import hashlib
import inspect
import os
import secrets
import signal
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import psutil
from temporalio import activity
from temporalio.activity import Info
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from harness.armed import BITTEN, Act, Armed, Attempts, Bitten, Fault, Point, bitten_in
from harness.clock import now
from harness.errors import CannotRun
from harness.eventually import eventually

VARIABLE = "FAULT_POINTS"
"""Names the directory to a worker."""
ERROR_TYPE = "FaultPoint"
"""Type of the failure that Temporal sees where a fault raised."""

PREFIXES = "prefixes"
LOOKING = "looking"

LOOK_AGAIN = 0.05
"""Seconds between two looks for a later attempt."""
GIVEN_UP = 10.0
"""Seconds past its limit after which an attempt has no successor."""


class Place:
    """The attempts that were chosen; each method arms one fault there. Several faults may share a place."""

    def __init__(self, directory: Path, attempts: Attempts, times: int | None = None) -> None:
        self._directory = directory
        self._attempts = attempts
        self._times = times

    def before(self, *, retryable: bool = True) -> Armed:
        """Fail without calling the activity's body."""
        return self._arm("before", "raise" if retryable else "refuse")

    def after_commit(self, *, retryable: bool = True) -> Armed:
        """Fail once the body has ended well: its effect is committed, and Temporal is told that it failed."""
        return self._arm("after", "raise" if retryable else "refuse")

    def lose(self) -> Armed:
        """Report nothing once the body has ended well: the attempt times out, and its slot is free meanwhile.

        Has no effect on local activities, which report through their workflow task.
        """
        return self._arm("after", "lose")

    def hang(self) -> Armed:
        """Stand still without a heartbeat until Temporal has begun another attempt, and call the body then.

        So does an attempt whose process was stopped for a while: it is superseded, and has its effect all the same.
        Where no other attempt comes it goes on 10 s past its limit, or as soon as `FaultPoints.wake` is called. Has no
        effect on local activities.
        """
        return self._arm("before", "hold")

    def complete_late(self) -> Armed:
        """Report that the body has ended well only when Temporal has begun another attempt, and hears of it no more.

        It waits as long as `hang` does. Has no effect on local activities.
        """
        return self._arm("after", "hold")

    def run_twice(self) -> Armed:
        """Call the body once more, with the same arguments, when it has ended well; its second result is reported."""
        return self._arm("before", "twice")

    def kill_before(self) -> Armed:
        """Kill the worker process with SIGKILL instead of calling the body.

        It must be another than the process that arms this: there the activity fails, and says so.
        """
        return self._arm("before", "kill")

    def kill_after(self) -> Armed:
        """Kill the worker process with SIGKILL once the body has ended well, and before that is reported.

        It must be another process, as for `kill_before`.
        """
        return self._arm("after", "kill")

    def _arm(self, point: Point, act: Act) -> Armed:
        fault = Fault(attempts=self._attempts, point=point, act=act, times=self._times, armed_by=os.getpid())
        key = PREFIXES if self._attempts.prefix else _key(self._attempts.workflow_id, self._attempts.activity)
        # The name tells the order of arming. A worker sees the file only once it is whole.
        path = self._directory / key / f"{time.time_ns()}-{secrets.token_hex(4)}.json"
        path.parent.mkdir(exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_bytes(msgspec.json.encode(fault))
        unfinished.rename(path)
        return Armed(path)


class FaultPoints:
    """The faults armed in one directory, which is made if missing, and what became of them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    @property
    def environment(self) -> dict[str, str]:
        """What a worker must be started with for the faults to reach it."""
        return {VARIABLE: str(self.directory)}

    def at(
        self,
        activity_type: str,
        *,
        workflow_id: str | None = None,
        prefix: str = "",
        attempt: int | range = 1,
        call: int | None = 1,
        share: float = 1.0,
        seed: int = 0,
        times: int | None = None,
    ) -> Place:
        """Choose attempts of an activity: one number, or all of a range.

        Args:
            activity_type: its name.
            workflow_id: of the one workflow whose activity it is.
            prefix: how the ids of such workflows begin; by default they are all workflows.
            attempt: counted from 1.
            call: which of the calls of that activity by these workflows, counted from 1 since the fault was armed and
                in the order in which workers begin them; None is every call.
            share: of these workflows, above 0 and up to 1; the call is counted among them.
            seed: draws which of them, each by what follows the prefix in its id.
            times: how many of these attempts are bitten at most, the first that get there; None is all of them. On a
                busy machine an attempt may time out on its way: `attempt=range(1, 100), times=1` bites whichever
                comes through.

        An attempt is bitten by a fault once at most. Raises ValueError for what can never bite.

        """
        attempts = range(attempt, attempt + 1) if isinstance(attempt, int) else attempt
        if not attempts or attempts.start < 1 or attempts.step != 1 or (call is not None and call < 1):
            message = f"attempt={attempt!r}, call={call!r}: attempts and calls are counted from 1"
            raise ValueError(message)
        if workflow_id is not None and prefix:
            message = f"workflow_id={workflow_id!r}, prefix={prefix!r}: give one of them"
            raise ValueError(message)
        if times is not None and times < 1:
            message = f"times={times!r}: a fault bites once at least"
            raise ValueError(message)
        if not 0 < share <= 1:
            message = f"share={share!r}: it is above 0, and up to 1"
            raise ValueError(message)
        chosen = Attempts(
            workflow_id=prefix if workflow_id is None else workflow_id,
            prefix=workflow_id is None,
            activity=activity_type,
            first=attempts[0],
            last=attempts[-1],
            call=call,
            share=share,
            seed=seed,
        )
        return Place(self.directory, chosen, times)

    def wake(self) -> None:
        """Let the attempts go on that stand still by `hang` or `complete_late`; those faults hold nobody any more."""
        for path in self.directory.rglob("*.json"):
            path.with_suffix(".woken").touch()

    def bitten(self) -> list[Bitten]:
        """Every fault that bit, in that order. One that is not here was not in force, and proves nothing."""
        return bitten_in(self.directory)

    def looking(self) -> set[int]:
        """The processes that look here now, by their ids. Where none does, nothing that is armed can bite."""
        return {pid for path in (self.directory / LOOKING).glob("*") if psutil.pid_exists(pid := int(path.name))}

    def unbitten(self) -> list[Fault]:
        """The faults that are armed and have not bitten yet, in the order of arming."""
        bitten = {bite.fault for bite in self.bitten()}
        armed = sorted(self.directory.rglob("*.json"), key=lambda path: path.name)
        return [msgspec.json.decode(path.read_bytes(), type=Fault) for path in armed if path.stem not in bitten]


def interceptors(environment: Mapping[str, str] = os.environ) -> list[Interceptor]:
    """What a worker is to be composed with: nothing, unless FAULT_POINTS names a directory.

    They belong outside all others, where an attempt's outcome is decided and not yet reported.
    """
    text = environment.get(VARIABLE, "")
    if not text:
        return []
    directory = Path(text)
    if not directory.is_dir():
        raise CannotRun(f"{VARIABLE} is {text}: there is no such directory.", remedy="Make it, or leave it unset.")
    (directory / LOOKING).mkdir(exist_ok=True)
    (directory / LOOKING / str(os.getpid())).touch()
    return [FaultPointInterceptor(directory)]


class FaultPointInterceptor(Interceptor):
    """Lets the faults that are armed in a directory bite."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 the SDK's own parameter name
        """See base class."""
        return _Inbound(next, self._directory)


_Due = tuple[Path, Fault]


class _Inbound(ActivityInboundInterceptor):
    def __init__(self, following: ActivityInboundInterceptor, directory: Path) -> None:
        super().__init__(following)
        self._directory = directory

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 the SDK's own parameter name
        info = activity.info()
        due = list(_due(self._directory, info))
        await self._bite("before", due, info, input)
        result = await self.next.execute_activity(input)
        await self._bite("after", due, info, input)
        return result

    async def _bite(self, point: Point, due: Sequence[_Due], info: Info, given: ExecuteActivityInput) -> None:
        for path, fault in due:
            # It may have been disarmed meanwhile, or have bitten as many others as it was to.
            if fault.point == point and path.exists():
                _spare_who_armed(fault)
                if _recorded(self._directory, path, fault, info):
                    await _do(path, fault, info, given)


def _due(directory: Path, info: Info) -> Iterator[_Due]:
    """The faults armed for this attempt, in the order of arming."""
    for key in (_key(info.workflow_id or "", info.activity_type), PREFIXES):
        for path in _armed(directory / key):
            try:
                fault = msgspec.json.decode(path.read_bytes(), type=Fault)
            except FileNotFoundError:  # disarmed meanwhile
                continue
            if fault.attempts.may_include(info) and _meets(path, fault, info):
                yield path, fault


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
    if fault.act in {"lose", "hold"} and info.is_local:
        return False
    call = _call(info)
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


def _recorded(directory: Path, path: Path, fault: Fault, info: Info) -> bool:
    """Write down that it bites; False, and nothing, where it has bitten often enough."""
    bitten = Bitten(
        fault=path.stem,
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
        fcntl.flock(file, fcntl.LOCK_EX)
        if fault.times is not None and sum(bite.fault == path.stem for bite in bitten_in(directory)) >= fault.times:
            return False
        file.write(msgspec.json.encode(bitten) + b"\n")
    return True


def _spare_who_armed(fault: Fault) -> None:
    """Raise where a kill would take the test with it, and all that has not been reported yet."""
    if fault.act == "kill" and fault.armed_by == os.getpid():
        raise ApplicationError(
            f"The kill {fault.point} {fault.attempts.activity} would kill the process that armed it. Run the worker in "
            "a process of its own, started with the `environment` of these fault points.",
            non_retryable=True,
        )


async def _do(path: Path, fault: Fault, info: Info, given: ExecuteActivityInput) -> None:
    match fault.act:
        case "raise" | "refuse":
            message = f"fault point {fault.point} {info.activity_type}, attempt {info.attempt}"
            raise ApplicationError(message, type=ERROR_TYPE, non_retryable=fault.act == "refuse")
        case "lose":
            # Says that somebody else will report the outcome, which nobody does: neither a slot nor a draining
            # worker waits for it, and no heartbeat keeps it alive.
            activity.raise_complete_async()
        case "hold":
            await _too_late(path, info)
        case "twice":
            # Not the chain of interceptors, which is made to be called once.
            given.fn = partial(_twice_awaited if _is_coroutine(given.fn) else _twice, given.fn)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)


async def _too_late(path: Path, info: Info) -> None:
    """Return when a later attempt came by, when it is woken, or when neither will be."""
    met, woken = path.with_suffix(".met"), path.with_suffix(".woken")
    limits = [limit for limit in (info.heartbeat_timeout, info.start_to_close_timeout) if limit]
    seconds = min((limit.total_seconds() for limit in limits), default=0) + GIVEN_UP
    with suppress(AssertionError):  # no later attempt
        await eventually(
            lambda: woken.exists() or _superseded(met.read_text().splitlines(), info),
            timeout=seconds,
            interval=LOOK_AGAIN,
        )


def _superseded(met: Iterable[str], info: Info) -> bool:
    attempts = [line.rpartition("/") for line in met]
    return any(call == _call(info) and int(attempt) > info.attempt for call, _, attempt in attempts)


def _twice(body: Callable[..., Any], *given: Any) -> Any:
    body(*given)
    return body(*given)


async def _twice_awaited(body: Callable[..., Awaitable[Any]], *given: Any) -> Any:
    await body(*given)
    return await body(*given)


def _is_coroutine(body: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(body) or inspect.iscoroutinefunction(type(body).__call__)


def _call(info: Info) -> str:
    return f"{info.workflow_run_id}/{info.activity_id}"


def _key(workflow_id: str, activity_type: str) -> str:
    return hashlib.blake2b(f"{workflow_id}\n{activity_type}".encode(), digest_size=16).hexdigest()
