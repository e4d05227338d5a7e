"""The handlers that come with the system, on real files, servers and tables; and the registry they are in."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from yarl import URL

from harness.scripted_outside import ScriptedOutside
from system.cache.cache import Cache
from system.details import Access
from system.errors import AccessRefused, BatchRefused, Error, SourceMissing, TaskRejected, Unavailable
from system.pipeline.summaries import Summaries
from system.records import Record
from system.storage.pool import Pool
from system.tasks.handlers import REGISTRY
from system.tasks.reach import Reach
from system.tasks.registry import Context, Registry


@pytest.fixture
def context(database: Pool, tmp_path: Path) -> Context:
    return Context(
        database=database,
        summaries=Summaries(database, Cache(None)),
        reach=Reach(files=tmp_path / "files", hosts=frozenset({"127.0.0.1"})),
        workflow_id="w",
        item="i",
    )


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The directory that tasks may read."""
    made = tmp_path / "files"
    made.mkdir()
    return made


async def call(name: str, given: str, context: Context) -> dict[str, Any]:
    handler = REGISTRY.find(name)
    output = await handler.function(handler.parse(given), context)
    assert isinstance(output, handler.output_type)
    return dict(output.model_dump())


async def test_the_checksum_of_a_text_is_that_of_its_bytes(context: Context) -> None:
    """As UTF-8."""
    output = await call("text.checksum", '{"text": "ü", "algorithm": "sha512"}', context)
    assert output == {"hexdigest": hashlib.sha512("ü".encode()).hexdigest(), "bytes": 2}


async def test_the_checksum_of_a_file_is_that_of_its_bytes(context: Context, files: Path) -> None:
    """By its whole path, or from the directory on; a file that is not there is an error that names it."""
    (files / "file").write_bytes(bytes(100_000))
    for path in (str(files / "file"), "file", "./gone/../file"):
        output = await call("file.checksum", f'{{"path": "{path}"}}', context)
        assert output == {"hexdigest": hashlib.sha256(bytes(100_000)).hexdigest(), "bytes": 100_000}
    with pytest.raises(SourceMissing, match="gone: No such file") as raised:
        await call("file.checksum", '{"path": "gone"}', context)
    assert raised.value.details.files == ("gone",)
    with pytest.raises(SourceMissing, match="Is a directory"):
        await call("file.checksum", f'{{"path": "{files}"}}', context)


async def test_no_file_is_read_outside_the_directory(context: Context, files: Path, tmp_path: Path) -> None:
    """Be it there or not, and whether by its whole path, by `..`, or by a symbolic link to a file or a directory."""
    (tmp_path / "secret").write_text("s")
    (tmp_path / "files-too").mkdir()
    (files / "link").symlink_to(tmp_path / "secret")
    (files / "up").symlink_to(tmp_path)
    (files / "within").symlink_to(files / "own")
    (files / "own").write_text("o")
    for path in (
        "/etc/hosts", f"{tmp_path}/secret", f"{tmp_path}/files-too", "../secret", "../gone", "link", "up/secret"
    ):  # fmt: skip
        with pytest.raises(AccessRefused, match=f"{path} is not read: it is not within TASK_FILES") as raised:
            await call("file.checksum", f'{{"path": "{path}"}}', context)
        assert raised.value.details == Access(wanted=path, setting="TASK_FILES")
    assert (await call("file.checksum", '{"path": "within"}', context))["bytes"] == 1


@pytest.mark.parametrize(("path", "says"), [("circle", "Symlink loop"), ("a\\u0000b", "null byte")])
async def test_a_path_that_leads_nowhere_is_refused(context: Context, files: Path, path: str, says: str) -> None:
    """Links in a circle, and a name that no file can have: trying again would not help."""
    (files / "circle").symlink_to(files / "circle")
    with pytest.raises(AccessRefused, match=says):
        await call("file.checksum", f'{{"path": "{path}"}}', context)


async def test_nothing_outside_is_reached_unless_it_is_said(context: Context) -> None:
    """Neither a file nor a host."""
    nowhere = replace(context, reach=Reach())
    with pytest.raises(AccessRefused, match="own is not read: TASK_FILES is not set"):
        await call("file.checksum", '{"path": "own"}', nowhere)
    with pytest.raises(AccessRefused, match=r"127\.0\.0\.1:80 is not called: TASK_HOSTS does not name it"):
        await call("webhook.deliver", '{"url": "http://127.0.0.1/x"}', nowhere)


