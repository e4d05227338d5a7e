"""The ``schedules`` commands: apply a file of schedules, see them, and pause, trigger, backfill or delete one."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Coroutine, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from system.errors import DeclarationRefused, InputError, SourceMissing
from system.scheduling.asking import ANSWER_WITHIN, asking
from system.scheduling.declaration import Declaration, Overlap, at, parse
from system.settings import Settings

if TYPE_CHECKING:
    from temporalio.client import Client, ScheduleDescription, ScheduleHandle


DONE = 0
MAINTENANCE = Path(__file__).with_name("maintenance.toml")
OVERLAPS = get_args(Overlap)
EXAMPLE = """\
a file has a name, by which its schedules are known as its own, and a table for each schedule:

  name = "reports"

  [[schedules]]
  id = "nightly"
  workflow = "scheduling.Purge"
  input = { keep_days = 60 }
  cron = "30 3 * * mon-fri"        # or every = "6h", or calendars = [{ hour = "9-17/2", day_of_week = "mon" }]
  time_zone = "Europe/Berlin"      # a time that a change of clocks leaves out does not come, one it doubles comes once
  jitter = "5m"
  overlap = "buffer_one"
  catch_up = "1h"

also: workflow_id, offset, skip, start_at, end_at, pause_on_failure, remaining_actions, run_timeout, paused, note

