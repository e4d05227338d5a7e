"""Of each row in the journal it is told whose it is: by its own columns, by what they reference, by what it was."""

from collections.abc import Sequence

import pytest

from harness.journal.reading import Reader, effects_of
from harness.journal.tables import Mapping, Reference, Table
from harness.records.effects import EffectKind, Source
from harness.records.journal import Change, Commit

LINES = Table(
    name="public.lines", key=("workflow_id", "sku"), workflow="workflow_id", step="reserve", step_column=None,
    item=("sku",),
)  # fmt: skip
POSTINGS = Table(
    name="public.postings", key=("id",), workflow="workflow_id", step="postings", step_column="step", item=()
)
CHUNKS = Table(
    name="public.chunks",
    key=("id",),
    workflow=Reference(column="load_id", table="public.loads", key="id", wanted="workflow_id"),
    step="load",
    step_column=None,
    item=("file", "number"),
)
KEYLESS = Table(name="public.votes", key=(), workflow="workflow_id", step="vote", step_column=None, item=())
DONE = "COMMIT 7 (at 2026-11-22 20:49:01+00)"
AT = 1795380541.0


def read(*lines: str, reader: Reader | None = None) -> Commit:
    """What one transaction did, of these lines and its last one."""
    return (reader or reading()).commit(7, [*lines, DONE], 0, len(lines))


def reading(ledger: str | None = None) -> Reader:
    """A reader of all four tables."""
    return Reader(Mapping(tables=(LINES, POSTINGS, CHUNKS, KEYLESS), ledger=ledger), "run.")


def changes(*lines: str, reader: Reader | None = None) -> Sequence[Change]:
    """To which rows of the run."""
    return read(*lines, reader=reader).changes


def test_a_row_is_for_its_workflow_step_and_item() -> None:
    """As its columns say; the commit tells when it was, and how many rows it wrote in all."""
    commit = read("table public.lines: INSERT: workflow_id[text]:'run.a' sku[text]:'tea' quantity[integer]:2")
    assert commit == Commit(
        transaction=7,
        committed_at=AT,
        ledger=None,
        others=1,
        changes=(Change(table="public.lines", workflow_id="run.a", step="reserve", item="tea", inserted=1),),
    )


def test_rows_of_one_item_are_counted() -> None:
    """Inserted, changed and deleted each by itself."""
    (change,) = changes(
        "table public.postings: INSERT: id[bigint]:1 workflow_id[text]:'run.a' step[text]:'pay'",
        "table public.postings: INSERT: id[bigint]:2 workflow_id[text]:'run.a' step[text]:'pay'",
        "table public.postings: UPDATE: id[bigint]:2 workflow_id[text]:'run.a' step[text]:'pay'",
        "table public.postings: DELETE: id[bigint]:1",
    )
    assert change == Change(
        table="public.postings", workflow_id="run.a", step="pay", item="", inserted=2, updated=1, deleted=1
    )


def test_a_row_belongs_to_the_workflow_of_the_row_it_references() -> None:
    """Which was committed before it, in a table that need not be mapped itself."""
    reader = reading()
    assert not changes("table public.loads: INSERT: id[bigint]:3 workflow_id[text]:'run.b'", reader=reader)
    (change,) = changes(
        "table public.chunks: INSERT: id[integer]:9 load_id[bigint]:3 file[text]:'f' number[integer]:0", reader=reader
    )
    assert change.key == ("run.b", "load", "f/0")
    changes("table public.loads: UPDATE: id[bigint]:3 workflow_id[text]:unchanged-toast-datum", reader=reader)
    (change,) = changes(
        "table public.chunks: INSERT: id[integer]:8 load_id[bigint]:3 file[text]:null number[integer]:0", reader=reader
    )
    assert change.key == ("run.b", "load", "/0"), "nothing, in place of null"


