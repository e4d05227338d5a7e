"""Schedules are declared, triggered, backfilled, changed and deleted; what they ran is counted."""

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Generic, TypeVar

import asyncpg
from msgspec import Struct
from temporalio.client import ScheduleBackfill, ScheduleDescription, ScheduleOverlapPolicy

from harness.driver import App, Started
from harness.records.effects import Fact
from harness.records.operations import Iteration, Kind, Operation
from harness.records.verdicts import Finding
from harness.scenario import Scenario, Stores
from system.errors import ScheduleUnknown, Unavailable
from system.plugin import WORKFLOWS
from system.scheduling.asking import ANSWER_WITHIN, asking
from system.scheduling.declaration import Declaration, Declared
from system.scheduling.declare import Declarer
from system.scheduling.models import WARM_CACHE, Run, WarmRequest
from system.scheduling.render import inputs
from system.scheduling.rules import Step

InputT = TypeVar("InputT")
ResultT = TypeVar("ResultT")
RECORD_RUN = "record_run"
POLL_SECONDS = 0.2
FIRST = 1_735_689_600
"""2025-01-01: stretches are drawn from the year that begins then."""
HOURS = 365 * 24
BY_HAND = "hand"
NEVER_AT_ONCE = ("skip", "buffer_all")


class _Schedules(Scenario[InputT], Generic[InputT]):
    """What the scenarios of this domain share: first the work is done by hand, then there is a schedule for it."""

    timeout = 120.0

    async def run(self, app: App, given: InputT) -> None:
        by_hand = await app.start(WARM_CACHE, WarmRequest(reason="by hand"), part=BY_HAND, result_type=Run)
        await app.result(by_hand)
        await self.schedule(app, given)

    @abstractmethod
    async def schedule(self, app: App, given: InputT) -> None:
        """Use schedules for it."""

    async def observe(self, stores: Stores, iterations: Sequence[Iteration]) -> Mapping[int, Sequence[Fact]]:
        facts: dict[int, list[Fact]] = {iteration.index: [] for iteration in iterations}
        if not iterations:
            return facts
        assert isinstance(stores.postgres, asyncpg.Pool)
        prefix = f"{iterations[0].run}.{self.name}."
        for row in await stores.postgres.fetch(RUNS, prefix):
            index = int(row["workflow_id"].removeprefix(prefix).partition(".")[0])
            if index in facts:
                facts[index].append(_fact(self.name, index, row))
        return facts

    def check(self, given: InputT, operations: Sequence[Operation], facts: Sequence[Fact]) -> Sequence[Finding]:
        """What completed has left its row; then what the scenario itself demands."""
        recorded = {fact.workflow_id for fact in facts}
        return [
            *(
                _finding("lost", "it completed, and its run is not recorded", op.workflow_id)
                for op in operations
                if op.kind is Kind.RESULT and op.status == "completed" and op.workflow_id not in recorded
            ),
            *self.judge(given, {op.workflow_id for op in operations if op.kind is Kind.RESULT}, facts),
        ]

    @abstractmethod
    def judge(self, given: InputT, waited: set[str], facts: Sequence[Fact]) -> Sequence[Finding]:
        """Say what is wrong with the runs; ``waited`` for are those that the schedules said they had started."""


class Stretch(Struct, frozen=True):
    """A stretch of the past, and a schedule that would have run in it."""

    start: int
    """Seconds since 1970."""
    minutes: int
    """Between two runs."""
    times: int
    overlap: str
    as_cron: bool

    @property
    def due(self) -> tuple[int, ...]:
        return tuple(self.start + number * self.minutes * 60 for number in range(self.times))


