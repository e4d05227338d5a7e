"""Reads a file of schedules: every entry is right, or all of it is refused."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import (
    AwareDatetime,
    BeforeValidator,
    Field,
    PlainSerializer,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from system.errors import DeclarationRefused
from system.records import Record, Strict, explain_each
from system.scheduling import cron

FORM = 1
"""Raise it when the same declaration is to make another schedule than before: every schedule is updated then."""
LARGEST_INPUT = 16 * 1024
"""Bytes. A schedule keeps its input for as long as it exists; large payloads are stored apart, and purged one day."""
ENTRY = re.compile(r"^\s*\[\[\s*schedules\s*\]\]", re.MULTILINE)
DURATION = re.compile(r"(?:(?P<days>\d+)d)?(?:(?P<hours>\d+)h)?(?:(?P<minutes>\d+)m)?(?:(?P<seconds>\d+)s)?")


def duration(text: object) -> timedelta:
    """Read ``90s``, ``5m``, ``1h30m``, ``7d``; raises ValueError."""
    match = DURATION.fullmatch(text) if isinstance(text, str) and text else None
    if match is None:
        raise ValueError(f"{text!r}: expected a duration such as 90s, 5m, 1h30m or 7d")
    return timedelta(**{unit: int(number) for unit, number in match.groupdict().items() if number})


def _cron(text: str) -> str:
    cron.check(text)
    return text.strip()


def _one_or_more(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _zone(name: str) -> str:
    known = available_timezones()  # none where the machine has no such data: then the server judges
    if name == "Local" or (known and name not in known):
        raise ValueError(f"unknown time zone {name!r}: expected an IANA name such as Europe/Berlin, or UTC")
    return name


Duration = Annotated[
    timedelta, BeforeValidator(duration), PlainSerializer(lambda span: span.total_seconds(), return_type=float)
]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[\w.:-]+$")]
Cron = Annotated[str, BeforeValidator(_cron)]
Overlap = Literal["skip", "buffer_one", "buffer_all", "cancel_other", "terminate_other", "allow_all"]


class Calendar(Strict):
    """Times by the calendar; each field as in cron."""

    second: str = "0"
    minute: str = "0"
    hour: str = "0"
    day_of_month: str = "*"
    month: str = "*"
    day_of_week: str = "*"
    year: str = "*"

    @model_validator(mode="after")
    def _comes(self) -> Calendar:
        for field in (cron.SECOND, cron.MINUTE, cron.HOUR, cron.DAY_OF_WEEK, cron.YEAR):
            field.ranges(getattr(self, field.name.replace(" ", "_")))
        cron.check_days(cron.DAY_OF_MONTH.values(self.day_of_month), cron.MONTH.values(self.month))
        return self


class Declared(Strict):
    """One schedule: what it starts, when, and what it does when things go wrong."""

    id: Name
    workflow: str
    input: Mapping[str, Any] = Field(default_factory=dict)
    workflow_id: Name | None = None
    """Start of the ids of its runs, to which Temporal adds the time; the schedule's own id where absent."""
    cron: Annotated[tuple[Cron, ...], BeforeValidator(_one_or_more)] = ()
    every: Duration | None = None
    offset: Duration = timedelta(0)
    """Added to each multiple of ``every`` since 1970."""
    calendars: tuple[Calendar, ...] = ()
    skip: tuple[Calendar, ...] = ()
    """Times at which it does not run after all."""
    time_zone: Annotated[str, BeforeValidator(_zone)] = "UTC"
    start_at: AwareDatetime | None = None
    end_at: AwareDatetime | None = None
    jitter: Duration = timedelta(0)
    """Each run is late by a random part of it."""
    overlap: Overlap = "skip"
    """What to do when a run is due and the one before is still going."""
    catch_up: Duration = timedelta(hours=1)
    """How far back runs are made up for, that were due while Temporal was down."""
    pause_on_failure: bool = False
    remaining_actions: int | None = Field(default=None, ge=1)
    """It runs so many times by itself, and no more."""
    run_timeout: Duration | None = None
    paused: bool = False
    """Whether it is made paused; from then on that is the operator's business."""
    note: str = Field(default="", max_length=500)

    @model_validator(mode="after")
    def _makes_sense(self) -> Declared:
        if not (self.cron or self.every is not None or self.calendars):
            raise ValueError("it never comes: expected cron, every or calendars")
        if self.every is not None and self.every < timedelta(seconds=1):
            raise ValueError("every: expected one second or more")
        if self.offset and (self.every is None or self.offset >= self.every):
            raise ValueError("offset: expected less than every")
        if self.start_at and self.end_at and self.end_at <= self.start_at:
            raise ValueError("end_at: expected a time after start_at")
        if self.catch_up < timedelta(seconds=10):
            raise ValueError("catch_up: expected 10s or more")
        return self