def test_a_deleted_row_is_told_by_what_it_was() -> None:
    """The journal has no more of it than its primary key."""
    reader = reading()
    for number, workflow_id in enumerate(["run.a", "run.b"], 1):
        row = f"id[bigint]:{number} workflow_id[text]:'{workflow_id}' step[text]:'pay'"
        changes(f"table public.postings: INSERT: {row}", reader=reader)
    (change,) = changes("table public.postings: DELETE: id[bigint]:1", reader=reader)
    assert change == Change(table="public.postings", workflow_id="run.a", step="pay", item="", deleted=1)
    assert not changes("table public.postings: DELETE: id[bigint]:1", reader=reader), "it was deleted already"


def test_a_deleted_row_is_told_by_its_key_where_that_says_it_all() -> None:
    """Also where it was inserted before anybody looked."""
    (change,) = changes("table public.lines: DELETE: workflow_id[text]:'run.a' sku[text]:'tea'")
    assert change == Change(table="public.lines", workflow_id="run.a", step="reserve", item="tea", deleted=1)


def test_a_row_is_followed_through_a_change_of_its_key() -> None:
    """And of values that the change does not tell."""
    reader = reading()
    changes("table public.postings: INSERT: id[bigint]:1 workflow_id[text]:'run.a' step[text]:'pay'", reader=reader)
    (moved,) = changes(
        "table public.postings: UPDATE: old-key: id[bigint]:1 new-tuple: id[bigint]:2 "
        "workflow_id[text]:'run.a' step[text]:unchanged-toast-datum",
        reader=reader,
    )
    (gone,) = changes("table public.postings: DELETE: id[bigint]:2", reader=reader)
    assert (moved.key, moved.updated) == (gone.key, gone.deleted) == (("run.a", "pay", ""), 1)


@pytest.mark.parametrize(
    "line",
    [
        "table public.lines: INSERT: workflow_id[text]:'other.a' sku[text]:'tea'",
        "table public.lines: INSERT: workflow_id[text]:null sku[text]:'tea'",
        "table public.loads: INSERT: id[bigint]:3 workflow_id[text]:'run.b'",
        "table public.chunks: INSERT: id[integer]:9 load_id[bigint]:4 file[text]:'f' number[integer]:0",
        "table public.lines: TRUNCATE: (no-flags)",
        "table public.votes: DELETE: (no-tuple-data)",
    ],
)
def test_what_is_nobodys_is_left_out(line: str) -> None:
    """Rows of other runs and of no workflow, of tables that are not mapped, and rows that are not told."""
    reader = reading()
    changes("table public.votes: INSERT: workflow_id[text]:'run.a'", reader=reader)
    assert changes(line, reader=reader) == ()


def test_rows_of_the_ledger_are_told_where_it_is_named() -> None:
    """Else nobody knows whether it has any."""
    line = "table public.effects: INSERT: id[bigint]:1"
    for name, told in ((None, None), ("public.effects", 0)):
        assert read(line, reader=reading(name)).ledger == told


def test_effects_are_rows_that_came_and_went() -> None:
    """However many for one item; what was only changed, or came and went in one transaction, is none."""
    commits = [
        Commit(
            transaction=7,
            committed_at=AT,
            ledger=None,
            others=9,
            changes=(
                Change(table="t", workflow_id="run.a", step="reserve", item="tea", inserted=3),
                Change(table="t", workflow_id="run.b", step="reserve", item="tea", inserted=1, deleted=2),
                Change(table="t", workflow_id="run.c", step="reserve", item="tea", inserted=1, deleted=1),
                Change(table="t", workflow_id="run.d", step="reserve", item="tea", updated=1),
            ),
        )
    ]
    forward, compensation = effects_of(commits)
    assert (forward.key, forward.kind) == (("run.a", "reserve", "tea"), EffectKind.FORWARD)
    assert (compensation.key, compensation.kind) == (("run.b", "reserve", "tea"), EffectKind.COMPENSATION)
    for effect in (forward, compensation):
        assert (effect.transaction, effect.committed_at, effect.source) == (7, AT, Source.WAL)
        assert (effect.run_id, effect.attempt) == (None, None)
