"""The ``order`` commands: place an order, see it, cancel it, decide about it; set the stock."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from system.errors import InputError
from system.orders.models import (
    APPROVE,
    CANCEL,
    REJECT,
    STATUS,
    CancelResult,
    Line,
    OrderOutcome,
    OrderRequest,
    OrderStatus,
    Policy,
    StockCount,
    Word,
)
from system.records import explain

if TYPE_CHECKING:
    from temporalio.client import Client

    from system.settings import Settings

DONE, FAILED = 0, 1
Run = Callable[[argparse.Namespace], Coroutine[Any, Any, int]]


def add(group: argparse.ArgumentParser, debug: argparse.ArgumentParser) -> None:
    """Add the commands to their group."""
    commands = group.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Run, help_: str, example: str) -> argparse.ArgumentParser:
        parser = commands.add_parser(
            name, parents=[debug], help=help_, epilog=f"example: python -m system order {example}"
        )
        parser.set_defaults(run=lambda options: asyncio.run(run(options)))
        return parser

    placed = command(
        "place",
        _place,
        "place an order; placed again under its id, it is the same order",
        "place --id o-17 --customer ann --address 'Elm Street 1' pen:2:150 book:1:1999 --wait",
    )
    placed.add_argument("lines", nargs="+", type=_line, metavar="SKU:QUANTITY:CENTS", help="the price is that of one")
    placed.add_argument("--id", help="of the order (default: a random one)")
    placed.add_argument("--customer", required=True)
    placed.add_argument("--address", required=True)
    placed.add_argument("--approve-above", type=int, metavar="CENTS", help="a person must agree to a larger order")
    placed.add_argument("--wait", action="store_true", help="until it has ended; exit status 1 if it is not confirmed")

    status = command("status", _status, "say where an order stands", "status o-17")
    status.add_argument("id", metavar="ID")

    for name, run, help_ in (
        ("cancel", _cancel, "cancel an order for its customer, if it is not too late"),
        ("approve", _approve, "let an order go on that waits for a person"),
        ("reject", _reject, "do not let an order go on that waits for a person"),
    ):
        decided = command(name, run, help_, f"{name} o-17 --by ann --reason 'a good customer'")
        decided.add_argument("id", metavar="ID")
        decided.add_argument("--by", required=True, help="who says so")
        decided.add_argument("--reason", default="", help="why")

    stock = command("stock", _stock, "set how many of a sku are on hand", "stock pen 100")
    stock.add_argument("sku", metavar="SKU")
    stock.add_argument("on_hand", type=int, metavar="N")


async def _place(options: argparse.Namespace) -> int:
    from system.orders.placing import place
    from system.orders.rules import why_bad_id

    order_id = options.id or f"order-{secrets.token_hex(4)}"
    if problem := why_bad_id(order_id):
        raise InputError(problem)
    order = _checked(
        OrderRequest,
        customer=options.customer,
        address=options.address,
        lines=tuple(options.lines),
        policy=_checked(Policy, approval_above_cents=options.approve_above),
    )
    async with _client() as (settings, client):
        _show(await place(client, settings.task_queue, order_id, order))
        if not options.wait:
            return DONE
        outcome = await client.get_workflow_handle(order_id, result_type=OrderOutcome).result()
    _say(f"{outcome.order_id}: {outcome.state}" + (f" ({outcome.reason})" if outcome.reason else ""))
    return DONE if outcome.state == "confirmed" else FAILED


async def _status(options: argparse.Namespace) -> int:
    async with _client() as (_, client):
        _show(await client.get_workflow_handle(options.id).query(STATUS, result_type=OrderStatus))
    return DONE


async def _cancel(options: argparse.Namespace) -> int:
    from temporalio.client import WorkflowUpdateFailedError
    from temporalio.service import RPCError, RPCStatusCode

    from system.orders.placing import reason_of

    async with _client() as (_, client):
        handle = client.get_workflow_handle(options.id)
        try:
            result = await handle.execute_update(CANCEL, _word(options), result_type=CancelResult)
        except WorkflowUpdateFailedError as refused:
            sys.stderr.write(f"{options.id}: {reason_of(refused)}\n")
            return FAILED
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            # An ended order takes no updates, and still says how it ended; one that never was is told as that.
            ended = await handle.query(STATUS, result_type=OrderStatus)
            sys.stderr.write(f"{options.id}: the order is {ended.state}: it cannot be cancelled any more\n")
            return FAILED
    _say(f"{options.id}: {result.state}" + ("" if result.cancelled else ": it was too late to cancel it"))
    return DONE if result.cancelled else FAILED


async def _approve(options: argparse.Namespace) -> int:
    return await _decide(options, APPROVE)


async def _reject(options: argparse.Namespace) -> int:
    return await _decide(options, REJECT)


async def _decide(options: argparse.Namespace, decision: str) -> int:
    async with _client() as (_, client):
        await client.get_workflow_handle(options.id).signal(decision, _word(options))
    _say(f"{options.id}: told; the first decision counts, if one is waited for")
    return DONE


async def _stock(options: argparse.Namespace) -> int:
    from system.orders.stocktake import Stocktake

    count = _checked(StockCount, sku=options.sku, on_hand=options.on_hand)
    async with _client() as (settings, client):
        counted = await client.execute_workflow(
            Stocktake.run, count, id=f"stocktake-{secrets.token_hex(8)}", task_queue=settings.task_queue
        )
    _say(f"{counted.sku}: {counted.on_hand} on hand, {counted.reserved} reserved, {counted.shipped} shipped")
    return DONE


@asynccontextmanager
async def _client() -> AsyncIterator[tuple[Settings, Client]]:
    """A client, whose refusals are told as what they mean here."""
    from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError
    from temporalio.service import RPCError, RPCStatusCode

    from system.connection import connect
    from system.orders.placing import reason_of
    from system.settings import Settings

    settings = Settings.from_environment()
    try:
        yield settings, await connect(settings)
    except (WorkflowUpdateFailedError, WorkflowFailureError) as error:
        raise InputError(reason_of(error)) from error
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise InputError("there is no order under this id, or it has ended") from error
        raise


def _checked(kind: type[Any], **fields: object) -> Any:
    try:
        return kind(**fields)
    except ValidationError as error:
        raise InputError(explain(error)) from error


def _line(text: str) -> Line:
    try:
        sku, quantity, price = text.rsplit(":", 2)
        return Line(sku=sku, quantity=int(quantity), price_cents=int(price))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: expected sku:quantity:cents, such as pen:2:150") from None


def _word(options: argparse.Namespace) -> Word:
    word: Word = _checked(Word, by=options.by, reason=options.reason)
    return word


def _show(status: OrderStatus) -> None:
    state = "paused" if status.paused else status.state
    reason = f" ({status.reason})" if status.reason else ""
    _say(f"{status.order_id}: {state}{reason}, {status.amount_cents / 100:,.2f} {status.currency}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
