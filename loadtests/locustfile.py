"""The locustfile: hosts a load in Locust, in one process or in a master and any number of workers.

Import it as a module in a locustfile of your own, to have its arguments and the hosting for users of your own.
"""

import atexit
import logging
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import gevent
import msgspec
import psutil
from gevent import GreenletExit
from gevent.event import Event
from locust import events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.rpc import Message
from locust.runners import MasterRunner, Runner, WorkerRunner
from locust.web import WebUI

from harness.errors import CannotRun
from harness.records.operations import Operation
from harness.target import Target
from loadtests import web
from loadtests.bridge import Bridge
from loadtests.generator import Generator
from loadtests.hosted import ANY_WISH, Loop, Plan, Share
from loadtests.leader import Leader
from loadtests.shapes import ALONE, ArrivalsShape, present_processes
from loadtests.standing import judge, plan_standing
from loadtests.tally import called, failure
from loadtests.users import DrivingUser, OpenLoopUser, TemporalUser

__all__ = ["ArrivalsShape", "OpenLoopUser", "TemporalUser"]

DRAIN_SECONDS = 0.1
"""Between two looks for calls to tell Locust of."""
HEAR_SECONDS = 1.0
"""Between two reports of a process to itself; to another they go as often as Locust's own."""
ASK_SECONDS = 1.0
CANNOT_RUN = 2
"""What Locust exits with where no load can be had as its command line says."""
CONNECT_SECONDS = 60.0
"""What the processes have to connect before the load begins without those that have not."""

ASK, PLAN, READY, SHARE, REPORT = "temper-ask", "temper-plan", "temper-ready", "temper-share", "temper"
"""Worker to master, master to worker, and so on in turns; the report is a part of Locust's own."""
NOTHING: dict[str, Any] = {"over": False, "lines": [], "records": []}

Told = TypeVar("Told", Plan, Share)
logger = logging.getLogger(__name__)


class CallFailed(Exception):
    """What Locust is told of a call that failed, or that nobody answered."""


def add_arguments(parser: LocustArgumentParser, **_: Any) -> None:
    """The load, for the command line and the form of the web UI; the rest is for the command line alone."""
    given = Plan.given()
    arguments: dict[str, dict[str, Any]] = {
        "mix": {"help": "Scenarios or domains, with weights: orders=3 tasks"},
        "rate": {"type": float, "help": "Iterations a second, of all together"},
        "duration": {"type": float, "help": "Seconds over which they are started"},
        "arrivals": {"help": "constant, poisson, ramp:from=5,to=50, step, sine, …"},
        "loop": {
            "choices": [each.value for each in Loop],
            "help": "open: at the times of the arrivals; closed: when a user has its answer",
        },
        "pace": {"type": float, "help": "Closed loop: seconds between a user's starts"},
        "warm_up": {"type": float, "help": "Seconds at the beginning that are left out of every figure of speed"},
        "tenants": {"help": "On whose behalf: so many tenants, or gold=3,free=1"},
        "in_flight": {"type": int, "help": "Iterations at once, beyond which arrivals are shed, and count as failed"},
        "lag_budget": {"type": float, "help": "Milliseconds a process may be late, at p99, before the run is void"},
    }
    for name, default in (given.wish if given else ANY_WISH).typed.items():
        parser.add_argument(f"--{name.replace('_', '-')}", default=default, **arguments[name])
    # What is in a group of its own is not in the form.
    standing = parser.add_argument_group("Temper, on services that stand already")
    standing.add_argument("--external", default="", help="Services beside Temporal: postgres=URL redis=URL")
    standing.add_argument("--rate-cap", type=float, help="The highest rate that what is at --host may get")
    standing.add_argument("--yes", action="store_true", help="What is at --host is mine to use")
    standing.add_argument("--seed", type=int, default=1, help="The same seed draws the same inputs and arrivals")


