"""Calls an activity as one attempt of it, without a server: what it heartbeats is kept, and it can be cancelled.

    attempt = Attempt(heartbeat_details=["row 100"])
    assert await attempt.run(load, "file.csv") == 200
    assert attempt.heartbeats == [("row 150",), ("row 200",)]

In tests with the plugin, ``temporal_attempt(...)`` makes one with the converter of ``temporal_options``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Self

from temporalio.client import Client
from temporalio.converter import DataConverter
from temporalio.testing import ActivityEnvironment


class Attempt(ActivityEnvironment):
    """One attempt of an activity; several activities may be called as if by the same one.

    Attributes:
        heartbeats: the details of each, in order, as a later attempt would read them.

    """

    def __init__(
        self,
        number: int = 1,
        *,
        heartbeat_details: Sequence[Any] = (),
        cancelled_at: int | None = None,
        client: Client | None = None,
        converter: DataConverter = DataConverter.default,
        **info: Any,
    ) -> None:
        """Prepare an attempt. Raises TypeError for what cannot be converted, and for what is no field of its info.

        Args:
            number: of the attempt, counted from 1.
            heartbeat_details: what the attempt before it said last.
            cancelled_at: the number of the heartbeat by whose answer it learns that it is cancelled; None is never.
            client: what ``activity.client()`` is.
            converter: of heartbeats.
            info: other fields of ``temporalio.activity.Info``.

        """
        super().__init__(client)
        self.heartbeats: list[tuple[Any, ...]] = []
        self.payload_converter = converter.payload_converter
        self.on_heartbeat = self._beat
        self._cancelled_at = cancelled_at
        now = datetime.now(UTC)
        times = dict.fromkeys(("scheduled_time", "current_attempt_scheduled_time", "started_time"), now)
        given = {**times, **info, "attempt": number, "heartbeat_details": self._as_read(heartbeat_details)}
        self.info = dataclasses.replace(self.info, **given)
        self._again = {**info, "client": client, "converter": converter}

    def again(self, **changes: Any) -> Self:
        """The attempt after this one, which reads what was said last; not cancelled, unless ``changes`` say so."""
        said = self.heartbeats[-1] if self.heartbeats else self.info.heartbeat_details
        return type(self)(self.info.attempt + 1, **{**self._again, "heartbeat_details": said, **changes})

    def _beat(self, *details: Any) -> None:
        self.heartbeats.append(tuple(self._as_read(details)))
        if len(self.heartbeats) == self._cancelled_at:
            self.cancel()

    def _as_read(self, details: Sequence[Any]) -> list[Any]:
        # On their way they are converted, to be read without a type: a tuple is a list then, a dataclass a dict.
        return self.payload_converter.from_payloads(self.payload_converter.to_payloads(details))
