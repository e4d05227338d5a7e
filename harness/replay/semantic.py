"""Semantic replay: Temporal's own, and then every command compared with what the history holds of it."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowHistory
from temporalio.converter import DataConverter, PayloadConverter
from temporalio.worker import Plugin, Replayer, WorkflowReplayResult
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from harness.replay.commands import Difference, differences, first_other
from harness.replay.recorded import decoded, last_search_attributes, recorded, replayed_part
from harness.replay.runner import Asked, RecordingRunner
from harness.replay.served import Started, as_served
from harness.replay.values import named_values, seconds


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """What came of replaying one history."""

    workflow_id: str
    run_id: str
    workflow_type: str
    failure: Exception | None
    """Why Temporal's own replay failed; then values are not compared."""
    differences: Sequence[Difference] = ()
    """Where Temporal's own replay failed, the first command alone that is another, if there is one."""
    compared: int = 0
    """Commands of the history that were compared."""

    @property
    def same(self) -> bool:
        return self.failure is None and not self.differences


class SemanticReplayer:
    """Replays histories with today's code; takes what ``temporalio.worker.Replayer`` takes."""

    def __init__(self, *, workflows: Sequence[type] = (), plugins: Sequence[Plugin] = (), **options: Any) -> None:
        options.setdefault("workflow_runner", SandboxedWorkflowRunner())
        configured = Replayer(workflows=workflows, plugins=plugins, **options).config(active_config=True)
        self._runner = RecordingRunner(configured["workflow_runner"])
        self._unsandboxed = RecordingRunner(configured["unsandboxed_workflow_runner"])
        self._converter = configured.get("data_converter") or DataConverter.default
        self._replayer = Replayer(
            **{  # type: ignore[arg-type] # its own configuration, given back
                **configured,
                "workflow_runner": self._runner,
                "unsandboxed_workflow_runner": self._unsandboxed,
            }
        )

    async def replay(self, history: WorkflowHistory) -> Replayed:
        """Replay one history and compare its commands."""

        async def only() -> AsyncIterator[WorkflowHistory]:
            yield history

        (replayed,) = [each async for each in self.replay_each(only())]
        return replayed

    async def replay_each(self, histories: AsyncIterator[WorkflowHistory]) -> AsyncIterator[Replayed]:
        """The same of several, one after the other: what it takes to begin is done once for all of them."""
        async with self._replayer.workflow_replay_iterator(histories) as outcomes:
            async for outcome in outcomes:
                yield await self._compared(outcome)

    async def _compared(self, outcome: WorkflowReplayResult) -> Replayed:
        history = outcome.history
        started = history.events[0].workflow_execution_started_event_attributes
        asked = self._runner.take(history.run_id) or self._unsandboxed.take(history.run_id) or Asked()
        told = Replayed(
            workflow_id=history.workflow_id,
            run_id=history.run_id,
            workflow_type=started.workflow_type.name,
            failure=outcome.replay_failure,
        )
        if outcome.replay_failure is not None:
            # It may be its payloads that cannot be read.
            then = await recorded(replayed_part(history.events, asked.reached), _as_they_are)
            first = first_other(then, asked.commands)
            return dataclasses.replace(told, differences=[first] if first else [])
        then = await recorded(history.events, self._decode)
        inherited = Started(
            workflow_type=started.workflow_type.name,
            run_timeout=seconds(started.workflow_run_timeout),
            task_timeout=seconds(started.workflow_task_timeout),
            memo=named_values((await decoded(started.memo, self._decode)).fields),
            search_attributes=last_search_attributes(history.events),
        )
        now = [as_served(command, inherited) for command in asked.commands]
        return dataclasses.replace(told, differences=differences(then, now), compared=len(then))

    async def _decode(self, payloads: Sequence[Payload]) -> Sequence[Payload]:
        raw = dataclasses.replace(self._converter, payload_converter_class=_AsTheyAre)
        return await raw.decode(payloads)


async def _as_they_are(payloads: Sequence[Payload]) -> Sequence[Payload]:
    return payloads


class _AsTheyAre(PayloadConverter):
    """Converts nothing: for what codec and external storage alone make of payloads."""

    def to_payloads(self, values: Sequence[Any]) -> list[Payload]:
        return list(values)

    def from_payloads(self, payloads: Sequence[Payload], type_hints: list[type] | None = None) -> list[Any]:  # noqa: ARG002 - the converter's own signature
        return list(payloads)
