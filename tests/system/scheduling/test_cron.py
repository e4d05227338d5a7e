"""Cron expressions: what Temporal takes for what it looks like is taken, and all else is refused."""

import secrets
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from running_system import App
from temporalio.api.workflowservice.v1 import ListScheduleMatchingTimesRequest
from temporalio.client import Schedule, ScheduleActionStartWorkflow, ScheduleSpec, ScheduleState
from temporalio.service import RPCError

from system.scheduling import cron

GOOD = (
    "* * * * *",
    "*/7 * * * *",
    "5/15 * * * *",
    "0-10/3 * * * *",
    "30 3 * * mon-fri",
    "0 0 * * 7",
    "0 0 1,15 * 3",
    "0 0 1 January *",
    "0 9 * * SUN,wed",
    "0 0 29 2 *",
    "0 0 1 1 * 2030",
    "*/30 * * * * * *",
    "@daily",
    "@hourly",
    "  0 0   * * *  ",
)
BAD = {
    "": "has 0 fields",
    "* * * *": "has 4 fields",
    "* * * * * * * *": "has 8 fields",
    "60 * * * *": "minute '60': expected 0 to 59",
    "0 24 * * *": "hour '24': expected 0 to 23",
    "0 0 0 * *": "day of month '0': expected 1 to 31",
    "0 0 * 13 *": "month '13': expected 1 to 12, or a name such as jan",
    "0 0 * * 8": "day of week '8': expected 0 to 6, or a name such as mon",
    "0 22-2 * * *": "hour '22-2' ends before it begins",
    "0 */0 * * *": "expected a step of 1 or more",
    "0 */x * * *": "expected a step of 1 or more",
    "1,,3 * * * *": "minute ''",
    "-1 * * * *": "minute '-1'",
    "0 0 L * *": "day of month 'L'",
    "0 0 ? * *": "day of month '\\?'",
    "@reboot": "has 1 fields",
    "@DAILY": "has 1 fields",
    "0 0 * * fri-mon": "ends before it begins",
    "CRON_TZ=Europe/Berlin 0 3 * * *": "the key `time_zone`",
}
MISLEADING = {
    "0 0 30 2 *": "it never comes",
    "0 0 31 feb,apr *": "it never comes",
    "0 0 * * 1#2": "expected no '#'",
    "0 0 * * 0-7": "expected 0 or sun for Sunday",
    "@every 5m": "the key `every`",
}


@pytest.mark.parametrize("expression", GOOD)
def test_what_is_right_is_taken(expression: str) -> None:
    """Lists, ranges, steps, names, shortcuts, years and seconds."""
    cron.check(expression)


@pytest.mark.parametrize(("expression", "says"), [*BAD.items(), *MISLEADING.items()])
def test_what_is_wrong_is_named(expression: str, says: str) -> None:
    """The message has the part that is wrong, and what was expected."""
    with pytest.raises(ValueError, match=says):
        cron.check(expression)


@given(st.integers(0, 59), st.integers(0, 59), st.integers(1, 60))
def test_a_range_is_its_ends_and_steps(one: int, other: int, step: int) -> None:
    """a-b/s stands for a, a+s and so on, up to b."""
    low, high = sorted((one, other))
    assert cron.MINUTE.values(f"{low}-{high}/{step}") == set(range(low, high + 1, step))
    assert cron.MINUTE.values(f"{low},{high}") == {low, high}


@given(st.text("0123456789*/-, #@?LTmonsujanfeb", max_size=20))
def test_whatever_is_written_is_taken_or_refused_with_a_reason(text: str) -> None:
    """Nothing but ValueError comes out."""
    with suppress(ValueError):
        cron.check(text)


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
