"""temper.toml is read and checked before anything is started; what is wrong in it is said."""

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import CannotRun, UnknownName
from harness.target import STARTER, BadTarget, Target

Describe = Callable[..., Path]

HEAD = """
name = "mine"
task_queue = "q"
services = ["temporal"]
"""
WORKER = """
[worker]
command = ["true"]
"""


def _process(text: str, name: str = "outside") -> str:
    """A description with this process of its own."""
    return f'{HEAD}scenarios = "s:S"{WORKER}[processes.{name}]\n{text}'


def _journal(tables: str, ledger: str = "") -> str:
    """A description with these tables in PostgreSQL's journal."""
    named = f'ledger = "{ledger}"\n' if ledger else ""
    services = HEAD.replace('["temporal"]', '["temporal", "postgres"]')
    return f'{services}scenarios = "s:S"{WORKER}[journal]\n{named}[journal.tables]\n{tables}'


@pytest.fixture
def described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Describe:
    """Writes a temper.toml, and beside it the module it names; returns the file's path."""
    monkeypatch.setattr("sys.path", [*__import__("sys").path])

    def write(module: str, toml: str, code: str = "SCENARIOS = []") -> Path:
        (tmp_path / f"{module}.py").write_text(code)
        path = tmp_path / "temper.toml"
        path.write_text(toml)
        return path

    return write


def test_the_systems_own_description_is_read(target: Target) -> None:
    """temper.toml of this repository names scenarios, a client, a ledger and measurements that all exist."""
    assert target.file.name == "system"
    assert "pipeline-slice" in target.scenarios
    assert target.read_effects is not None
    assert target.measure is not None
    assert target.connect is not None
    assert list(target.processes) == ["outside"]
    assert target.directory == Path(__file__).parent.parent.parent


def test_the_least_description_is_enough(described: Describe) -> None:
    """Name, queue, services, scenarios and the worker's command suffice; the rest has defaults."""
    target = Target.read(described("least", f'{HEAD}scenarios = "least:SCENARIOS"{WORKER}'))
    assert target.scenarios == {}
    assert target.read_effects is None
    assert target.measure is None
    assert target.connect is None
    assert target.processes == {}
    assert (target.file.namespace, target.file.worker.drain_signal) == ("default", "SIGTERM")


def test_a_process_of_its_own_is_described(described: Describe) -> None:
    """A process has a command that runs beside temper.toml, a page that says when it is ready, and an environment."""
    toml = f"""{HEAD}scenarios = "processes:SCENARIOS"{WORKER}
[processes.outside]
command = ["serve", "{{outside.port}}", "{{target.directory}}"]
ready = "{{outside.url}}/health"
environment = {{ TEMPORAL = "{{temporal.address}} {{temporal.ui}}" }}
"""
    path = described("processes", toml)
    (spec,) = Target.read(path).processes.values()
    assert (spec.command, spec.ready) == (["serve", "{outside.port}", "{target.directory}"], "{outside.url}/health")
    assert (spec.directory, list(spec.environment)) == (path.parent, ["TEMPORAL"])


def test_the_starter_is_valid_once_its_scenarios_exist(described: Describe) -> None:
    """What `temper init` writes needs nothing but the scenarios it names."""
    path = described("my_scenarios", STARTER.read_text())
    assert Target.read(path).file.name == "my-system"


def test_the_starters_example_of_a_process_is_valid(described: Describe) -> None:
    """The last section needs nothing but its comment marks taken away."""
    before, mark, example = STARTER.read_text().partition("# [processes.outside]")
    toml = before + "\n".join(line.removeprefix("# ") for line in (mark + example).splitlines())
    assert list(Target.read(described("my_scenarios", toml)).processes) == ["outside"]


def test_the_starters_example_of_tables_is_valid(described: Describe) -> None:
    """It needs nothing but its comment marks taken away."""
    lines = STARTER.read_text().splitlines()
    first = lines.index("# [journal.tables]")
    toml = "\n".join(
        [*lines[:first], *(line.removeprefix("# ") for line in lines[first : first + 2]), *lines[first + 2 :]]
    )
    journal = Target.read(described("my_scenarios", toml)).file.journal
    assert journal is not None
    assert journal.tables["reservations"].item == ["sku"]


def test_scenarios_are_chosen_by_name_or_by_domain(target: Target) -> None:
    """A name chooses one scenario, a domain all of its own; each is chosen once, in the order asked for."""
    names = [scenario.name for scenario in target.choose(["pipeline-few", "pipeline"])]
    assert names[0] == "pipeline-few"
    assert sorted(names) == sorted(name for name in target.scenarios if name.startswith("pipeline-"))


