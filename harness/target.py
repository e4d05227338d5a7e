"""What a system says about itself: temper.toml, read and checked."""

import importlib
import math
import re
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from temporalio.client import Client

from harness.checking.invariants import OwnInvariant
from harness.errors import CannotRun, UnknownName
from harness.journal.tables import JournalSection
from harness.own_faults import OwnFault
from harness.quality.section import QualitySection
from harness.records.calls import Call
from harness.records.effects import Effect
from harness.records.measurements import Measurement
from harness.replay.semantic import SemanticReplayer
from harness.scenario import Scenario, Stores
from harness.services.command import FIELDS, SURROUNDINGS, CommandSpec
from harness.stack import KINDS
from harness.templates import placeholders

Connect = Callable[[Mapping[str, str]], Awaitable[Client]]
"""The environment of temper.toml, filled in as for a worker → a client with the target's own converter, codec, TLS."""
ReadEffects = Callable[[Stores, str], Awaitable[Sequence[Effect]]]
"""(stores, prefix of the run's workflow ids) → every effect of the run, from the target's ledger."""
ReadCalls = Callable[[Stores, str], Awaitable[Sequence[Call]]]
"""(stores, prefix of the run's workflow ids) → what the outside world counted of the run's calls."""
Measure = Callable[..., Awaitable[Sequence[Measurement]]]
"""(testbed) → figures that only the target knows how to take."""

Replay = Callable[[], Mapping[str, Any]]
"""() → the options of a Replayer."""

PROCESS_NAME = re.compile(r"[a-z][a-z0-9-]*")
NOT_FOR_PROCESSES = ("client", "migrate", "python", "target", "workspace")
"""Other things of a run, by which its logs, links and placeholders are named, and whatever begins with "worker"."""
TAKEN = ", ".join([*NOT_FOR_PROCESSES, "worker…"])

STARTER = Path(__file__).with_name("starter.toml")
"""What `temper init` writes."""
STARTER_SCENARIOS = Path(__file__).with_name("starter_scenarios.py")
"""What it writes beside it, as `my_scenarios.py`."""


class BadTarget(CannotRun):
    """temper.toml is missing or wrong; the message says where."""


class WorkerSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[worker]: how a worker is started, in any language."""

    command: list[str]
    ready: str = ""
    """URL that answers 200 once the worker polls. Without one, a worker that has lived for a second counts as ready."""
    metrics: str = ""
    """URL where Prometheus finds its metrics; without one, what needs them is unknown."""
    drain_signal: str = "SIGTERM"
    drain_seconds: float = 15.0
    fault_points: list[str] | None = None
    """The command where an experiment has fault points: the same worker, composed with
    `harness.faultpoints.interceptors()`. Without one, `command` is taken to be composed so itself."""


class ProcessSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[processes.NAME]: a process of the target's own beside its workers: a fake of the outside world, an API server.

    It listens at "{NAME.address}", and the environment of the workers can name that, or "{NAME.url}". It can itself
    name the services' addresses, "{python}", "{workspace}" and "{target.directory}".
    """

    command: list[str]
    ready: str = ""
    """URL that answers 200 once it is ready. Without one, it is ready when it listens at its address."""
    environment: dict[str, str] = {}
    """Handed to it; it gets nothing of [environment]."""


class BaselineSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[baseline]: the same workflows on a worker with nothing but the SDK, to measure the platform's overhead."""

    command: list[str]


class MeasureSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[measure]: what `temper demo` measures beside the experiment."""

    scenario: str | None = None
    """Its iteration ends a worker's start-up, and is timed for the workflow overhead."""
    spawns: int = 30
    pairs: int = 40
    own: str | None = None
    """Import path of a Measure of the target's own."""


class DemoSection(Struct, frozen=True, forbid_unknown_fields=True):
    """[demo]: the main job and the experiment of `temper demo`."""

    job: str
    experiment: str


