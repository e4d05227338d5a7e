"""What orders left behind: reservations, journals, provider calls, stock; and what the providers say themselves."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

from harness.records.effects import Fact
from harness.records.operations import Iteration
from harness.scenario import Stores
from scenarios.outside.client import Outside
from scenarios.outside.wire import Total

ORDER, STOCK = "open_order", "set_stock"
"""The steps whose facts carry the whole order, and the whole stock of a sku."""
RESERVE, CONFIRM, CLOSE, ESCALATE = "reserve_stock", "confirm_order", "close_order", "escalate"
SETTLE = "settle_order"
"""Of an order that was closed in doubt, and is not in doubt any more: its row was written by both."""
UNBALANCED_CENTS = "unbalanced_cents"
"""By how much the postings of each of an order's transactions miss zero, added up without their signs."""
CALLS = ("authorise_payment", "capture_payment", "arrange_shipment")

ORDERS = """
    SELECT workflow_id, state, amount_cents, jsonb_array_length(lines) AS lines, xmin::text::bigint AS writer,
           EXISTS (
               SELECT FROM claims WHERE claims.workflow_id = orders.workflow_id AND claims.step = 'settle_order'
           ) AS settled
    FROM orders WHERE starts_with(workflow_id, $1)
"""
RESERVED = """
    SELECT workflow_id, count(*) AS rows, sum(quantity)::bigint AS quantity,
           array_agg(DISTINCT reservations.xmin::text::bigint) AS writers
    FROM reservations WHERE starts_with(workflow_id, $1) GROUP BY workflow_id
"""
POSTED = """
    SELECT workflow_id, step, count(DISTINCT journal.id) AS rows,
           array_agg(DISTINCT journal.xmin::text::bigint) || array_agg(DISTINCT entries.xmin::text::bigint) AS writers
    FROM journal JOIN entries ON journal_id = journal.id
    WHERE starts_with(workflow_id, $1) AND reverses IS NULL
      AND NOT EXISTS (SELECT FROM journal AS reversal WHERE reversal.reverses = journal.id)
    GROUP BY workflow_id, step
"""
BALANCES = """
    SELECT workflow_id, account, sum(amount_cents)::bigint AS cents
    FROM journal JOIN entries ON journal_id = journal.id WHERE starts_with(workflow_id, $1)
    GROUP BY workflow_id, account
"""
UNBALANCED = """
    SELECT workflow_id, sum(abs(off))::bigint AS cents
    FROM (
        SELECT workflow_id, sum(amount_cents) AS off FROM journal JOIN entries ON journal_id = journal.id
        WHERE starts_with(workflow_id, $1) GROUP BY workflow_id, journal.id
    ) AS journals
    GROUP BY workflow_id
"""
CALLED = """
    SELECT workflow_id, step, item, state, withdrawn, xmin::text::bigint AS writer
    FROM provider_calls WHERE starts_with(workflow_id, $1)
"""
ESCALATED = "SELECT workflow_id, xmin::text::bigint AS writer FROM escalations WHERE starts_with(workflow_id, $1)"
COUNTED = """
    SELECT workflow_id, sku, stocktakes.on_hand AS counted, stocktakes.xmin::text::bigint AS writer,
           stock.on_hand, reserved, shipped
    FROM stocktakes JOIN stock USING (sku) WHERE starts_with(workflow_id, $1)
"""

Rows = dict[str, list[asyncpg.Record]]


async def order_facts(stores: Stores, iterations: Sequence[Iteration]) -> Mapping[int, Sequence[Fact]]:
    """The facts of the orders and counts that these iterations of one scenario made, by iteration index.

    Eight queries and one call to the outside, however many iterations there are.
    """
    facts: dict[int, list[Fact]] = {iteration.index: [] for iteration in iterations}
    if not iterations:
        return facts
    prefix = f"{iterations[0].run}.{iterations[0].scenario}."
    assert isinstance(stores.postgres, asyncpg.Pool)
    async with stores.postgres.acquire() as connection:
        found = [
            _by_workflow(await connection.fetch(query, prefix))
            for query in (RESERVED, POSTED, BALANCES, CALLED, ESCALATED, UNBALANCED)
        ]
        orders, counts = await connection.fetch(ORDERS, prefix), await connection.fetch(COUNTED, prefix)
    outside = {total.reference: total for total in await Outside(stores.addresses["outside.url"]).totals(prefix)}
    made = _Facts(iterations[0].scenario, prefix)
    for order in orders:
        reserved, posted, balances, called, escalated, unbalanced = (rows[order["workflow_id"]] for rows in found)
        made.order(order, balances, unbalanced, outside.get(order["workflow_id"]))
        made.reservation(order, reserved)
        made.calls(order, called, posted)
        made.ends(order, posted, escalated)
    for count in counts:
        made.count(count)
    for fact in made.facts:
        facts.setdefault(fact.iteration, []).append(fact)
    return facts


