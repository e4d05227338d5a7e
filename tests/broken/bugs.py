"""The catalogue: each bug, how it is planted, what finds it, and what is said of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import orders_searches as orders
import planted_workflows
import plants
from bench import Bench
from plants import Patch

from system import plugin
from system.orders.workflow import Order


@dataclass(frozen=True, kw_only=True)
class Bug:
    """One bug, planted in `system` by a small override."""

    name: str
    what: str
    """What is wrong, in one line."""
    plant: Callable[[Patch], None]
    search: Callable[[Bench], Awaitable[list[str]]]
    """What the harness is made to look at; returns what it says is wrong."""
    found_by: str
    """The part of the harness."""
    message: str
    """What it says, with … for what differs from one time to the next."""


def workflow(sound: type, planted: type) -> Callable[[Patch], None]:
    """Have workers run a subclass in place of a workflow."""

    def plant(patch: Patch) -> None:
        patch(plugin, "WORKFLOWS", tuple(planted if each is sound else each for each in plugin.WORKFLOWS))

    return plant


BUGS = (
    Bug(
        name="compensation-dropped",
        what="of the steps to undo, one is left out",
        plant=plants.drop_a_compensation,
        search=orders.a_refused_shipment,
        found_by="invariant: nothing doubled",
        message="",
    ),
    Bug(
        name="compensation-late",
        what="a compensation is registered after its step, not before",
        plant=workflow(Order, planted_workflows.RegistersLate),
        search=orders.a_lost_completion_and_a_cancellation,
        found_by="fault point + invariant: nothing doubled",
        message="",
    ),
    Bug(
        name="no-idempotency-key",
        what="a provider is called without an idempotency key",
        plant=plants.forget_the_idempotency_key,
        search=orders.a_provider_that_does_not_answer,
        found_by="",
        message="",
    ),
    Bug(
        name="attempt-in-key",
        what="the key of a call holds the attempt's number",
        plant=plants.put_the_attempt_into_the_key,
        search=orders.a_provider_that_fails_twice,
        found_by="",
        message="",
    ),
    Bug(
        name="no-fencing",
        what="a compensation does not keep a late attempt from writing",
        plant=plants.undo_without_fencing,
        search=orders.an_attempt_that_wakes_up_late,
        found_by="",
        message="",
    ),
    Bug(
        name="retry-inside-retry",
        what="an attempt calls a provider up to three times",
        plant=plants.retry_inside_the_retry,
        search=orders.a_provider_that_fails_twice,
        found_by="",
        message="",
    ),
)