def host(environment: Environment, runner: Runner, web_ui: WebUI | None, **_: Any) -> None:
    """Take the part that this process has in the load: to lead it, to drive it, or both."""
    if isinstance(runner, WorkerRunner):
        _follow(environment, runner)
        return
    try:
        leading = Leading(environment, runner)
        if not isinstance(runner, MasterRunner):
            _drive(environment, leading.leader.plan)
    except (CannotRun, ValueError) as error:
        _refuse(error)
    if web_ui is not None:
        assert web_ui.app is not None
        assert environment.parsed_options is not None
        base = (environment.parsed_options.web_base_path or "").rstrip("/")
        guarded = web_ui.auth_required_if_enabled
        web.show(web_ui.app, web_ui.template_args, leading.leader, base=base, guarded=guarded)


def _refuse(error: Exception) -> NoReturn:
    """End Locust, which would show a listener's error with its traceback, and go on."""
    print(f"temper: {error}", file=sys.stderr)  # noqa: T201 - for whoever called locust
    for worker in psutil.Process().children():  # those of --processes: they would wait for a minute to hear of us
        worker.send_signal(signal.SIGINT)
    sys.exit(CANNOT_RUN)


class Leading:
    """The part of the master, or of the only process: plans, hands out the shares, notes the figures at the end."""

    def __init__(self, environment: Environment, runner: Runner) -> None:
        self._environment = environment
        self._runner = runner
        self._ready: set[str] = set()
        self._wrong: Exception | None = None
        self._given = Plan.given()
        plan = self._given or plan_standing(_target_path(), environment.host or "", environment.parsed_options)
        self.leader = ArrivalsShape.leader = Leader(plan, Target.read(Path(plan.target)))
        environment.stop_timeout = max(scenario.timeout for scenario in self.leader.target.scenarios.values())
        if isinstance(runner, MasterRunner):
            runner.register_message(ASK, lambda msg, **_: runner.send_message(PLAN, _plain(plan), msg.node_id))
            runner.register_message(READY, lambda msg, **_: self._ready.add(msg.node_id))
            environment.events.worker_report.add_listener(self._hear)
        environment.events.test_start.add_listener(self._begin)
        environment.events.test_stop.add_listener(self._end)
        environment.events.quitting.add_listener(self._leave)
        environment.events.quit.add_listener(self._tell)

    def _begin(self, **_: Any) -> None:
        """Begin the load; where that cannot be, end Locust, which would log why, and wait for its end for ever."""
        try:
            self._deal()
        except Exception as error:
            self._wrong = error
            self._environment.process_exit_code = CANNOT_RUN
            web_ui = self._environment.web_ui
            gevent.spawn(web_ui.stop if web_ui is not None else self._runner.quit)  # Locust lives as long as these do
            raise GreenletExit from error

    def _deal(self) -> None:
        shape = self._environment.shape_class
        told = self._environment.parsed_options
        wish = shape.wish if isinstance(shape, ArrivalsShape) else self.leader.plan.wish.told(told)
        if not isinstance(self._runner, MasterRunner):
            self.leader.begin(wish, [ALONE])
            DrivingUser.generator.take(self.leader.shares[ALONE])
            gevent.spawn(self._hear_itself)
            return
        self.leader.begin(wish, self._connected(self._runner))
        for name, share in self.leader.shares.items():
            self._runner.send_message(SHARE, _plain(share), name)

    def _connected(self, master: MasterRunner) -> list[str]:
        """The processes that are ready, once all are or the time is up; any other is sent away. Raises CannotRun."""
        with gevent.Timeout(CONNECT_SECONDS, exception=False):
            while not self._ready.issuperset(present_processes(master)):
                gevent.sleep(DRAIN_SECONDS)
        present = present_processes(master)
        for name in set(present) - self._ready:
            master.send_message("quit", client_id=name)
        if ready := [name for name in present if name in self._ready]:
            return ready
        raise CannotRun(f"No process was ready within {CONNECT_SECONDS:g} s.", remedy="Each says why: see its log.")

    def _hear(self, client_id: str, data: dict[str, Any], **_: Any) -> None:
        self.leader.hear(client_id, data[REPORT])

    def _hear_itself(self) -> None:
        while True:
            self.leader.hear(ALONE, DrivingUser.generator.report())
            gevent.sleep(HEAR_SECONDS)

    def _end(self, **_: Any) -> None:
        if not isinstance(self._runner, MasterRunner):
            self.leader.hear(ALONE, DrivingUser.generator.report())
        self.leader.end(
            {
                (line.method, line.name): (
                    line.get_response_time_percentile(0.5) / 1e3,
                    line.get_response_time_percentile(0.99) / 1e3,
                )
                for line in self._runner.stats.entries.values()
            }
        )

    def _leave(self, **_: Any) -> None:
        self._end()
        self.leader.run.close()
        if self._given is None and self.leader.share is not None:
            self._environment.process_exit_code = judge(self.leader.plan)

    def _tell(self, **_: Any) -> None:
        """Say why the load could not begin, below all that Locust says as it ends."""
        if self._wrong is not None:
            unexpected = not isinstance(self._wrong, CannotRun | ValueError)
            logger.critical("The load could not begin: %s", self._wrong, exc_info=self._wrong if unexpected else None)