class TargetFile(Struct, frozen=True, forbid_unknown_fields=True):
    """temper.toml as it stands."""

    name: str
    task_queue: str
    services: list[str]
    scenarios: str
    """Import path "module:NAME" of a sequence of Scenario."""
    worker: WorkerSection
    namespace: str = "default"
    ui: str = ""
    """Where an external Temporal has its web UI, for links in reports; that of one which is started is known."""
    environment: dict[str, str] = {}
    """Handed to workers, to `migrate` and to the client; "{postgres.url}" and its like are filled in."""
    processes: dict[str, ProcessSection] = {}
    client: str | None = None
    effects: str | None = None
    calls: str | None = None
    """Import path of a ReadCalls."""
    faults: str | None = None
    """Import path of its own faults: names as experiments write them → types of OwnFault."""
    invariants: str | None = None
    """Import path of a sequence of functions from Records to a Judgement, or None, of the target's own."""
    replay: str | None = None
    """Import path of a function () -> what `temporalio.worker.Replayer` takes: workflows, plugins, …."""
    build: list[str] | None = None
    """Runs before anything is started: what compiles a worker that is to be compiled."""
    journal: JournalSection | None = None
    migrate: list[str] | None = None
    prepare: list[str] = []
    """Scenarios that run once on a fresh stack, before any other: reference data and the like."""
    baseline: BaselineSection | None = None
    objectives: str | None = None
    """The file with the objectives that its runs are held to, beside temper.toml; Temper's own where there is none."""
    measure: MeasureSection = MeasureSection()
    demo: DemoSection | None = None
    quality: QualitySection = QualitySection()

    @classmethod
    def read(cls, path: Path) -> "TargetFile":
        """Read a temper.toml, and import nothing. Raises BadTarget."""
        try:
            return msgspec.toml.decode(path.read_bytes(), type=cls)
        except FileNotFoundError as error:
            message = f"{path} does not exist. Make one with `temper init`, or name one with --target PATH"
            raise BadTarget(message) from error
        except (OSError, msgspec.DecodeError, ValueError) as error:
            message = f"{path}: {error}"
            raise BadTarget(message) from error

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise ValueError(problem)

    def _problems(self) -> Iterator[str]:
        for key in ("name", "task_queue", "namespace"):
            if not getattr(self, key).strip():
                yield f"{key} is empty"
        yield from _service_problems(self.services)
        yield from _worker_problems(self.worker)
        for key, command in (("build", self.build), ("migrate", self.migrate)):
            if command == []:
                yield f"{key} is empty; give it as a list, or leave it out"
        if self.measure.spawns < 1 or self.measure.pairs < 1:
            yield "measure.spawns and measure.pairs count from 1"
        yield from _environment_problems("environment", self.environment)
        if self.journal is not None:
            yield from _journal_problems(self.journal, self.services)
            if self.journal.ledger is not None and self.effects is None:
                yield "journal.ledger names the ledger's table, and nothing reads it: add effects, or leave it out"
        for name, process in self.processes.items():
            yield from _process_problems(name, process, self.services)


def _service_problems(services: Sequence[str]) -> Iterator[str]:
    usable = sorted(set(KINDS) - {"toxiproxy"})
    for service in services:
        if service not in usable:
            yield f"services has {service!r}; it may have {', '.join(usable)}"
    if len(set(services)) < len(services):
        yield "services names one twice"
    if "temporal" not in services:
        yield "services lacks temporal, which every target needs"


def _worker_problems(worker: WorkerSection) -> Iterator[str]:
    if not worker.command:
        yield "worker.command is empty; give it as a list of words"
    if worker.fault_points == []:
        yield "worker.fault_points is empty; give it as a list of words, or leave it out"
    if worker.drain_signal not in signal.Signals.__members__:
        yield f"worker.drain_signal is {worker.drain_signal!r}; SIGTERM and SIGINT are signals"
    if not 0 <= worker.drain_seconds < math.inf:
        yield f"worker.drain_seconds is {worker.drain_seconds}; it counts from 0"


def _process_problems(name: str, process: ProcessSection, services: Sequence[str]) -> Iterator[str]:
    key = f"processes.{name}"
    if name in KINDS:
        yield f"{key} has the name of a service; call it something else"
    if not PROCESS_NAME.fullmatch(name) or name in NOT_FOR_PROCESSES or name.startswith("worker"):
        yield f"{key} cannot be called that; a name has lower-case letters, digits and hyphens, and {TAKEN} are taken"
    if not process.command:
        yield f"{key}.command is empty; give it as a list of words"
    yield from _environment_problems(f"{key}.environment", process.environment)
    own = {f"{name}.{field}" for field in FIELDS}
    known = own | set(SURROUNDINGS) | {f"{each}.{field}" for each in services for field in FIELDS}
    known |= {"temporal.namespace", "temporal.ui", "temporal.metrics"}
    for place, templates, usable in (
        ("command", process.command, known),
        ("environment", process.environment.values(), known),
        ("ready", [process.ready], own),
    ):
        for placeholder in (each for template in templates for each in placeholders(template)):
            if placeholder not in usable:
                names = ", ".join(f"{{{each}}}" for each in sorted(usable))
                yield f"{key}.{place} has {{{placeholder}}}; it may have {names}"


def _journal_problems(journal: JournalSection, services: Sequence[str]) -> Iterator[str]:
    if "postgres" not in services:
        yield "journal is PostgreSQL's, and services lacks postgres"
    if not journal.tables:
        yield "journal maps no table; name those that hold effects as journal.tables.NAME"
    for name, table in journal.tables.items():
        if not table.workflow:
            yield f"journal.tables.{name}.workflow is empty; it names the column with the workflow's id"
        if table.step and table.step_column:
            yield f"journal.tables.{name} has both step and step_column: leave one out"


def _environment_problems(key: str, environment: Mapping[str, str]) -> Iterator[str]:
    for name, value in environment.items():
        if not name or "=" in name or "\0" in name + value:
            yield f"{key} has {name!r}, which cannot be handed over"