def test_an_unknown_scenario_is_told_with_the_known_ones(target: Target) -> None:
    """A name that is neither is refused, with the nearest that exists and all the others, domains too."""
    with pytest.raises(UnknownName, match="There is no scenario or domain 'pipeline-slise'") as caught:
        target.choose(["pipeline-slise"])
    said = str(caught.value)
    assert "Did you mean 'pipeline-slice'? Known: " in said
    assert " pipeline, " in said
    assert " pipeline-few, " in said
    with pytest.raises(UnknownName):
        target.scenario("pipeline")  # a domain is no scenario


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    """Without a temper.toml, the message names the path, and `temper init`."""
    with pytest.raises(BadTarget, match=r"nowhere/temper\.toml does not exist.*temper init.*--target"):
        Target.read(tmp_path / "nowhere" / "temper.toml")


def test_a_directory_is_no_description(tmp_path: Path) -> None:
    """A path that cannot be read as a file is refused with the reason."""
    with pytest.raises(BadTarget, match="directory"):
        Target.read(tmp_path)


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        (f'{HEAD}scenarios = "s:S"\ntask_que = "x"{WORKER}', "unknown field `task_que`"),
        (f'{HEAD}scenarios = "s:S"{WORKER}drain = 5', r"unknown field `drain` - at `\$\.worker`"),
        (f'scenarios = "s:S"{WORKER}', "missing required field `name`"),
        (
            f'{HEAD}scenarios = "s:S"{WORKER}drain_seconds = "two"',
            r"Expected `float`, got `str` - at `\$\.worker\.drain_seconds`",
        ),
        (f'{HEAD}scenarios = "s:S"{WORKER}drain_signal = "SIGFOO"', "worker.drain_signal is 'SIGFOO'"),
        (f'{HEAD}scenarios = "s:S"{WORKER}drain_seconds = -1', "worker.drain_seconds is -1"),
        (f'{HEAD}scenarios = "s:S"{WORKER}drain_seconds = nan', "worker.drain_seconds is nan"),
        (f'{HEAD}scenarios = "s:S"{WORKER}fault_points = []', "worker.fault_points is empty"),
        (f'{HEAD}faults = "math:pi"\nscenarios = "s:S"{WORKER}', "does not map names to types of fault"),
        (f'{HEAD}migrate = []\nscenarios = "s:S"{WORKER}', "migrate is empty"),
        (f'{HEAD.replace("temporal", "kafka")}scenarios = "s:S"{WORKER}', "services has 'kafka'; it may have postgres"),
        (f'{HEAD.replace("temporal", "redis")}scenarios = "s:S"{WORKER}', "services lacks temporal"),
        (f'{HEAD}scenarios = "s:S"{WORKER}[measure]\nspawns = 0', "measure.spawns"),
        (f'{HEAD}scenarios = "s:S"{WORKER}[environment]\n"A=B" = "c"', "environment has 'A=B'"),
        (_process('command = ["true"]', name="redis"), "processes.redis has the name of a service"),
        (_process('command = ["true"]', name="toxiproxy"), "processes.toxiproxy has the name of a service"),
        (
            _process('command = ["true"]', name="worker-1"),
            r"processes.worker-1 cannot be called that.*worker.* are taken",
        ),
        (_process('command = ["true"]', name="client"), "processes.client cannot be called that"),
        (_process('command = ["true"]', name='"a.b"'), "processes.a.b cannot be called that"),
        (_process("command = []"), "processes.outside.command is empty"),
        (_process('ready = ""'), r"missing required field `command` - at `\$\.processes\[...\]`"),
        (_process('command = ["true"]\nport = 1'), "unknown field `port`"),
        (_process('command = ["{postgres.url}"]'), r"processes.outside.command has \{postgres.url\}; it may have "),
        (
            _process('command = ["{worker.name}"]'),
            r"outside.command has \{worker.name\}; it may have .*\{outside.url\}",
        ),
        (
            _process('command = ["x"]\nready = "{temporal.ui}"'),
            r"outside.ready has \{temporal.ui\}; it may have \{outside",
        ),
        (_process('command = ["x"]\nenvironment = { A = "{no}" }'), r"outside.environment has \{no\}"),
        (_process('command = ["x"]\nenvironment = { "A=B" = "c" }'), "outside.environment has 'A=B'"),
        (f'{HEAD}scenarios = "s:S"{WORKER}[journal.tables]\na = {{ workflow = "w" }}', "services lacks postgres"),
        (_journal(""), "journal maps no table"),
        (_journal('a = { step = "s" }'), r"missing required field `workflow` - at `\$\.journal\.tables"),
        (_journal('a = { workflow = "" }'), "journal.tables.a.workflow is empty"),
        (_journal('a = { workflow = "w", step = "s", step_column = "c" }'), "journal.tables.a has both step and"),
        (_journal('a = { workflow = "w" }', ledger="effects"), "and nothing reads it: add effects"),
        (f'{HEAD}scenarios = "math:pi"{WORKER}', "which is no sequence of scenarios"),
        (f'{HEAD}scenarios = "sys:path"{WORKER}', "which is no Scenario"),
        (f'{HEAD}client = "math:pi"\nscenarios = "sys:argv"{WORKER}', "Scenario|no function"),
        ("name = ", "Invalid value"),
    ],
)
def test_what_is_wrong_in_the_file_is_said(described: Describe, toml: str, says: str) -> None:
    """A key that does not exist, a missing one, a wrong type or bad TOML is refused with its place."""
    path = described("s", toml, "S = []")
    with pytest.raises(BadTarget, match=says) as caught:
        Target.read(path)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(
    ("import_path", "code", "says"),
    [
        ("nosuchmodule:S", "", "No module named 'nosuchmodule'"),
        ("{module}:MISSING", "", "has no attribute 'MISSING'"),
        ("{module}", "", 'Expected "module:NAME"'),
        (":S", "", 'Expected "module:NAME"'),
        ("{module}:S", "S = [\n", "was never closed"),
        ("{module}:S", "S = 1 / 0", "division by zero"),
    ],
)
def test_scenarios_that_cannot_be_loaded_are_told(
    described: Describe, request: pytest.FixtureRequest, import_path: str, code: str, says: str
) -> None:
    """An import path that leads nowhere, or to a module that does not load, names the key, the path and the reason."""
    module = f"unloadable{abs(hash(request.node.name))}"
    named = import_path.format(module=module)
    path = described(module, f'{HEAD}scenarios = "{named}"{WORKER}', code)
    with pytest.raises(BadTarget) as caught:
        Target.read(path)
    message = str(caught.value)
    assert f'scenarios = "{named}" cannot be loaded' in message
    assert says in message


