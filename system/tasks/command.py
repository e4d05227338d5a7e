"""The ``tasks`` commands: submit a batch, see how it goes, cancel it, list the handlers."""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from system.settings import Settings

if TYPE_CHECKING:
    from temporalio.client import WorkflowHandle

    from system.tasks.models import BatchReport, Item, Progress
    from system.tasks.workflow import Batch

DONE, FAILED = 0, 1
POLL_SECONDS = 0.5
EXAMPLE = """\
each line of FILE.jsonl is one task:
  {"key": "a", "handler": "text.checksum", "input": {"text": "hello"}}
  {"key": "b", "handler": "account.post", "input": {"account": "x", "amount": 5}, "needs": ["a"], "priority": 1}
also: "tenant", "weight", "timeout" (seconds an attempt may take), "attempts"

example: python -m system tasks submit tasks.jsonl --id nightly --tenant acme --wait
"""


def add(group: argparse.ArgumentParser, debug: argparse.ArgumentParser) -> None:
    """Add the commands to their group."""
    commands = group.add_subparsers(required=True, metavar="COMMAND")
    submit = commands.add_parser(
        "submit",
        parents=[debug],
        help="check a file of tasks, store them, and start their batch",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    submit.add_argument("file", type=Path, metavar="FILE.jsonl")
    submit.add_argument("--id", help="workflow id; the same id and file run only once (default: a random one)")
    submit.add_argument("--tenant", default="", help="of tasks that name none")
    submit.add_argument("--priority", type=int, choices=range(1, 6), help="of tasks that name none; 1 goes first")
    submit.add_argument("--concurrency", type=int, metavar="N", help="tasks in flight, 1 to 64 (default: 32)")
    submit.add_argument("--wait", action="store_true", help="show how it goes, and what came of it")
    submit.set_defaults(run=lambda options: asyncio.run(_submit(Settings.from_environment(), options)))

    progress = commands.add_parser(
        "progress",
        parents=[debug],
        help="say how far a batch has come",
        epilog="example: python -m system tasks progress nightly",
    )
    progress.add_argument("id", metavar="ID")
    progress.set_defaults(run=lambda options: asyncio.run(_progress(Settings.from_environment(), options)))

    cancel = commands.add_parser(
        "cancel",
        parents=[debug],
        help="cancel one task of a batch, or all that have not ended",
        epilog="example: python -m system tasks cancel nightly task-7 --reason 'no longer needed'",
    )
    cancel.add_argument("id", metavar="ID")
    cancel.add_argument("item", nargs="?", metavar="TASK")
    user = os.environ.get("USER") or "unknown"
    cancel.add_argument("--by", default=user, metavar="NAME", help="who cancels it (default: the user's name)")
    cancel.add_argument("--reason", required=True, metavar="TEXT", help="why; it is kept with each task")
    cancel.set_defaults(run=lambda options: asyncio.run(_cancel(Settings.from_environment(), options)))

    handlers = commands.add_parser(
        "handlers",
        parents=[debug],
        help="list the handlers and what they take",
        epilog="example: python -m system tasks handlers",
    )
    handlers.set_defaults(run=_handlers)


def read_items(path: Path, priority: int | None) -> list[Item]:
    """Read one item a line; ``priority`` is that of items that name none.

    Raises:
        SourceMissing: there is no such file.
        BatchRefused: a line is no item; says which.

    """
    from pydantic import ValidationError

    from system.errors import BatchRefused, SourceMissing
    from system.records import explain
    from system.tasks.models import Item

    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise SourceMissing(f"{path}: {error.strerror}; expected a file with one task a line", str(path)) from error
    items = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            item = Item.model_validate_json(line)
        except ValidationError as error:
            raise BatchRefused(f"{path}, line {number}: {explain(error)}") from error
        if priority is not None and "priority" not in item.model_fields_set:
            item = item.model_copy(update={"priority": priority})
        items.append(item)
    return items


async def _submit(settings: Settings, options: argparse.Namespace) -> int:
    from pydantic import ValidationError
    from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy

    from system.connection import connect
    from system.errors import SettingsError
    from system.records import explain
    from system.storage import pool
    from system.tasks.handlers import REGISTRY
    from system.tasks.models import BatchRequest
    from system.tasks.submission import check, submit
    from system.tasks.workflow import Batch

    items = read_items(options.file, options.priority)
    check(items, REGISTRY)
    limits = {} if options.concurrency is None else {"concurrency": options.concurrency}
    try:
        request = BatchRequest.model_validate({"tenant": options.tenant, **limits})
    except ValidationError as error:
        raise SettingsError(f"--{explain(error)}") from error
    client = await connect(settings)
    batch_id = options.id or f"batch-{secrets.token_hex(4)}"
    connection = await pool.connect(settings.database_url)
    try:
        await pool.check_migrated(connection)
        await submit(connection, batch_id, items, REGISTRY)
    finally:
        connection.terminate()

    async def start() -> WorkflowHandle[Batch, BatchReport]:
        return await client.start_workflow(
            Batch.run,
            request,
            id=batch_id,
            task_queue=settings.task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        )

    handle = await _asked(batch_id, start)
    _line(f"{len(items)} tasks submitted as batch {batch_id}")
    return await _watch(handle) if options.wait else DONE


async def _watch(handle: WorkflowHandle[Batch, BatchReport]) -> int:
    """Show progress until the batch ends; failed tasks make the command fail."""
    from temporalio.client import WorkflowFailureError

    from system.tasks.workflow import Batch

    ending = asyncio.ensure_future(handle.result())
    shown = ""
    while not ending.done():
        text = _told(await _asked(handle.id, lambda: handle.query(Batch.progress)))
        if text != shown:
            _line(text)
            shown = text
        await asyncio.wait({ending}, timeout=POLL_SECONDS)
    try:
        report = ending.result()
    except WorkflowFailureError as failure:
        cause = failure.cause
        while cause.__cause__ is not None:
            cause = cause.__cause__
        sys.stderr.write(f"error: batch {handle.id} ended without a report: {cause}\n")
        return FAILED
    for name in ("items", "done", "failed", "cancelled", "skipped"):
        _line(f"{name:<9} {getattr(report, name):>9,}")
    return DONE if report.done == report.items else FAILED


async def _progress(settings: Settings, options: argparse.Namespace) -> int:
    from system.connection import connect
    from system.tasks.workflow import Batch

    handle: WorkflowHandle[Batch, BatchReport] = (await connect(settings)).get_workflow_handle(options.id)
    _line(_told(await _asked(options.id, lambda: handle.query(Batch.progress))))
    return DONE


async def _cancel(settings: Settings, options: argparse.Namespace) -> int:
    from pydantic import ValidationError

    from system.connection import connect
    from system.errors import InputError
    from system.records import explain
    from system.tasks.models import CancelAllRequest, CancelRequest
    from system.tasks.workflow import Batch

    try:
        everything = CancelAllRequest(by=options.by, reason=options.reason)
    except ValidationError as error:
        raise InputError(f"--{explain(error)}") from error
    handle: WorkflowHandle[Batch, BatchReport] = (await connect(settings)).get_workflow_handle(options.id)
    if options.item is None:
        _line(_told(await _asked(options.id, lambda: handle.execute_update(Batch.cancel_all, everything))))
        return DONE
    one = CancelRequest(item=options.item, by=options.by, reason=options.reason)
    was = await _asked(options.id, lambda: handle.execute_update(Batch.cancel_item, one))
    _line(
        f"{options.item} was running: it is told to stop"
        if was.state == "running"
        else f"{options.item} is cancelled, and {was.skipped} that need it are skipped"
    )
    return DONE


def _handlers(_: argparse.Namespace) -> int:
    from system.tasks.handlers import REGISTRY

    for name, handler in sorted(REGISTRY.handlers.items()):
        traits = [word for word, holds in (("cached", handler.pure), ("writes", handler.writes)) if holds]
        limits = ", ".join((f"{handler.timeout:g} s", f"{handler.attempts} attempts", *traits))
        _line(f"{name:<18} {handler.purpose} ({limits})")
        for field, about in handler.input_type.model_fields.items():
            _line(f"  {field:<16} {'required' if about.is_required() else 'optional'}")
    return DONE


async def _asked(batch_id: str, call: Callable[[], Awaitable[Any]]) -> Any:
    """Make a call to Temporal; what went wrong is said in words of ours."""
    from temporalio.client import WorkflowQueryFailedError, WorkflowUpdateFailedError
    from temporalio.service import RPCError, RPCStatusCode

    from system.errors import InputError, Unavailable

    try:
        return await call()
    except WorkflowUpdateFailedError as refused:
        raise InputError(f"batch {batch_id}: {refused.cause}") from refused
    except WorkflowQueryFailedError as refused:
        raise InputError(f"{batch_id} is no batch of tasks: {refused}") from refused
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise InputError(f"there is no batch {batch_id!r}, or it has ended: {error.message}") from error
        raise Unavailable(
            f"Temporal did not answer for batch {batch_id}: {error.message}; is a worker running?"
        ) from error


def _told(progress: Progress) -> str:
    state = "paused" if progress.paused else progress.state
    counts = ", ".join(
        f"{getattr(progress, name):,} {name}"
        for name in ("waiting", "running", "done", "failed", "cancelled", "skipped")
        if getattr(progress, name) or name == "done"
    )
    return f"{state}: {counts} of {progress.items:,} tasks"


def _line(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
