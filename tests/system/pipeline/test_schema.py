"""A schema is declared in TOML, and says what is wrong with it."""

from pathlib import Path

import pytest

from system.errors import SchemaMismatch, SourceMissing
from system.pipeline.schema import Schema

SCHEMAS = Path(__file__).parents[3] / "scenarios" / "schemas"


@pytest.mark.parametrize("dataset", ["airlines", "airports", "planes", "flights"])
def test_shipped_schemas_are_valid(dataset: str) -> None:
    """Each file declares the data set it is named after."""
    assert Schema.from_toml(SCHEMAS / f"{dataset}.toml").dataset == dataset


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dataset =", "not TOML"),
        ('dataset = "d"', "fields"),
        ('dataset = "D-1"\n[[fields]]\nname = "a"', "dataset"),
        ('dataset = "d"\nfeilds = []\n[[fields]]\nname = "a"', "feilds"),
        ('dataset = "d"\n[[fields]]\nname = "a"\ntype = "int"', "type"),
        ('dataset = "d"\n[[fields]]\nname = "a"\nminimum = 1', "minimum"),
        ('dataset = "d"\n[[fields]]\nname = "a"\ntype="date"\nmax_length = 1', "max_length"),
        ('dataset = "d"\n[[fields]]\nname = "a"\nformat = "%Y"', "format"),
        ('dataset = "d"\n[[fields]]\nname = "A b"', 'add column = "..."'),
        ('dataset = "d"\n[[fields]]\nname = "a"\n[[fields]]\nname = "a"', "more than once: a"),
        ('dataset = "d"\ndelimiter = "|"\nquote = "|"\n[[fields]]\nname = "a"', "must differ"),
        ('dataset = "d"\n[[fields]]\nname = "a"\nreferences = "b"', "references"),
        ('dataset = "d"\nformat = "json"\n[[fields]]\nname = "a"', "format"),
        ('dataset = "d"\nformat = "jsonl"\ndelimiter = ";"\n[[fields]]\nname = "a"', "for csv, not jsonl"),
        ('dataset = "d"\nformat = "jsonl"\nheader = false\n[[fields]]\nname = "a"', "for csv, not jsonl"),
        ('dataset = "d"\nquote = "\\n"\n[[fields]]\nname = "a"', "quote"),
        ('dataset = "d"\ndelimiter = "\\r"\n[[fields]]\nname = "a"', "delimiter"),
        ('dataset = "d"\n[[fields]]\nname = "a"\ntype = "number"\nminimum = nan', "minimum"),
        ('dataset = "d"\n[[fields]]\nname = "a"\ntype = "number"\nmaximum = inf', "maximum"),
    ],
)
def test_a_wrong_schema_says_where_and_why(text: str, message: str, tmp_path: Path) -> None:
    """The error names the file and the place."""
    path = tmp_path / "schema.toml"
    path.write_text(text)
    with pytest.raises(SchemaMismatch, match=r"schema\.toml") as raised:
        Schema.from_toml(path)
    assert message in str(raised.value)


@pytest.mark.parametrize("column", ["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"])
@pytest.mark.parametrize(
    "place",
    ['[[fields]]\nname = "{}"', '[[fields]]\nname = "a"\n[[derived]]\nname = "{}"\ntype = "text"\nexpression = "a"'],
)
def test_names_that_postgresql_keeps_for_itself_are_refused(column: str, place: str, tmp_path: Path) -> None:
    """Every table has these columns already, so that none could be made with them."""
    path = tmp_path / "schema.toml"
    path.write_text(f'dataset = "d"\n{place.format(column)}')
    with pytest.raises(SchemaMismatch, match=f"keeps for itself: {column}"):
        Schema.from_toml(path)


def test_a_missing_schema_is_said(tmp_path: Path) -> None:
    """The path is in the error."""
    with pytest.raises(SourceMissing, match=r"none\.toml"):
        Schema.from_toml(tmp_path / "none.toml")


def test_a_format_is_declared(tmp_path: Path) -> None:
    """CSV, unless JSON lines are declared."""
    path = tmp_path / "schema.toml"
    path.write_text('dataset = "d"\nformat = "jsonl"\n[[fields]]\nname = "a"')
    assert Schema.from_toml(path).format == "jsonl"
    assert Schema.from_toml(SCHEMAS / "flights.toml").format == "csv"