FIELDS = """{
    "name": {"case": "upper", "required": true}, "age": {"type": "integer", "source": "Age"},
    "rate": {"type": "number"}, "on": {"type": "boolean"}, "day": {"type": "date", "format": "%d.%m.%Y"}
}"""


async def test_a_record_is_brought_into_its_shape(context: Context) -> None:
    """Names, types, case and blanks; what is not declared is left out, what is empty is none."""
    values = '{"name": " ann  lee ", "Age": "7", "rate": "1e3", "on": "No", "day": "24.12.2013", "more": 1}'
    output = await call("record.normalise", f'{{"values": {values}, "fields": {FIELDS}}}', context)
    assert output["values"] == {"name": "ANN LEE", "age": 7, "rate": 1000.0, "on": False, "day": "2013-12-24"}
    output = await call("record.normalise", f'{{"values": {{"name": "x", "on": ""}}, "fields": {FIELDS}}}', context)
    assert output["values"] == {"name": "X", "age": None, "rate": None, "on": None, "day": None}


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ('{"name": " "}', "'name' is missing"),
        ('{"name": "x", "Age": "7.5"}', "'age' is '7.5': expected integer"),
        ('{"name": "x", "rate": "NaN"}', "'rate' is 'NaN': expected number"),
        ('{"name": "x", "rate": "many"}', "expected number"),
        ('{"name": "x", "on": "perhaps"}', "expected boolean"),
        ('{"name": "x", "day": "2013-12-24"}', "expected date"),
    ],
)
async def test_a_value_that_does_not_fit_is_rejected(context: Context, values: str, says: str) -> None:
    """The field, what it was and what was expected."""
    with pytest.raises(TaskRejected, match=says):
        await call("record.normalise", f'{{"values": {values}, "fields": {FIELDS}}}', context)


@pytest.fixture
async def people_table(connection: asyncpg.Connection) -> None:
    await connection.execute(
        """
        CREATE TABLE datasets.people (name text, age bigint);
        INSERT INTO datasets.people VALUES ('ann', 1), ('bob', 2), ('ann', 9007199254740993)
        """
    )


@pytest.mark.usefixtures("people_table")
@pytest.mark.parametrize(
    ("given", "groups"),
    [
        ('{"dataset": "people"}', [(None, "3")]),
        ('{"dataset": "people", "function": "max", "column": "age"}', [(None, "9007199254740993")]),
        (
            '{"dataset": "people", "function": "sum", "column": "age", "by": "name"}',
            [("ann", "9007199254740994"), ("bob", "2")],
        ),
    ],
)
async def test_a_data_set_is_aggregated(context: Context, given: str, groups: list[tuple[str | None, str]]) -> None:
    """In all, or by a column; no digit is lost."""
    output = await call("dataset.aggregate", given, context)
    assert [(one["group"], one["value"]) for one in output["groups"]] == groups


@pytest.mark.usefixtures("people_table")
@pytest.mark.parametrize(
    ("given", "says"),
    [
        ('{"dataset": "pets"}', "pets.* does not exist; expected a loaded data set"),
        ('{"dataset": "people", "function": "max", "column": "size"}', '"size" does not exist'),
        ('{"dataset": "people", "function": "sum", "column": "name"}', "sum.text. does not exist"),
        ('{"dataset": "people", "function": "sum"}', "sum needs a column"),
    ],
)
async def test_what_cannot_be_aggregated_is_rejected(context: Context, given: str, says: str) -> None:
    """No such data set or column, or none that can be summed."""
    with pytest.raises(TaskRejected, match=says):
        await call("dataset.aggregate", given, context)


async def test_too_many_groups_are_rejected(context: Context, connection: asyncpg.Connection) -> None:
    """An output is a task's result, and no data set."""
    await connection.execute("CREATE TABLE datasets.many AS SELECT n FROM generate_series(1, 1001) AS n")
    with pytest.raises(TaskRejected, match="n of many has more than 1000 values"):
        await call("dataset.aggregate", '{"dataset": "many", "by": "n"}', context)


