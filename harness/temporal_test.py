"""What a test has of Temporal: a client, workers, a clock, and what is checked when it ends."""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
import tempfile
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowHistory
from temporalio.service import ServiceClient
from temporalio.worker import Worker

from harness import attempted
from harness.attempted import Attempted
from harness.deadlines import let_go, within
from harness.doubts import failed_tasks, unbitten, unlike, unmet, unreplayable, went_on
from harness.environments import V1, Environment
from harness.faultpoints import FaultPointInterceptor, FaultPoints
from harness.replay.interleaved import interleaved
from harness.scripted_outside import ScriptedOutside
from harness.skipping import NotGiven
from harness.watching import Watched

if TYPE_CHECKING:
    from harness.wire import Wire

DEADLINE = 60.0
"""Seconds a test may take, where nothing else is said."""
TO_EXPLAIN = 10.0
"""Seconds to fetch histories once a test is over its deadline."""
STOOD = (
    "Time stood still: it is skipped only while a client on the connection of `temporal.client` awaits a result or an "
    "update. Make others with Client(**temporal.client.config()), or let time pass: await temporal.sleep(duration)."
)
"""Why nothing went on in skipped time."""


class Untrustworthy(AssertionError):
    """The test passed, and what its workflows did cannot be trusted."""


class Unreplayed(UserWarning):
    """Nobody knows whether a history replays."""


