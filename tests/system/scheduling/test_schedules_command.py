"""The ``schedules`` commands, as an operator uses them."""

from pathlib import Path

from running_system import App, command
from schedule_files import a_name, apply, described

from harness.eventually import eventually


async def run(app: App, *arguments: str) -> tuple[int, str, str]:
    return await command(app.settings, "schedules", *arguments)


def write(path: Path, name: str, *, every: str = "24h", more: str = "") -> Path:
    path.write_text(
        f"""
        name = "{name}"
        [[schedules]]
        id = "{name}.one"
        workflow = "scheduling.WarmCache"
        every = "{every}"
        paused = true
        {more}
        """
    )
    return path


async def test_a_schedule_from_its_file_to_its_end(app: App, tmp_path: Path) -> None:
    """Planned, applied, listed, shown, unpaused, paused, triggered, backfilled, changed, deleted."""
    name = a_name()
    one, file = f"{name}.one", str(write(tmp_path / "schedules.toml", name))
    status, out, _ = await run(app, "apply", file, "--dry-run")
    assert (status, out.splitlines()[-1]) == (0, "1 of 1 would be changed")
    assert "1 of 1 changed" in (await run(app, "apply", file))[1]
    assert "0 of 1 changed" in (await run(app, "apply", file, "--prune"))[1]

    async def shown_by_the_list() -> bool:
        return any(
            line.split() == [one, "scheduling.WarmCache", "paused", name]
            for line in (await run(app, "list"))[1].splitlines()
        )

    await eventually(shown_by_the_list, timeout=60)
    assert "unpaused by me: go" in await _after(app, one, "unpause", one, "--by", "me", "--reason", "go")
    assert "paused by me: stop" in await _after(app, one, "pause", one, "--by", "me", "--reason", "stop")
    await run(app, "trigger", one, "--overlap", "allow_all")
    status, out, err = await run(
        app, "backfill", one, "--from", "2026-01-01T00:00:00Z", "--to", "2026-01-02T01:00:00+01:00"
    )
    assert (status, out, err) == (0, f"{one} runs from 2026-01-01 00:00:00Z to 2026-01-02 00:00:00Z, buffer_all\n", "")
    await eventually(lambda: _taken(app, one, 3), timeout=60)
    write(tmp_path / "schedules.toml", name, every="12h")
    assert f"{one}  update" in (await run(app, "apply", file))[1]
    assert "3" in (await run(app, "show", one))[1]
    assert (await run(app, "delete", one))[:2] == (0, f"{one} is deleted\n")
    status, _, err = await run(app, "show", one)
    assert status == 2
    assert f"there is no schedule '{one}'" in err


async def _after(app: App, schedule_id: str, *arguments: str) -> str:
    status, _, err = await run(app, *arguments)
    assert (status, err) == (0, "")
    return (await run(app, "show", schedule_id))[1]


async def _taken(app: App, schedule_id: str, times: int) -> bool:
    return (await described(app, schedule_id)).info.num_actions >= times


async def test_a_wrong_file_changes_nothing(app: App, tmp_path: Path) -> None:
    """The message names file, entry and what is wrong; what was right in it is not made either."""
    name = a_name()
    wrong = '[[schedules]]\nid = "two"\nworkflow = "none"\nevery = "1h"'
    file = str(write(tmp_path / "wrong.toml", name, more=wrong))
    status, out, err = await run(app, "apply", file)
    assert (status, out) == (2, "")
    assert f"error: {file}: 1 wrong, so nothing was changed" in err
    assert "line 8, schedule 'two': unknown workflow 'none': expected one of control.Bulk" in err
    assert "there is no schedule" in (await run(app, "show", f"{name}.one"))[2]


async def test_what_cannot_be_done_is_said(app: App, tmp_path: Path) -> None:
    """No such file, a stretch that ends before it begins, a time without a zone."""
    status, _, err = await run(app, "apply", str(tmp_path / "nothing.toml"))
    assert status == 2
    assert "nothing.toml" in err
    times = "--from", "2026-01-02T00:00:00Z", "--to", "2026-01-01T00:00:00Z"
    status, _, err = await run(app, "backfill", "x", *times)
    assert status == 2
    assert "expected a time not before --from" in err
    status, _, err = await run(app, "backfill", "x", "--from", "2026-01-02T00:00:00", "--to", "2026-01-01T00:00:00Z")
    assert status == 2
    assert "expected a time with its zone" in err
    status, _, err = await run(app, "trigger", "nothing")
    assert status == 2
    assert "there is no schedule 'nothing'" in err


async def test_the_systems_own_maintenance_is_brought_by_one_command(app: App) -> None:
    """Without a file it is the one that ships with the system; taken away again, nothing is left."""
    status, out, err = await run(app, "apply", "--dry-run")
    assert (status, err) == (0, "")
    assert {line.split()[0] for line in out.splitlines()[1:5]} == {
        "system-warm-cache",
        "system-dead-letter-digest",
        "system-orders-in-doubt",
        "system-purge",
    }
    await apply(app, "system-maintenance")
