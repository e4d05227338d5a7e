"""The ``control`` commands, as an operator uses them."""

import asyncio
import re
import signal
import sys
from pathlib import Path

from controlled_loads import PATIENCE, paused_loads, states
from running_system import ROOT, App, Write, command, environment

from harness.eventually import eventually
from system.control.models import Resume
from system.control.preview import preview
from system.pipeline.schema import Schema
from system.settings import Settings

WHO = ("--by", "ann", "--reason", "a drill")


async def control(settings: Settings, *arguments: str) -> tuple[int, str, str]:
    return await command(settings, "control", *arguments)


async def test_what_was_previewed_is_done_and_can_be_looked_up(app: App, write: Write, people: Schema) -> None:
    """Preview shows what and gives a token; bulk does it; show tells who, why and what became of each."""
    query, loads = await paused_loads(app, write, people, 3)
    status, seen, err = await control(app.settings, "preview", "resume", "--query", query)
    assert (status, err) == (0, "")
    assert "resume would be done to 3: 3 running" in seen
    assert all(load.id in seen for load in loads)
    token = re.search(r"--token (\S+)", seen)
    assert token is not None
    status, done, err = await control(
        app.settings, "bulk", "resume", "--query", query, *WHO, "--token", token[1], "--rate", "10"
    )
    assert (status, err) == (0, "")
    assert done.splitlines()[-1] == "done 3, skipped 0, failed 0"
    for load in loads:
        await load.result()
    name = re.search(r"as operation (\S+)", done)
    assert name is not None
    _, shown, _ = await control(app.settings, "show", name[1])
    assert "done  resume by ann: a drill  (3 done)" in shown
    assert f"query: {query}" in shown
    assert sum(load.id in shown for load in loads) == 3
    assert name[1] in (await control(app.settings, "show", "--workflow", loads[0].id))[1]
    assert "there is none" in (await control(app.settings, "show", "--workflow", "nobody"))[1]


async def test_one_workflow_is_cancelled_then_there_is_nothing_to_cancel(
    app: App, write: Write, people: Schema
) -> None:
    """What does not apply is no error; both are recorded. A run id that is none is refused, and leaves no record."""
    _, [load] = await paused_loads(app, write, people, 1)
    status, out, err = await control(app.settings, "cancel", load.id, "--run-id", "zzz", *WHO)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert f"error: Temporal has no run 'zzz' of workflow '{load.id}'" in err
    assert "without --run-id the latest run is meant" in err
    first = await control(app.settings, "cancel", load.id, *WHO)
    assert first == (0, f"cancel {load.id}: done\n", "")

    async def cancelled() -> bool:
        return (await load.describe()).close_time is not None

    await eventually(cancelled, timeout=PATIENCE)
    second = await control(app.settings, "cancel", load.id, *WHO)
    assert second == (0, f"cancel {load.id}: skipped, already cancelled\n", "")
    _, listed, _ = await control(app.settings, "show", "--workflow", load.id)
    assert [line.split("  ")[3] for line in listed.splitlines()] == ["cancel by ann: a drill"] * 2


REFUSED = (
    (("preview", "pause"), "the query is empty"),
    (("preview", "pause", "--query", "Nonsense ="), "does not understand the query"),
    (("bulk", "pause", "--query", "WorkflowId = 'x'", *WHO), "preview first"),
    (("bulk", "pause", "--query", "WorkflowId = 'x'", *WHO, "--token", "1-x"), "preview again"),
    (("bulk", "pause", "--query", "WorkflowId = 'x'", *WHO, "--token", "1-x", "--rate", "0"), "rate: "),
    (("pause", "nobody", *WHO), "there is no workflow nobody"),
    (("pause", "nobody", "--by", "", "--reason", "x"), "who wants it and why must be said"),
    (("reset", "nobody", "--to", "somewhere", *WHO), "expected first-task"),
    (("signal", "nobody", "--name", "x", "--argument", "{", *WHO), "is no JSON"),
    (("show", "nothing"), "there is no operation nothing"),
)


async def test_what_cannot_be_done_is_said_in_one_line(settings: Settings) -> None:
    """What is wrong and what was expected, without a traceback; exit 2."""
    for arguments, says in REFUSED:
        status, _, err = await control(settings, *arguments)
        assert (status, err.startswith("error: "), err.count("\n")) == (2, True, 1), arguments
        assert says in err


async def test_an_interrupted_command_leaves_the_operation_running(
    app: App, write: Write, people: Schema, tmp_path: Path
) -> None:
    """Ctrl-C says how to watch and how to cancel it; it goes on to its end."""
    query, loads = await paused_loads(app, write, people, 3)
    token = (await preview(app.client, Resume(), query)).token
    arguments = ("bulk", "resume", "--query", query, *WHO, "--token", token, "--rate", "0.5")
    log = tmp_path / "out"
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "system", "control", *arguments, cwd=ROOT, env=environment(app.settings), stdout=out
        )
    try:
        await eventually(lambda: "running: " in log.read_text(), timeout=PATIENCE)
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 20) == 130
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    name = re.search(r"control cancel (\S+)", log.read_text())
    assert name is not None
    assert f"control show {name[1]}" in log.read_text()
    for load in loads:
        await load.result()

    async def all_done() -> bool:
        return await states(app, name[1]) == {"done": 3}

    await eventually(all_done, timeout=PATIENCE)
