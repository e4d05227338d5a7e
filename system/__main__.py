"""The system's front door: ``python -m system worker | workers | migrate | load | …``."""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from system.errors import Error

if TYPE_CHECKING:
    from system.settings import Settings

DONE, FAILED, COULD_NOT_RUN = 0, 1, 2
EPILOG = """\
examples:
  python -m system migrate
  python -m system worker
  python -m system load flights.csv.zip --schema flights.toml

settings come from the environment: DATABASE_URL (required), TEMPORAL_ADDRESS,
TEMPORAL_NAMESPACE, TASK_QUEUE, REDIS_URL, CACHE_SECONDS, PAYMENT_URL, SHIPPING_URL,
HEALTH_ADDRESS, METRICS_ADDRESS, WORK_DIRECTORY, TASK_FILES, TASK_HOSTS,
DRAIN_SECONDS, POOL_MIN, POOL_MAX, SLOW_QUERY_SECONDS, PAYLOAD_LIMIT, MIN_ACTIVITIES,
MAX_ACTIVITIES, MEMORY_TARGET, CPU_TARGET, MAX_CACHED_WORKFLOWS, DEPLOYMENT, BUILD_ID,
VERSIONING, POLARS_THREADS, PAYLOAD_CODEC

exit status: 0 done, 1 ran and failed, 2 could not run
"""


# Imported only when it is the one asked for: a worker's start-up is not to pay for what it does not use.
GROUPS = {
    "order": ("system.orders.command", "place orders, and see, cancel or approve them"),
    "tasks": ("system.tasks.command", "submit batches of tasks, see how they go, cancel them"),
    "control": ("system.control.command", "pause, resume, cancel, reset or signal one workflow or many"),
    "schedules": ("system.scheduling.command", "declare schedules, and pause, trigger or backfill them"),
    "dead-letters": ("system.dead_letters.command", "see what failed for good, redrive or discard it"),
    "version": ("system.versions", "say which build new workflows start on"),
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser(arguments[0] if arguments else "").parse_args(arguments)
    try:
        return int(options.run(options))
    except Error as error:
        if options.debug:
            raise
        _say(sys.stderr, f"error: {error}")
        return COULD_NOT_RUN
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if options.debug:
            raise
        _say(sys.stderr, f"error: {type(error).__name__}: {' '.join(str(error).split())}\n--debug shows where")
        return COULD_NOT_RUN if _is_of_a_service(error) else FAILED


def _is_of_a_service(error: Exception) -> bool:
    """Whether a service or the input said no, and not a defect of ours."""
    return isinstance(error, OSError) or type(error).__module__.partition(".")[0] in ("asyncpg", "temporalio")


def _worker(options: argparse.Namespace) -> int:
    import asyncio
    import gc
    import logging

    gc.disable()  # what is imported stays: collecting meanwhile finds nothing, and costs a tenth of the start-up
    from system.settings import Settings
    from system.worker import run_worker

    gc.freeze()
    gc.enable()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(run_worker(Settings.from_environment(), status_pipe=options.status))
    return DONE


def _workers(options: argparse.Namespace) -> int:
    from system.fleet import command
    from system.settings import Settings

    return command.run(Settings.from_environment(), least=options.min, most=options.max)


def _migrate(options: argparse.Namespace) -> int:
    import asyncio

    from system.settings import Settings
    from system.storage.migrations import downgrade, upgrade

    settings = Settings.from_environment()
    if options.down is not None:
        downgrade(settings.database_url, options.down)
    else:
        upgrade(settings.database_url)
        if not options.database_only:
            asyncio.run(_register(settings))
    _say(sys.stdout, f"migrated to {options.down or 'head'}")
    return DONE


async def _register(settings: Settings) -> None:
    from system.connection import connect
    from system.search_attributes import register

    await register(await connect(settings))


def _load(options: argparse.Namespace) -> int:
    from system.pipeline import command
    from system.settings import Settings

    return command.load(
        Settings.from_environment(),
        sources=options.files,
        schema_path=options.schema,
        again=options.again,
        workflow_id=options.id,
        chunk_bytes=options.chunk_bytes,
        concurrency=options.concurrency,
    )


def _parser(chosen: str) -> argparse.ArgumentParser:
    debug = argparse.ArgumentParser(add_help=False)
    debug.add_argument("--debug", action="store_true", help="show a traceback with an error")
    parser = argparse.ArgumentParser(
        prog="python -m system",
        description="A workflow system on Temporal and PostgreSQL.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    worker = commands.add_parser(
        "worker",
        parents=[debug],
        help="run a worker until SIGTERM or Ctrl-C",
        epilog="example: HEALTH_ADDRESS=127.0.0.1:8080 python -m system worker",
    )
    worker.add_argument("--status", type=int, help=argparse.SUPPRESS)  # the pipe of the fleet that started it
    worker.set_defaults(run=_worker)

    workers = commands.add_parser(
        "workers",
        parents=[debug],
        help="run as many workers as the backlog asks for, until SIGTERM or Ctrl-C",
        epilog="example: python -m system workers --min 1 --max 4",
    )
    workers.add_argument("--min", type=_count, default=1, metavar="N", help="the least (default: 1)")
    workers.add_argument("--max", type=_count, default=4, metavar="N", help="the most (default: 4)")
    workers.set_defaults(run=_workers)

    migrate = commands.add_parser(
        "migrate",
        parents=[debug],
        help="bring the database to the newest revision, and tell Temporal the search attributes",
        epilog="example: python -m system migrate --down base",
    )
    migrate.add_argument("--down", metavar="REV", help="take back every revision after REV; base takes back all")
    migrate.add_argument("--database-only", action="store_true", help="leave Temporal alone")
    migrate.set_defaults(run=_migrate)

    load = commands.add_parser(
        "load",
        parents=[debug],
        help="load CSV or JSON lines files (plain, gzip or zip) through the pipeline",
        epilog="example: python -m system load january.csv.zip february.csv.gz --schema flights.toml --id flights-2013",
    )
    load.add_argument("files", type=Path, nargs="+", metavar="FILE", help="a file, or a directory of files")
    load.add_argument("--schema", type=Path, required=True, metavar="SCHEMA.toml")
    load.add_argument("--again", action="store_true", help="load files that the dataset holds already as well")
    load.add_argument("--id", help="workflow id; the same id loads only once (default: dataset and a random part)")
    load.add_argument("--chunk-bytes", type=_count, metavar="N", help="size of a chunk (default: 4 MiB)")
    load.add_argument("--concurrency", type=_count, metavar="N", help="chunks in flight (default: 4)")
    load.set_defaults(run=_load)

    for name, (module, help_) in GROUPS.items():
        group = commands.add_parser(name, help=help_)
        if name == chosen:
            import_module(module).add(group, debug)
    return parser


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number, one or more")
    return int(text)


def _say(stream: TextIO, text: str) -> None:
    stream.write(f"{text}\n")
    stream.flush()


if __name__ == "__main__":
    status = 1
    try:
        status = main()
    except SystemExit as exit_:
        status = exit_.code if isinstance(exit_.code, int) else FAILED
    except BaseException:  # noqa: BLE001 shown here, because nothing after this shows it
        import traceback

        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    # The interpreter's own exit aborts now and then once the Temporal client was used.
    os._exit(status)
