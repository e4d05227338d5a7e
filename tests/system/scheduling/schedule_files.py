"""Files of schedules as tests make them, and what the server has of them."""

import secrets
from collections.abc import Mapping
from typing import Any

from running_system import App
from temporalio.client import ScheduleDescription

from system.plugin import WORKFLOWS
from system.scheduling.asking import asking
from system.scheduling.declaration import Declaration, Declared, checked
from system.scheduling.declare import Declarer
from system.scheduling.models import DECLARED_BY, WARM_CACHE
from system.scheduling.render import inputs
from system.scheduling.rules import Step

RECORDS = inputs(WORKFLOWS)


def a_name() -> str:
    return f"file-{secrets.token_hex(6)}"


def schedule(schedule_id: str, **more: Any) -> Declared:
    """A schedule that is paused, and due once a year."""
    given = {"id": schedule_id, "workflow": WARM_CACHE, "cron": "@yearly", "paused": True, **more}
    return checked(Declared.model_validate(given), RECORDS)


def declarer(app: App) -> Declarer:
    return Declarer(app.client, RECORDS, app.settings.task_queue)


async def apply(app: App, name: str, *schedules: Declared, prune: bool = True) -> tuple[Step, ...]:
    return await declarer(app).apply(Declaration(name=name, schedules=schedules), prune=prune)


async def described(app: App, schedule_id: str) -> ScheduleDescription:
    with asking(schedule_id):
        return await app.client.get_schedule_handle(schedule_id).describe()


async def listed(app: App, name: str) -> Mapping[str, bool]:
    """Schedules of this file and whether each is paused, as the list has them."""
    return {
        one.id: one.schedule is not None and one.schedule.state.paused
        async for one in await app.client.list_schedules()
        if await one.memo_value(DECLARED_BY, None) == name
    }
