"""`temper load`, as people run it: what it refuses, and that every kind of load comes to a verdict."""

import json
import signal
from pathlib import Path

import pytest
from commands import ROOT, SYSTEM, Here, below, spawn, temper, until

from harness.eventually import eventually
from harness.records.run import Recorded, latest
from harness.records.verdicts import ObjectiveVerdict
from reports.objectives import policy, results_of

OWN_OBJECTIVES = ROOT / "objectives.toml"

WRONG = {
    "unknown scenario under load": (
        ("load", "pipe", "--rate", "1", "--duration", "1", *SYSTEM),
        "There is no scenario or domain 'pipe'",
    ),
    "rate of nothing": (
        ("load", "pipeline-few", "--rate", "0", "--duration", "1", *SYSTEM),
        "the rate must be above 0 iterations a second, not 0",
    ),
    "rate without end": (("load", "pipeline-few", "--rate", "inf", "--duration", "1", *SYSTEM), "not inf"),
    "rate that is no number": (
        ("load", "pipeline-few", "--rate", "fast", "--duration", "1", *SYSTEM),
        "Invalid value for '--rate'",
    ),
    "a rate beyond numbers": (("load", "pipeline-few", "--rate", "1e308", "--duration", "10", *SYSTEM), "no bounds"),
    "a duration beyond numbers": (("load", "pipeline-few", "--rate", "1", "--duration", "1e308", *SYSTEM), "1,000,000"),
    "no rate": (("load", "pipeline-few", "--duration", "1", *SYSTEM), "How often iterations are to start was not said"),
    "thinking in an open loop": (
        ("load", "pipeline-few", "--rate", "1", "--duration", "1", "--think", "1", *SYSTEM),
        "Nobody thinks in an open loop",
    ),
    "a generator that is never late": (
        ("load", "pipeline-few", "--rate", "1", "--duration", "1", "--lag-budget", "nan", *SYSTEM),
        "cannot be allowed to be nan ms late",
    ),
    "thousands of processes": (
        ("load", "pipeline-few", "--rate", "1", "--duration", "1", "--processes", "100000", *SYSTEM),
        "less than or equal to 256",
    ),
    "arrivals that are none": (
        ("load", "pipeline-few", "--rate", "1", "--duration", "1", "--arrivals", "rmap", *SYSTEM),
        "there are no arrivals 'rmap'",
    ),
    "a weight that is none": (
        ("load", "pipeline-few=often", "--rate", "1", "--duration", "1", *SYSTEM),
        "'often', the weight of pipeline-few, is no number",
    ),
    "tenants that are none": (
        ("load", "pipeline-few", "--rate", "1", "--duration", "1", "--tenants", "gold=0", *SYSTEM),
        "'gold=0' tells no tenants",
    ),
    "a warm-up as long as the load": (
        ("load", "pipeline-few", "--rate", "1", "--duration", "1", "--warm-up", "1", *SYSTEM),
        "leaves nothing of 1 s",
    ),
    "users and a rate": (
        ("load", "pipeline-few", "--users", "2", "--rate", "1", "--duration", "1", *SYSTEM),
        "A closed loop has no rate",
    ),
    "users and arrivals": (
        ("load", "pipeline-few", "--users", "2", "--arrivals", "poisson", "--duration", "1", *SYSTEM),
        "A closed loop has no arrivals",
    ),
    "users in two processes": (
        ("load", "run", "pipeline-few", "--users", "2", "--processes", "2", "--duration", "1", *SYSTEM),
        "A closed loop has one process",
    ),
    "users on an external service": (
        ("load", "pipeline-few", "--users", "2", "--duration", "1", "--external", "redis=x", *SYSTEM),
        "Use an open loop",
    ),
    "a search downwards": (
        ("load", "capacity", "pipeline-few", "--p99", "1", "--from", "5", "--to", "2", *SYSTEM),
        "from a rate above 0 to a higher one",
    ),
    "a search beyond what can be planned": (
        ("load", "capacity", "pipeline-few", "--p99", "1", "--to", "1e9", *SYSTEM),
        "Search up to a lower rate",
    ),
    "a search above the cap": (
        ("load", "capacity", "pipeline-few", "--p99", "1", "--external", "redis=x", "--rate-cap", "2", *SYSTEM),
        "1000 iterations a second",
    ),
    "a soak of nothing": (
        ("load", "soak", "pipeline-few", "--rate", "0", "--duration", "9", *SYSTEM),
        "the rate must be above 0",
    ),
    "a soak without a rate": (("load", "soak", "pipeline-few", "--duration", "9", *SYSTEM), "Missing option '--rate'"),
    "a user who never waits": (
        ("load", "ui", "pipeline-few", "--loop", "closed", "--pace", "0", *SYSTEM),
        "the pace must be above 0 seconds",
    ),
    "a warm-up of all the web UI's load": (
        ("load", "ui", "pipeline-few", "--duration", "9", "--warm-up", "9", *SYSTEM),
        "leaves nothing of 9 s",
    ),
    "tenants of the web UI that are none": (("load", "ui", "pipeline-few", "--tenants", "0", *SYSTEM), "no tenants"),
    "processes here and on other machines": (
        ("load", "ui", "pipeline-few", "--machines", "2", "--processes", "2", *SYSTEM),
        "Of --processes and --machines one is too many",
    ),
    "other machines that find nothing": (
        ("load", "ui", "pipeline-few", "--machines", "2", *SYSTEM),
        "--host ADDRESS",
    ),
    "other machines for services of this one": (
        ("load", "ui", "pipeline-few", "--machines", "2", "--host", "db.test", "--external", "postgres=x", *SYSTEM),
        "--external redis=ADDRESS --external temporal=ADDRESS",
    ),
    "two loops above the cap": (
        ("load", "ui", "pipeline-few", "--loop", "both", "--external", "redis=x", "--rate-cap", "5", *SYSTEM),
        "10 iterations a second",
    ),
    "an unknown loop": (("load", "ui", "pipeline-few", "--loop", "half", *SYSTEM), "Say open, closed or both"),
    "load on an external service without a cap": (
        ("load", "pipeline-few", "--rate", "1", "--duration", "1", "--external", "redis=127.0.0.1:1", *SYSTEM),
        "--rate-cap",
    ),
    "load above the cap": (
        ("load", "pipeline-few", "--rate", "3", "--duration", "1", "--external", "redis=x", "--rate-cap", "2", *SYSTEM),
        "3 iterations a second",
    ),
    "a cap that is none": (
        (
            "load",
            "pipeline-few",
            "--rate",
            "1",
            "--duration",
            "1",
            "--external",
            "redis=x",
            "--yes",
            *SYSTEM,
            "--rate-cap",
            "nan",
        ),
        "Say how much it may get",
    ),
    "a baseline beyond the cap": (
        (
            *("load", "pipeline-few", "--rate", "2", "--duration", "1", "--baseline"),
            *("--external", "redis=x", "--rate-cap", "2", *SYSTEM),
        ),
        "This would put 3 iterations a second",
    ),
    "load that nobody allowed": (
        ("load", "pipeline-few", "--rate", "1", "--duration", "1", "--external", "redis=x", "--rate-cap", "2", *SYSTEM),
        "Nobody said yes",
    ),
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


@pytest.mark.thorough
async def test_a_load_is_shown_and_judged(system: tuple[str, ...], tmp_path: Path) -> None:
    """A load on an external service runs once it is allowed, tells how far it is in plain lines, and is judged."""
    arguments = ("load", "pipeline-few", "--rate", "4", "--duration", "1", "--workers", "1")
    ended = await temper(*arguments, *system, "--rate-cap", "4", "--yes", directory=tmp_path)
    assert ended.code == 0, ended
    assert "pipeline-few: 4/4 started, 4 ended" in ended.err
    assert "valid    pipeline-few: its own check (4 looked at)" in ended.err
    assert "\r" not in ended.err
    (run,) = (tmp_path / "results").iterdir()
    load = json.loads((run / "run.json").read_text())["load"]
    assert (load["rate"], load["duration"], load["shares"]) == (4.0, 1.0, {"pipeline-few": 1.0})


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("small-echo", "--users", "2", "--duration", "1", "--profile"), "small-echo: its own check"),
        (("small-echo", "--rate", "4", "--duration", "2", "--processes", "2", "--baseline"), "8/8 started, 8 ended"),
        (
            (
                *("capacity", "small-echo", "--p99", "60", "--lag-budget", "60000", "--processes", "2"),
                *("--from", "30", "--to", "30", "--seconds", "1"),
            ),
            "30/s: holds",
        ),
        (("soak", "small-echo", "--rate", "4", "--duration", "2", "--processes", "2"), "small-echo: its own check"),
    ],
    ids=["closed", "processes", "capacity", "soak"],
)
async def test_every_kind_of_load_is_judged(arguments: tuple[str, ...], says: str, tmp_path: Path) -> None:
    """On servers of its own. The target keeps nothing that could be counted, so nobody says that we may ship."""
    target = ("--target", str(ROOT / "tests" / "small.toml"), "--workers", "1")
    ended = await temper("load", *arguments, *target, directory=tmp_path)
    assert says in ended.err, ended
    assert "Traceback" not in ended.err
    assert "valid    small-echo: its own check" in ended.err
    assert "May we ship? Not known" in ended.out
    assert ended.code == 1, ended
    assert list(tmp_path.glob("results/*/report.html"))


