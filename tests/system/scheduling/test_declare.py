"""Declared schedules on a real server."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from running_system import App
from schedule_files import a_name, apply, declarer, described, listed, schedule
from temporalio.client import (
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleBackfill,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    ScheduleSpec,
)

from harness.eventually import eventually
from system.errors import DeclarationRefused, ScheduleUnknown
from system.scheduling.declaration import Declaration
from system.search_attributes import DOMAIN

START = datetime(2026, 1, 1, tzinfo=UTC)


async def test_applied_twice_the_second_time_changes_nothing(app: App) -> None:
    """What is missing is made, what differs updated, what is no longer declared deleted; then nothing is left to do."""
    name = a_name()
    one, two = schedule(f"{name}.one"), schedule(f"{name}.two")
    assert [step.doing for step in await apply(app, name, one, two)] == ["create", "create"]
    assert [step.doing for step in await apply(app, name, one, two)] == ["unchanged", "unchanged"]
    await eventually(lambda: listed(app, name), timeout=30)
    await eventually(lambda: _both(app, name), timeout=30)
    changed = schedule(one.id, cron="@daily", jitter="5m", overlap="buffer_all", time_zone="Europe/Berlin")
    three = schedule(f"{name}.three")
    steps = await apply(app, name, changed, three)
    assert [(step.id, step.doing) for step in steps] == [
        (one.id, "update"),
        (three.id, "create"),
        (two.id, "delete"),
    ]
    assert {step.doing for step in await apply(app, name, changed, three)} == {"unchanged"}
    found = (await described(app, one.id)).schedule
    assert (found.spec.jitter, found.spec.time_zone_name) == (timedelta(minutes=5), "Europe/Berlin")
    assert found.policy.overlap is ScheduleOverlapPolicy.BUFFER_ALL
    with pytest.raises(ScheduleUnknown, match=r"schedules list"):
        await described(app, two.id)
    await apply(app, name)


async def _both(app: App, name: str) -> bool:
    return len(await listed(app, name)) == 2


async def test_without_pruning_nothing_is_deleted(app: App) -> None:
    """What a file no longer declares stays, unless it is told to go."""
    name = a_name()
    one, two = schedule(f"{name}.one"), schedule(f"{name}.two")
    await apply(app, name, one, two)
    await eventually(lambda: _both(app, name), timeout=30)
    assert [step.id for step in await apply(app, name, one, prune=False)] == [one.id]
    await described(app, two.id)
    await apply(app, name)


async def test_planning_changes_nothing(app: App) -> None:
    """A plan says what would be done."""
    name = a_name()
    [step] = await declarer(app).plan(Declaration(name=name, schedules=(schedule(f"{name}.one"),)))
    assert step.doing == "create"
    with pytest.raises(ScheduleUnknown):
        await described(app, f"{name}.one")


async def test_somebody_elses_schedule_is_not_touched(app: App) -> None:
    """One made by hand, one of another file: the whole file is refused, and both are as they were."""
    name, other = a_name(), a_name()
    theirs, by_hand = schedule(f"{name}.theirs"), f"{name}.hand"
    await apply(app, other, theirs)
    action = ScheduleActionStartWorkflow("x.Y", id=by_hand, task_queue="nobody")
    hand = await app.client.create_schedule(
        by_hand, Schedule(action=action, spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(timedelta(days=9))]))
    )
    mine = schedule(f"{name}.mine")
    with pytest.raises(DeclarationRefused, match=r"nothing was changed") as refused:
        await apply(app, name, mine, schedule(theirs.id, cron="@daily"), schedule(by_hand))
    assert f"it is declared by '{other}'" in str(refused.value)
    assert "somebody made it by hand" in str(refused.value)
    with pytest.raises(ScheduleUnknown):
        await described(app, mine.id)
    assert await apply(app, name) == ()  # pruning deletes none of them either
    await described(app, theirs.id)
    await hand.delete()
    await apply(app, other)


async def test_an_operators_pause_outlives_an_update(app: App) -> None:
    """Paused or not, and why, is the operator's business; how many runs are left is not counted anew."""
    name = a_name()
    one = schedule(f"{name}.one", paused=False, remaining_actions=5)
    await apply(app, name, one)
    handle = app.client.get_schedule_handle(one.id)
    await handle.pause(note="paused by me: moving")
    await apply(app, name, schedule(one.id, paused=False, remaining_actions=5, cron="@daily"))
    state = (await described(app, one.id)).schedule.state
    assert (state.paused, state.note, state.remaining_actions) == (True, "paused by me: moving", 5)
    await handle.unpause(note="on")
    await apply(app, name, schedule(one.id, paused=True, remaining_actions=7, cron="@weekly"))
    state = (await described(app, one.id)).schedule.state
    assert (state.paused, state.note, state.remaining_actions) == (False, "on", 7)
    await apply(app, name)


