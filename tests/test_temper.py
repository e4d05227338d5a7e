"""The command, as people run it: a process with arguments, an exit code and what it says."""

import json
import signal
import socket
import sys
from contextlib import closing
from pathlib import Path

import pytest
from commands import ROOT, SYSTEM, Ended, Here, below, spawn, temper, until

from harness.eventually import eventually
from harness.records.run import Recorded, latest
from harness.records.samples import MEMORY_PEAK, Sample
from reports.metrics import metrics

VERBS = [
    (),
    ("doctor",),
    ("init",),
    ("up",),
    ("demo",),
    ("scenario",),
    ("scenario", "list"),
    ("scenario", "run"),
    ("load",),
    ("load", "run"),
    ("load", "ui"),
    ("load", "capacity"),
    ("load", "soak"),
    ("chaos",),
    ("chaos", "list"),
    ("chaos", "run"),
    ("chaos", "replay"),
    ("chaos", "shrink"),
    ("replay",),
    ("replay", "record"),
    ("replay", "check"),
    ("quality",),
    ("report",),
    ("gate",),
    ("compare",),
]


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_verb_has_help_with_an_example(here: Here, verb: tuple[str, ...]) -> None:
    """--help says in a sentence what the verb does, and ends with an example."""
    ended = here(*verb, "--help")
    assert ended.code == 0, ended.err
    assert f"Usage: temper {' '.join(verb)}".strip() in ended.out
    assert "Example: temper" in ended.out


def test_without_a_verb_the_help_is_shown(here: Here) -> None:
    """The bare command shows what there is, and counts as wrong use."""
    ended = here()
    assert ended.code == 2
    assert "scenario" in ended.out + ended.err