class Backfilled(_Schedules[Stretch]):
    """A schedule that is paused is triggered, and backfilled over a stretch of the past."""

    name = "scheduling-backfilled"
    proves = "each time of a backfilled stretch is run exactly once, at most one at a time where so declared"

    def draw(self, rng: Random) -> Stretch:
        return Stretch(
            start=FIRST + rng.randrange(HOURS) * 3600,
            minutes=rng.choice((5, 10, 15, 20, 30)),
            times=rng.randint(2, 8),  # with the one triggered, no more than the ten a schedule remembers
            overlap=rng.choice(("allow_all", "buffer_all", "skip")),
            as_cron=rng.random() < 0.5,
        )

    async def schedule(self, app: App, given: Stretch) -> None:
        schedule_id = app.iteration.id("warm")
        when = {"cron": f"*/{given.minutes} * * * *"} if given.as_cron else {"every": f"{given.minutes}m"}
        declared = Declared.model_validate(
            {
                "id": schedule_id,
                "workflow": WARM_CACHE,
                "input": {"reason": "due"},
                "overlap": given.overlap,
                "paused": True,
                **when,
            }
        )
        await _apply(app, schedule_id, (declared,))
        handle = app.client.get_schedule_handle(schedule_id)
        # Not repeated where nobody answers: it may have begun, and what is begun twice is no longer told apart.
        with suppress(Unavailable), asking(schedule_id):
            await handle.trigger(overlap=ScheduleOverlapPolicy.ALLOW_ALL, rpc_timeout=ANSWER_WITHIN)
        with suppress(Unavailable), asking(schedule_id):
            stretch = ScheduleBackfill(_at(given.due[0]), _at(given.due[-1]))
            await handle.backfill(stretch, rpc_timeout=ANSWER_WITHIN)
        await _results(app, await _taken(app, schedule_id, given.times + 1))
        await _apply(app, schedule_id, ())

    def judge(self, given: Stretch, waited: set[str], facts: Sequence[Fact]) -> Sequence[Finding]:
        scheduled = [fact for fact in facts if _name(fact.workflow_id) != BY_HAND]
        times = [_time(fact.workflow_id) for fact in scheduled]
        past = [time for time in times if time < _at(FIRST + (HOURS + 24) * 3600)]
        due = [_at(seconds) for seconds in given.due]
        prefix = next((fact.workflow_id.rpartition(".")[0] for fact in facts), "")
        findings = [
            _finding("undue", f"it ran for {time}, which is no time of its schedule", prefix)
            for time in past
            if time not in due
        ]
        if len(times) - len(past) > 1:
            findings.append(_finding("doubled", f"triggered once, it ran {len(times) - len(past)} times", prefix))
        if any(fact.values["misdated"] for fact in scheduled):
            findings.append(_finding("misdated", "a run is recorded for another time than its own", prefix))
        if given.overlap in NEVER_AT_ONCE and any(fact.values["overlapping"] for fact in scheduled):
            findings.append(_finding("overlap", f"runs went on at once, with {given.overlap}", prefix))
        begun = {_time(workflow_id) for workflow_id in waited if _name(workflow_id) != BY_HAND}
        if begun and given.overlap != "skip":
            findings += [_finding("lost", f"it did not run for {time}", prefix) for time in due if time not in begun]
        return findings


class Version(Struct, frozen=True):
    """One schedule, as a version of the file has it."""

    key: str
    number: int


class Change(Struct, frozen=True):
    """Two versions of a file."""

    before: tuple[Version, ...]
    after: tuple[Version, ...]


class Applied(_Schedules[Change]):
    """A file is applied, changed, and applied again, by two at the same time; then everything is triggered."""

    name = "scheduling-applied"
    proves = "after a changed file is applied, twice at once, there are exactly the declared schedules, as declared"

    def draw(self, rng: Random) -> Change:
        keys = [f"s{number}" for number in range(rng.randint(3, 6))]
        before = tuple(Version(key, 1) for key in keys if rng.random() < 0.7)
        after = tuple(Version(key, rng.choice((1, 2))) for key in keys if rng.random() < 0.7)
        return Change(before, after)

    async def schedule(self, app: App, given: Change) -> None:
        owner = app.iteration.id("file")
        await _apply(app, owner, _declared(app, given.before))
        await _listed(app, {app.iteration.id(one.key) for one in given.before})
        after = _declared(app, given.after)
        await asyncio.gather(_apply(app, owner, after), _apply(app, owner, after))
        again = await _apply(app, owner, after)
        assert all(step.doing == "unchanged" for step in again), f"applied again, it had something to do: {again}"
        for key in sorted({one.key for one in (*given.before, *given.after)}):
            await self._trigger(app, app.iteration.id(key))
        for one in given.after:
            await _results(app, await _taken(app, app.iteration.id(one.key), 1))
        await _apply(app, owner, ())

    async def _trigger(self, app: App, schedule_id: str) -> None:
        async def trigger() -> None:
            with suppress(ScheduleUnknown), asking(schedule_id):
                await app.client.get_schedule_handle(schedule_id).trigger(rpc_timeout=ANSWER_WITHIN)

        await _insist(trigger)

    def judge(
        self, given: Change, waited: set[str], facts: Sequence[Fact]
    ) -> Sequence[Finding]:  # each was waited for by itself
        declared = {one.key: one.number for one in given.after}
        findings = []
        for fact in facts:
            key = _name(fact.workflow_id).partition("-")[0]
            if key == BY_HAND:
                continue
            if key not in declared:
                findings.append(_finding("undeclared", "it ran, and is no longer declared", fact.workflow_id))
            elif fact.values["version"] != declared[key]:
                message = f"version {fact.values['version']} ran, {declared[key]} is declared"
                findings.append(_finding("stale", message, fact.workflow_id))
        return findings