example: python -m system schedules apply reports.toml --prune --dry-run
"""
Run = Callable[[argparse.Namespace], Coroutine[Any, Any, int]]


def add(group: argparse.ArgumentParser, debug: argparse.ArgumentParser) -> None:
    """Add the commands to their group."""
    commands = group.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Run, help_: str, example: str) -> argparse.ArgumentParser:
        parser = commands.add_parser(
            name,
            parents=[debug],
            help=help_,
            epilog=example if "\n" in example else f"example: python -m system schedules {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.set_defaults(run=lambda options: asyncio.run(run(options)))
        return parser

    apply = command("apply", _apply, "make the schedules of a file, and update what differs", EXAMPLE)
    apply.add_argument(
        "file", type=Path, nargs="?", default=MAINTENANCE, metavar="FILE.toml", help="default: the system's maintenance"
    )
    apply.add_argument("--prune", action="store_true", help="delete what this file once declared and no longer does")
    apply.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")

    command("list", _list, "show every schedule, and when it runs next", "list")
    _id(command("show", _show, "show one schedule: its last runs and its next", "show system-purge"))
    for name, run, help_ in (
        ("pause", _pause, "start nothing by this schedule until it is unpaused"),
        ("unpause", _unpause, "go on"),
    ):
        parser = _id(command(name, run, help_, f"{name} system-purge --by me --reason 'the database is being moved'"))
        parser.add_argument("--by", default=os.environ.get("USER", ""), help="who (default: $USER)")
        parser.add_argument("--reason", required=True, help="why; shown with the schedule")

    now = _id(command("trigger", _trigger, "run it now, paused or not", "trigger system-purge"))
    now.add_argument("--overlap", choices=OVERLAPS, help="instead of the schedule's own")

    past = _id(
        command(
            "backfill",
            _backfill,
            "run it for each time of a stretch, both ends included",
            "backfill nightly --from 2026-01-01T00:00:00Z --to 2026-01-07T23:59:59Z --overlap buffer_all",
        )
    )
    past.add_argument("--from", dest="start", type=_time, required=True, metavar="TIME")
    past.add_argument("--to", dest="end", type=_time, required=True, metavar="TIME")
    past.add_argument("--overlap", choices=OVERLAPS, default="buffer_all", help="default: one after the other")

    _id(command("delete", _delete, "delete a schedule; what it started goes on", "delete nightly"))


def read(path: Path) -> Declaration:
    """Read a file of schedules.

    Raises:
        SourceMissing: there is no such file.
        DeclarationRefused: an entry is wrong; says which.

    """
    from system.plugin import WORKFLOWS
    from system.scheduling.render import inputs

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceMissing(f"{path}: {error}; expected a file of schedules in TOML", str(path)) from error
    try:
        return parse(text, inputs(WORKFLOWS))
    except DeclarationRefused as error:
        raise DeclarationRefused(f"{path}: {error}") from error


async def _apply(options: argparse.Namespace) -> int:
    from system.connection import connect
    from system.plugin import WORKFLOWS
    from system.scheduling.declare import Declarer
    from system.scheduling.render import inputs

    declaration = read(options.file)
    settings = Settings.from_environment()
    declarer = Declarer(await connect(settings), inputs(WORKFLOWS), settings.task_queue)
    do = declarer.plan if options.dry_run else declarer.apply
    steps = await do(declaration, prune=options.prune)
    _table(("SCHEDULE", "DOING", "WHY"), ((step.id, step.doing, step.reason) for step in steps))
    changes = sum(step.doing != "unchanged" for step in steps)
    _line(f"{changes} of {len(steps)} {'would be changed' if options.dry_run else 'changed'}")
    return DONE


async def _list(_: argparse.Namespace) -> int:
    from system.scheduling.models import DECLARED_BY

    client = await _client()
    rows = []
    with asking("of the list"):
        async for one in await client.list_schedules(rpc_timeout=ANSWER_WITHIN):
            next_times = one.info.next_action_times if one.info else ()
            paused = one.schedule is not None and one.schedule.state.paused
            coming = "paused" if paused else _when(next_times[0]) if next_times else "never"
            started = getattr(one.schedule.action, "workflow", "") if one.schedule else ""
            rows.append((one.id, started, coming, str(await one.memo_value(DECLARED_BY, None) or "")))
    _table(("SCHEDULE", "STARTS", "NEXT", "DECLARED BY"), sorted(rows))
    return DONE


async def _show(options: argparse.Namespace) -> int:
    from system.scheduling.models import DECLARED_BY

    handle = await _handle(options.id)
    with asking(options.id):
        found = await handle.describe(rpc_timeout=ANSWER_WITHIN)
    for name, value in _told(found, str(await found.memo_value(DECLARED_BY, None) or "by hand")):
        _line(f"{name:<12} {value}")
    return DONE


async def _pause(options: argparse.Namespace) -> int:
    handle = await _handle(options.id)
    with asking(options.id):
        await handle.pause(note=_note("paused", options), rpc_timeout=ANSWER_WITHIN)
    _line(f"{options.id} is paused")
    return DONE


async def _unpause(options: argparse.Namespace) -> int:
    handle = await _handle(options.id)
    with asking(options.id):
        await handle.unpause(note=_note("unpaused", options), rpc_timeout=ANSWER_WITHIN)
    _line(f"{options.id} goes on")
    return DONE


async def _trigger(options: argparse.Namespace) -> int:
    from system.scheduling.render import overlap

    handle = await _handle(options.id)
    with asking(options.id):
        await handle.trigger(overlap=overlap(options.overlap) if options.overlap else None, rpc_timeout=ANSWER_WITHIN)
    _line(f"{options.id} is triggered: see `python -m system schedules show {options.id}`")
    return DONE


async def _backfill(options: argparse.Namespace) -> int:
    from temporalio.client import ScheduleBackfill

    from system.scheduling.render import overlap

    if options.end < options.start:
        raise InputError(f"--to is {_when(options.end)}: expected a time not before --from, {_when(options.start)}")
    handle = await _handle(options.id)
    with asking(options.id):
        await handle.describe(rpc_timeout=ANSWER_WITHIN)
        stretch = ScheduleBackfill(options.start, options.end, overlap(options.overlap))
        await handle.backfill(stretch, rpc_timeout=ANSWER_WITHIN)
    _line(f"{options.id} runs from {_when(options.start)} to {_when(options.end)}, {options.overlap}")
    return DONE


async def _delete(options: argparse.Namespace) -> int:
    handle = await _handle(options.id)
    with asking(options.id):
        await handle.delete(rpc_timeout=ANSWER_WITHIN)
    _line(f"{options.id} is deleted")
    return DONE


async def _handle(schedule_id: str) -> ScheduleHandle:
    return (await _client()).get_schedule_handle(schedule_id)


async def _client() -> Client:
    from system.connection import connect

    return await connect(Settings.from_environment())


def _told(found: ScheduleDescription, owner: str) -> Iterable[tuple[str, str]]:
    state, info = found.schedule.state, found.info
    yield "schedule", found.id
    yield "starts", str(getattr(found.schedule.action, "workflow", ""))
    yield "declared by", owner
    yield "state", "paused" if state.paused else "active"
    if state.note:
        yield "note", state.note
    if state.limited_actions:
        yield "runs left", str(state.remaining_actions)
    yield "overlap", found.schedule.policy.overlap.name.lower()
    yield "time zone", found.schedule.spec.time_zone_name or "UTC"
    yield "runs", str(info.num_actions)
    yield "skipped", f"{info.num_actions_skipped_overlap}, as the run before was still going"
    yield "missed", f"{info.num_actions_missed_catchup_window}, as Temporal was down for too long"
    for run in info.recent_actions:
        yield "ran", f"{_when(run.scheduled_at)}  {getattr(run.action, 'workflow_id', '')}"
    for running in info.running_actions:
        yield "is running", str(getattr(running, "workflow_id", ""))
    for time in info.next_action_times:
        yield "next", _when(time)


def _id(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("id", metavar="ID")
    return parser


def _note(what: str, options: argparse.Namespace) -> str:
    return f"{what}{f' by {options.by}' if options.by else ''}: {options.reason}"


def _time(text: str) -> datetime:
    try:
        return at(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _when(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        _line("  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())


def _line(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
