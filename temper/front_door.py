"""The verbs of the command, in the order in which they are shown, and how it is called."""

import io
import os
import sys
import traceback
from collections.abc import Sequence

import typer

# Imported before the target's directory comes first on the path, where packages of these names may be others'.
import chaos  # noqa: F401
import loadtests  # noqa: F401
import reports  # noqa: F401
from temper import (
    comparing,
    demo,
    experiments,
    load,
    load_ui,
    quality,
    replay,
    reporting,
    scenarios,
    services,
    shrinking,
)
from temper.ending import FAILED, GOOD, INTERRUPTED, explain
from temper.load_options import EXAMPLE
from temper.terminal import screen

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Temper hardens Temporal applications: does it work, how much can it take, what does it lose when things "
    "break, may we ship?",
    epilog="Example: temper demo",
)
scenario_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="List scenarios, and run them as tests.",
    epilog="Example: temper scenario run pipeline",
)
chaos_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="List experiments, run them, do one again, and shrink one that failed.",
    epilog="Example: temper chaos run postgres-cut",
)
replay_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Record histories, and replay them with today's code.",
    epilog="Example: temper replay check",
)

load_app = typer.Typer(
    cls=load.Loads,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Put scenarios under load; `run` may be left out.",
    epilog=EXAMPLE,
)

app.command(epilog="Example: temper doctor")(services.doctor)
app.command(epilog="Example: temper init && $EDITOR temper.toml")(services.init)
app.command(epilog="Example: temper up --only postgres,redis --port postgres=5432")(services.up)
app.command(epilog="Example: temper demo")(demo.demo)
app.command(epilog="Example: temper quality types secrets")(quality.quality)
app.command(epilog="Example: temper report --open; of several runs: temper report RUN RUN -o report.html")(
    reporting.report
)
app.command(epilog="Example: temper gate --strict --json")(reporting.gate)
app.command(epilog="Example: temper compare load-20260101-120000-1a2b load-20260102-120000-3c4d --tolerate 5%")(
    comparing.compare
)
app.add_typer(load_app, name="load")
load_app.command("run", epilog=EXAMPLE)(load.run)
load_app.command("ui", epilog="Example: temper load ui orders=3 tasks --rate 10 --processes 2")(load_ui.ui)
load_app.command("capacity", epilog="Example: temper load capacity orders-place --p99 2")(load.capacity)
load_app.command("soak", epilog="Example: temper load soak orders tasks --rate 2 --duration 14400")(load.soak)
app.add_typer(scenario_app, name="scenario")
scenario_app.command("list", epilog="Example: temper scenario list")(scenarios.scenario_list)
scenario_app.command("run", epilog="Example: temper scenario run pipeline -n 3 --seed 7")(scenarios.scenario_run)
app.add_typer(chaos_app, name="chaos")
chaos_app.command("list", epilog="Example: temper chaos list")(experiments.chaos_list)
chaos_app.command("run", epilog="Example: temper chaos run postgres-cut --seed 7, or temper chaos run --short")(
    experiments.chaos_run
)
chaos_app.command("replay", epilog="Example: temper chaos replay chaos-20260101-120000-1a2b")(experiments.chaos_replay)
chaos_app.command("shrink", epilog="Example: temper chaos shrink chaos-20260101-120000-1a2b --runs 20")(
    shrinking.chaos_shrink
)
app.add_typer(replay_app, name="replay")
replay_app.command("record", epilog="Example: temper replay record orders tasks")(replay.replay_record)
replay_app.command("check", epilog="Example: temper replay check --seeds 0,1,7")(replay.replay_check)


def call(arguments: Sequence[str]) -> int:
    """Run the command; returns its exit code: 0 done and good, 1 ran and failed, 2 could not run."""
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    sys.argv[1:] = arguments
    try:
        app(arguments, prog_name="temper")
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else GOOD
    except KeyboardInterrupt:
        screen.close()
        screen.say("interrupted")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001  # the last resort: no traceback unless it is asked for
        screen.close()
        if debug:
            traceback.print_exc()
        return explain(error)
    return GOOD


def main() -> None:
    """Run the command and leave.

    The Temporal client can abort the interpreter while it exits, after having succeeded; so it does not get there.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a mark that the terminal cannot show must not cost the verdict
    code = call(sys.argv[1:])
    try:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
    except OSError:
        code = code or FAILED  # whoever was to read it did not get it
    os._exit(code)