@pytest.mark.thorough
@pytest.mark.parametrize(("worker", "red"), [("awake", []), ("asleep", ["response_p95"])])
async def test_a_sleep_in_an_activity_turns_one_objective_red(
    small: tuple[str, ...], tmp_path: Path, worker: str, red: list[str]
) -> None:
    """That on response time, and no other: what is slow is not lost, and is answered in time. Without it, none is."""
    path = tmp_path / "temper.toml"
    working = path.read_text().replace('"small_process"', f'"small_process", "{worker}"')
    path.write_text(f'objectives = "{OWN_OBJECTIVES}"\n{working}')
    arguments = ("load", "small-echo", "--rate", "4", "--duration", "2", "--workers", "1")
    ended = await temper(*arguments, *small, "--rate-cap", "4", "--yes", directory=tmp_path)
    results = results_of(Recorded(latest(tmp_path / "results")), policy(OWN_OBJECTIVES).objectives)
    assert "response_p95" in {each.name for each in results if each.verdict is not ObjectiveVerdict.UNKNOWN}, ended
    assert [each.name for each in results if each.verdict is ObjectiveVerdict.FAILS] == red


@pytest.mark.usefixtures("heeds_ctrl_c")
async def test_a_run_that_is_cut_off_says_so(small: tuple[str, ...], tmp_path: Path) -> None:
    """Ctrl-C in the middle of a load leaves no worker, a report of what was recorded, and a run marked as partial."""
    arguments = ("load", "small-echo", "--rate", "5", "--duration", "60", "--workers", "1")
    process = await spawn(*arguments, *small, "--rate-cap", "10", "--yes", directory=tmp_path)
    try:
        assert process.stderr is not None
        await until(process.stderr, b"worker-1 ready")
        children = below(process)
        await eventually(lambda: list(tmp_path.glob("results/*/operations.jsonl")), timeout=20)
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 130, err
    assert b"the run was cut off; what it recorded: results/" in err
    assert b"Traceback" not in err
    (run,) = (tmp_path / "results").iterdir()
    assert json.loads((run / "run.json").read_text())["ended"] is None
    assert (run / "report.html").exists()
    await eventually(lambda: not [child for child in children if child.is_running()])
