"""The one Temporal plugin: the same converter, workflows and rules for client, worker and replayer."""

from __future__ import annotations

import dataclasses

from temporalio.converter import DataConverter, PayloadCodec
from temporalio.plugin import SimplePlugin
from temporalio.worker import WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from system.closing import ClosingInterceptor
from system.control.workflow import Bulk
from system.dead_letters.interceptor import DeadLetterInterceptor
from system.dead_letters.workflow import Digest, Redrive
from system.inputs import InputConverter, InputInterceptor
from system.interceptors import ErrorInterceptor
from system.orders.doubt import Doubt
from system.orders.stocktake import Stocktake
from system.orders.workflow import Order
from system.payloads import PayloadStore
from system.pipeline.workflow import Pipeline
from system.scheduling.workflow import Purge, WarmCache
from system.search_attributes import ClientSearchAttributes, SearchAttributesInterceptor
from system.spreading import SpreadingInterceptor
from system.task_timeouts import TaskTimeouts
from system.tasks.workflow import Batch

WORKFLOWS: tuple[type, ...] = (Pipeline, Bulk, Redrive, Digest, Batch, Order, Doubt, Stocktake, WarmCache, Purge)
DOMAINS = ("pipeline", "tasks", "orders", "control", "scheduling", "dead_letters")
# Imported once, not anew for each workflow: none of them holds state of a workflow's own.
PASSED_THROUGH = (
    "asyncpg",
    "pydantic",
    "pydantic_core",
    "annotated_types",
    "system.errors",
    "system.records",
    "system.storage",
    "system.settings",
    "system.pipeline.schema",
    "system.control.pausable",
    "system.dead_letters.pending",
    *(f"system.{domain}.{module}" for domain in DOMAINS for module in ("models", "rules", "activities")),
)


class SystemPlugin(SimplePlugin):
    """Give it to ``Client.connect``: workers made from that client have it too. A replayer takes it as well.

    Args:
        payloads: where large payloads are; without it none travels by reference, and none that did can be read.
        codec: changes payloads on their way out, and back on their way in. It comes before ``payloads``: what is
            measured against the limit, and what is stored, is what the codec made.

    """

    def __init__(self, payloads: PayloadStore | None = None, codec: PayloadCodec | None = None) -> None:
        storage = payloads.external_storage if payloads else None
        super().__init__(
            "system.SystemPlugin",
            data_converter=DataConverter(
                payload_converter_class=InputConverter, external_storage=storage, payload_codec=codec
            ),
            workflows=WORKFLOWS,
            # The last one is the innermost: letters tell of inputs that were refused, too, and are settled once the
            # handlers have ended; a signal that is dropped sets no attribute.
            interceptors=[
                ClientSearchAttributes(),
                TaskTimeouts(),
                ErrorInterceptor(),
                DeadLetterInterceptor(),
                InputInterceptor(),
                SearchAttributesInterceptor(),
                SpreadingInterceptor(),
                ClosingInterceptor(),
            ],
            workflow_runner=_pass_through,
        )


def _pass_through(runner: WorkflowRunner | None) -> WorkflowRunner:
    if not isinstance(runner, SandboxedWorkflowRunner):
        return runner or SandboxedWorkflowRunner()
    restrictions = runner.restrictions.with_passthrough_modules(*PASSED_THROUGH)
    return dataclasses.replace(runner, restrictions=restrictions)