class Target:
    """The system under test, as a value: everything loadtests and chaos know of it."""

    def __init__(self, path: Path, file: TargetFile) -> None:
        self.path = path
        self.file = file
        self.scenarios: Mapping[str, Scenario[Any]] = self._named(self._load(file.scenarios, "scenarios"))
        self.connect: Connect | None = self._load(file.client, "client") if file.client else None
        """Makes its client; None where the bare SDK's will do."""
        self.read_effects: ReadEffects | None = self._load(file.effects, "effects") if file.effects else None
        self.read_calls: ReadCalls | None = self._load(file.calls, "calls") if file.calls else None
        self.faults: Mapping[str, type[OwnFault]] = self._load(file.faults, "faults") if file.faults else {}
        self.invariants: Sequence[OwnInvariant] = self._load(file.invariants, "invariants") if file.invariants else ()
        self.measure: Measure | None = self._load(file.measure.own, "measure.own") if file.measure.own else None
        self._replay: Replay | None = self._load(file.replay, "replay") if file.replay else None
        for key, function in (
            ("client", self.connect), ("effects", self.read_effects), ("calls", self.read_calls),
            ("measure.own", self.measure), ("replay", self._replay),
        ):  # fmt: skip
            if function is not None and not callable(function):
                raise BadTarget(f"{path}: {key} names {function!r}, which is no function")
        if not isinstance(self.faults, Mapping) or not all(isinstance(kind, type) for kind in self.faults.values()):
            raise BadTarget(f"{path}: faults names {self.faults!r}, which does not map names to types of fault")
        used = [*file.prepare, file.measure.scenario, file.demo.job if file.demo else None]
        for name in used:
            if name is not None:
                self.scenario(name)

    @classmethod
    def read(cls, path: Path) -> "Target":
        """Read and check a temper.toml, and import what it names. Raises BadTarget."""
        return cls(path.resolve(), TargetFile.read(path))

    @property
    def replays(self) -> bool:
        """Whether it says how its workflows are replayed."""
        return self._replay is not None

    def replayer(self) -> SemanticReplayer:
        """What replays its workflows with today's code. Raises BadTarget where it does not say how."""
        if self._replay is None:
            raise BadTarget(f'{self.path} does not say how its workflows are replayed. Add: replay = "module:NAME"')
        return SemanticReplayer(**self._replay())

    @property
    def directory(self) -> Path:
        """Where the target's commands run: beside its temper.toml."""
        return self.path.parent

    @property
    def processes(self) -> dict[str, CommandSpec]:
        """The processes of its own that run beside its workers."""
        return {
            name: CommandSpec(
                command=section.command,
                ready=section.ready,
                environment=section.environment,
                directory=self.directory,
            )
            for name, section in self.file.processes.items()
        }

    def scenario(self, name: str) -> Scenario[Any]:
        """The scenario of this name. Raises UnknownName."""
        found = self.scenarios.get(name)
        if found is None:
            raise UnknownName("scenario", name, self.scenarios)
        return found

    def choose(self, names: Sequence[str]) -> list[Scenario[Any]]:
        """The scenarios with these names, or in the domains of these names. Raises UnknownName."""
        chosen: dict[str, Scenario[Any]] = {}
        for name in names:
            found = [scenario for scenario in self.scenarios.values() if name in {scenario.name, scenario.domain}]
            if not found:
                domains = {scenario.domain for scenario in self.scenarios.values()}
                raise UnknownName("scenario or domain", name, {*self.scenarios, *domains})
            chosen |= {scenario.name: scenario for scenario in found}
        return list(chosen.values())

    def _named(self, scenarios: Iterable[Scenario[Any]]) -> dict[str, Scenario[Any]]:
        named: dict[str, Scenario[Any]] = {}
        if not isinstance(scenarios, Iterable):
            raise BadTarget(f"{self.path}: scenarios names {scenarios!r}, which is no sequence of scenarios")
        for scenario in scenarios:
            if not isinstance(scenario, Scenario):
                raise BadTarget(f"{self.path}: scenarios holds {scenario!r}, which is no Scenario")
            for attribute in ("name", "proves"):
                if not isinstance(getattr(scenario, attribute, None), str):
                    which = type(scenario).__name__
                    message = f"{self.path}: the scenario {which} has no {attribute}; give it a string"
                    raise BadTarget(message)
            if scenario.name in named:
                message = f"{self.path}: two scenarios are called {scenario.name!r}"
                raise BadTarget(message)
            if "." in scenario.name:
                message = f"{self.path}: the scenario {scenario.name!r} has a dot in its name, which parts workflow ids"
                raise BadTarget(message)
            named[scenario.name] = scenario
        return named

    def _load(self, import_path: str, key: str) -> Any:
        module_name, _, attribute = import_path.partition(":")
        if str(self.directory) not in sys.path:
            sys.path.insert(0, str(self.directory))
        try:
            return getattr(importlib.import_module(module_name), attribute)
        except Exception as error:  # the module is the user's, and may raise anything
            message = f'{self.path}: {key} = "{import_path}" cannot be loaded: {error}. Expected "module:NAME"'
            raise BadTarget(message) from error
