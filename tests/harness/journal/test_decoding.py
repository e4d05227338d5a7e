"""What test_decoding writes is read, whatever names, types and values there are; what it does not write is refused."""

from datetime import UTC, datetime

import pytest

from harness.journal.decoding import Row, Undecodable, commit_time, row_of

ODD = (
    """table "Odd: one"."ta""ble: x": INSERT: id[bigint]:1 "we ird: [""col]"[text]:'it''s\n back\\slash' """
    """n[numeric]:NaN f[double precision]:Infinity b[boolean]:true bt[bit]:B'101' """
    """a[text[]]:'{"a b","c\\"d",e''f,NULL}' ts[timestamp with time zone]:'2026-11-22 20:49:01.341973+00' """
    """m["Odd: one"."my ty]pe"]:'it''s' "select"[character varying]:null c["char"]:'c' """
    """ma["Odd: one"."my ty]pe"[]]:'{it''s}' vb[bit varying]:B''"""
)
"""As a real server wrote it."""


def test_an_inserted_row_is_read_with_odd_names_types_and_values() -> None:
    """A quote within a literal is doubled, a backslash is not; null is no literal, and odd names are quoted."""
    assert row_of(ODD) == Row(
        table='"Odd: one"."ta""ble: x"',
        action="INSERT",
        new={
            "id": "1",
            'we ird: ["col]': "it's\n back\\slash",
            "n": "NaN",
            "f": "Infinity",
            "b": "true",
            "bt": "101",
            "a": """{"a b","c\\"d",e'f,NULL}""",
            "ts": "2026-11-22 20:49:01.341973+00",
            "m": "it's",
            "select": None,
            "c": "c",
            "ma": "{it's}",
            "vb": "",
        },
    )


def test_a_changed_row_is_read_with_its_key_before() -> None:
    """Where the key was changed, both are told; a long value that was left as it was is not told."""
    line = (
        "table public.orders: UPDATE: old-key: id[bigint]:1 new-tuple: id[bigint]:2 "
        "lines[text]:unchanged-toast-datum state[text]:'unchanged-toast-datum'"
    )
    assert row_of(line) == Row(
        table="public.orders", action="UPDATE", key={"id": "1"}, new={"id": "2", "state": "unchanged-toast-datum"}
    )


def test_a_changed_row_whose_key_stayed_tells_it_once() -> None:
    """There is no old key then."""
    line = "table public.orders: UPDATE: id[bigint]:1 state[text]:'null'"
    assert row_of(line) == Row(table="public.orders", action="UPDATE", new={"id": "1", "state": "null"})


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("table public.orders: DELETE: id[integer]:7 sku[text]:'a b'", {"id": "7", "sku": "a b"}),
        ("table public.orders: DELETE: (no-tuple-data)", {}),
    ],
)
def test_a_deleted_row_tells_its_key_alone(line: str, key: dict[str, str]) -> None:
    """And not even that where the table has none."""
    assert row_of(line) == Row(table="public.orders", action="DELETE", key=key)


def test_an_emptied_table_tells_of_no_row() -> None:
    """What TRUNCATE removed is not told row by row."""
    row = row_of("table public.orders: TRUNCATE: restart_seqs cascade")
    assert row == Row(table="public.orders", action="TRUNCATE")


@pytest.mark.parametrize(
    "line",
    [
        "table public.orders: MERGE: id[integer]:7",
        "table public.orders: INSERT: id[integer]:7 sku[text]:'cut of",
        "table public.orders: UPDATE: old-key: id[integer]:7",
        "message: transactional: 1 prefix: table, sz: 0 content:",
    ],
)
def test_a_line_of_another_form_is_refused(line: str) -> None:
    """Rather than read as less than it says."""
    with pytest.raises(Undecodable, match="cannot be read"):
        row_of(line)


@pytest.mark.parametrize(
    ("told", "moment"),
    [
        ("2026-11-22 20:49:01.34564+00", datetime(2026, 11, 22, 20, 49, 1, 345640, tzinfo=UTC)),
        ("2026-11-22 20:49:01+05:30", datetime(2026, 11, 22, 15, 19, 1, tzinfo=UTC)),
    ],
)
def test_a_commit_tells_its_time(told: str, moment: datetime) -> None:
    """In the time zone of the connection, with as many digits as it takes."""
    assert commit_time(f"COMMIT 753 (at {told})") == moment.timestamp()


def test_a_commit_without_its_time_is_refused() -> None:
    """It was not asked for, then."""
    with pytest.raises(Undecodable):
        commit_time("COMMIT 753")
