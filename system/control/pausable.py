"""What every domain's workflow has: it can be paused between its steps."""

from __future__ import annotations

from datetime import datetime

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from system.dead_letters.pending import LETTERS_ARE_WRITTEN
    from system.records import Record

PAUSE = "control.pause"
RESUME = "control.resume"
PAUSED = "control.paused"


class Order(Record):
    """Who orders it, and why."""

    by: str
    reason: str


class Paused(Record):
    """Whether a workflow is paused, and by whom."""

    paused: bool
    by: str = ""
    reason: str = ""
    since: datetime | None = None


class Pausable:
    """A workflow that starts nothing while it is paused; what runs already ends.

    A workflow inherits it, calls ``super().__init__()``, and awaits ``checkpoint()`` before each step, compensations
    included. While it is paused

    - messages are answered, and timers run on: a deadline that passes takes effect once it is resumed;
    - a cancellation is noticed at once, and compensations wait until it is resumed, but for a load's: it is taken back
      at once, as that touches only what it wrote itself;
    - it can be terminated like any other, and then takes nothing back;
    - a run that a reset makes of it is paused as well, until that is resumed: the server applies to the new run the
      signals that came after the point it was reset to.
    """

    def __init__(self) -> None:
        self._pause = Paused(paused=False)

    @property
    def is_paused(self) -> bool:
        return self._pause.paused

    @workflow.signal(name=PAUSE)
    def pause(self, order: Order) -> None:
        """Start nothing more; what runs already ends."""
        if not self._pause.paused:
            self._pause = Paused(paused=True, by=order.by, reason=order.reason, since=workflow.now())

    @workflow.signal(name=RESUME)
    def resume(self, _: Order) -> None:
        """Go on after a pause."""
        self._pause = Paused(paused=False)

    @workflow.query(name=PAUSED)
    def paused(self) -> Paused:
        """Tell whether it is paused, by whom and why."""
        return self._pause

    async def ready_to_continue(self) -> None:
        """Wait for all that would be lost if the run ended now: a pause, handlers under way, letters being written.

        Continue as new right after it, with no other await between: a signal that comes meanwhile is the old run's.
        """
        letters_are_written = LETTERS_ARE_WRITTEN.get()
        await workflow.wait_condition(
            lambda: not self._pause.paused and workflow.all_handlers_finished() and letters_are_written()
        )

    async def checkpoint(self) -> None:
        """Wait until the workflow is not paused."""
        await workflow.wait_condition(lambda: not self._pause.paused)
