"""Makes Temporal's schedule of a declaration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from temporalio import workflow
from temporalio.client import (
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleCalendarSpec,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleState,
)
from temporalio.common import TypedSearchAttributes

from system.records import Record
from system.scheduling import cron
from system.scheduling.declaration import digest
from system.scheduling.models import DECLARED, Mark
from system.search_attributes import described

if TYPE_CHECKING:
    from system.scheduling.declaration import Calendar, Declared


def inputs(workflows: tuple[type, ...]) -> dict[str, type[Record]]:
    """Return the record that each of these workflows takes, by the workflow's name."""
    definitions = [workflow._Definition.must_from_class(one) for one in workflows]  # noqa: SLF001 the SDK tells it nowhere else
    return {
        one.name: one.arg_types[0]
        for one in definitions
        if one.name and one.arg_types and issubclass(one.arg_types[0], Record)
    }


def mark_of(declared: Declared, task_queue: str) -> Mark:
    """Return what the schedule's runs carry in their memo, and by which it is known to be up to date."""
    return Mark(digest=digest(declared, task_queue), remaining_actions=declared.remaining_actions)


def schedule_of(declared: Declared, records: Mapping[str, type[Record]], task_queue: str) -> Schedule:
    """Return the schedule as it is made first; its input is the workflow's own record."""
    given = records[declared.workflow].model_validate(declared.input)
    attributes = described(declared.workflow, [given], None)
    assert isinstance(attributes, TypedSearchAttributes), "every workflow's name tells its domain"
    return Schedule(
        action=ScheduleActionStartWorkflow(
            declared.workflow,
            given,
            id=declared.workflow_id or declared.id,
            task_queue=task_queue,
            run_timeout=declared.run_timeout,
            memo={DECLARED: mark_of(declared, task_queue)},
            typed_search_attributes=attributes,
        ),
        spec=ScheduleSpec(
            cron_expressions=list(declared.cron),
            intervals=[ScheduleIntervalSpec(declared.every, declared.offset)] if declared.every else [],
            calendars=[_calendar(one) for one in declared.calendars],
            skip=[_calendar(one) for one in declared.skip],
            start_at=declared.start_at,
            end_at=declared.end_at,
            jitter=declared.jitter,
            time_zone_name=declared.time_zone,
        ),
        policy=SchedulePolicy(
            overlap=overlap(declared.overlap),
            catchup_window=declared.catch_up,
            pause_on_failure=declared.pause_on_failure,
        ),
        state=ScheduleState(
            paused=declared.paused,
            note=declared.note or None,
            limited_actions=declared.remaining_actions is not None,
            remaining_actions=declared.remaining_actions or 0,
        ),
    )


def overlap(name: str) -> ScheduleOverlapPolicy:
    """Return the policy of this name."""
    return ScheduleOverlapPolicy[name.upper()]


def _calendar(one: Calendar) -> ScheduleCalendarSpec:
    def ranges(field: cron.Field) -> list[ScheduleRange]:
        text = getattr(one, field.name.replace(" ", "_"))
        return [ScheduleRange(start, end, step) for start, end, step in field.ranges(text)]

    return ScheduleCalendarSpec(
        second=ranges(cron.SECOND),
        minute=ranges(cron.MINUTE),
        hour=ranges(cron.HOUR),
        day_of_month=ranges(cron.DAY_OF_MONTH),
        month=ranges(cron.MONTH),
        year=[] if one.year == "*" else ranges(cron.YEAR),
        day_of_week=ranges(cron.DAY_OF_WEEK),
    )
