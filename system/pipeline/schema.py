"""The declared schema of a data set: its fields, their rules, and how its files are written."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from system.errors import SchemaMismatch, SourceMissing
from system.records import explain

# 55 + "_chunk" and friends stay within PostgreSQL's 63 bytes.
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,54}$")]
Kind = Literal["text", "integer", "number", "boolean", "date", "timestamp"]
Format = Literal["csv", "jsonl"]
Character = Annotated[str, StringConstraints(pattern=r"^[\x01-\x09\x0b\x0c\x0e-\x7f]$")]
Reference = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,54}\.[a-z][a-z0-9_]{0,54}$")]
# Columns that every table of PostgreSQL has, under names that no other can have.
SYSTEM_COLUMNS = {"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"}
ORDERED = ("integer", "number")


class _Declared(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SchemaField(_Declared):
    """One column of the file and the rules its values keep."""

    name: str = Field(min_length=1)
    """The column's name in the file's header, or the key in its objects."""
    type: Kind = "text"
    column: Identifier | None = None
    """The column's name in the database; the file's name when absent."""
    required: bool = False
    minimum: float | None = Field(default=None, allow_inf_nan=False)
    maximum: float | None = Field(default=None, allow_inf_nan=False)
    max_length: int | None = Field(default=None, ge=1)
    """Longest text allowed, in characters."""
    format: str | None = None
    """For date and timestamp, as in strftime; ISO 8601 when absent. Times without an offset are UTC."""
    references: Reference | None = None
    """``dataset.column`` that must hold the value; an empty value refers to nothing and is allowed."""

    @property
    def target(self) -> str:
        """The column's name in the database."""
        return self.column or self.name

    @model_validator(mode="after")
    def _rules_fit_type(self) -> Self:
        if self.type not in ORDERED and (self.minimum is not None or self.maximum is not None):
            raise ValueError(f"field {self.name!r}: minimum and maximum are for integer and number, not {self.type}")
        if self.type != "text" and self.max_length is not None:
            raise ValueError(f"field {self.name!r}: max_length is for text, not {self.type}")
        if self.type not in ("date", "timestamp") and self.format is not None:
            raise ValueError(f"field {self.name!r}: format is for date and timestamp, not {self.type}")
        return self


class Derived(_Declared):
    """A column computed from the others by an SQL expression over their database names."""

    name: Identifier
    type: Kind
    expression: str = Field(min_length=1)


class Schema(_Declared):
    """A data set: where its rows go, and what a good row looks like."""

    dataset: Identifier
    """The table in the database schema ``datasets``."""
    fields: tuple[SchemaField, ...] = Field(min_length=1)
    derived: tuple[Derived, ...] = ()
    format: Format = "csv"
    """``jsonl`` is JSON lines: an object on each line, with every field as a key and no other key."""
    delimiter: Character = ","
    quote: Character = '"'
    encoding: str = "utf-8"
    header: bool = True
    null: tuple[str, ...] = ("",)
    """Texts that mean "no value", after trimming; the empty text always does.

    In JSON lines, ``null`` means it everywhere, and these texts only where a text is expected.
    """

    @property
    def has_header(self) -> bool:
        """Tell whether the file's first record names its columns."""
        return self.header and self.format == "csv"

    @property
    def enclosing(self) -> str:
        """The quote within which a line break ends no record; empty in JSON lines, where every one does."""
        return self.quote if self.format == "csv" else ""

    @property
    def nulls(self) -> frozenset[str]:
        """Every text that means "no value"."""
        return frozenset({*self.null, ""})

    @property
    def columns(self) -> dict[str, Kind]:
        """Database column → type, in table order."""
        return {field.target: field.type for field in self.fields} | {one.name: one.type for one in self.derived}

    def arranged(self, header: Iterable[str]) -> Schema:
        """Return this schema with its fields in the order of ``header``."""
        by_name = {field.name: field for field in self.fields}
        return self.model_copy(update={"fields": tuple(by_name[name] for name in header)})

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [field.name for field in self.fields]
        columns = [field.target for field in self.fields] + [one.name for one in self.derived]
        for kind, values in (("field", names), ("column", columns)):
            twice = sorted({value for value in values if values.count(value) > 1})
            if twice:
                raise ValueError(f"{kind} declared more than once: {', '.join(twice)}")
        taken = sorted(SYSTEM_COLUMNS.intersection(columns))
        if taken:
            raise ValueError(f"column names that PostgreSQL keeps for itself: {', '.join(taken)}; choose others")
        if self.delimiter == self.quote:
            raise ValueError("delimiter and quote must differ")
        if self.format == "jsonl" and (self.delimiter, self.quote, self.header) != (",", '"', True):
            raise ValueError("delimiter, quote and header are for csv, not jsonl")
        return self

    @model_validator(mode="after")
    def _names_are_columns(self) -> Self:
        for field in self.fields:
            if field.column is None:
                try:
                    SchemaField(name=field.name, column=field.name)
                except ValidationError:
                    raise ValueError(
                        f'field {field.name!r}: not a database column name (a-z, 0-9, _); add column = "..."'
                    ) from None
        return self

    @classmethod
    def from_toml(cls, path: Path) -> Schema:
        """Read a schema.

        Raises:
            SourceMissing: there is no such file.
            SchemaMismatch: the file is no TOML or no schema; names the place and what was expected.

        """
        try:
            declared = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise SourceMissing(f"cannot read the schema {path}: {error.strerror}", str(path)) from error
        except ValueError as error:
            raise SchemaMismatch(f"{path} is not TOML: {error}") from error
        try:
            return cls.model_validate(declared)
        except ValidationError as error:
            raise SchemaMismatch(f"{path} is not a schema: {explain(error)}") from None