class _Facts:
    """Facts, as they are made of rows."""

    def __init__(self, scenario: str, prefix: str) -> None:
        self.facts: list[Fact] = []
        self._scenario = scenario
        self._prefix = prefix

    def order(
        self,
        order: asyncpg.Record,
        balances: list[asyncpg.Record],
        unbalanced: list[asyncpg.Record],
        outside: Total | None,
    ) -> None:
        """The order itself; its values are all there is to know of money and goods."""
        cents = {row["account"]: row["cents"] for row in balances}
        outside = outside or Total(reference=order["workflow_id"])
        values = {
            order["state"]: 1,
            "amount_cents": order["amount_cents"],
            "received_cents": cents.get("payment_provider", 0),
            "sales_cents": -cents.get("sales", 0),
            "deposits_cents": -cents.get("customer_deposits", 0),
            UNBALANCED_CENTS: sum(row["cents"] for row in unbalanced),
            "net_cents": outside.net_cents,
            "authorized_cents": outside.authorized_cents,
            "shipments": outside.shipments.get("arranged", 0),
        }
        self._add(order, ORDER, expected=1, found=1, values=values)

    def reservation(self, order: asyncpg.Record, reserved: list[asyncpg.Record]) -> None:
        rows = sum(row["rows"] for row in reserved)
        writers = [writer for row in reserved for writer in row["writers"]]
        # Of an order that is still open all of its lines are held, or none yet.
        lines = order["lines"] if order["state"] == "confirmed" or (order["state"] == "open" and rows) else 0
        values = {"quantity": sum(row["quantity"] for row in reserved)}
        self._add(order, RESERVE, expected=lines, found=rows, writers=writers, values=values)

    def calls(self, order: asyncpg.Record, called: list[asyncpg.Record], posted: list[asyncpg.Record]) -> None:
        """What providers did, and what the ledger says of it, in one transaction each."""
        journals = {row["step"]: row for row in posted}
        for step in CALLS:
            standing = [row for row in called if row["step"] == step and row["state"] == "succeeded"]
            # Once it is withdrawn, the row was written by whoever withdrew it.
            writers = [row["writer"] for row in standing if not row["withdrawn"]]
            if writers and step in journals:
                writers += journals[step]["writers"]
            must = {"confirmed": 1, "open": len(standing)}.get(order["state"], 0)
            self._add(order, step, expected=must, found=len(standing), writers=writers)
        for row in called:
            if row["item"] and row["state"] == "succeeded":
                self._add(order, row["step"], item=row["item"], expected=1, found=1, writers=[row["writer"]])

    def ends(self, order: asyncpg.Record, posted: list[asyncpg.Record], escalated: list[asyncpg.Record]) -> None:
        sold = [row for row in posted if row["step"] == CONFIRM]
        confirmed = order["state"] == "confirmed"
        writers = [order["writer"], *sold[0]["writers"]] if confirmed and sold else []
        self._add(order, CONFIRM, expected=int(confirmed), found=sum(row["rows"] for row in sold), writers=writers)
        if not confirmed and order["state"] != "open":
            self._add(order, CLOSE, expected=1, found=1, writers=[] if order["settled"] else [order["writer"]])
        if order["settled"]:
            self._add(order, SETTLE, expected=1, found=1, writers=[order["writer"]])
        for row in escalated:
            self._add(order, ESCALATE, expected=1, found=1, writers=[row["writer"]])

    def count(self, row: asyncpg.Record) -> None:
        values = {name: row[name] for name in ("counted", "on_hand", "reserved", "shipped")}
        self._add(row, STOCK, item=row["sku"], expected=1, found=1, writers=[row["writer"]], values=values)

    def _add(self, row: asyncpg.Record, step: str, *, writers: Sequence[int] = (), **fact: Any) -> None:
        workflow_id = row["workflow_id"]
        self.facts.append(
            Fact(
                scenario=self._scenario,
                iteration=int(workflow_id.removeprefix(self._prefix).partition(".")[0]),
                workflow_id=workflow_id,
                step=step,
                transactions=tuple(sorted(set(writers))),
                **{"item": "", **fact},
            )
        )


def _by_workflow(rows: Sequence[asyncpg.Record]) -> Rows:
    found: Rows = defaultdict(list)
    for row in rows:
        found[row["workflow_id"]].append(row)
    return found
