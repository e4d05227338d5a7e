"""What a workflow did once it was told to cancel, by its history."""

from temporalio.api.history.v1 import HistoryEvent


class Cancelling:
    """Reads a history event by event.

    Attributes:
        requested: the event that told it; None where none did.
        begun: types of the activities it began after that, in their order.
        went_on_with: those of them whose type it had begun before, and whose input it had not: more of its work. What
            is begun for the first time may be a compensation, and what is begun again with the same input is a repeat.

    """

    def __init__(self) -> None:
        self.requested: HistoryEvent | None = None
        self.begun: list[str] = []
        self.went_on_with: list[str] = []
        self._before: dict[str, set[bytes]] = {}

    def tell(self, event: HistoryEvent) -> None:
        """Take in the next event."""
        if event.HasField("workflow_execution_cancel_requested_event_attributes"):
            self.requested = self.requested or event
        elif event.HasField("activity_task_scheduled_event_attributes"):
            scheduled = event.activity_task_scheduled_event_attributes
            name, given = scheduled.activity_type.name, scheduled.input.SerializeToString(deterministic=True)
            if self.requested is None:
                self._before.setdefault(name, set()).add(given)
                return
            self.begun.append(name)
            if name in self._before and given not in self._before[name]:
                self.went_on_with.append(name)
