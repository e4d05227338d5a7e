"""The ``dead-letters`` commands: list, groups, inspect, redrive, discard."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, get_args

from system.dead_letters.models import Filter, Inspection, Letter, RedriveProgress, RedriveRequest, State
from system.errors import LetterError
from system.failures import details_of

if TYPE_CHECKING:
    from system.settings import Settings
    from system.storage.pool import Pool

DONE, FAILED = 0, 1
WIDTH = 100
Run = Callable[[argparse.Namespace], Coroutine[Any, Any, int]]


def add(group: argparse.ArgumentParser, debug: argparse.ArgumentParser) -> None:
    """Add the commands to ``python -m system dead-letters``."""
    commands = group.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Run, help_: str, example: str) -> argparse.ArgumentParser:
        parser = commands.add_parser(
            name, parents=[debug], help=help_, epilog=f"example: python -m system dead-letters {example}"
        )
        parser.set_defaults(run=lambda options: asyncio.run(run(options)))
        return parser

    listed = command("list", _list, "show letters, newest first", "list --state open --type pipeline.Pipeline")
    _add_filter(listed)
    listed.add_argument("--state", choices=get_args(State))
    listed.add_argument("--before", type=int, metavar="ID", help="show those before this one: the next page")
    listed.add_argument("--limit", type=int, default=50, metavar="N", help="at most so many (default: 50)")
    listed.add_argument("--json", action="store_true", help="one JSON object a line")

    grouped = command("groups", _groups, "show faults, each with how many letters it has", "groups")
    grouped.add_argument("--all", action="store_true", help="also those without an open letter")
    grouped.add_argument("--limit", type=int, default=20, metavar="N", help="at most so many (default: 20)")

    shown = command("inspect", _inspect, "show everything about one letter, with its input", "inspect 12")
    shown.add_argument("letter", type=int, metavar="ID")
    shown.add_argument("--json", action="store_true", help="as JSON")

    again = command("redrive", _redrive, "run again what failed, once", "redrive --fingerprint 3f2a9c0d4e5b6a71")
    again.add_argument("letters", type=int, nargs="*", metavar="ID")
    _add_filter(again)
    again.add_argument("--all", action="store_true", help="every open letter")
    again.add_argument("--per-second", type=int, default=10, choices=range(1, 51), metavar="N", help="default: 10")
    _add_who(again, reason_required=False)

    gone = command("discard", _discard, "close letters that need nothing more", "discard 12 --reason 'a test file'")
    gone.add_argument("letters", type=int, nargs="+", metavar="ID")
    _add_who(gone, reason_required=True)


async def _list(options: argparse.Namespace) -> int:
    from system.dead_letters import listing

    async with _database() as (_, database), database.acquire() as connection:
        wanted = _filter(options).model_copy(update={"state": options.state})
        letters = await listing.find(connection, wanted, before=options.before, limit=options.limit)
    for letter in letters:
        _say(letter.model_dump_json() if options.json else _line(letter))
    if not letters and not options.json:
        _say("there is none")
    if len(letters) == options.limit and not options.json:
        _say(f"more: --before {letters[-1].id}")
    return DONE


async def _groups(options: argparse.Namespace) -> int:
    from system.dead_letters import listing

    async with _database() as (_, database), database.acquire() as connection:
        groups = await listing.groups(connection, limit=options.limit, only_open=not options.all)
    for group in groups:
        _say(
            f"{group.fingerprint}  {group.open:>5} open of {group.total:<5} {_when(group.last_at)}  "
            f"{group.where}: {group.error_type}: {_short(group.message)}"
        )
    if not groups:
        _say("there is none")
    return DONE


async def _inspect(options: argparse.Namespace) -> int:
    from system.connection import connect
    from system.dead_letters.inspection import inspect

    async with _database() as (settings, database):
        seen = await inspect(database, await connect(settings), options.letter)
    _say(seen.model_dump_json(indent=2) if options.json else _told(seen))
    return DONE


async def _redrive(options: argparse.Namespace) -> int:
    from system.connection import connect
    from system.dead_letters.workflow import Redrive
    from system.settings import Settings

    wanted = _filter(options)
    if bool(options.letters) + (wanted != Filter()) + options.all != 1:
        raise LetterError("which letters? give their ids, or a filter such as --fingerprint F, or --all")
    settings = Settings.from_environment()
    client = await connect(settings)
    request = RedriveRequest(
        by=options.by,
        reason=options.reason,
        letters=tuple(options.letters),
        filter=None if options.letters else wanted,
        per_second=options.per_second,
    )
    workflow_id = f"dead-letters-redrive-{secrets.token_hex(4)}"
    handle = await client.start_workflow(Redrive.run, request, id=workflow_id, task_queue=settings.task_queue)
    _say(f"redriving as workflow {workflow_id}; it goes on without this command")
    return _report(await handle.result())


async def _discard(options: argparse.Namespace) -> int:
    from system.dead_letters import store

    async with _database() as (_, database), database.acquire() as connection:
        discarded = await store.discard(connection, options.letters, options.by, options.reason)
    for letter in options.letters:
        _say(f"{letter} is discarded" if letter in discarded else f"{letter} is not an open letter: left as it is")
    return DONE if discarded.issuperset(options.letters) else FAILED


def _report(done: RedriveProgress) -> int:
    _say(
        f"redriven {done.redriven}, redriven before {done.repeated}, "
        f"resolved without a run {done.resolved}, refused {done.refused}"
    )
    for refused in done.refusals:
        _say(f"  {refused.letter}: {refused.reason}")
    return FAILED if done.refused else DONE


@asynccontextmanager
async def _database() -> AsyncIterator[tuple[Settings, Pool]]:
    from system.settings import Settings
    from system.storage.pool import check_migrated, open_pool

    settings = Settings.from_environment()
    database = await open_pool(settings)
    try:
        async with database.acquire() as connection:
            await check_migrated(connection)
        yield settings, database
    finally:
        database.terminate()


def _add_filter(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--fingerprint", metavar="F", help="of one fault, as `groups` shows it")
    parser.add_argument("--workflow", metavar="ID", help="of this workflow")
    parser.add_argument("--type", metavar="T", help="of the workflow: pipeline.Pipeline")
    parser.add_argument("--activity", metavar="T", help="of the activity: pipeline.load_chunk")
    parser.add_argument("--error", metavar="T", help="of the error: SourceMissing")
    parser.add_argument("--since", type=_moment, metavar="TIME", help="failed at this time (ISO 8601, UTC) or later")
    parser.add_argument("--until", type=_moment, metavar="TIME", help="failed before this time")


def _add_who(parser: argparse.ArgumentParser, *, reason_required: bool) -> None:
    user = os.environ.get("USER") or "unknown"
    parser.add_argument("--by", default=user, metavar="NAME", help="who wants it (default: the user's name)")
    parser.add_argument("--reason", required=reason_required, default="", metavar="TEXT", help="why; it is kept")


def _filter(options: argparse.Namespace) -> Filter:
    return Filter(
        fingerprint=options.fingerprint,
        workflow_id=options.workflow,
        workflow_type=options.type,
        activity_type=options.activity,
        error_type=options.error,
        since=options.since,
        until=options.until,
    )


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a time such as 2026-01-31T12:00") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _line(letter: Letter) -> str:
    where = letter.activity_type or letter.workflow_type
    item = f" [{letter.item}]" if letter.item else ""
    return (
        f"{letter.id:>6}  {letter.state:<9}  {_when(letter.failed_at)}  {letter.workflow_id}{item}  "
        f"{where}: {letter.error_type}: {_short(letter.message)}"
    )


def _told(seen: Inspection) -> str:
    letter = seen.letter
    attempts = "unknown" if letter.attempts is None else letter.attempts
    ended = "the workflow failed by it" if letter.ended_workflow else "the workflow went on"
    rows = {
        "letter": f"{letter.id}, {letter.state}, fingerprint {letter.fingerprint}",
        "workflow": f"{letter.workflow_id} ({letter.workflow_type}), run {letter.run_id}; {ended}",
        "child": letter.child,
        "parent": letter.parent,
        "activity": f"{letter.activity_type}, id {letter.activity_id}" if letter.activity_type else "",
        "item": letter.item,
        "failed": f"{_when(letter.failed_at)}, attempts: {attempts}",
        "error": f"{letter.error_type}: {letter.message}",
        "what to do": letter.remedy,
        "details": _details(letter),
        "input": json.dumps(seen.input, indent=2) if seen.input is not None else seen.input_note,
        "redriven as": letter.redrive_workflow_id or "",
        "came of": ", ".join(str(one) for one in seen.lineage),
        "failed again": ", ".join(str(one) for one in seen.children),
    }
    lines = [f"{name:<13} {value}" for name, value in rows.items() if value]
    lines += [f"{_when(event.at)}  {event.action} by {event.by}: {event.reason}" for event in seen.events]
    return "\n".join(lines)


def _details(letter: Letter) -> str:
    """Show the fields of details that are known; any others as they were kept."""
    known = details_of(letter.error_type, letter.details)
    if known is None:
        return json.dumps(letter.details) if letter.details else ""
    return ", ".join(f"{name} {json.dumps(value)}" for name, value in known.model_dump(mode="json").items())


def _short(message: str) -> str:
    line = " ".join(message.split())
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"


def _when(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
