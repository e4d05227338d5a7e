"""Everything one run needs standing: the stack, the links, the workers, the client, the stores."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import asyncpg
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from temporalio.client import Client

from harness import bare
from harness.clock import now
from harness.closings import Closings
from harness.driver import App, drive
from harness.errors import CannotRun, HarnessError
from harness.faultpoints import FaultPoints
from harness.journal.slot import Slot
from harness.links import Links
from harness.observation import conclude
from harness.pollers import await_pollers
from harness.preparations import NO_WORKER, build, known_to, migrate
from harness.records.fingerprint import Fingerprint, ServiceInfo
from harness.records.journal import Journal
from harness.records.operations import Ack, Iteration, Operation
from harness.records.run import Recorded, Run
from harness.records.verdicts import Finding, Judgement
from harness.scenario import Scenario, Stores
from harness.services.service import Service
from harness.sessions import OURS
from harness.stack import Stack
from harness.target import BaselineSection, Target
from harness.templates import fill_values
from harness.wires import Wires
from harness.workers import Worker, Workers, WorkerSpec

QUIESCE_EVERY = 0.5
CLIENT = "client"
"""Owner of the links that the testbed's own client uses."""
CAVEATS = {
    ("temporal", "persistence", "sqlite"): "SQLite dev server: not a production capacity",
    ("postgres", "fsync", "off"): "PostgreSQL without fsync: not a production disk",
}
"""What a reader must not conclude where a service says this of itself."""
NO_LEDGER = "The target keeps no ledger of effects: what is there is counted, and which attempt wrote it is unknown"
BY_JOURNAL = "The target keeps no ledger: PostgreSQL's journal tells its effects, and no attempts"


class PreparationFailed(HarnessError):
    """A scenario that prepares the run did not succeed: what would follow would mean nothing."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Where the services come from, whether the run goes through links, and whether PostgreSQL's journal is kept."""

    links: bool = False
    journal: bool = False
    """Where temper.toml maps tables."""
    providers: Mapping[str, str] = field(default_factory=dict)
    external: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)
    persistent: bool = False
    """Whether a Temporal that is started keeps what it has when it is killed."""


def _silent(_: str) -> None:
    """Tell nobody."""