WRONG = {
    "unknown verb": (("lode",), "No such command 'lode'"),
    "unknown scenario": (("scenario", "run", "pipeline-slise", *SYSTEM), "Did you mean 'pipeline-slice'?"),
    "no scenario": (("scenario", "run", *SYSTEM), "No scenario was named"),
    "unknown experiment": (("chaos", "run", "postgres-cat", *SYSTEM), "Did you mean 'postgres-cut'?"),
    "missing experiment file": (("chaos", "run", "mine.toml", *SYSTEM), "No such file"),
    "missing temper.toml": (("scenario", "list"), "temper.toml does not exist. Make one with `temper init`"),
    "a directory for temper.toml": (("demo", "--target", "."), "Is a directory"),
    "no such run to do again": (("chaos", "replay", "nowhere"), "results/nowhere is not a run"),
    "no such run to shrink": (("chaos", "shrink", "nowhere"), "results/nowhere is not a run"),
    "shrinking in no run": (("chaos", "shrink", "nowhere", "--runs", "0"), "Invalid value for '--runs'"),
    "no such run": (("gate", "nowhere"), "results/nowhere is not a run"),
    "no run yet": (("report",), "results holds no run yet"),
    "a report into a directory": (("report", "-o", "."), "The report cannot be written to .: it is a directory"),
    "a report into no directory": (("report", "-o", "a/b.html"), "it is in a, which is no directory"),
    "one run to compare": (("compare", "nowhere"), "Name the run before it first"),
    "no such runs to compare": (("compare", "nowhere", "elsewhere"), "results/nowhere is not a run"),
    "a margin that is none": (("compare", "nowhere", "elsewhere", "--tolerate", "much"), "'much' is no share"),
    "port that is none": (("up", "--only", "redis", "--port", "redis=99999"), "'99999' is no port for redis"),
    "port without a service": (("up", "--only", "redis", "--port", "6379"), "'6379' is no pair"),
    "port of an unknown service": (("up", "--only", "redis", "--port", "redas=6379"), "Did you mean 'redis'?"),
    "unknown service": (("up", "--only", "postgre"), "Did you mean 'postgres'?"),
    "unknown provider": (("up", "--only", "redis", "--provider", "contaner"), "Did you mean 'container'?"),
    "provider of an unknown service": (("up", "--provider", "redas=container"), "Did you mean 'redis'?"),
    "address that refuses": (("up", "--only", "redis", "--external", "redis=127.0.0.1:1"), "redis at 127.0.0.1:1"),
    "a scenario on an external service without leave": (
        ("scenario", "run", "pipeline-few", "--external", "redis=127.0.0.1:1", *SYSTEM),
        "Nobody said yes to using an external service",
    ),
    "iterations below one": (("scenario", "run", "pipeline-few", "-n", "0", *SYSTEM), "Invalid value for '-n'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_use_is_told_and_exits_with_2(here: Here, case: str, tmp_path: Path) -> None:
    """What the user got wrong is said, with what to do about it and no traceback; nothing has been run."""
    arguments, says = WRONG[case]
    ended = here(*arguments)
    assert ended.code == 2, ended
    assert says in ended.err
    assert "Traceback" not in ended.err
    assert not list(tmp_path.glob("results/*/run.json"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("task_queue", "task_que"), "unknown field `task_que`"),
        (('"temporal"', '"temporel"'), "services has 'temporel'"),
        (("small_target:SCENARIOS", "small_target:SCENES"), "has no attribute 'SCENES'"),
        (("small_target:SCENARIOS", "no_such_module:S"), "No module named 'no_such_module'"),
        (('"small"', "small"), "temper.toml"),
    ],
)
@pytest.mark.usefixtures("small")
def test_a_wrong_temper_toml_is_told(here: Here, tmp_path: Path, change: tuple[str, str], says: str) -> None:
    """A key, a service or an import path that does not exist is said, and exits with 2."""
    path = tmp_path / "temper.toml"
    path.write_text(path.read_text().replace(*change))
    ended = here("scenario", "run", "small-echo")
    assert ended.code == 2, ended
    assert says in ended.err
    assert "Traceback" not in ended.err


async def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    """A port that somebody listens on is named, with how to see who, and exits with 2."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = await temper("up", "--only", "redis", "--port", f"redis={port}", directory=tmp_path)
    assert ended.code == 2, ended
    assert f"redis cannot listen on 127.0.0.1:{port}: the port is in use" in ended.err
    assert "Traceback" not in ended.err


def test_debug_shows_the_traceback(here: Here) -> None:
    """With --debug, wherever it stands, an error comes with its traceback."""
    ended = here("scenario", "list", "--debug")
    assert ended.code == 2
    assert "Traceback" in ended.err
    assert "does not exist" in ended.err


async def test_the_process_exits_with_2_too(tmp_path: Path) -> None:
    """What is refused is refused by the process itself, with the same words."""
    ended = await temper("scenario", "run", "pipeline-slise", *SYSTEM, directory=tmp_path)
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.startswith("temper: There is no scenario or domain 'pipeline-slise'.\nDid you mean")


def test_init_writes_a_description_once(here: Here, tmp_path: Path) -> None:
    """The file it writes tells what every key is for; it never overwrites one."""
    first = here("init")
    assert first.code == 0, first.err
    assert "wrote temper.toml" in first.out
    assert "task_queue" in (tmp_path / "temper.toml").read_text()
    (tmp_path / "temper.toml").write_text("mine")
    second = here("init")
    assert second.code == 2
    assert "temper.toml exists already" in second.err
    assert (tmp_path / "temper.toml").read_text() == "mine"
    assert "First(Scenario" in (tmp_path / "my_scenarios.py").read_text()
    nowhere = here("init", "no/such/place.toml")
    assert nowhere.code == 2
    assert "cannot be written" in nowhere.err


def test_what_init_writes_has_a_scenario(here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scenario is listed before anything is filled in; one that is there already is left as it is."""
    monkeypatch.delitem(sys.modules, "my_scenarios", raising=False)
    assert "wrote temper.toml and my_scenarios.py" in here("init").out
    listed = here("scenario", "list")
    assert (listed.code, listed.out.split()[0]) == (0, "mine-first")
    (tmp_path / "my_scenarios.py").write_text("mine")
    again = here("init", "again.toml")
    assert "wrote again.toml. " in again.out
    assert again.out.endswith("temper scenario list --target again.toml\n")
    assert (tmp_path / "my_scenarios.py").read_text() == "mine"


def test_doctor_says_what_is_there(here: Here) -> None:
    """Every service of the embedded provider is listed with its version; where all are there it exits with 0."""
    ended = here("doctor")
    assert ended.code == 0, ended
    for service in ("temporal", "postgres", "redis", "toxiproxy"):
        assert service in ended.out.lower()


def test_scenarios_and_experiments_are_listed(here: Here) -> None:
    """Each is a name with what it proves, or what a correct system does."""
    scenarios = here("scenario", "list", *SYSTEM)
    assert scenarios.code == 0, scenarios.err
    assert "pipeline-slice" in scenarios.out
    assert "each row once" in scenarios.out
    experiments = here("chaos", "list")
    assert experiments.code == 0, experiments.err
    assert "postgres-cut (short lane)\n    One of two workers loses PostgreSQL" in experiments.out
    assert "Expected: " in experiments.out


async def test_a_scenario_is_run_reported_and_put_to_the_gate(system: tuple[str, ...], tmp_path: Path) -> None:
    """A good run exits with 0 and leaves a report; the gate and the report can be had again by the run's name."""
    ended = await temper(
        "scenario", "run", "pipeline-few", "-n", "2", "--seed", "7", "--yes", *system, directory=tmp_path
    )
    assert ended.code == 0, ended
    assert "seed 7" in ended.err
    assert "pipeline-few 2/2" in ended.err
    (run,) = (tmp_path / "results").iterdir()
    assert f"report: results/{run.name}/report.html" in ended.out
    assert (run / "report.html").stat().st_size > 1_000
    info = json.loads((run / "run.json").read_text())
    assert (info["seed"], info["kind"], info["ended"] is not None) == (7, "scenario", True)
    assert info["command"].startswith("temper scenario run pipeline-few -n 2 --seed 7")
    gate = await temper("gate", run.name, "--json", directory=tmp_path)
    assert gate.code == 0, gate
    assert run.name in json.dumps(json.loads(gate.out))
    strict = await temper("gate", "--strict", directory=tmp_path)
    assert strict.code == 0, "of the newest run, everything was measured and holds"
    assert "May we ship? Yes" in strict.out
    (run / "report.html").unlink()
    report = await temper("report", directory=tmp_path)
    assert report.code == 0, report
    assert report.out.strip().endswith("report.html")
    assert (run / "report.html").exists()
    together = await temper("report", run.name, str(run), "-o", "both.html", directory=tmp_path)
    assert (together.code, together.out.strip()) == (0, "both.html")
    assert "2 runs together" in (tmp_path / "both.html").read_text()


DIGEST = ROOT / "tests/data/histories/dead_letters.Digest/completed-activity-b4c75e.json"


def replay(here: Here, folder: Path, *more: str) -> Ended:
    return here("replay", "check", "--histories", str(folder), "--seeds", "0", *SYSTEM, *more)


def test_histories_are_replayed_and_told_apart(here: Here, tmp_path: Path) -> None:
    """What is the same is counted, and exits with 0; what is commanded otherwise now is shown, and exits with 1."""
    folder = tmp_path / "histories" / "dead_letters.Digest"
    folder.mkdir(parents=True)
    history = DIGEST.read_text()
    (folder / "completed-activity.json").write_text(history)
    same = replay(here, folder.parent)
    assert (same.code, same.err) == (0, "")
    assert "2 replays: 2 the same, 0 not" in same.out
    assert '"startToCloseTimeout": "30s"' in history
    edited = history.replace('"startToCloseTimeout": "30s"', '"startToCloseTimeout": "31s"')
    (folder / "completed-activity.json").write_text(edited)
    differs = replay(here, folder.parent)
    assert differs.code == 1
    assert "2 replays: 0 the same, 2 not" in differs.out
    assert "start_to_close" in differs.out
    assert "then 31.0" in " ".join(differs.out.split())


def test_histories_that_are_not_there_are_no_success(here: Here, tmp_path: Path) -> None:
    """A missing folder, an empty one, and seeds that are no numbers cannot be checked: exit 2."""
    (tmp_path / "empty").mkdir()
    for found, says in (
        (replay(here, tmp_path / "none"), "none"),
        (replay(here, tmp_path / "empty"), "empty"),
        (replay(here, tmp_path / "empty", "--seeds", "one"), "expected numbers with commas"),
    ):
        assert found.code == 2
        assert says in found.err


async def test_a_scenario_that_fails_exits_with_1(small: tuple[str, ...], tmp_path: Path) -> None:
    """What was found is said, the report is written all the same, and the exit code is that of a failed run."""
    ended = await temper("scenario", "run", "small-failing", "--yes", *small, directory=tmp_path)
    assert ended.code == 1, ended
    assert "invalid  every workflow closed" in ended.err
    assert "bad_end: " in ended.err
    assert "Traceback" not in ended.err
    assert list(tmp_path.glob("results/*/report.html"))


@pytest.mark.usefixtures("heeds_ctrl_c")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_up_runs_until_it_is_told_to_stop(tmp_path: Path, number: signal.Signals, code: int) -> None:
    """It prints the addresses; Ctrl-C and SIGTERM end it, and no process and no data are left."""
    process = await spawn("up", "--only", "redis", directory=tmp_path)
    try:
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode()
        assert line.startswith("redis.url        redis://127.0.0.1:")
        assert b"Ctrl-C stops them" in await process.stdout.readline()
        children = below(process)
        assert children
        process.send_signal(number)
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == code, (out, err)
    assert b"Traceback" not in err
    await eventually(lambda: not [child for child in children if child.is_running()])


EXPERIMENT = """
name = "cut"
title = "A worker loses Temporal"
expect = "It comes back."
workers = 1
[load]
scenarios = ["small-echo"]
rate = 5
duration = 30
[[fault]]
kind = "link_down"
owner = "worker-1"
service = "temporal"
at = 0.5
for = 20
"""


@pytest.mark.usefixtures("heeds_ctrl_c", "small")
async def test_an_experiment_that_is_interrupted_heals_first(tmp_path: Path) -> None:
    """Ctrl-C while a fault is in force: it is healed and recorded, the run is said to be cut off, nothing is left."""
    (tmp_path / "cut.toml").write_text(EXPERIMENT)
    process = await spawn("chaos", "run", "cut.toml", directory=tmp_path)
    try:
        assert process.stderr is not None
        await until(process.stderr, b"worker-1.temporal: in force")
        children = below(process)
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 130, err
    assert b"link_down on worker-1.temporal: healed after" in err
    assert b"the run was cut off" in err
    (run,) = (tmp_path / "results").iterdir()
    (window,) = (json.loads(line) for line in (run / "faults.jsonl").read_text().splitlines())
    assert (window["on"], window["in_force"]) == ("worker-1.temporal", True)
    await eventually(lambda: not [child for child in children if child.is_running()])


TWO_CUTS = """
name = "two-cuts"
title = "The client and the worker are cut off"
expect = "Every workflow ends."
workers = 1
[load]
scenarios = ["small-hasty"]
rate = 3
duration = 5
[[fault]]
kind = "link_down"
owner = "client"
service = "temporal"
at = 0.5
for = 0.3
[[fault]]
kind = "link_down"
owner = "worker-1"
service = "temporal"
at = 1
for = 3.5
"""


def test_each_of_several_experiments_says_how_to_do_it_again(here: Here, tmp_path: Path) -> None:
    """The one experiment with the one seed, and with what else was said; also where it could not be run."""
    for name in ("one.toml", "two.toml"):
        (tmp_path / name).write_text(TWO_CUTS)
    with closing(socket.create_server(("127.0.0.1", 0))) as busy:
        options = (
            "--target", str(ROOT / "tests" / "small.toml"), "--port", f"temporal={busy.getsockname()[1]}"
        )  # fmt: skip
        ended = here("chaos", "run", "one.toml", "two.toml", "--seed", "5", "--seeds", "2", *options)
    assert ended.code == 2, ended
    told = {json.loads(path.read_text())["command"] for path in tmp_path.glob("results/*/run.json")}
    assert told == {
        f"temper chaos run {name} --seed {seed} {' '.join(options)}"
        for name in ("one.toml", "two.toml")
        for seed in (5, 6)
    }


@pytest.mark.thorough
@pytest.mark.timeout(300)
async def test_an_experiment_that_fails_is_done_again_and_shrunk(tmp_path: Path) -> None:
    """Replayed it fails as it did; of two faults the one is left that costs workflows, as an experiment and a test."""
    small = ("--target", str(ROOT / "tests" / "small.toml"))
    (tmp_path / "mine.toml").write_text(TWO_CUTS)
    first = await temper("chaos", "run", "mine.toml", "--seed", "7", *small, directory=tmp_path)
    assert first.code == 1, first
    assert "invalid  every workflow closed" in first.err
    (run,) = (tmp_path / "results").iterdir()
    again = await temper("chaos", "replay", run.name, *small, directory=tmp_path)
    assert again.code == 1, again
    assert "invalid  every workflow closed" in again.err
    (replayed,) = {*(tmp_path / "results").iterdir()} - {run}
    info = json.loads((replayed / "run.json").read_text())
    assert info["seed"] == 7
    assert info["command"] == f"temper chaos replay {run.name} {' '.join(small)}"
    assert (replayed / "experiment.json").read_text() == (run / "experiment.json").read_text()
    shrunk = await temper("chaos", "shrink", run.name, "--runs", "2", *small, directory=tmp_path)
    assert shrunk.code == 0, shrunk
    assert shrunk.out.startswith(
        "2 faults became 1, in 2 runs:\n    link_down on worker-1.temporal at 1 s for 3.5 s\n"
        "It was not repeated. Not everything smaller was tried.\n"
    )
    assert f"results/{run.name}/test_two_cuts_shrunk.py" in shrunk.out
    assert (run / "two-cuts-shrunk.toml").exists()
    assert len([*(tmp_path / "results").iterdir()]) == 4, "each try is a run of its own"


ONE_CUT = """
name = "one-cut"
title = "The client is cut off"
expect = "Every workflow ends."
workers = 1
[load]
scenarios = ["small-echo"]
rate = 2
duration = 2
[[fault]]
kind = "link_down"
owner = "client"
service = "temporal"
at = 0.5
for = 0.3
"""


@pytest.mark.thorough
async def test_what_workers_use_while_they_do_the_main_job_is_measured(tmp_path: Path) -> None:
    """It is the load that counts; what they use under faults, too."""
    described = (ROOT / "tests" / "small.toml").read_text()
    job = '[demo]\njob = "small-steady"\nexperiment = "one-cut.toml"\n'
    (tmp_path / "temper.toml").write_text(described + job)
    (tmp_path / "one-cut.toml").write_text(ONE_CUT)
    ended = await temper("demo", directory=tmp_path)
    recorded = Recorded(latest(tmp_path / "results"))
    sources = {sample.source for sample in recorded.read(Sample) if sample.name == MEMORY_PEAK}
    assert sources >= {"worker-direct-1", "worker-1"}, ended
    assert "of 2 workers" in metrics(recorded)["worker_memory_max"].detail