async def test_a_pause_between_reading_and_updating_is_kept(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator pauses just as the update is on its way: the update is made again, upon what he did."""
    name = a_name()
    one = schedule(f"{name}.one", paused=False)
    await apply(app, name, one)
    client = app.client
    update = client.workflow_service.update_schedule
    paused: list[bool] = []

    async def paused_first(*args: Any, **kwargs: Any) -> object:
        if not paused:
            paused.append(True)
            await client.get_schedule_handle(one.id).pause(note="just now")
        return await update(*args, **kwargs)

    monkeypatch.setattr(client.workflow_service, "update_schedule", paused_first)
    await apply(app, name, schedule(one.id, paused=False, cron="@daily"))
    monkeypatch.undo()
    found = (await described(app, one.id)).schedule
    assert (found.state.paused, found.state.note) == (True, "just now")
    assert found.spec.calendars[0].day_of_month[0].end == 31, "the update did take effect"
    await apply(app, name)


async def test_many_apply_one_file_at_once(app: App) -> None:
    """Each schedule is there once, as declared, whoever was first; nobody fails."""
    name = a_name()
    schedules = [schedule(f"{name}.{number}") for number in range(4)]
    await asyncio.gather(*(apply(app, name, *schedules) for _ in range(4)))
    changed = [schedule(one.id, cron="@daily") for one in schedules]
    await asyncio.gather(*(apply(app, name, *changed) for _ in range(4)))
    assert {step.doing for step in await apply(app, name, *changed)} == {"unchanged"}
    await asyncio.gather(*(apply(app, name) for _ in range(2)))


async def test_what_temporal_refuses_is_said(app: App) -> None:
    """The rules here are meant to be Temporal's; where they are not, its own word counts."""
    name = a_name()
    wrong = schedule(f"{name}.one").model_copy(update={"time_zone": "Mars/Base"})
    with pytest.raises(DeclarationRefused, match=f"Temporal refuses schedule '{name}.one'.*Mars/Base"):
        await apply(app, name, wrong)


async def test_a_backfill_runs_each_time_once(app: App) -> None:
    """Both ends are included; each run's id is the schedule's and the time, its record says for when it was."""
    name = a_name()
    one = schedule(f"{name}.one", every="1h", input={"reason": "due"})
    await apply(app, name, one)
    handle = app.client.get_schedule_handle(one.id)
    stretch = ScheduleBackfill(START, START + timedelta(hours=2), ScheduleOverlapPolicy.BUFFER_ALL)
    await handle.backfill(stretch)
    ids = [f"{one.id}-2026-01-01T0{hour}:00:00Z" for hour in range(3)]
    assert await eventually(lambda: _ran(app, one.id, 3), timeout=60) == ids
    for workflow_id in ids:
        await app.client.get_workflow_handle(workflow_id).result()
    await handle.backfill(stretch)  # again: the runs are made again, and recorded once all the same
    assert await eventually(lambda: _ran(app, one.id, 6), timeout=60) == [*ids, *ids]
    for workflow_id in ids:
        await app.client.get_workflow_handle(workflow_id).result()
    rows = await app.database.fetch("SELECT workflow_id, kind, scheduled_for FROM maintenance_runs ORDER BY 1")
    assert [tuple(row) for row in rows] == [
        (workflow_id, "warm_cache", START + timedelta(hours=hour)) for hour, workflow_id in enumerate(ids)
    ]
    attributes = (await app.client.get_workflow_handle(ids[0]).describe()).typed_search_attributes
    assert attributes[DOMAIN] == "scheduling"
    await apply(app, name)


async def _ran(app: App, schedule_id: str, times: int) -> list[str]:
    """The ids of the schedule's runs, once there are so many and none is going on; else none."""
    info = (await described(app, schedule_id)).info
    done = info.num_actions >= times and not info.running_actions
    return [getattr(run.action, "workflow_id", "") for run in info.recent_actions] if done else []