class Testbed:
    """One run's surroundings. Made by `standing`; what was driven on it is judged by `conclude`."""

    __test__ = False  # it is no test, whatever pytest thinks of its name

    def __init__(
        self,
        target: Target,
        run: Run,
        stack: Stack,
        links: Links | None,
        clients: tuple[Client, Client, Client],
        stores: Stores,
        notify: Callable[[str], None],
        slot: Slot | None = None,
    ) -> None:
        self.target = target
        self.run = run
        self.stack = stack
        self.links = links
        self.client, self.linked_client, self.plain_client = clients
        """The target's client, direct and through links of its own (the same without links); the bare SDK's."""
        self.stores = stores
        self.notify = notify
        self.slot = slot
        """From where PostgreSQL's journal is read as the run is concluded."""
        self.journal: Journal | None = None
        self.iterations: list[Iteration] = []
        self.closings = Closings(self.linked_client, f"{run.info.id}.")
        self.broken: list[Finding] = []
        self.caveats: list[str] = []
        """What a reader must not conclude, beside what is known of services and target."""
        self.at_work: list[Worker] = []
        """The workers that `workers` has started and not yet begun to drain."""
        self.fault_points: FaultPoints | None = None
        """Where the workers look that were made since `look_for_faults`."""
        self.wires = Wires(stack["temporal"])
        self._worker_count = 0
        self._prepared = False

    @classmethod
    @asynccontextmanager
    async def standing(
        cls, target: Target, run: Run, wanted: Wanted, notify: Callable[[str], None] = _silent
    ) -> AsyncIterator[Self]:
        """Start the services, migrate, connect. On leaving, everything goes down again, in reverse.

        Raises CannotRun where something the user can put right stands in the way.
        """
        names = [*target.file.services, *(["toxiproxy"] if wanted.links else [])]
        await build(target, run, notify)
        async with AsyncExitStack() as exits:
            stack = Stack.of(
                names,
                log_directory=run.logs,
                provider=wanted.providers,
                external=wanted.external,
                ports=wanted.ports,
                persistent=wanted.persistent,
                notify=notify,
                namespace=target.file.namespace,
                processes=target.processes,
            )
            await exits.enter_async_context(stack)
            links = await exits.enter_async_context(_links(stack)) if wanted.links else None
            await migrate(target, stack, run)
            plain = await _plain_client(target, stack.addresses)
            client = await _client(target, stack.addresses, stack.directory) or plain
            linked = client
            if links is not None:
                through = await links.open_all(CLIENT)
                linked = await connect(target, {**stack.addresses, **through}, stack.directory)
            stores = await exits.enter_async_context(_stores(stack))
            slot = await exits.enter_async_context(_slot(target, stack, run, notify)) if wanted.journal else None
            bed = cls(target, run, stack, links, (client, linked, plain), stores, notify, slot)
            async with bed.wires:
                yield bed

    def app(
        self,
        iteration: Iteration,
        *,
        task_queue: str | None = None,
        record: Callable[[Operation], None] | None = None,
        client: Client | None = None,
    ) -> App:
        """What drives this iteration: recorded into the run, by the client on its own link, unless told otherwise."""
        return App(
            client=client or self.linked_client,
            iteration=iteration,
            task_queue=task_queue or self.target.file.task_queue,
            workspace=self.stack.directory,
            record=record or self.run.write,
            addresses=self.stack.addresses,
            closings=self.closings if client is None else None,
        )

    async def once(self, scenario: Scenario[Any], *, client: Client | None = None, warm_up: bool = False) -> None:
        """Drive one iteration of a scenario, now."""
        iteration = Iteration(
            run=self.run.info.id,
            scenario=scenario.name,
            index=self.next_index(scenario),
            seed=self.run.info.seed,
            intended=now(),
            warm_up=warm_up,
        )
        self.planned([iteration])
        self.broken += await drive(scenario, self.app(iteration, client=client))

    async def prepare(self, *scenarios: Scenario[Any]) -> None:
        """Warm these scenarios up, and run the target's preparing ones: reference data and the like. Needs workers."""
        for scenario in scenarios:
            await asyncio.to_thread(scenario.warm_up)
        if self._prepared:
            return
        self._prepared = True
        for name in self.target.file.prepare:
            scenario = self.target.scenario(name)
            await self.once(scenario, client=self.client)
            self._refuse_unprepared(scenario)

    def next_index(self, scenario: Scenario[Any]) -> int:
        """The number of the next iteration of this scenario, counted from 0."""
        return sum(iteration.scenario == scenario.name for iteration in self.iterations)

    def planned(self, iterations: Sequence[Iteration]) -> None:
        """Note iterations before they are driven: `conclude` asks after each, whatever becomes of the caller."""
        self.run.write_all(iterations)
        self.iterations += iterations

    def look_for_faults(self) -> FaultPoints:
        """Have the workers that are made from now on look for faults inside them; returns where they look."""
        self.fault_points = self.fault_points or FaultPoints(self.stack.directory / "fault-points")
        return self.fault_points

    async def stand_between(self, owner: str) -> None:
        """Put a wire between the client, or a worker yet to be made, and its link to Temporal; once for each owner."""
        if self.links is None:
            raise CannotRun("This run has no links.", remedy="Ask for them when the testbed is made.")
        self.wires.wanted.add(owner)
        if owner == CLIENT and owner not in self.wires:
            addresses = await self.wires.before(owner, self.links.addresses(owner))
            self.linked_client = await connect(self.target, {**self.stack.addresses, **addresses}, self.stack.directory)
            self.closings = Closings(self.linked_client, f"{self.run.info.id}.")

    async def quiesce(self, seconds: float) -> int:
        """Wait until none of the run's workflows runs any more, for so long at most; returns how many still do.

        What came in faster than it was worked off is late, and not lost.
        """
        query = f'WorkflowId STARTS_WITH "{self.run.info.id}." AND ExecutionStatus = "Running"'
        deadline = now() + seconds
        while (running := (await self.client.count_workflows(query)).count) and now() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(QUIESCE_EVERY)
        return running

    async def conclude(self) -> list[Judgement]:
        """Observe what the run left behind, judge it, and write all of it into the run."""
        self.journal = await self.slot.read() if self.slot is not None else None
        if self.journal is not None and self.journal.unread:
            self.caveats.append(f"PostgreSQL's journal was not read: {self.journal.unread}")
        self.run.write_fingerprint(self.fingerprint())
        return await conclude(
            self.run, self.target, self.client, self.stores, self.iterations, self.broken, self.journal
        )

    def worker(self, name: str, *, task_queue: str | None = None, addresses: Mapping[str, str] | None = None) -> Worker:
        """A worker of the target, not yet started; direct, unless `addresses` are those of its links."""
        section = self.target.file.worker
        points = self.fault_points
        spec = WorkerSpec(
            command=section.command if points is None else section.fault_points or section.command,
            environment={**self.target.file.environment, **(points.environment if points else {})},
            ready_url=section.ready,
            metrics_url=section.metrics,
            drain_signal=section.drain_signal,
            drain_seconds=section.drain_seconds,
            directory=self.target.directory,
        )
        return self._worker(name, spec, task_queue, addresses)

    def bare_worker(self, name: str, *, task_queue: str) -> Worker:
        """A worker that is nothing but the SDK, with one workflow of one activity; not yet started."""
        return self._worker(name, WorkerSpec(command=bare.COMMAND, environment=bare.ENVIRONMENT), task_queue)

    @asynccontextmanager
    async def workers(
        self, count: int, *, name: str = "worker", task_queue: str | None = None, linked: bool = False
    ) -> AsyncIterator[Workers]:
        """That many workers, named worker-1 and so on, ready; drained on leaving.

        `linked` gives each a link of its own to every service. Raises ServiceFailed if one does not become ready.
        """
        names = [f"{name}-{number}" for number in range(1, count + 1)]
        group = Workers(
            [
                self.worker(each, task_queue=task_queue, addresses=await self._linked(each) if linked else None)
                for each in names
            ]
        )
        self._worker_count = max(self._worker_count, count)
        await group.start()
        self.at_work += group
        try:
            await await_pollers(self.plain_client, task_queue or self.target.file.task_queue, self.run.logs)
            self.notify(f"{', '.join(names)} ready" + (", each on links of its own" if linked else ""))
            yield group
        finally:
            self.at_work = [worker for worker in self.at_work if worker not in group]
            for worker in await group.drain():
                self.notify(f"{worker.name} did not drain within {worker.spec.drain_seconds:g} s, and was killed")

    @asynccontextmanager
    async def baseline(self, section: BaselineSection, *, task_queue: str) -> AsyncIterator[Worker]:
        """A worker with the target's workflows and nothing but the SDK around them."""
        spec = WorkerSpec(
            command=section.command, environment=self.target.file.environment, directory=self.target.directory
        )
        worker = self._worker("baseline", spec, task_queue)
        async with Workers([worker]):
            yield worker

    def fingerprint(self) -> Fingerprint:
        """Under what conditions this run takes place."""
        return Fingerprint.of_machine(
            services=tuple(
                ServiceInfo(
                    name=service.name,
                    provider=service.provider,
                    version=service.version,
                    address=service.address,
                    flags=tuple(f"{key}={value}" for key, value in service.flags.items()),
                    startup=None if service.provider == "external" else self.stack.startup_seconds.get(service.name),
                    ui=ui_of(service, self.target),
                )
                for service in self.stack.services.values()
            ),
            links=tuple(link.name for link in self.links) if self.links else (),
            workers=self._worker_count,
            caveats=(
                *(
                    caveat
                    for (name, flag, value), caveat in CAVEATS.items()
                    if name in self.stack.services and self.stack[name].flags.get(flag) == value
                ),
                *self._effects_told(),
                *self.caveats,
            ),
        )

    def _effects_told(self) -> list[str]:
        if self.target.read_effects:
            return []
        return [BY_JOURNAL if self.journal is not None and not self.journal.unread else NO_LEDGER]

    def _refuse_unprepared(self, scenario: Scenario[Any]) -> None:
        calls = [op for op in Recorded(self.run.directory).read(Operation) if op.scenario == scenario.name]
        wrong = [
            op.error or f"it ended {op.status}"
            for op in calls
            if op.ack is not Ack.OK or (op.status is not None and op.status not in scenario.ends)
        ] + [finding.message for finding in self.broken]
        if wrong or not calls:
            message = (
                f"{scenario.name}, which prepares the run, did not succeed: {'; '.join(wrong) or 'it made no call'}"
            )
            raise PreparationFailed(message)

    async def _linked(self, owner: str) -> dict[str, str]:
        if self.links is None:
            raise CannotRun("This run has no links.", remedy="Ask for them when the testbed is made.")
        return await self.wires.before(owner, await self.links.open_all(owner))

    def _worker(
        self, name: str, spec: WorkerSpec, task_queue: str | None, addresses: Mapping[str, str] | None = None
    ) -> Worker:
        known = {**known_to(self.target, self.stack.addresses, self.stack.directory), **(addresses or {})}
        if task_queue is not None:
            known["worker.task_queue"] = task_queue
        return Worker(name, spec, known, log_path=self.run.logs / f"{name}.log")