def _follow(environment: Environment, runner: WorkerRunner) -> None:
    """Ask the master for the plan until it comes, connect, say so; then drive the share that it gives."""
    answered, connected = Event(), Event()

    def planned(msg: Message, **_: Any) -> None:
        if answered.is_set():
            return
        answered.set()
        try:
            _drive(environment, _typed(msg.data, Plan))
        except Exception:
            logger.exception("This process cannot take part in the load")
            runner.quit()
            return
        connected.set()
        runner.send_message(READY)

    def take(msg: Message, **_: Any) -> None:
        try:
            DrivingUser.generator.take(_typed(msg.data, Share))
        except Exception:
            logger.exception("This process cannot drive its share of the load")
            runner.quit()

    def ask() -> None:
        while not answered.wait(ASK_SECONDS):
            runner.send_message(ASK)

    def report(data: dict[str, Any], **_: Any) -> None:
        data[REPORT] = DrivingUser.generator.report() if connected.is_set() else NOTHING

    runner.register_message(PLAN, planned, concurrent=True)
    runner.register_message(SHARE, take)
    environment.events.report_to_master.add_listener(report)
    runner.send_message(ASK)
    gevent.spawn(ask)


def _drive(environment: Environment, plan: Plan) -> None:
    """Make this process able to drive: a bridge, and a generator that is connected."""

    def tell(loop: Loop, operation: Operation) -> None:
        seconds = (operation.acknowledged or operation.given_up or operation.sent) - operation.intended
        why = failure(operation, generator.target.scenario(operation.scenario).ends)
        environment.events.request.fire(
            request_type=loop.value,
            name=called(operation),
            response_time=seconds * 1e3,
            response_length=0,
            exception=CallFailed(why) if why else None,
            context={},
        )

    def drain() -> None:
        while True:
            generator.drain()
            gevent.sleep(DRAIN_SECONDS)

    path = Path(plan.target)
    generator = Generator(plan, Target.read(path if path.exists() else _target_path()), tell)
    bridge = Bridge()
    bridge.run(generator.connect())
    generator.warm_up(plan.wish)
    DrivingUser.generator, DrivingUser.bridge = generator, bridge
    gevent.spawn(drain)
    environment.events.quit.add_listener(partial(_leave, bridge))


def _leave(bridge: Bridge, exit_code: int, **_: Any) -> None:
    """End the process here: the Temporal client can abort an interpreter that exits, after all has gone well."""
    bridge.close()
    atexit._run_exitfuncs()  # noqa: SLF001  # Locust restores the terminal there
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(exit_code)


def _target_path() -> Path:
    return Path(os.environ.get("TEMPER_TARGET", "temper.toml"))


def _plain(told: Plan | Share) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(told)
    return plain


def _typed(plain: dict[str, Any], kind: type[Told]) -> Told:
    return msgspec.convert(plain, kind)


events.init_command_line_parser.add_listener(add_arguments)
events.init.add_listener(host)