RUNS = """
    SELECT workflow_id, count(*) AS rows, array_agg(xmin::text::bigint) AS writers,
           count(*) FILTER (WHERE to_char(scheduled_for, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') <> right(workflow_id, 20))
               AS misdated,
           max(CASE WHEN request ->> 'reason' ~ '^version [0-9]+$' THEN substr(request ->> 'reason', 9)::integer END)
               AS version,
           max((
               SELECT count(*) FROM maintenance_runs AS other
               WHERE starts_with(other.workflow_id, $1)
               AND split_part(substr(other.workflow_id, length($1) + 1), '.', 1)
                   = split_part(substr(run.workflow_id, length($1) + 1), '.', 1)
               AND other.workflow_id <> run.workflow_id
               AND other.scheduled_for < other.began_at - interval '1 day'
               AND run.scheduled_for < run.began_at - interval '1 day'
               AND other.began_at < run.recorded_at AND run.began_at < other.recorded_at
           )) AS overlapping
    FROM maintenance_runs AS run WHERE starts_with(workflow_id, $1) GROUP BY workflow_id
"""
"""The runs of one scenario, and how many others of the same iteration's backfill went on at the same time as each."""

SCHEDULING = (Backfilled(), Applied())


def _fact(scenario: str, index: int, row: asyncpg.Record) -> Fact:
    return Fact(
        scenario=scenario,
        iteration=index,
        workflow_id=row["workflow_id"],
        step=RECORD_RUN,
        item="",
        expected=1,
        found=row["rows"],
        transactions=tuple(sorted(set(row["writers"]))),
        values={
            "version": row["version"] or 0,
            "overlapping": row["overlapping"],
            "misdated": row["misdated"],
        },
    )


def _declared(app: App, versions: Sequence[Version]) -> tuple[Declared, ...]:
    return tuple(
        Declared.model_validate(
            {
                "id": app.iteration.id(one.key),
                "workflow": WARM_CACHE,
                "input": {"reason": f"version {one.number}"},
                "cron": f"0 0 {one.number} 1 *",
                "paused": True,
            }
        )
        for one in versions
    )


async def _apply(app: App, owner: str, declared: tuple[Declared, ...]) -> tuple[Step, ...]:
    declarer = Declarer(app.client, inputs(WORKFLOWS), app.task_queue)
    return await _insist(lambda: declarer.apply(Declaration(name=owner, schedules=declared), prune=True))


async def _insist(call: Callable[[], Awaitable[ResultT]]) -> ResultT:
    """Make a call that may be repeated, until Temporal answers it."""
    while True:
        try:
            return await call()
        except Unavailable:
            await asyncio.sleep(POLL_SECONDS)


async def _listed(app: App, wanted: set[str]) -> None:
    """Wait until the list has caught up: what it does not show yet cannot be pruned."""

    async def listed() -> set[str]:
        with asking("of the list"):
            return {one.id async for one in await app.client.list_schedules(rpc_timeout=ANSWER_WITHIN)}

    while True:
        if wanted <= await _insist(listed):
            return
        await asyncio.sleep(POLL_SECONDS)


async def _taken(app: App, schedule_id: str, times: int) -> ScheduleDescription:
    """Wait until the schedule has come to so many times, and started or skipped each."""

    async def describe() -> ScheduleDescription:
        with asking(schedule_id):
            return await app.client.get_schedule_handle(schedule_id).describe(rpc_timeout=ANSWER_WITHIN)

    while True:
        found = await _insist(describe)
        if found.info.num_actions + found.info.num_actions_skipped_overlap >= times:
            return found
        await asyncio.sleep(POLL_SECONDS)


async def _results(app: App, found: ScheduleDescription) -> None:
    ids = sorted({getattr(one.action, "workflow_id", "") for one in found.info.recent_actions})
    handles = [app.client.get_workflow_handle(workflow_id, result_type=Run) for workflow_id in ids]
    await asyncio.gather(*(app.result(Started(handle, app.iteration.intended)) for handle in handles))


def _name(workflow_id: str) -> str:
    return workflow_id.rpartition(".")[2]


def _time(workflow_id: str) -> datetime:
    """The time that Temporal has added to the id of a scheduled run."""
    return datetime.strptime(workflow_id[-20:], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def _at(seconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)


def _finding(problem: str, message: str, workflow_id: str) -> Finding:
    return Finding(problem=problem, message=message, workflow_id=workflow_id)