def ui_of(service: Service, target: Target) -> str:
    """Where Temporal's web UI shows the namespace of the run; empty for another service, or where it is not known."""
    if service.name != "temporal":
        return ""
    ui = service.fields_at(service.address).get("ui", target.file.ui)
    return f"{ui.rstrip('/')}/namespaces/{target.file.namespace}" if ui else ""


async def connect(target: Target, addresses: Mapping[str, str], workspace: Path) -> Client:
    """The target's own client, or the bare SDK's where it has none, for the services at these addresses."""
    return await _client(target, addresses, workspace) or await _plain_client(target, addresses)


async def _client(target: Target, addresses: Mapping[str, str], workspace: Path) -> Client | None:
    """The target's own client, which reads the environment as a worker does; None where it has none of its own."""
    if target.connect is None:
        return None
    known = {**known_to(target, addresses, workspace), "worker.name": CLIENT, **NO_WORKER}
    return await target.connect(fill_values(target.file.environment, known))


async def _plain_client(target: Target, addresses: Mapping[str, str]) -> Client:
    return await Client.connect(addresses["temporal.address"], namespace=target.file.namespace)


@asynccontextmanager
async def _links(stack: Stack) -> AsyncIterator[Links]:
    links = Links(stack["toxiproxy"], stack.services)
    try:
        yield links
    finally:
        await links.close()


@asynccontextmanager
async def _slot(target: Target, stack: Stack, run: Run, notify: Callable[[str], None]) -> AsyncIterator[Slot | None]:
    if target.file.journal is None:
        yield None
        return
    postgres = stack["postgres"]
    ours = postgres.provider != "external"
    async with Slot.kept(postgres.url, target.file.journal, run.info.id, ours=ours, notify=notify) as slot:
        yield slot


@asynccontextmanager
async def _stores(stack: Stack) -> AsyncIterator[Stores]:
    postgres, cache = None, None
    if "postgres" in stack.services:
        postgres = await asyncpg.create_pool(
            stack["postgres"].url, min_size=1, max_size=4, server_settings={"application_name": OURS}
        )
    if "redis" in stack.services:
        # That the server closed a connection is noticed only as it is used: it is then made anew.
        cache = redis.asyncio.Redis.from_url(stack["redis"].url, retry=Retry(NoBackoff(), 1))
    try:
        yield Stores(postgres=postgres, redis=cache, addresses=stack.addresses)
    finally:
        if postgres is not None:
            await postgres.close()
        if cache is not None:
            await cache.aclose()
