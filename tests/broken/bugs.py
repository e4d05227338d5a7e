"""The catalogue: each bug that `plants` can plant, what shows it, and what the harness says of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import orders_searches as orders
import pipeline_searches as pipeline
import replay_searches as replay
import single_searches as single
from bench import Bench, Found


@dataclass(frozen=True, kw_only=True)
class Bug:
    """One bug, planted in `system` by a small override."""

    name: str
    what: str
    """What is wrong, in one line."""
    search: Callable[[Bench], Awaitable[Found]]
    """What the harness is made to look at."""
    message: str
    """What it says, after the name of the check that says so; … stands for what differs from one time to the next."""

    @property
    def check(self) -> str:
        """The part of the harness that finds it."""
        return self.message.partition(":")[0]


BUGS = (
    Bug(
        name="compensation-dropped",
        what="of the steps to undo, one is left out",
        search=orders.a_refused_shipment,
        message="",
    ),
    Bug(
        name="compensation-late",
        what="a compensation is registered after its step, not before",
        search=orders.a_lost_completion_and_a_cancellation,
        message="",
    ),
    Bug(
        name="no-idempotency-key",
        what="a provider is called without an idempotency key",
        search=orders.a_provider_that_does_not_answer,
        message="",
    ),
    Bug(
        name="attempt-in-key",
        what="the key of a call holds the attempt's number",
        search=orders.a_provider_that_fails_twice,
        message="",
    ),
    Bug(
        name="no-fencing",
        what="a compensation does not keep a late attempt from writing",
        search=orders.an_attempt_that_wakes_up_late,
        message="",
    ),
    Bug(
        name="retry-inside-retry",
        what="an attempt calls a provider up to three times",
        search=orders.a_provider_that_fails_twice,
        message="",
    ),
    Bug(
        name="dead-letter-lost",
        what="a dead letter is acknowledged, and not written",
        search=pipeline.a_missing_file,
        message="",
    ),
    Bug(
        name="cancellation-swallowed",
        what="a workflow catches its cancellation and goes on",
        search=pipeline.a_cancelled_load,
        message="",
    ),
    Bug(
        name="ledger-torn",
        what="an effect is committed apart from its line in the ledger",
        search=pipeline.a_few_rows,
        message="",
    ),
    Bug(
        name="dirty-connection",
        what="a connection goes back to its pool within a transaction",
        search=orders.a_step_that_was_done_before,
        message="",
    ),
    Bug(
        name="set-order",
        what="a workflow begins activities in the order of a set",
        search=replay.a_batch_under_several_seeds,
        message="",
    ),
    Bug(
        name="argument-changed",
        what="an activity is given another argument than before",
        search=replay.replayed_orders,
        message="",
    ),
    Bug(
        name="timeout-changed",
        what="an activity is given another timeout than before",
        search=replay.replayed_orders,
        message="",
    ),
    Bug(
        name="signal-lost",
        what="a run continues as new without a signal that had come",
        search=single.a_pause_at_the_hand_over,
        message="",
    ),
    Bug(
        name="heartbeat-missing",
        what="an activity does not heartbeat while it waits",
        search=single.an_activity_that_is_held_up,
        message="",
    ),
    Bug(
        name="no-single-flight",
        what="all who miss a value in the cache load it",
        search=single.many_who_miss_the_same,
        message="",
    ),
)
