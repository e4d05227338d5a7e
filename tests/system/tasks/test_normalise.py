"""Records are brought into their declared shape, or refused by the field that does not fit."""

import pytest

from system.details import RejectedField
from system.errors import TaskRejected
from system.tasks.normalise import FieldRule, Scalar, normalised


def one(value: Scalar, **rule: object) -> Scalar:
    """What becomes of a field with this value."""
    return normalised({"x": value}, {"x": FieldRule.model_validate(rule)})["x"]


@pytest.mark.parametrize(
    ("value", "rule", "becomes"),
    [
        ("  a \t b ", {}, "a b"),
        ("Ann Lee", {"case": "lower"}, "ann lee"),
        ("Ann Lee", {"case": "upper"}, "ANN LEE"),
        ("Ann Lee", {"case": "keep"}, "Ann Lee"),
        (7, {}, "7"),
        (" 42 ", {"type": "integer"}, 42),
        ("1.50", {"type": "number"}, 1.5),
        ("1e3", {"type": "number"}, 1000.0),
        *((text, {"type": "boolean"}, True) for text in ("true", "YES", "y", "1", True)),
        *((text, {"type": "boolean"}, False) for text in ("False", "no", "N", 0)),
        ("2026-11-22", {"type": "date"}, "2026-11-22"),
        ("22.11.2026", {"type": "date", "format": "%d.%m.%Y"}, "2026-11-22"),
        ("", {"type": "integer"}, None),
        ("  ", {}, None),
        (None, {"type": "date"}, None),
    ],
)
def test_a_value_becomes_what_its_field_should_be(value: Scalar, rule: dict[str, object], becomes: Scalar) -> None:
    """Blanks are trimmed and joined, empty texts are None, and each value is of its type."""
    found = one(value, **rule)
    assert found == becomes
    assert type(found) is type(becomes)


@pytest.mark.parametrize(
    ("value", "rule", "says"),
    [
        ("4x", {"type": "integer"}, "field 'x' is '4x': expected integer"),
        ("1.5", {"type": "integer"}, "field 'x' is '1.5': expected integer"),
        ("NaN", {"type": "number"}, "field 'x' is 'NaN': expected number"),
        ("Infinity", {"type": "number"}, "field 'x' is 'Infinity': expected number"),
        ("many", {"type": "number"}, "field 'x' is 'many': expected number"),
        ("maybe", {"type": "boolean"}, "field 'x' is 'maybe': expected boolean"),
        ("2026-02-30", {"type": "date"}, "field 'x' is '2026-02-30': expected date"),
        ("y" * 200, {"type": "integer"}, f"field 'x' is {'y' * 100!r}: expected integer"),
        ("", {"required": True}, "field 'x' is missing: expected a value"),
        (None, {"required": True}, "field 'x' is missing: expected a value"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(value: Scalar, rule: dict[str, object], says: str) -> None:
    """The message has the field, what it was, and what was expected; the field is told by itself as well."""
    with pytest.raises(TaskRejected) as refused:
        one(value, **rule)
    assert str(refused.value) == says
    assert refused.value.details == RejectedField(field="x")


def test_just_the_declared_fields_leave() -> None:
    """Each under its own name, wherever it came from; one that is not there is None."""
    fields = {"name": FieldRule(source="Name"), "age": FieldRule(type="integer")}
    assert normalised({"Name": "ann", "other": 1}, fields) == {"name": "ann", "age": None}
