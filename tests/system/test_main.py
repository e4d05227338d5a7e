"""The command line: what it prints, and its exit status."""

import asyncio
import gzip
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from running_system import ROOT, App, Write, command, environment

from system.settings import Settings

SCHEMA = """
dataset = "people"
[[fields]]
name = "name"
[[fields]]
name = "age"
type = "integer"
"""


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    """A schema file."""
    path = tmp_path / "people.toml"
    path.write_text(SCHEMA)
    return path


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


async def run(settings: Settings, *arguments: object, **more: str) -> Done:
    return Done(*await command(settings, *map(str, arguments), **more))


async def process(settings: Settings, *arguments: object, **more: str) -> subprocess.CompletedProcess[str]:
    """Run it as a process of its own, which costs its start."""
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "system", *map(str, arguments)],
        cwd=ROOT,
        env=environment(settings, **more),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_load_prints_what_came_of_it(app: App, write: Write, schema: Path) -> None:
    """Read, loaded, rejected and the reasons, without control characters in a pipe; exit 0."""
    done = await process(app.settings, "load", write(b"name,age\nann,1\nbob,x\n"), "--schema", schema, "--id", "mine")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split(maxsplit=1) for line in done.stdout.splitlines()[-4:]]
    assert lines == [["read", "2"], ["loaded", "1"], ["rejected", "1"], ["1", "age: not an integer"]]
    assert "\x1b" not in done.stdout


async def test_a_load_that_fails_while_running_is_not_success(app: App, write: Write, schema: Path) -> None:
    """An existing table with other columns: said in one line, exit 2."""
    await app.database.execute("CREATE TABLE datasets.people (name text)")
    done = await run(app.settings, "load", write(b"name,age\n"), "--schema", schema)
    assert done.returncode == 2
    assert "age bigint is missing" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("content", "more", "message"),
    [
        (None, {}, "No such file"),
        (b"name\n", {}, "missing: age"),
        (b"name,age\n", {"TEMPORAL_ADDRESS": "127.0.0.1:1"}, "TEMPORAL_ADDRESS"),
        (b"name,age\n", {"DATABASE_URL": "postgresql://me@127.0.0.1:1/x"}, "DATABASE_URL"),
        (b"name,age\n", {"DATABASE_URL": ""}, "DATABASE_URL is not set"),
    ],
)
async def test_what_cannot_run_says_what_to_do(
    content: bytes | None, more: dict[str, str], message: str, settings: Settings, write: Write, schema: Path
) -> None:
    """One clear line, no traceback, exit 2."""
    source = write(content) if content is not None else "none.csv"
    done = await run(settings, "load", source, "--schema", schema, **more)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


async def test_a_file_that_changed_under_its_workflow_id_is_refused(app: App, write: Write, schema: Path) -> None:
    """The worker finds out, and it counts as what could not run: exit 2."""
    source = write(b"name,age\nann,1\n")
    load = ("load", source, "--schema", schema, "--id", f"changed-{app.settings.task_queue}")
    assert (await run(app.settings, *load)).returncode == 0
    source.write_bytes(b"name,age\nbob,2\n")
    done = await run(app.settings, *load)
    assert done.returncode == 2
    assert "use a new workflow id" in done.stderr


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--chunk-bytes", "0", "one or more"),
        ("--chunk-bytes", "many", "one or more"),
        ("--concurrency", "0", "one or more"),
        ("--concurrency", "65", "less than or equal to 64"),
    ],
)
async def test_wrong_numbers_are_said_in_words(
    option: str, value: str, message: str, settings: Settings, write: Write, schema: Path
) -> None:
    """The option and what was expected, nothing of a library's own."""
    done = await run(settings, "load", write(b"name,age\n"), "--schema", schema, option, value)
    assert done.returncode == 2
    assert option.strip("-").replace("-", "") in done.stderr.replace("-", "")
    assert message in done.stderr
    assert "pydantic" not in done.stderr


async def test_a_work_directory_that_cannot_be_written_stops_the_worker(settings: Settings) -> None:
    """At its start, not at each load."""
    done = await run(settings, "worker", WORK_DIRECTORY="/proc/nowhere")
    assert done.returncode == 2
    assert "WORK_DIRECTORY is /proc/nowhere" in done.stderr
    assert len(done.stderr.splitlines()) == 1


async def test_a_load_that_is_retried_says_why(app: App, write: Write, schema: Path) -> None:
    """The last failure of what waits is shown, once; the load ends well when the cause is gone."""
    work = app.settings.work_directory
    work.rmdir()
    work.write_bytes(b"in the way")
    source = write(gzip.compress(b"name,age\nann,1\n"))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "system", "load", source, "--schema", schema),
        cwd=ROOT,
        env=environment(app.settings) | {"WORK_DIRECTORY": "/tmp"},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        said = (await asyncio.wait_for(process.stderr.readline(), 30)).decode()
        work.unlink()
        rest = (await asyncio.wait_for(process.communicate(), 30))[1]
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert "pipeline.prepare" in said
    assert "FileExistsError" in said
    assert (process.returncode, rest) == (0, b"")


async def test_debug_shows_the_traceback(settings: Settings, schema: Path) -> None:
    """Only when asked for."""
    done = await process(settings, "load", "none.csv", "--schema", schema, "--debug")
    assert "Traceback" in done.stderr


async def test_worker_and_load_need_a_migrated_database(settings: Settings, write: Write, schema: Path) -> None:
    """Both say which command to run; migrating down and up again makes them work."""
    down = await run(settings, "migrate", "--down", "base")
    assert down.returncode == 0, down.stderr
    for arguments in (["worker"], ["load", write(b"name,age\n"), "--schema", schema]):
        done = await run(settings, *arguments)
        assert done.returncode == 2
        assert "python -m system migrate" in done.stderr
    assert (await run(settings, "migrate")).returncode == 0


@pytest.mark.parametrize("arguments", [[], ["worker"], ["migrate"], ["load"]])
async def test_help_has_an_example(arguments: list[str], settings: Settings) -> None:
    """Each command shows one."""
    done = await run(settings, *arguments, "--help")
    assert done.returncode == 0
    assert "example" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "changed"),
    [
        (["order", "status", ""], {}),
        (["dead-letters", "list", "--limit", "-5"], {}),
        (["worker"], {"TEMPORAL_NAMESPACE": "nosuch"}),
        (["worker"], {"TEMPORAL_ADDRESS": "bad host:1"}),
        (["worker"], {"HEALTH_ADDRESS": "no-such-host.invalid:1"}),
        (["worker"], {"METRICS_ADDRESS": "no-such-host.invalid:1"}),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
async def test_wrong_input_is_one_line_and_no_traceback(
    arguments: list[str], changed: dict[str, str], settings: Settings
) -> None:
    """Whatever a service says no to is told in a line, with exit status 2."""
    done = await run(settings, *arguments, **changed)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr.rpartition("error:")[2]
    assert "error" in done.stderr


async def test_the_options_of_a_database_url_reach_postgresql(settings: Settings) -> None:
    """What the workers understand, migrations do too."""
    url = f"{settings.database_url}?sslmode=disable"
    done = await run(settings, "migrate", "--database-only", DATABASE_URL=url)
    assert done.returncode == 0, done.stderr
