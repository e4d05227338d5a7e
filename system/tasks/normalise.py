"""Brings a record into its declared shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Literal, TypeAlias

from pydantic import Field

from system.errors import TaskRejected
from system.records import Strict

Scalar: TypeAlias = str | int | float | bool | None

TRUE, FALSE = frozenset({"true", "yes", "y", "1"}), frozenset({"false", "no", "n", "0"})


class FieldRule(Strict):
    """What one field should be."""

    type: Literal["text", "integer", "number", "boolean", "date"] = "text"
    source: str | None = None
    """Its name in the record that came in; the same where absent."""
    case: Literal["keep", "lower", "upper"] = "keep"
    required: bool = False
    format: str = Field(default="%Y-%m-%d", min_length=1)
    """Of a date as it came in; it leaves as ISO 8601."""


def normalised(values: Mapping[str, Scalar], fields: Mapping[str, FieldRule]) -> dict[str, Scalar]:
    """Return the declared fields: blanks trimmed and joined, empty texts as None, each value as its type.

    Raises:
        TaskRejected: names the field, what it was and what was expected.

    """
    return {name: _field(name, values.get(rule.source or name), rule) for name, rule in fields.items()}


def _field(name: str, value: Scalar, rule: FieldRule) -> Scalar:
    text = " ".join(str(value).split()) if value is not None else ""
    if not text:
        if rule.required:
            raise TaskRejected(f"field {name!r} is missing: expected a value", field=name)
        return None
    try:
        return READERS[rule.type](text, rule)
    except (ValueError, InvalidOperation):
        raise TaskRejected(f"field {name!r} is {text[:100]!r}: expected {rule.type}", field=name) from None


def _text(text: str, rule: FieldRule) -> Scalar:
    return {"keep": text, "lower": text.lower(), "upper": text.upper()}[rule.case]


def _integer(text: str, _: FieldRule) -> Scalar:
    return int(text)


def _number(text: str, _: FieldRule) -> Scalar:
    number = Decimal(text)
    if not number.is_finite():
        raise ValueError(text)
    return float(number)


def _boolean(text: str, _: FieldRule) -> Scalar:
    if text.lower() in TRUE:
        return True
    if text.lower() in FALSE:
        return False
    raise ValueError(text)


def _date(text: str, rule: FieldRule) -> Scalar:
    day: date = datetime.strptime(text, rule.format).date()  # noqa: DTZ007 a day has no time zone
    return day.isoformat()


READERS: dict[str, Callable[[str, FieldRule], Scalar]] = {
    "text": _text,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "date": _date,
}
