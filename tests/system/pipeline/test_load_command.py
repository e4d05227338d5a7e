"""The ``load`` command with several files, directories, and files that were loaded before."""

import asyncio
import dataclasses
import gzip
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from running_system import App, environment
from temporalio.client import Client, Interceptor, OutboundInterceptor, StartWorkflowInput, WorkflowHandle

from system.__main__ import main
from system.control.pausable import PAUSE, Order
from system.errors import IdTaken
from system.pipeline.models import LoadRequest
from system.pipeline.schema import Schema
from system.pipeline.starting import start
from system.pipeline.workflow import Pipeline
from system.settings import Settings

SCHEMA = 'dataset = "people"\nformat = "jsonl"\n[[fields]]\nname = "name"\n[[fields]]\nname = "age"\ntype = "integer"\n'


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A directory with two files, one of them packed, a hidden one, and another directory."""
    directory = tmp_path / "files"
    (directory / "older").mkdir(parents=True)
    (directory / "a.jsonl").write_text('{"name": "ann", "age": 1}\n')
    (directory / "b.jsonl.gz").write_bytes(gzip.compress(b'{"name": "bob", "age": 2}\nx\n'))
    (directory / ".partial").write_text("none of it")
    (tmp_path / "people.toml").write_text(SCHEMA)
    return directory


@dataclasses.dataclass(frozen=True)
class Ran:
    """What a command came to."""

    status: int
    stdout: str
    stderr: str


Command = Callable[..., Coroutine[Any, Any, Ran]]


@pytest.fixture
def load(settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run the command against this test's system, in a thread of its own."""
    for name, value in environment(settings).items():
        monkeypatch.setenv(name, value)

    async def run(*arguments: object) -> Ran:
        status = await asyncio.to_thread(main, ["load", *map(str, arguments)])
        told = capsys.readouterr()
        return Ran(status, told.out, told.err)

    return run


async def test_a_directory_is_loaded_and_then_skipped_and_then_loaded_again(
    app: App, load: Command, files: Path
) -> None:
    """Each file has its own counts, or why it was skipped; `--again` insists."""
    schema = ("--schema", files.parent / "people.toml")
    first = await load(files, *schema)
    assert (first.status, first.stderr) == (0, "")
    assert "loading 2 files into datasets.people" in first.stdout
    assert f"{files / 'a.jsonl'}: 1 read, 1 loaded, 0 rejected" in first.stdout
    assert f"{files / 'b.jsonl.gz'}: 2 read, 1 loaded, 1 rejected" in first.stdout
    again = await load(files / "b.jsonl.gz", *schema)
    assert again.status == 0
    assert f"skipped {files / 'b.jsonl.gz'}: already loaded as {files / 'b.jsonl.gz'} by workflow" in again.stdout
    assert again.stdout.splitlines()[-3:] == [f"{what:<10}{0:>12}" for what in ("read", "loaded", "rejected")]
    insisted = await load(files / "a.jsonl", "--again", *schema)
    assert "skipped" not in insisted.stdout
    rows = await app.database.fetch("SELECT name FROM datasets.people ORDER BY 1")
    assert [row["name"] for row in rows] == ["ann", "ann", "bob"]


async def test_what_is_no_file_is_refused_by_its_name(load: Command, files: Path) -> None:
    """Before anything is started: exit 2, and one line that says what to do."""
    schema = ("--schema", files.parent / "people.toml")
    for arguments, message in (
        ((files / "older",), f"{files / 'older'} holds no files"),
        ((files / "a.jsonl", files / "none.jsonl"), f"cannot read {files / 'none.jsonl'}: No such file"),
    ):
        done = await load(*arguments, *schema)
        assert done.status == 2
        assert message in done.stderr
        assert len(done.stderr.splitlines()) == 1


async def test_an_id_stays_with_its_request(app: App, load: Command, files: Path) -> None:
    """While the load runs as well as afterwards: another request is refused in one line, the same one is answered."""
    schema = Schema.from_toml(files.parent / "people.toml")
    source, other, workflow_id = files / "a.jsonl", files / "b.jsonl.gz", f"mine-{app.settings.task_queue}"
    handle = await app.client.start_workflow(
        Pipeline.run,
        LoadRequest(sources=(str(source),), schema=schema),
        id=workflow_id,
        task_queue=app.settings.task_queue,
        start_signal=PAUSE,
        start_signal_args=[Order(by="an operator", reason="not yet")],
    )
    options = ("--schema", files.parent / "people.toml", "--id", workflow_id)
    refused = await load(other, *options)
    assert (refused.status, refused.stdout) == (2, "")
    assert refused.stderr == f"error: workflow id {workflow_id!r} is a load with other files: load under another --id\n"
    joined = asyncio.create_task(load(source, *options))
    await handle.signal(Pipeline.resume, Order(by="an operator", reason="now"))
    assert "loaded               1" in (await joined).stdout
    request = LoadRequest(sources=(str(source),), schema=schema, again=True, concurrency=5)
    with pytest.raises(IdTaken, match="with other --again, --concurrency: load under another --id"):
        await start(app.client, app.settings.task_queue, workflow_id, request)
    assert await app.database.fetchval("SELECT count(*) FROM datasets.people") == 1


async def test_an_id_of_another_workflow_is_refused(app: App, files: Path) -> None:
    """It is told which kind of workflow has it."""
    workflow_id = f"theirs-{app.settings.task_queue}"
    await app.client.start_workflow(
        "orders.Stocktake", id=workflow_id, task_queue="nobody-works-on-it", execution_timeout=timedelta(minutes=1)
    )
    request = LoadRequest(sources=(str(files),), schema=Schema.from_toml(files.parent / "people.toml"))
    with pytest.raises(IdTaken, match=r"is a workflow orders\.Stocktake: load under another --id"):
        await start(app.client, app.settings.task_queue, workflow_id, request)


class Faster(Interceptor, OutboundInterceptor):
    """Somebody else, who starts a workflow under every id just before it is taken."""

    def __init__(self, request: LoadRequest) -> None:
        self._request = request

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002 the SDK's name
        self.next = next
        return self

    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:  # noqa: A002 the SDK's name
        await super().start_workflow(dataclasses.replace(input, args=[self._request]))
        return await super().start_workflow(input)


async def test_of_two_that_take_an_id_at_once_one_is_refused(app: App, files: Path) -> None:
    """Both have found it free: who comes second is not told of the other's load as if it were its own."""
    schema = Schema.from_toml(files.parent / "people.toml")
    theirs, ours = (LoadRequest(sources=(str(files / name),), schema=schema) for name in ("a.jsonl", "b.jsonl.gz"))
    config = app.client.config(active_config=True)
    client = Client(**config | {"interceptors": [*config["interceptors"], Faster(theirs)]})
    workflow_id = f"both-{app.settings.task_queue}"
    with pytest.raises(IdTaken, match="with other files"):
        await start(client, app.settings.task_queue, workflow_id, ours)
    await app.client.get_workflow_handle(workflow_id).result()
    assert [row["name"] for row in await app.database.fetch("SELECT name FROM datasets.people")] == ["ann"]
