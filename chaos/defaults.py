"""Tells what somebody said in a record from what is so by default."""

from collections.abc import Iterator

import msgspec
from msgspec import NODEFAULT, Struct
from msgspec.structs import FieldInfo


def told(record: Struct) -> Iterator[FieldInfo]:
    """The fields that are not as by default."""
    for field in msgspec.structs.fields(record):
        default = field.default_factory() if field.default_factory is not NODEFAULT else field.default
        if getattr(record, field.name) != default:
            yield field