class Declaration(Strict):
    """A file of schedules: they are its own by its name."""

    name: Name
    schedules: tuple[Declared, ...] = ()


def digest(declared: Declared, task_queue: str) -> str:
    """Return what changes when the schedule has to be updated; whether it is paused is the operator's business."""
    content = declared.model_dump(mode="json", exclude={"paused", "note"})
    text = json.dumps([FORM, task_queue, content], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def parse(text: str, inputs: Mapping[str, type[Record]]) -> Declaration:
    """Read a file's text.

    Args:
        text: TOML: a ``name``, and a table ``[[schedules]]`` for each schedule.
        inputs: the record that each type of workflow takes.

    Raises:
        DeclarationRefused: names every entry that is wrong, by its line, and what was expected.

    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DeclarationRefused(f"it is not TOML: {error}") from error
    entries = content.get("schedules", [])
    if not isinstance(entries, list):
        raise DeclarationRefused("schedules: expected a table [[schedules]] for each schedule")
    lines = [text.count("\n", 0, match.end()) + 1 for match in ENTRY.finditer(text)]
    problems = [*_about_the_file(content)]
    schedules: list[Declared] = []
    for number, entry in enumerate(entries):
        where = _where(number, entry, lines if len(lines) == len(entries) else ())
        try:
            schedules.append(checked(Declared.model_validate(entry), inputs))
        except ValidationError as error:
            problems += [f"{where}: {told}" for told in explain_each(error)]
        except ValueError as error:
            problems.append(f"{where}: {error}")
    problems += _twice(schedules)
    if problems:
        raise DeclarationRefused("\n  ".join([f"{len(problems)} wrong, so nothing was changed:", *problems]))
    return Declaration(name=content["name"], schedules=tuple(schedules))


def checked(declared: Declared, inputs: Mapping[str, type[Record]]) -> Declared:
    """Make sure that there is such a workflow, and that it takes this input; raises ValueError."""
    record = inputs.get(declared.workflow)
    if record is None:
        raise ValueError(f"unknown workflow {declared.workflow!r}: expected one of {', '.join(sorted(inputs))}")
    known = {alias for name, field in record.model_fields.items() for alias in (name, field.alias) if alias}
    unknown = sorted(declared.input.keys() - known)
    if unknown:
        raise ValueError(f"input.{unknown[0]}: {record.__name__} has no such field; it has {', '.join(sorted(known))}")
    try:
        size = len(record.model_validate(declared.input).model_dump_json())
    except ValidationError as error:
        raise ValueError("; ".join(f"input.{told}" for told in explain_each(error))) from error
    if size > LARGEST_INPUT:
        raise ValueError(f"input has {size:,} bytes: expected at most {LARGEST_INPUT:,}; hand over where it is instead")
    return declared


def _about_the_file(content: Mapping[str, Any]) -> Iterator[str]:
    for key in sorted(content.keys() - {"name", "schedules"}):
        yield f"{key}: unknown key; expected name, and [[schedules]]"
    try:
        TypeAdapter(Name).validate_python(content.get("name"))
    except ValidationError:
        yield "name: expected a name of the file, by which its schedules are known as its own"


def _where(number: int, entry: object, lines: Sequence[int]) -> str:
    named = entry.get("id") if isinstance(entry, dict) else None
    line = f"line {lines[number]}, " if lines else ""
    return f"{line}schedule {named!r}" if named else f"{line}schedule number {number + 1}"


def _twice(schedules: Sequence[Declared]) -> Iterator[str]:
    for each, count in Counter(one.id for one in schedules).items():
        if count > 1:
            yield f"schedule {each!r} is declared {count} times: expected an id of its own for each"
    started = {one.id: one.workflow_id or one.id for one in schedules}
    for each, count in Counter(started.values()).items():
        if count > 1:
            yield f"workflow_id {each!r} is that of {count} schedules: their runs would stand in each other's way"


def at(text: str) -> datetime:
    """Read a time with its zone, ``2026-01-01T00:00:00Z``; raises ValueError."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise ValueError(f"{text!r}: expected a time with its zone, such as 2026-01-01T00:00:00Z")
    return time
