"""`python -m system tasks …`, as an operator types it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from batches import Gate, states
from running_system import App, environment
from temporalio.client import WorkflowHandle

from harness.eventually import eventually
from system.__main__ import main
from system.tasks.handlers import REGISTRY
from system.tasks.models import BatchReport
from system.tasks.workflow import Batch

Ran = tuple[int, str, str]
Command = Callable[..., Awaitable[Ran]]


@pytest.fixture
def command(app: App, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command against this test's system; returns its exit status, its output and its errors."""
    for name, value in environment(app.settings).items():
        monkeypatch.setenv(name, value)

    async def run(*arguments: str) -> Ran:
        status = await asyncio.to_thread(main, ["tasks", *arguments])
        told = capsys.readouterr()
        return status, told.out, told.err

    return run


def write(path: Path, *lines: object) -> str:
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return str(path)


def text(key: str, **more: object) -> dict[str, object]:
    return {"key": key, "handler": "text.checksum", "input": {"text": key}, **more}


async def test_a_file_is_submitted_and_waited_for(app: App, command: Command, tmp_path: Path) -> None:
    """What came of it is shown; tasks that name no priority have that of the command."""
    file = write(tmp_path / "tasks.jsonl", text("a"), "", text("b", needs=["a"], priority=2))
    options = ("--id", "nightly", "--priority", "5", "--tenant", "acme", "--concurrency", "2", "--wait")
    status, out, _ = await command("submit", file, *options)
    assert status == 0
    assert out.startswith("2 tasks submitted as batch nightly\n")
    assert out.endswith(
        "items             2\ndone              2\nfailed            0\ncancelled         0\nskipped           0\n"
    )
    rows = await app.database.fetch("SELECT key, priority FROM task_items ORDER BY key")
    assert [tuple(row) for row in rows] == [("a", 5), ("b", 2)]
    status, out, _ = await command("progress", "nightly")
    assert (status, out) == (0, "done: 2 done of 2 tasks\n")


async def test_failed_tasks_make_waiting_for_them_fail(command: Command, tmp_path: Path) -> None:
    """Exit status 1: it ran, and not all was done."""
    bad = {"key": "x", "handler": "account.post", "input": {"account": "a", "amount": 0}}
    status, out, _ = await command("submit", write(tmp_path / "tasks.jsonl", bad), "--wait")
    assert status == 1
    assert "failed            1" in out


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["{"], "tasks.jsonl, line 1: invalid JSON"),
        ([text("a"), {"key": "b"}], "tasks.jsonl, line 2: handler: field required"),
        ([text("a", prio=1)], "line 1: prio: unknown key"),
        ([text("a", needs=["b"]), text("b", needs=["a"])], "in a circle: 'a' → 'b' → 'a'"),
        ([text("a", tenant="x\0y")], "line 1: tenant: string should match pattern"),
        ([text("a", tenant="ü" * 33)], "line 1: tenant: expected at most 64 bytes"),
        (['{"key": "a", "handler": "text.checksum", "input": {"text": NaN}}'], "item 'a': Out of range float"),
        ([], "the batch is empty"),
    ],
)
async def test_a_file_that_will_not_do_is_refused(
    app: App, command: Command, tmp_path: Path, lines: list[object], says: str
) -> None:
    """Exit status 2: nothing is stored, nothing started; the line or the item is named."""
    status, out, err = await command("submit", write(tmp_path / "tasks.jsonl", *lines))
    assert (status, out) == (2, "")
    assert says in err
    assert await app.database.fetchval("SELECT count(*) FROM task_batches") == 0


async def test_what_is_not_there_is_said(command: Command, tmp_path: Path) -> None:
    """A file, a batch, a number that is none of the allowed."""
    status, _, err = await command("submit", str(tmp_path / "gone.jsonl"))
    assert (status, "gone.jsonl: No such file" in err) == (2, True)
    for arguments in (("progress", "nobody"), ("cancel", "nobody", "--reason", "a test")):
        status, _, err = await command(*arguments)
        assert (status, "there is no batch 'nobody'" in err) == (2, True)
    status, _, err = await command("submit", write(tmp_path / "t.jsonl", text("a")), "--concurrency", "65")
    assert (status, "--concurrency: input should be less than or equal to 64" in err) == (2, True)


async def test_tasks_are_cancelled(app: App, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of them, with what needs it; one that is unknown is refused; then all the others."""
    gate = Gate()
    monkeypatch.setitem(REGISTRY.handlers, "test.gate", gate.handler)
    waits = {"key": "a", "handler": "test.gate", "input": {"waits": True}}
    lines = (waits, text("b", needs=["a"]), text("c", needs=["b"]), text("d", needs=["a"]))
    await command("submit", write(tmp_path / "tasks.jsonl", *lines), "--id", "halfway")
    await eventually(lambda: gate.began, timeout=20)
    assert await command("cancel", "halfway", "b", "--reason", "a test") == (
        0,
        "b is cancelled, and 1 that need it are skipped\n",
        "",
    )
    status, _, err = await command("cancel", "halfway", "z", "--reason", "a test")
    assert (status, "the batch has no item 'z'" in err) == (2, True)
    status, out, _ = await command("cancel", "halfway", "--by", "ann", "--reason", "a test")
    assert (status, out.startswith("cancelling: ")) == (0, True)
    handle: WorkflowHandle[Batch, BatchReport] = app.client.get_workflow_handle("halfway", result_type=BatchReport)
    assert (await handle.result()).cancelled == 3
    assert await states(app, handle) == {"a": "cancelled", "b": "cancelled", "c": "skipped", "d": "cancelled"}


async def test_the_handlers_are_listed(command: Command) -> None:
    """Each with its purpose, its limits and what it takes."""
    status, out, _ = await command("handlers")
    assert status == 0
    assert "text.checksum      Compute the checksum of a text, as UTF-8. (30 s, 10 attempts, cached)\n" in out
    assert [line.split()[0] for line in out.splitlines() if not line.startswith(" ")] == sorted(REGISTRY.handlers)
