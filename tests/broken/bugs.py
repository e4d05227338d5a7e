"""The catalogue: each bug that `plants` can plant, what shows it, and what the harness says of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import orders_searches as orders
import pipeline_searches as pipeline
import replay_searches as replay
import single_searches as single
from bench import Bench, Found

from harness.records.discrepancies import DiscrepancyKind

OWN = ": its own check"
"""How the check of a scenario is called, after its name."""


@dataclass(frozen=True, kw_only=True)
class Bug:
    """One bug, planted in `system` by a small override."""

    name: str
    what: str
    """What is wrong, in one line."""
    search: Callable[[Bench], Awaitable[Found]]
    """What the harness is made to look at."""
    message: str
    """What it says, in one line, after the name of the check; … stands for what differs from one time to the next."""
    kind: DiscrepancyKind | None = None
    """What reconciliation classes it as; None where effects and histories agree all the same."""
    also: frozenset[DiscrepancyKind] = frozenset()
    """What comes of it besides."""

    @property
    def check(self) -> str:
        """The part of the harness that finds it."""
        scenario, own, _ = self.message.partition(OWN)
        return scenario + own if own else self.message.partition(": ")[0]

    @property
    def said(self) -> str:
        """The message itself."""
        return self.message.removeprefix(f"{self.check}: ")


BUGS = (
    Bug(
        name="compensation-dropped",
        what="of the steps to undo, one is left out",
        search=orders.a_refused_shipment,
        message=(
            "nothing doubled: 1 rows are there, and none may be: it was written by attempt 1, its activity "
            "orders.capture_payment completed, and no compensation of it was run"
        ),
        kind=DiscrepancyKind.UNCOMPENSATED,
    ),
    Bug(
        name="compensation-late",
        what="a compensation is registered after its step, not before",
        search=orders.a_lost_completion_and_a_cancellation,
        message=(
            "nothing doubled: 1 rows are there, and none may be: it was written by attempt 1, its activity "
            "orders.reserve_stock was left behind, and nothing took it back; a compensation must be "
            "registered before its step begins, not after it ended well"
        ),
        kind=DiscrepancyKind.UNCOMPENSATED,
    ),
    Bug(
        name="no-idempotency-key",
        what="a provider is called without an idempotency key",
        search=orders.a_provider_that_does_not_answer,
        kind=DiscrepancyKind.DUPLICATED,
        message=(
            "one key an effect: orders.authorise_payment called the outside without an idempotency key "
            "(effects: 2): a repeat has its effect again"
        ),
    ),
    Bug(
        name="attempt-in-key",
        what="the key of a call holds the attempt's number",
        search=orders.a_provider_that_fails_twice,
        message=(
            "one key an effect: orders.authorise_payment called the outside under 3 keys (effects: 1): "
            "…/authorise_payment/1, …/authorise_payment/2, …/authorise_payment/3; they differ by a number, "
            "such as the attempt's, which must not be in a key"
        ),
    ),
    Bug(
        name="no-fencing",
        what="a compensation does not keep a late attempt from writing",
        search=orders.an_attempt_that_wakes_up_late,
        message=(
            "nothing doubled: 1 rows are there, and none may be: it was written by attempt 1 … s after its "
            "workflow had closed; nothing fences an attempt that wakes up late: a compensation must claim the "
            "key of its step, also where there is no effect yet"
        ),
        kind=DiscrepancyKind.ZOMBIE_WRITE,
    ),
    Bug(
        name="retry-inside-retry",
        what="an attempt calls a provider up to three times",
        search=orders.a_provider_that_fails_twice,
        message=(
            "one call an attempt: orders.authorise_payment called the outside 3 times in 1 attempt: it "
            "retries within Temporal's own retry; let the attempt fail, its retry policy tries again"
        ),
    ),
    Bug(
        name="dead-letter-lost",
        what="a dead letter is acknowledged, and not written",
        search=pipeline.a_missing_file,
        message="nothing silently lost: pipeline.Pipeline ended failed, and no dead letter says so",
        kind=DiscrepancyKind.LOST,
    ),
    Bug(
        name="cancellation-swallowed",
        what="a workflow catches its cancellation and goes on",
        search=pipeline.a_cancelled_load,
        message=(
            "cancelled as told: pipeline.Pipeline was told to cancel, and completed: it went on with "
            "pipeline.load_chunk (… more); somewhere a CancelledError is caught and not raised again"
        ),
    ),
    Bug(
        name="ledger-torn",
        what="an effect is committed apart from its line in the ledger",
        search=pipeline.a_few_rows,
        kind=DiscrepancyKind.PHANTOM,
        message=(
            "effects are atomic: rows were written by transaction …, the ledger by …: a crash between them "
            "loses or doubles the effect"
        ),
    ),
    Bug(
        name="dirty-connection",
        what="a connection goes back to its pool within a transaction",
        search=orders.a_step_that_was_done_before,
        message=(
            "connections are clean: a connection of 'system' went back to its pool within a transaction, open "
            "for … s after: SELECT state, result FROM claims …; end the transaction on every way out, and let "
            "the pool reset what it gets back"
        ),
    ),
    Bug(
        name="set-order",
        what="a workflow begins activities in the order of a set",
        search=replay.a_batch_under_several_seeds,
        message=(
            "golden histories: completed-activity.json: what is commanded depends on the hash seed: the order "
            "of a set, or of what was made from one, reaches the commands; sort it"
        ),
    ),
    Bug(
        name="argument-changed",
        what="an activity is given another argument than before",
        search=replay.replayed_orders,
        message=(
            "golden histories: orders.Order … replays, and does not command what it did: 1 of 6 commands "
            "differ event 29, activity orders.close_order (5) arguments[0].reason then … now …"
        ),
    ),
    Bug(
        name="timeout-changed",
        what="an activity is given another timeout than before",
        search=replay.replayed_orders,
        message=(
            "golden histories: orders.Order … replays, and does not command what it did: … commands differ "
            "event 5, activity orders.open_order (1) start_to_close then 30.0 now 60.0 …"
        ),
    ),
    Bug(
        name="signal-lost",
        what="a run continues as new without a signal that had come",
        search=single.a_pause_at_the_hand_over,
        message=(
            "after a test: … signal 'control.pause', event …, was lost at continue-as-new: it came with the "
            "task that handed over, and what was handed over is the same without it; hand its effect over, or "
            "do not continue as new before it is dealt with"
        ),
    ),
    Bug(
        name="heartbeat-missing",
        what="an activity does not heartbeat while it waits",
        search=single.an_activity_that_is_held_up,
        message=(
            "check_heartbeats: SchedulingActivities.warm was held up for 1 s, its heartbeat timeout, without "
            "a heartbeat: such an attempt is given up, and another one begins beside it; heartbeat while it "
            "waits"
        ),
    ),
    Bug(
        name="no-single-flight",
        what="all who miss a value in the cache load it",
        search=single.many_who_miss_the_same,
        message=(
            "check_single_flight: ….price('A') was loaded 10 times for 10 who missed it at once: the cache "
            "lacks single flight; let one load, and the others wait for its value"
        ),
    ),
    Bug(
        name="ledger-apart",
        what="a step is recorded in the ledger in a transaction of its own, after its effect",
        search=orders.a_connection_that_is_cut_at_the_ledger,
        kind=DiscrepancyKind.PHANTOM,
        message=(
            "effects are atomic: rows are there, and the ledger knows nothing of them, though orders.set_stock "
            "completed: the line is written apart from the rows, and was lost between; commit both in one transaction"
        ),
    ),
    Bug(
        name="lost-update",
        what="what is on hand is written as a number computed from what was read without a lock",
        search=orders.many_orders_for_one_thing,
        kind=DiscrepancyKind.LOST,
        message=(
            "stock counts every order: reserved and shipped add up to …, and the entries behind them to …: an update "
            "was lost: somebody wrote a number that was computed from what he had read, and another's came between; "
            "lock what is read before it is written, or add to it in the statement that writes"
        ),
    ),
    Bug(
        name="start-under-new-id",
        what="a start that is not answered is tried again under another workflow id",
        search=pipeline.a_start_that_is_not_answered,
        kind=DiscrepancyKind.DUPLICATED,
        message=(
            "dead_letters-redriven: its own check: loaded: […]; ….main-again did the same beside it, with the same "
            "input: a start that is not answered may have been heard: try it again under the same workflow id"
        ),
    ),
    Bug(
        name="heartbeat-ignored",
        what="a retry does not ask the heartbeat how far the attempt before it had come",
        search=pipeline.a_chunk_that_is_cut_at_the_ledger,
        kind=DiscrepancyKind.DUPLICATED,
        also=frozenset({DiscrepancyKind.PHANTOM}),  # what the cut attempt had committed has no line in the ledger
        message=(
            "nothing doubled: … rows are there, … expected: 3 transactions wrote them, and pipeline.load_chunk was "
            "attempted more than once; an attempt does again what the one before it had committed: go on from where "
            "its heartbeat details say, or commit all of it at once"
        ),
    ),
    Bug(
        name="capture-kept",
        what="an order that is cancelled after its payment was captured is not refunded",
        search=orders.a_cancellation_while_it_is_shipped,
        kind=DiscrepancyKind.UNCOMPENSATED,
        message=(
            "nothing doubled: 1 rows are there, and none may be: it was written by attempt 1, its activity "
            "orders.capture_payment completed, and no compensation of it was run"
        ),
    ),
)