class Temporal:
    """A test's environment, to be closed by `aclose`.

    Attributes:
        client: connected with the options of the ``temporal_plugins`` and ``temporal_options`` fixtures; by the wire,
            once there is one.
        task_queue: of this test alone; ``worker``, ``start`` and ``run`` use it.

    """

    def __init__(  # noqa: PLR0913 one for each check that can be left out
        self,
        environment: Environment,
        watched: Watched,
        *,
        directory: Callable[[], Path] | None = None,
        deadline: float = DEADLINE,
        unreplayed: str | None = None,
        failed_tasks: str | None = None,
        unbitten: str | None = None,
        unheard: str | None = None,
        uncancelled: str | None = None,
    ) -> None:
        self.environment = environment
        self.client = self._direct = environment.client
        self.task_queue = f"test-{secrets.token_hex(6)}"
        self._watched = watched
        self._deadline = deadline
        self._unreplayed = unreplayed
        self._failed_tasks = failed_tasks
        self._unbitten = unbitten
        self._unheard = unheard
        self._uncancelled = uncancelled
        self._directory = directory
        self._faults: FaultPoints | None = None
        self._wire: Wire | None = None
        self._outside: ScriptedOutside | None = None
        self._exits = AsyncExitStack()
        self._late: set[asyncio.Task[Any]] = set()

    @property
    def faults(self) -> FaultPoints:
        """Fault points for the workers that are made from the test's client from its first use on."""
        if self._faults is None:
            self._faults = FaultPoints((self._directory or self._temporary_directory)() / "faults")
            self._watched.interceptors.append(FaultPointInterceptor(self._faults.directory))
        return self._faults

    async def wire(self) -> Wire:
        """Stand between the server and what is connected from now on: `client`, and the workers made from it.

        A rule that nothing met by the end of the test fails it. The checks after the test do not pass the wire.
        """
        if self._wire is None:
            from harness.wire import Wire  # noqa: PLC0415 gRPC is slow to import, and few tests need it

            direct = self._direct.service_client.config
            if direct.tls or direct.api_key:
                raise NotGiven("A wire speaks no TLS, and the client of this test does.")
            self._wire = await self._exits.enter_async_context(Wire.to(direct.target_host))
            moved = dataclasses.replace(direct, target_host=self._wire.address)
            service = await ServiceClient.connect(moved)
            if self.environment.unlocking is not None:
                self.environment.unlocking.over(service.workflow_service)
            self.client = Client(
                **{**self._direct.config(), "service_client": service}  # type: ignore[arg-type] # its own configuration, given back
            )
        return self._wire

    @property
    def outside(self) -> ScriptedOutside:
        """An HTTP service that answers as it is scripted, and knows whose call it is; it runs from its first use on.

        Attempts are known of workers made from the test's client.
        """
        if self._outside is None:
            self._outside = self._exits.enter_context(ScriptedOutside(self._open_attempts))
        return self._outside

    async def aclose(self) -> None:
        """Let go of what the test still holds, and of what it had begun when its time was over."""
        await self._exits.aclose()
        if self._late:
            await let_go(self._late)

    @asynccontextmanager
    async def worker(
        self, *, workflows: Sequence[type] = (), activities: Sequence[Callable[..., Any]] = (), **options: Any
    ) -> AsyncIterator[Worker]:
        """Run a worker on the test's task queue until the block ends; options are ``temporalio.worker.Worker``'s."""
        options.setdefault("task_queue", self.task_queue)
        async with Worker(self.client, workflows=workflows, activities=activities, **options) as worker:
            yield worker

    async def start(self, workflow: Any, *args: Any, **options: Any) -> WorkflowHandle[Any, Any]:
        """Start a workflow on the test's task queue; an id is made where none is given."""
        options.setdefault("id", f"test-{secrets.token_hex(6)}")
        options.setdefault("task_queue", self.task_queue)
        handle: WorkflowHandle[Any, Any] = await self.client.start_workflow(workflow, args=args, **options)
        return handle

    async def run(self, workflow: Any, *args: Any, **options: Any) -> Any:
        """Start a workflow and await its result."""
        return await (await self.start(workflow, *args, **options)).result()

    async def sleep(self, duration: timedelta) -> None:
        """Let this much of the environment's time pass, without waiting for it."""
        if self.environment.kind is not V1 or self.environment.server is None:
            raise NotGiven(
                "Time is skipped for all at once by v1 alone. Mark the test @pytest.mark.temporal(skip_time=True)."
            )
        await self.environment.server.sleep(duration)

    async def now(self) -> datetime:
        """The environment's time."""
        if self.environment.kind is V1 and self.environment.server is not None:
            return await self.environment.server.get_current_time()
        return datetime.now(UTC)

    async def took(self, handle: WorkflowHandle[Any, Any]) -> timedelta:
        """How long a workflow took in its own time, from its first event to its last."""
        events = (await handle.fetch_history()).events
        return timedelta(
            microseconds=(events[-1].event_time.ToNanoseconds() - events[0].event_time.ToNanoseconds()) / 1e3
        )

    @property
    def attempts(self) -> list[Attempted]:
        """The attempts of activities that workers made from the test's client began so far, in that order."""
        return list(self._watched.attempts)

    def gaps(self, handle: WorkflowHandle[Any, Any], activity_type: str, *, call: int = 1) -> list[timedelta]:
        """How long after the one before it each attempt of a call began, the first excepted, in the server's time.

        Calls of that activity by the workflow, in all its runs, are counted from 1. Raises UnknownName for an activity
        of which there was no attempt, and ValueError for a call that there was not.
        """
        return attempted.gaps(self._watched.attempts, handle.id, activity_type, call)

    async def histories(self) -> list[WorkflowHistory]:
        """Every run of what the test and its schedules started or its workers worked on, and of children of these."""
        return await self._watched.histories(self._direct)

    async def watch_over(self, test: Coroutine[Any, Any, object]) -> None:
        """Hold a test to its deadline, and check what its workflows did. Raises DeadlinePassed or Untrustworthy."""
        before = asyncio.all_tasks()

        async def late() -> str:
            self._late = asyncio.all_tasks() - before
            return await self._how_it_stands()

        try:
            await within(test, self._deadline, "The test", late)
        except WorkflowFailureError as error:
            error.add_note(await self._explained())
            raise
        await within(self.check(), max(self._deadline, DEADLINE), "The check of what its workflows did")

    async def check(self) -> None:
        """Check what the test's workflows did so far. Raises Untrustworthy."""
        found = await self.histories()
        problems: list[str] = []
        if not self._failed_tasks:
            problems += [line for history in found for line in failed_tasks(history)]
        if not self._uncancelled:
            problems += [line for history in found for line in went_on(history)]
        if not self._unreplayed:
            problems += await unlike(self.client, self._watched.workers, found, signals=not self._unheard)
        if self._faults and not self._unbitten:
            problems += [unbitten(fault) for fault in self._faults.unbitten()]
        if self._wire and not self._unbitten:
            problems += [unmet(rule) for rule in self._wire.unbitten()]
        if self._outside:
            problems += self._outside.repeated()
        if problems:
            raise Untrustworthy("\n".join(problems))
        for history in found if not self._unreplayed else ():
            for line in unreplayable(self._watched.workers, history):
                warnings.warn(line, Unreplayed, stacklevel=2)

    def _temporary_directory(self) -> Path:
        return Path(self._exits.enter_context(tempfile.TemporaryDirectory(prefix="temper-faults-")))

    def _open_attempts(self) -> list[Attempted]:
        return [each for each in self._watched.attempts if each.is_open]

    async def _how_it_stands(self) -> str:
        unlocking = self.environment.unlocking
        stood = [STOOD] if unlocking is not None and unlocking.time_stands else []
        under_way = [
            f"Under way: {each.activity}, attempt {each.attempt}, of {each.workflow_id!r}"
            for each in self._open_attempts()
        ]
        return "\n".join([*stood, await self._explained(), *under_way])

    async def _explained(self) -> str:
        lines = ["What its workflows did:"]
        try:
            async with asyncio.timeout(TO_EXPLAIN):
                lines += interleaved(await self.histories())
        except Exception as error:  # noqa: BLE001 what is explained matters more
            lines.append(f"(their histories could not be fetched: {error!r})")
        return "\n".join(lines)