@pytest.fixture
def receiver() -> Iterator[ScriptedOutside]:
    """Who is told."""
    with ScriptedOutside() as outside:
        yield outside


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (200, None),
        (204, None),
        (302, TaskRejected),
        (307, TaskRejected),
        (404, TaskRejected),
        (429, Unavailable),
        (503, Unavailable),
    ],
)
async def test_a_receiver_is_told_and_its_answer_judged(
    context: Context, receiver: ScriptedOutside, status: int, error: type[Error] | None
) -> None:
    """Every attempt has the same key; who cannot now is asked again; who refuses, or sends elsewhere, is not."""
    receiver.on("POST /told").answer(status, headers={"Location": f"{receiver.url}/elsewhere"})
    given = f'{{"url": "{receiver.url}/told", "body": {{"n": 1}}}}'
    if error is None:
        assert await call("webhook.deliver", given, context) == {"status": status}
    else:
        with pytest.raises(error, match=str(status)):
            await call("webhook.deliver", given, context)
    assert [(told.path, told.headers["idempotency-key"], told.json) for told in receiver.calls] == [
        ("/told", "w/i", {"n": 1})
    ]


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://hooks.test/x", {"hooks.test"}),
        ("http://HOOKS.test:81/x", {"hooks.test"}),
        ("http://hooks.test/x", {"other.test", "hooks.test:80"}),
        ("https://[::1]:8080/x", {"[::1]:8080"}),
        ("https://[::1]/x", {"[::1]"}),
    ],
)
def test_a_host_that_is_named_is_called(url: str, allowed: set[str]) -> None:
    """On any port, or on the one that is named."""
    Reach(hosts=frozenset(allowed)).check_host(URL(url))


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("http://hooks.test.evil/x", "hooks.test.evil:80"),
        ("http://hooks.test@evil/x", "evil:80"),
        ("http://evil/hooks.test", "evil:80"),
        ("https://port.test/x", "port.test:443"),
        ("http://hooks.test./x", "hooks.test.:80"),
    ],
)
def test_no_other_host_is_called(url: str, named: str) -> None:
    """However much of its name is in the URL."""
    with pytest.raises(AccessRefused) as raised:
        Reach(hosts=frozenset({"hooks.test", "port.test:80"})).check_host(URL(url))
    assert raised.value.details == Access(wanted=named, setting="TASK_HOSTS")


async def test_a_receiver_that_is_away_is_asked_again(context: Context) -> None:
    """Nobody listens there."""
    with pytest.raises(Unavailable, match="did not answer"):
        await call("webhook.deliver", '{"url": "http://127.0.0.1:9/x"}', context)


class Word(Record):
    word: str


async def test_a_handler_is_known_by_its_name_and_types() -> None:
    """What is not known, or not of its type, is refused with what was expected."""
    registry = Registry()

    @registry.handler("say", timeout=5, version=3)
    async def say(given: Word, _: Context) -> Word:
        """Say a word."""
        return given

    handler = registry.find("say")
    assert (handler.input_type, handler.output_type, handler.timeout, handler.version) == (Word, Word, 5, 3)
    assert handler.purpose == "Say a word."
    registry.check("say", '{"word": "x"}')
    with pytest.raises(BatchRefused, match="there is no handler 'shout'; expected one of say"):
        registry.check("shout", "{}")
    with pytest.raises(BatchRefused, match="say does not take this input: word: field required"):
        registry.check("say", "{}")
    with pytest.raises(AssertionError, match="two handlers"):
        registry.handler("say")(say)


async def test_only_a_handler_that_writes_has_a_transaction(context: Context) -> None:
    """Another would write what is committed whether or not its item is done."""
    with pytest.raises(AssertionError, match="writes=True"):
        _ = context.transaction


async def test_a_data_set_is_summarised(context: Context) -> None:
    """What its reconciled loads brought; one that nobody ever loaded is rejected."""
    await context.database.execute(
        """
        WITH load AS (
            INSERT INTO loads (workflow_id, dataset, state, closed_at) VALUES ('w', 'people', 'reconciled', now())
            RETURNING id
        )
        INSERT INTO chunks (load_id, number, rows_read, rows_loaded, rows_rejected)
        SELECT id, number, 5, 3, 2 FROM load, generate_series(0, 1) AS number
        """
    )
    output = await call("dataset.summary", '{"dataset": "people"}', context)
    assert (output["loads"], output["rows"], output["rows_rejected"]) == (1, 6, 4)
    with pytest.raises(TaskRejected, match="nothing was ever loaded into 'nobody'"):
        await call("dataset.summary", '{"dataset": "nobody"}', context)
