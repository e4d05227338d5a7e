"""Temporal takes and refuses the cron expressions that we do, and means by them what we say."""

import secrets
from datetime import UTC, datetime

from cron_expressions import BAD, GOOD, MISLEADING
from running_system import App
from temporalio.api.workflowservice.v1 import ListScheduleMatchingTimesRequest
from temporalio.client import Schedule, ScheduleActionStartWorkflow, ScheduleSpec, ScheduleState
from temporalio.service import RPCError


async def test_temporal_agrees(app: App) -> None:
    """What is taken here Temporal takes, and it comes; what is wrong here Temporal refuses; the misleading it takes."""
    for expression in (*GOOD, *MISLEADING):
        assert await _taken(app, expression), expression
    for expression in BAD:
        assert not await _taken(app, expression), expression


async def test_both_days_must_fit(app: App) -> None:
    """The day of the month and that of the week: Temporal wants both, where other crons want one of them."""
    times = await _times(app, "0 0 13 * fri", "UTC", datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    assert [f"{time:%m-%d}" for time in times] == ["02-13", "03-13", "11-13"]


async def test_a_change_of_clocks_neither_makes_nor_doubles_a_run(app: App) -> None:
    """A local time that is left out does not come that day; one that comes twice comes once."""
    spring = datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 3, 30, 3, tzinfo=UTC)
    autumn = datetime(2026, 10, 24, 12, tzinfo=UTC), datetime(2026, 10, 26, 3, tzinfo=UTC)
    left_out = await _times(app, "30 2 * * *", "Europe/Berlin", *spring)
    doubled = await _times(app, "30 2 * * *", "Europe/Berlin", *autumn)
    assert [f"{time:%d %H:%M}" for time in left_out] == ["30 00:30"]
    assert [f"{time:%d}" for time in doubled] == ["25", "26"]


async def _taken(app: App, expression: str) -> bool:
    schedule_id = f"cron-{secrets.token_hex(6)}"
    try:
        handle = await app.client.create_schedule(schedule_id, _schedule(schedule_id, expression, "UTC"))
    except RPCError:
        return False
    await handle.delete()
    return True


async def _times(app: App, expression: str, zone: str, start: datetime, end: datetime) -> list[datetime]:
    schedule_id = f"cron-{secrets.token_hex(6)}"
    handle = await app.client.create_schedule(schedule_id, _schedule(schedule_id, expression, zone))
    request = ListScheduleMatchingTimesRequest(namespace=app.client.namespace, schedule_id=schedule_id)
    request.start_time.FromDatetime(start)
    request.end_time.FromDatetime(end)
    found = await app.client.workflow_service.list_schedule_matching_times(request)
    await handle.delete()
    return [time.ToDatetime() for time in found.start_time]


def _schedule(schedule_id: str, expression: str, zone: str) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow("nothing", id=schedule_id, task_queue="nobody"),
        spec=ScheduleSpec(cron_expressions=[expression], time_zone_name=zone),
        state=ScheduleState(paused=True),
    )