SCENARIO = """
from small_worker import Quiet

class One(Quiet):
    def __init__(self, name):
        self.name = name

SCENARIOS = [{}]
"""


@pytest.mark.parametrize("attribute", ["name", "proves"])
def test_a_scenario_says_what_it_is_called_and_what_it_proves(described: Describe, attribute: str) -> None:
    """One that lacks either is refused, by its class: it could not be listed, nor its workflows told apart."""
    code = f"from small_worker import Quiet\n\nclass Bare(Quiet):\n    {attribute} = None\n\nS = [Bare()]\n"
    with pytest.raises(BadTarget, match=f"the scenario Bare has no {attribute}; give it a string"):
        Target.read(described(f"without_{attribute}", f'{HEAD}scenarios = "without_{attribute}:S"{WORKER}', code))


def test_two_scenarios_of_one_name_are_refused(described: Describe) -> None:
    """A name that stands for two scenarios would hide one of them."""
    code = SCENARIO.format('One("a-b"), One("a-c"), One("a-b")')
    path = described("twice_named", f'{HEAD}scenarios = "twice_named:SCENARIOS"{WORKER}', code)
    with pytest.raises(BadTarget, match="two scenarios are called 'a-b'"):
        Target.read(path)


def test_a_name_with_a_dot_is_refused(described: Describe) -> None:
    """Dots part the names in a workflow id, so a scenario's name has none."""
    code = SCENARIO.format('One("a.b")')
    path = described("dotted", f'{HEAD}scenarios = "dotted:SCENARIOS"{WORKER}', code)
    with pytest.raises(BadTarget, match=r"'a\.b' .* dot"):
        Target.read(path)


def test_a_preparing_scenario_must_exist(described: Describe) -> None:
    """What is to run before all others is looked for when the file is read, not when it is too late."""
    toml = f'{HEAD}scenarios = "unprepared:SCENARIOS"\nprepare = ["none-such"]{WORKER}'
    with pytest.raises(CannotRun, match="There is no scenario 'none-such'"):
        Target.read(described("unprepared", toml))
