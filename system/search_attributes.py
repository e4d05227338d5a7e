"""What workflows can be found by: their domain, their tenant, and whether they are paused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import (
    Client,
    StartWorkflowInput,
    StartWorkflowUpdateWithStartInput,
    UpdateWithStartStartWorkflowInput,
    WorkflowHandle,
)
from temporalio.client import Interceptor as ClientInterceptor
from temporalio.client import OutboundInterceptor as ClientOutbound
from temporalio.common import SearchAttributeKey, SearchAttributePair, SearchAttributes, TypedSearchAttributes
from temporalio.service import RPCError
from temporalio.worker import (
    HandleSignalInput,
    Interceptor,
    StartChildWorkflowInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)

from system.control.pausable import PAUSE, RESUME
from system.errors import Unavailable

DOMAIN = SearchAttributeKey.for_keyword("SystemDomain")
TENANT = SearchAttributeKey.for_keyword("SystemTenant")
PAUSED = SearchAttributeKey.for_bool("SystemPaused")
ALL: tuple[SearchAttributeKey[Any], ...] = (DOMAIN, TENANT, PAUSED)
ANSWER_WITHIN = timedelta(seconds=10)


async def register(client: Client) -> None:
    """Make the attributes known to the client's namespace; those that are known already stay as they are.

    Raises:
        Unavailable: Temporal refused, or did not answer within 10 seconds.

    """
    request = AddSearchAttributesRequest(
        namespace=client.namespace,
        search_attributes={key.name: IndexedValueType.ValueType(key.indexed_value_type) for key in ALL},
    )
    try:
        await client.operator_service.add_search_attributes(request, timeout=ANSWER_WITHIN)
    except RPCError as error:
        raise Unavailable(
            f"Temporal did not register the search attributes of namespace {client.namespace} ({error.message}); "
            "has this client the rights of an operator?"
        ) from error


def described(
    workflow_type: str,
    arguments: Sequence[Any],
    given: SearchAttributes | TypedSearchAttributes | None,
) -> SearchAttributes | TypedSearchAttributes | None:
    """Return what a workflow of ours is to be found by, beside what was given; untyped attributes stay alone."""
    if "." not in workflow_type or not (given is None or isinstance(given, TypedSearchAttributes)):
        return given
    pairs: dict[str, SearchAttributePair[Any]] = {
        DOMAIN.name: SearchAttributePair(DOMAIN, workflow_type.partition(".")[0]),
        PAUSED.name: SearchAttributePair(PAUSED, False),
    }
    tenant = getattr(arguments[0], "tenant", None) if arguments else None
    if tenant:
        pairs[TENANT.name] = SearchAttributePair(TENANT, str(tenant))
    pairs |= {pair.key.name: pair for pair in (given.search_attributes if given else ())}
    return TypedSearchAttributes(list(pairs.values()))


class ClientSearchAttributes(ClientInterceptor):
    """Sets domain and tenant when a client starts a workflow.

    Apart from what a worker does: the SDK puts a client's interceptors before all of a worker's.
    """

    def intercept_client(self, next: ClientOutbound) -> ClientOutbound:  # noqa: A002 the SDK's own parameter name
        """See base class."""
        return _Client(next)


class SearchAttributesInterceptor(Interceptor):
    """Sets domain and tenant when a workflow is started as a child, and paused as it is paused."""

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:  # noqa: A002, ARG002 the SDK's own parameter name
        """See base class."""
        return _Inbound


class _Client(ClientOutbound):
    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:  # noqa: A002 the SDK's own parameter name
        _describe(input)
        return await super().start_workflow(input)

    async def start_update_with_start_workflow(self, input: StartWorkflowUpdateWithStartInput) -> Any:  # noqa: A002 the SDK's own parameter name
        _describe(input.start_workflow_input)
        return await super().start_update_with_start_workflow(input)


class _Inbound(WorkflowInboundInterceptor):
    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        super().init(_Outbound(outbound))

    async def handle_signal(self, input: HandleSignalInput) -> None:  # noqa: A002 the SDK's own parameter name
        await super().handle_signal(input)
        if input.signal in (PAUSE, RESUME):
            workflow.upsert_search_attributes([PAUSED.value_set(input.signal == PAUSE)])


class _Outbound(WorkflowOutboundInterceptor):
    async def start_child_workflow(self, input: StartChildWorkflowInput) -> Any:  # noqa: A002 the SDK's own parameter name
        _describe(input)
        return await super().start_child_workflow(input)


def _describe(start: StartWorkflowInput | UpdateWithStartStartWorkflowInput | StartChildWorkflowInput) -> None:
    start.search_attributes = described(start.workflow, start.args, start.search_attributes)
