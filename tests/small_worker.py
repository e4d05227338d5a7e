"""A worker for the small workflows in this process, and apps that drive them; what they record is kept in lists."""

import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

from small_workflows import ACTIVITIES, WORKFLOWS
from temporalio.client import Client
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig
from temporalio.worker import Interceptor, Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from harness.clock import now
from harness.driver import App
from harness.records.effects import Fact
from harness.records.operations import Iteration, Operation
from harness.records.verdicts import Finding
from harness.scenario import Scenario, Stores


class Quiet(Scenario[Any]):
    """A scenario with nothing to draw, to observe and to check: what it does is in its `run`."""

    name = "small-quiet"
    proves = "the driver records what happened"
    timeout = 20.0

    def draw(self, rng: Random) -> Any:  # there is nothing to choose
        return None

    async def run(self, app: App, given: Any) -> None:
        """Do nothing; subclasses do."""

    async def observe(self, stores: Stores, iterations: Sequence[Iteration]) -> dict[int, list[Fact]]:
        return {iteration.index: [] for iteration in iterations}

    def check(self, given: Any, operations: Sequence[Operation], facts: Sequence[Fact]) -> list[Finding]:
        return []


@dataclass
class Small:
    """A client, the queue its worker polls, and a run that no other test shares."""

    client: Client
    task_queue: str
    workspace: Path
    run: str = field(default_factory=lambda: f"small-{secrets.token_hex(4)}")
    operations: list[Operation] = field(default_factory=list)

    def app(
        self, scenario: Scenario[Any], *, index: int = 0, client: Client | None = None, intended: float | None = None
    ) -> App:
        """What drives one iteration of this run; it records into `operations`."""
        return App(
            client=client or self.client,
            iteration=Iteration(run=self.run, scenario=scenario.name, index=index, seed=1, intended=intended or now()),
            task_queue=self.task_queue,
            workspace=self.workspace,
            record=self.operations.append,
        )


@asynccontextmanager
async def small_worker(
    address: str,
    task_queue: str = "",
    workflows: Sequence[type] = WORKFLOWS,
    interceptors: Sequence[Interceptor] = (),
    metrics_address: str = "",
    activities: Sequence[Callable[..., Any]] = ACTIVITIES,
) -> AsyncIterator[Worker]:
    """A worker for every small workflow and activity, or for these, on a queue of its own unless one is named."""
    metrics = PrometheusConfig(bind_address=metrics_address)
    runtime = Runtime(telemetry=TelemetryConfig(metrics=metrics)) if metrics_address else None
    restrictions = SandboxRestrictions.default.with_passthrough_modules("small_workflows")
    with ThreadPoolExecutor(2) as threads:
        async with Worker(
            await Client.connect(address, runtime=runtime),
            task_queue=task_queue or f"small-{secrets.token_hex(4)}",
            workflows=workflows,
            activities=activities,
            activity_executor=threads,
            workflow_runner=SandboxedWorkflowRunner(restrictions=restrictions),
            interceptors=interceptors,
            # A test that kills a worker waits this long for the next one to be asked.
            sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
        ) as worker:
            yield worker
