"""Makes keys and tags from templates and the arguments of a call."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from string import Formatter
from typing import Any
from urllib.parse import quote


class _Quoting(Formatter):
    """Quotes what it fills in, so that ("a:b", "c") and ("a", "b:c") never make the same key."""

    def format_field(self, value: Any, format_spec: str) -> str:
        return quote(str(super().format_field(value, format_spec)), safe="")


def fill(template: str, values: Mapping[str, Any]) -> str:
    """Fill ``product:{sku}`` or ``order:{request.id}`` with the values, percent-encoded."""
    return _Quoting().vformat(template, (), values)


def check(template: str, signature: inspect.Signature) -> None:
    """Make sure that every name in the template is a parameter.

    Raises:
        ValueError: names the template, the name and the parameters there are.

    """
    for _, field, _, _ in Formatter().parse(template):
        name = (field or "").partition(".")[0].partition("[")[0]
        if field is not None and name not in signature.parameters:
            parameters = ", ".join(signature.parameters) or "none"
            raise ValueError(f"template {template!r} names {name!r}: expected one of the parameters ({parameters})")
