"""Starts a bulk operation and shows how it goes; left alone, it goes on."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import Callable

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import CancelledError
from temporalio.service import RPCError

from system.control import rules
from system.control.models import BulkReport, BulkRequest, Progress
from system.control.preview import preview
from system.control.workflow import Bulk
from system.errors import ControlRefused, Unavailable

DONE, FAILED, INTERRUPTED = 0, 1, 130
POLL_SECONDS = 0.5
Say = Callable[[str], None]


async def run(client: Client, task_queue: str, request: BulkRequest, say: Say) -> int:
    """Start the operation, show its progress, and say what came of it; returns the exit status.

    Raises:
        ControlRefused: it is not as it was previewed, or was refused by the time it listed its targets.
        Unavailable: Temporal does not answer.

    """
    found = await preview(client, request.action, request.query, everything=request.everything)
    try:
        refused = rules.why_refused(found.count, rules.allowed(request, found.query))
    except ValueError as error:
        raise ControlRefused(str(error)) from error
    if refused:
        raise ControlRefused(refused)
    request = request.model_copy(update={"sample": found.sample})
    name = f"bulk-{request.action.kind}-{secrets.token_hex(4)}"
    try:
        handle = await client.start_workflow(Bulk.run, request, id=name, task_queue=task_queue)
    except RPCError as error:
        raise Unavailable(f"Temporal refused the operation: {error.message}") from error
    say(f"{rules.described(request.action)}: {found.count:,} workflows, as operation {name}")
    try:
        return await _watched(handle, say)
    except asyncio.CancelledError:
        say(
            f"\nthe operation goes on; to watch it:  python -m system control show {name}\n"
            f"to cancel it:  python -m system control cancel {name} --by NAME --reason TEXT"
        )
        raise


async def _watched(handle: WorkflowHandle[Bulk, BulkReport], say: Say) -> int:
    watching = asyncio.create_task(_watch(handle, say))
    try:
        report = await handle.result()
    except WorkflowFailureError as failure:
        if not isinstance(failure.cause, CancelledError):
            raise
        say(f"it was cancelled; what was done: python -m system control show {handle.id}")
        return FAILED
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    _clear()
    if report.state == "refused":
        raise ControlRefused(report.message)
    counts = report.counts
    say(f"done {counts.done:,}, skipped {counts.skipped:,}, failed {counts.failed:,}")
    if counts.failed:
        say(f"why: python -m system control show {handle.id} --state failed")
    return FAILED if counts.failed else DONE


async def _watch(handle: WorkflowHandle[Bulk, BulkReport], say: Say) -> None:
    """Show progress: one line that changes on a terminal, a line for each change in a pipe."""
    shown = ""
    while True:
        text = _progress(await _asked(handle))
        if text != shown:
            shown = text
            if sys.stdout.isatty():
                sys.stdout.write(f"\r\x1b[K{text}")
                sys.stdout.flush()
            else:
                say(text)
        await asyncio.sleep(POLL_SECONDS)


async def _asked(handle: WorkflowHandle[Bulk, BulkReport]) -> Progress | None:
    try:
        return await handle.query(Bulk.progress)
    except RPCError:
        return None  # the result is waited for elsewhere, and tells what is wrong


def _progress(progress: Progress | None) -> str:
    if progress is None:
        return "waiting for a worker"
    state = "paused" if progress.paused else progress.state
    return (
        f"{state}: {progress.next - 1:,}/{progress.targets:,}, "
        f"done {progress.done:,}, skipped {progress.skipped:,}, failed {progress.failed:,}"
    )


def _clear() -> None:
    if sys.stdout.isatty():
        sys.stdout.write("\r\x1b[K")
