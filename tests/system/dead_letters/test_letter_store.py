"""The SQL of dead letters on a real database: written once, whole, and found by its indexes."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from explain import explained_call
from temporalio.exceptions import ApplicationError

from system.dead_letters import listing, store
from system.dead_letters.failures import told
from system.dead_letters.models import Failure, Filter, Origin
from system.storage.effects import ledger
from system.storage.pool import Pool

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def failure(number: int = 0, **fields: Any) -> Failure:
    return Failure.model_validate(
        {
            "workflow_id": f"w{number}",
            "run_id": f"r{number}",
            "workflow_type": "x.Workflow",
            "activity_type": "x.step",
            "activity_id": "1",
            "error_type": "E",
            "message": f"item {number} is bad",
            "ended_workflow": False,
            "failed_at": NOW + timedelta(seconds=number),
            **fields,
        }
    )


async def test_a_repeat_changes_nothing_but_that_the_workflow_ended(connection: asyncpg.Connection) -> None:
    """The same failure, kept four times: one letter, and one line in the ledger for each thing it says."""
    first = await store.keep(connection, failure(), 1)
    second = await store.keep(connection, failure(message="another"), 2)
    ended = await store.keep(connection, failure(ended_workflow=True), 1)
    again = await store.keep(connection, failure(ended_workflow=True), 2)
    assert (first.new, second.new, ended.new, again.new) == (True, False, False, False)
    assert {first.letter, second.letter, ended.letter, again.letter} == {first.letter}
    letter = await listing.read(connection, first.letter)
    assert letter is not None
    assert (letter.message, letter.ended_workflow) == ("item 0 is bad", True)
    lines = [(line.step, line.item) for line in await ledger(connection, "w0")]
    assert lines == [("dead_letter", "r0/1"), ("workflow_failed", "r0")]


async def test_details_that_are_no_json_are_kept(connection: asyncpg.Connection) -> None:
    """PostgreSQL takes neither NaN nor Infinity, nor NUL nor half a surrogate pair: what it was is still to be read."""
    given = {"rate": float("nan"), "all": [float("inf"), {"least": float("-inf")}], "text": "a\0b\ud800", "fine": 1.5}
    says = told(ApplicationError("no rate", given, type="E"))
    kept = await store.keep(connection, failure(details=says.details), 1)
    letter = await listing.read(connection, kept.letter)
    assert letter is not None
    [details] = letter.details["details"]
    assert details == {"rate": "NaN", "all": ["Infinity", {"least": "-Infinity"}], "text": "a\u2400b?", "fine": 1.5}


async def test_kept_from_many_sides_at_once_it_is_one_letter(database: Pool) -> None:
    """Two attempts of the activity that keeps it overlap."""

    async def keep() -> int:
        async with database.acquire() as connection:
            return (await store.keep(connection, failure(ended_workflow=True), 1)).letter

    assert len(set(await asyncio.gather(*(keep() for _ in range(8))))) == 1
    async with database.acquire() as connection:
        assert len(await ledger(connection, "w0")) == 2


async def test_a_letter_whose_origin_is_purged_is_kept_all_the_same(connection: asyncpg.Connection) -> None:
    """Its depth still says that it was redriven."""
    kept = await store.keep(connection, failure(origin=Origin(letter=999, depth=3)), 1)
    letter = await listing.read(connection, kept.letter)
    assert letter is not None
    assert (letter.redriven_from, letter.depth) == (None, 3)


async def test_letters_are_found_page_by_page_and_by_every_filter(connection: asyncpg.Connection) -> None:
    """Newest first; each field of the filter counts; no letter on two pages."""
    for number in range(5):
        await store.keep(connection, failure(number, error_type="E" if number % 2 else "F"), 1)
    first = await listing.find(connection, Filter(), limit=3)
    second = await listing.find(connection, Filter(), before=first[-1].id, limit=3)
    assert [one.workflow_id for one in first + second] == ["w4", "w3", "w2", "w1", "w0"]
    fingerprint = first[0].fingerprint
    wanted = {
        Filter(error_type="E"): 2,
        Filter(fingerprint=fingerprint): 3,
        Filter(workflow_id="w2"): 1,
        Filter(workflow_type="x.Workflow"): 5,
        Filter(workflow_type="y.Workflow"): 0,
        Filter(activity_type="x.step"): 5,
        Filter(activity_type="x.other"): 0,
        Filter(state="open"): 5,
        Filter(state="discarded"): 0,
        Filter(since=NOW + timedelta(seconds=3)): 2,
        Filter(until=NOW + timedelta(seconds=3)): 3,
    }
    found = {each: len(await listing.find(connection, each)) for each in wanted}
    assert found == wanted


async def test_groups_count_open_letters_first(connection: asyncpg.Connection) -> None:
    """A group without an open letter is shown only where all are asked for."""
    letters = [
        (await store.keep(connection, failure(number, error_type=kind), 1)).letter
        for number, kind in enumerate(["E", "E", "F"])
    ]
    await store.discard(connection, [letters[2]], "ann", "no")
    assert [(one.error_type, one.open, one.total) for one in await listing.groups(connection, limit=5)] == [("E", 2, 2)]
    everything = await listing.groups(connection, limit=5, only_open=False)
    assert [(one.error_type, one.open, one.total) for one in everything] == [("E", 2, 2), ("F", 0, 1)]
    assert await listing.states(connection) == {"discarded": 1, "open": 2}


@pytest.fixture
async def filled(connection: asyncpg.Connection) -> asyncpg.Connection:
    """Five thousand letters, one in fifty of them open."""
    await connection.execute(
        """
        INSERT INTO dead_letters (
            workflow_id, run_id, activity_id, workflow_type, activity_type, item, error_type, message, remedy, details,
            ended_workflow, child, parent, fingerprint, state, failed_at, redrive_workflow_id, redriven_from
        )
        SELECT 'w' || n, 'r' || n, '', 't', '', '', 'E', 'm', '', '{}', true, '', '', (n % 500)::text,
               CASE WHEN n % 50 = 0 THEN 'open' ELSE 'redriven' END, now(),
               CASE WHEN n % 50 > 0 THEN 'w' || n || '.redrive.1' END, NULL
        FROM generate_series(1, 5000) AS n
        """
    )
    await connection.execute(
        "INSERT INTO dead_letter_events (letter_id, action, by, reason) SELECT id, 'redriven', '', '' FROM dead_letters"
    )
    await connection.execute("UPDATE dead_letters SET redriven_from = id - 1 WHERE id % 100 = 7")
    await connection.execute("ANALYZE dead_letters, dead_letter_events")
    return connection


async def test_hot_queries_use_their_indexes(filled: asyncpg.Connection) -> None:
    """Keeping, listing, selecting, redriving, settling and inspecting never read the whole table."""
    parented = (await listing.find(filled, Filter(workflow_id="w7")))[0].model_copy(update={"parent": "w8"})
    calls = {
        "keep": store.keep(filled, failure(7, activity_id="", ended_workflow=True), 1),
        "find": listing.find(filled, Filter(fingerprint="77")),
        "page": listing.find(filled, Filter(), before=400, limit=20),
        "open": listing.find(filled, Filter(state="open"), limit=20),
        "one workflow": listing.find(filled, Filter(workflow_id="w7")),
        "select": listing.select(filled, Filter(fingerprint="77"), after=10, last=4000, limit=10),
        "redrive": store.claim_redrive(filled, 50, "x", "y", whole=True),
        "started": store.note_started(filled, "w50.redrive.1", "r"),
        "settle": store.settle_redriven(filled, 107, "resolved", "x", "y"),
        "replaced": store.settle_replaced(filled, "w150", "r", "resolved", "x", "y"),
        "discard": store.discard(filled, [100], "x", "y"),
        "missing": store.without_letter(filled, [("w1", "r1"), ("w2", "r2")]),
        "parent": store.letter_of_parent(filled, parented),
        "events": store.events_of(filled, 7),
        "refused": store.note_refused(filled, 7, "x", "y"),
        "lineage": listing.lineage(filled, 107),
        "newest": listing.newest(filled),
    }
    read = {name: await explained_call(filled, call) for name, call in calls.items()}
    whole = {name: plan for name, plan in read.items() if any(part.startswith("all of dead_letter") for part in plan)}
    assert whole == {}
    assert "dead_letters_fingerprint" in read["find"]
    assert "dead_letters_state" in read["open"]
