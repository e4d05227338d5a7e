"""A chunk's rows are typed, judged and kept in line with the records they came from."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from system.errors import SchemaMismatch
from system.pipeline import parse as parsing
from system.pipeline.parse import Parsed, as_written, parse
from system.pipeline.records import split_records
from system.pipeline.schema import Schema
from system.pipeline.transform import check_expressions, reject_csv, table_csv, transform
from system.pipeline.validate import Judged, judge, referenced_values, type_values

SCHEMA = Schema.model_validate(
    {
        "dataset": "d",
        "null": ["NA"],
        "fields": [
            {"name": "n", "type": "integer", "required": True, "minimum": 0, "maximum": 9},
            {"name": "t", "column": "word", "max_length": 3, "references": "words.word"},
            {"name": "f", "type": "number"},
        ],
        "derived": [{"name": "twice", "type": "number", "expression": "n * 2 + f"}],
    }
)
KNOWN = ("a", "ab", "abcd")


def judged(data: bytes, schema: Schema = SCHEMA) -> Judged:
    return judged_as(parse(data, len(split_records(data, ",", '"')), schema), schema)


def judged_as(parsed: Parsed, schema: Schema = SCHEMA) -> Judged:
    typed = type_values(parsed, schema)
    referenced = referenced_values(typed, schema).items()
    unknown = {name: [value for value in values if value not in KNOWN] for name, values in referenced}
    return judge(parsed, typed, unknown, schema)


def reasons(data: bytes, schema: Schema = SCHEMA) -> dict[int, str]:
    return dict(judged(data, schema).rejected.iter_rows())


@pytest.mark.parametrize(
    ("limits", "bad"),
    [
        ({"minimum": -(2**53), "maximum": 2**53}, [-(2**53) - 1, 2**53 + 1]),
        ({"minimum": -0.5, "maximum": 1.5}, [-(2**53) - 1, -(2**53), -1, 2, 2**53, 2**53 + 1]),
        ({"minimum": -1e300, "maximum": 1e300}, []),
        ({"minimum": 2**63, "maximum": 1e300}, [-(2**53) - 1, -(2**53), -1, 0, 1, 2, 2**53, 2**53 + 1]),
    ],
)
def test_limits_of_integers_are_exact(limits: dict[str, float], bad: list[int]) -> None:
    """Also beyond the integers that a float can tell apart, between integers, and where no integer reaches."""
    values = [-(2**53) - 1, -(2**53), -1, 0, 1, 2, 2**53, 2**53 + 1]
    schema = Schema.model_validate(
        {"dataset": "d", "fields": [{"name": "a"}, {"name": "n", "type": "integer"} | limits]}
    )
    found = reasons(b"".join(b"x,%d\n" % value for value in values), schema)
    assert [values[row] for row in found] == bad


def test_each_bad_row_gets_the_first_reason_in_the_order_of_the_fields() -> None:
    """Reasons are readable and name the field."""
    data = b"1,a,1\nx,a,1\nNA,a,1\n-1,zz,1\n10,a,1\n1,abcd,1\n1,b,1\n1,a,much\n1,a,NaN\n1,a\n1,a,1,1\n\n"
    assert reasons(data) == {
        1: "n: not an integer",
        2: "n: missing",
        3: "n: below 0",
        4: "n: above 9",
        5: "t: longer than 3 characters",
        6: "t: not in words.word",
        7: "f: not a number",
        8: "f: not a number",
        9: "wrong number of fields",
        10: "wrong number of fields",
        11: "blank line",
    }


def test_bad_quoting_and_nul_are_rejected_and_the_rest_is_not() -> None:
    """A broken record takes no other with it."""
    assert reasons(b'1,a"b,1\n1,"a",1\n1,"a"b,1\n1,a\0,1\n1,"ab",\n') == {
        0: "bad quoting",
        2: "bad quoting",
        3: "contains a NUL character",
    }


def test_rows_are_trimmed_renamed_derived_and_owned() -> None:
    """What COPY gets is the table's columns in order, then the chunk's id; null is empty."""
    good = judged(b' 1 , a ,2.5\n2,NA,NA\n"3","ab"," 1"\n').good
    assert table_csv(transform(good, SCHEMA), 7) == b"1,a,2.5,4.5,7\n2,,,,7\n3,ab,1.0,7.0,7\n"


def test_a_clean_chunk_is_trimmed_too() -> None:
    """Spaces around an unquoted text are no part of it."""
    assert judged(b"1, a ,2.5\n2, NA,\n").good.rows() == [(1, "a", 2.5), (2, None, None)]


def test_a_reject_keeps_the_row_as_written() -> None:
    """File, row number, reason and the raw record, quotes and line breaks included."""
    data = b'1,a,1\nx,"a\nb",1\n'
    rejected = judged(data).rejected
    raw = as_written(data, SCHEMA).gather(rejected["index"])
    assert reject_csv(rejected, raw, 5, 6, "f.csv", 100) == b'5,6,f.csv,101,n: not an integer,"x,""a\nb"",1"\n'


def test_the_other_types() -> None:
    """Booleans, dates and timestamps are read in their usual spellings; a time without an offset is UTC."""
    schema = Schema.model_validate(
        {
            "dataset": "d",
            "fields": [
                {"name": "b", "type": "boolean"},
                {"name": "d", "type": "date", "format": "%d.%m.%Y"},
                {"name": "t", "type": "timestamp"},
            ],
        }
    )
    data = (
        b"yes,31.12.2020,2020-01-02T03:04:05Z\nF,,2020-01-02T03:04:05.5+01:00\n,01.01.0001,2020-01-02 03:04\n"
        b"maybe,,\n,2020-01-01,\n,,2020-13-01 00:00\n"
    )
    assert table_csv(transform(judged(data, schema).good, schema), 1) == (
        b"true,2020-12-31,2020-01-02T03:04:05Z,1\nfalse,,2020-01-02T02:04:05.500Z,1\n"
        b",0001-01-01,2020-01-02T03:04:00Z,1\n"
    )
    assert reasons(data, schema) == {3: "b: not a boolean", 4: "d: not a date", 5: "t: not a timestamp"}


CELLS = st.sampled_from(
    ["1", "5", "-1", "+2", "x", "NA", "", " 3", "4 ", "1.0", "1e3", "inf", "a", "ab", "é", "007", " a", "ab ", " NA"]
)


@given(st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=8), st.sampled_from(["\n", "\r\n"]))
def test_the_quick_reading_gives_what_the_careful_one_gives(rows: list[list[str]], ending: str) -> None:
    """Where a chunk is clean enough to be read natively, types, rows and reasons are the same."""
    data = "".join(",".join(row) + ending for row in rows).encode()
    careful = parsing._read_each(data, len(rows), SCHEMA)
    expected = judged_as(careful)
    found = judged(data)
    assert found.good.rows() == expected.good.rows()
    assert found.rejected.rows() == expected.rejected.rows()


@pytest.mark.parametrize("expression", ["max(n)", "n - max(n)", "count(*)", "max(n) > 0", "sum(n) OVER ()"])
def test_a_derived_column_must_come_from_its_own_row(expression: str) -> None:
    """An aggregate would depend on how the file is cut into chunks."""
    derived = [{"name": "x", "type": "number", "expression": expression}]
    with pytest.raises(SchemaMismatch, match="'x'"):
        check_expressions(Schema.model_validate(SCHEMA.model_dump() | {"derived": derived}))


@pytest.mark.parametrize("expression", ["1", "n * 2 + f", "CAST(word AS DATE)", "coalesce(word, 'none')", "n > 1"])
def test_expressions_over_one_row_are_welcome(expression: str) -> None:
    """Constants too, and those that not every text is good for."""
    derived = [{"name": "x", "type": "text", "expression": expression}]
    check_expressions(Schema.model_validate(SCHEMA.model_dump() | {"derived": derived}))


def test_clean_chunks_are_read_natively() -> None:
    """The quick reading is the one in use for a clean chunk, and not for one with a ragged pair that adds up."""
    assert parsing._read_clean(b"1,a,1\n2,b,2\n", 2, SCHEMA) is not None
    assert parsing._read_clean(b"1,a\n2,b,2,2\n", 2, SCHEMA) is None
    assert parsing._read_clean(b"2,b,2,2\n1,a\n", 2, SCHEMA) is None
    assert parsing._read_clean(b"1,a,1\n2,b\n", 2, SCHEMA) is None


def test_an_empty_chunk_has_no_rows() -> None:
    """No records, no rows, no rejects."""
    assert isinstance(parse(b"", 0, SCHEMA), Parsed)
    assert judged(b"").good.height == 0
    assert pl.DataFrame(judged(b"").rejected).height == 0


@pytest.mark.parametrize("start", ["x^", "x\x01"])
@pytest.mark.parametrize("end", [",1", ',"1"'])
def test_a_text_that_begins_as_a_packed_file_does_is_read_as_it_stands(start: str, end: str) -> None:
    """Polars would unpack what begins with the mark of zlib; a chunk may begin with any text."""
    schema = Schema.model_validate({"dataset": "d", "fields": [{"name": "t"}, {"name": "n", "type": "integer"}]})
    data = f"{start}{end}\nb,x\n".encode()
    found = judged(data, schema)
    assert found.good.rows() == [(start, 1)]
    assert as_written(data, schema).to_list() == [start + end, "b,x"]


@given(st.lists(st.sampled_from(["", " ", "a", "1,2", "é", "\0", "\r", "x^"]), max_size=6), st.booleans())
def test_records_stand_as_written(records: list[str], ended: bool) -> None:
    """What a reject shows is the record in the file, whichever way the records are split."""
    data = ("\n".join(records) + "\n" * ended).encode()
    assert as_written(data, SCHEMA).to_list() == [record.decode() for record in split_records(data, ",", '"')]
