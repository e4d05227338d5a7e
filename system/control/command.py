"""The ``control`` commands: preview and bulk; each action on one workflow; what was done."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from system.control.models import Action
from system.control.rules import described
from system.errors import ControlRefused
from system.records import explain

if TYPE_CHECKING:
    from temporalio.client import Client

    from system.control.models import Outcome
    from system.settings import Settings
    from system.storage.pool import Pool

DONE, FAILED = 0, 1
ACTIONS = {
    "pause": "start no step more, once what runs has ended",
    "resume": "go on after a pause",
    "cancel": "ask it to stop, and to take back what it must",
    "terminate": "end it at once; it takes nothing back",
    "reset": "run it anew from a point in its history",
    "retry": "take up what failed from just before that",
    "signal": "send it a signal",
}
POINTS = {"first-task": "first_task", "last-task": "last_task", "first-failure": "first_failure"}
Run = Callable[[argparse.Namespace], Coroutine[Any, Any, int]]


def add(group: argparse.ArgumentParser, debug: argparse.ArgumentParser) -> None:
    """Add the commands to ``python -m system control``."""
    commands = group.add_subparsers(required=True, metavar="COMMAND")

    def command(
        within: argparse._SubParsersAction[argparse.ArgumentParser],
        name: str,
        run: Run | None,
        help_: str,
        example: str,
    ) -> argparse.ArgumentParser:
        parser = within.add_parser(
            name, parents=[debug], help=help_, epilog=f"example: python -m system control {example}"
        )
        if run is not None:
            parser.set_defaults(run=lambda options: asyncio.run(run(options)))
        return parser

    for name, help_ in ACTIONS.items():
        one = command(commands, name, _single, f"one workflow: {help_}", f"{name} load-flights-1a2b {_example(name)}")
        one.set_defaults(action=name)
        one.add_argument("workflow", metavar="ID", help="the workflow's id")
        one.add_argument("--run-id", default="", metavar="ID", help="of which run (default: the latest)")
        _add_argument(one, name)
        _add_who(one)

    for verb, run, help_ in (
        ("preview", _preview, "count what a query finds, show some of it, and allow to act on it"),
        ("bulk", _bulk, "act on everything a query finds, as it was previewed; Ctrl-C leaves it running"),
    ):
        many = command(commands, verb, None, help_, f"{verb} pause --query \"WorkflowType = 'pipeline.Pipeline'\" …")
        actions = many.add_subparsers(required=True, metavar="ACTION")
        for name, action_help in ACTIONS.items():
            one = command(actions, name, run, action_help, f"{verb} {name} {_example(name, verb)}")
            one.set_defaults(action=name)
            one.add_argument("--query", default="", metavar="Q", help="a visibility query: \"WorkflowType = 'x.Y'\"")
            one.add_argument("--everything", action="store_true", help="every workflow there is, instead of a query")
            _add_argument(one, name)
            if verb == "bulk":
                _add_who(one)
                one.add_argument("--token", default="", metavar="T", help="the preview's: refused if there is more now")
                one.add_argument("--rate", type=float, default=50.0, metavar="N", help="a second (default: 50)")

    shown = command(
        commands, "show", _show, "what was done: who, why, and what came of it", "show bulk-1a2b --state failed"
    )
    shown.add_argument("operation", nargs="?", metavar="OPERATION", help="default: the latest ones")
    shown.add_argument("--workflow", metavar="ID", help="operations that this workflow was a target of")
    shown.add_argument("--state", choices=("pending", "done", "skipped", "failed", "cancelled"), help="of the targets")
    shown.add_argument("--after", type=int, default=0, metavar="N", help="targets after this number: the next page")
    shown.add_argument("--limit", type=int, default=50, metavar="N", help="at most so many (default: 50)")


async def _single(options: argparse.Namespace) -> int:
    from system.control.single import act_on

    action = _action(options)
    async with _connected() as (_, client, database):
        outcome = await act_on(
            database, client, action, options.workflow, by=options.by, reason=options.reason, run_id=options.run_id
        )
    say(f"{described(action)} {options.workflow}: {_told(outcome)}")
    return FAILED if outcome.state == "failed" else DONE


async def _preview(options: argparse.Namespace) -> int:
    from system.connection import connect
    from system.control.preview import preview
    from system.settings import Settings

    action = _action(options)
    client = await connect(Settings.from_environment())
    found = await preview(client, action, options.query, everything=options.everything)
    say(f"{described(action)} would be done to {found.count:,}: " + _counts(found.statuses))
    for one in found.sample:
        since = f"{one.started_at:%Y-%m-%d %H:%M:%SZ}" if one.started_at else ""
        say(f"  {one.status:<10} {since}  {one.workflow_type}  {one.workflow_id}")
    if found.count > len(found.sample):
        say(f"  … and {found.count - len(found.sample):,} more")
    say(f"to do it: the same command with `bulk` for `preview`, --by, --reason and --token {found.token}")
    return DONE


async def _bulk(options: argparse.Namespace) -> int:
    from system.control import bulk
    from system.control.models import BulkRequest

    fields = ("by", "reason", "query", "everything", "token", "rate")
    try:
        request = BulkRequest(action=_action(options), **{name: getattr(options, name) for name in fields})
    except ValidationError as error:
        raise ControlRefused(explain(error)) from error
    async with _connected() as (settings, client, _):
        return await bulk.run(client, settings.task_queue, request, say)


async def _show(options: argparse.Namespace) -> int:
    from system.control import reading

    async with _connected() as (_, _, database):
        if options.operation is None:
            lines = await reading.latest(database, workflow_id=options.workflow, limit=options.limit)
        else:
            lines = await reading.operation(
                database, options.operation, state=options.state, after=options.after, limit=options.limit
            )
    for line in lines:
        say(line)
    return DONE


@asynccontextmanager
async def _connected() -> AsyncIterator[tuple[Settings, Client, Pool]]:
    from system.connection import connect
    from system.settings import Settings
    from system.storage.pool import check_migrated, open_pool

    settings = Settings.from_environment()
    database = await open_pool(settings)
    try:
        async with database.acquire() as connection:
            await check_migrated(connection)
        yield settings, await connect(settings), database
    finally:
        database.terminate()


def _action(options: argparse.Namespace) -> Action:
    fields: dict[str, Any] = {"kind": options.action}
    if options.action == "reset":
        if options.to not in POINTS and not (options.to.isascii() and options.to.isdigit()):
            raise ControlRefused(f"--to {options.to!r}: expected {', '.join(POINTS)}, or the number of an event")
        fields["to"] = POINTS.get(options.to) or int(options.to)
    if options.action == "signal":
        try:
            fields |= {"name": options.name, "argument": json.loads(options.argument or "null")}
        except json.JSONDecodeError as error:
            raise ControlRefused(f"--argument {options.argument!r} is no JSON ({error}); text is '\"text\"'") from error
    try:
        return TypeAdapter[Action](Action).validate_python(fields)
    except ValidationError as error:
        raise ControlRefused(explain(error)) from error


def _add_argument(parser: argparse.ArgumentParser, action: str) -> None:
    if action == "reset":
        parser.add_argument("--to", required=True, metavar="POINT", help=f"{', '.join(POINTS)}, or an event's number")
    if action == "signal":
        parser.add_argument("--name", required=True, metavar="NAME", help="the signal's name")
        parser.add_argument("--argument", metavar="JSON", help="what it carries")


def _add_who(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--by", required=True, metavar="NAME", help="who wants it; it is recorded")
    parser.add_argument("--reason", required=True, metavar="TEXT", help="why; it is recorded")


def _example(action: str, verb: str = "") -> str:
    own = {"reset": "--to first-failure ", "signal": "--name orders.approve --argument '{}' "}.get(action, "")
    query = "" if not verb else "--query \"SystemDomain = 'pipeline' AND ExecutionStatus = 'Running'\" "
    who = "" if verb == "preview" else "--by ann --reason 'the provider is away'"
    token = " --token 12-1a2b3c4d5e6f" if verb == "bulk" else ""
    return f"{own}{query}{who}{token}".strip()


def _told(outcome: Outcome) -> str:
    run = f"new run {outcome.new_run_id}" if outcome.new_run_id else ""
    return ", ".join(part for part in (outcome.state, outcome.message, run) if part)


def _counts(counts: Any) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in counts.items()) or "nothing"


def say(text: str) -> None:
    """Print a line at once."""
    import sys

    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
