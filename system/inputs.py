"""Refuses what no record can be read from, in whichever workflow it arrives: a foreign client may send anything.

The SDK fails the workflow task by what it cannot read of a workflow's input, and by a message with too few or too many
arguments; that task is tried again for ever, and no letter tells of it. Here

- a workflow fails by such an input, as any other failure, and so leaves its letter;
- an update is rejected, and a query fails: whoever sent it is told why;
- a signal is dropped, and logged: nobody waits for an answer.

Payloads of an unknown encoding are left to the SDK: they are more likely a codec that this worker lacks. So is what an
activity was given: that came from a workflow of ours, of another version, and its attempts are retried.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Self

from pydantic import ValidationError
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import SerializationContext, WorkflowSerializationContext
from temporalio.worker import (
    ExecuteWorkflowInput,
    HandleSignalInput,
    HandleUpdateInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from system.errors import InputError
from system.failures import failure_of
from system.records import Record, Request, explain


@dataclass(frozen=True)
class Unreadable:
    """Stands for a workflow's input that could not be read, until something can keep a letter of it."""

    why: str


class InputConverter(PydanticPayloadConverter):
    """Pydantic's converter; what it cannot read as a record in a workflow is an `InputError`, or `Unreadable`."""

    in_workflow = False
    """Whether it reads what is sent to a workflow."""

    def with_context(self, context: SerializationContext) -> Self:
        """See base class."""
        if not isinstance(context, WorkflowSerializationContext):
            return self
        of_workflow = copy.copy(self)  # both use the same type adapters
        of_workflow.in_workflow = True
        return of_workflow

    def from_payloads(self, payloads: Sequence[Payload], type_hints: list[type] | None = None) -> list[Any]:
        """See base class.

        Raises:
            ApplicationError: a message is no such record, as an `InputError` which is never retried.

        """
        if not self.in_workflow:
            return super().from_payloads(payloads, type_hints)
        return [self._read(payload, hint) for payload, hint in zip_longest(payloads, type_hints or ())]

    def _read(self, payload: Payload, hint: type | None) -> Any:
        if not (isinstance(hint, type) and issubclass(hint, Record)):
            return super().from_payloads([payload], [hint] if hint is not None else None)[0]
        try:
            [value] = super().from_payloads([payload], [hint])
        except ValidationError as error:
            return _refused(hint, explain(error))
        except RuntimeError as error:  # the SDK's own converters, of Protobuf and the like
            return _refused(hint, str(error))
        return value if isinstance(value, hint) else _refused(hint, "it is not JSON")


class InputInterceptor(Interceptor):
    """Fails a workflow by an input that could not be read, and keeps messages away that do not fit their handlers."""

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002, ARG002 the SDK's own parameter name
    ) -> type[WorkflowInboundInterceptor]:
        """See base class."""
        return _Inbound


class _Inbound(WorkflowInboundInterceptor):
    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:  # noqa: A002 the SDK's own parameter name
        _check(input.run_fn, input.args)
        return await self.next.execute_workflow(input)

    async def handle_signal(self, input: HandleSignalInput) -> None:  # noqa: A002 the SDK's own parameter name
        if why := _why_not(_method(_definition().signals.get(input.signal)), input.args):
            workflow.logger.warning("signal %s is dropped: %s", input.signal, why)
            return
        await self.next.handle_signal(input)

    def handle_update_validator(self, input: HandleUpdateInput) -> None:  # noqa: A002 the SDK's own parameter name
        _check(_method(_definition().updates.get(input.update)), input.args)
        self.next.handle_update_validator(input)

    async def handle_update_handler(self, input: HandleUpdateInput) -> Any:  # noqa: A002 the SDK's own parameter name
        _check(_method(_definition().updates.get(input.update)), input.args)  # there may be no validator
        return await self.next.handle_update_handler(input)


def _refused(hint: type[Record], why: str) -> Unreadable:
    told = f"what was sent is no {hint.__name__}: {why}"
    if issubclass(hint, Request):
        return Unreadable(told)
    raise failure_of(InputError(told))


def _check(method: Callable[..., Any] | None, args: Sequence[Any]) -> None:
    if why := _why_not(method, args):
        raise failure_of(InputError(why))


def _definition() -> workflow._Definition:
    # The public way to a handler hands out one that seems to take anything.
    return workflow._Definition.must_from_class(type(workflow.instance()))  # noqa: SLF001


def _method(handler: workflow._SignalDefinition | workflow._UpdateDefinition | None) -> Callable[..., Any] | None:
    """Return the workflow's method that handles a message; None where a handler was set later, or takes any name."""
    return handler.fn if handler is not None and handler.is_method else None


def _why_not(method: Callable[..., Any] | None, args: Sequence[Any]) -> str:
    """Say why a workflow's method cannot be called with these arguments; empty where it can."""
    if method is not None:
        try:
            inspect.signature(method).bind(None, *args)
        except TypeError as error:
            return f"what was sent does not fit: {error}"
    return next((one.why for one in args if isinstance(one, Unreadable)), "")
