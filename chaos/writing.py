"""Writes an experiment as TOML that reads back as the same."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from chaos.defaults import told

BARE = re.compile(r"[A-Za-z0-9_-]+")
"""A key that needs no quotes."""


def toml_of(record: Struct) -> str:
    """An experiment, or any record of what TOML knows, as a file; what is as it would be anyway is left out.

    Raises ValueError where it holds what TOML cannot say, such as None within a list.
    """
    plain = _plain(record)
    tables = {key: value for key, value in plain.items() if isinstance(value, dict)}
    rows = {key: value for key, value in plain.items() if _are_tables(value)}
    lines = [*_entries({key: value for key, value in plain.items() if key not in {*tables, *rows}})]
    for key, table in tables.items():
        lines += ["", f"[{_key(key)}]", *_entries(table)]
    for key, those in rows.items():
        for table in those:
            lines += ["", f"[[{_key(key)}]]", *_entries(table)]
    return "\n".join([*lines, ""])


def _plain(value: Any) -> Any:
    """The same of dicts, lists and scalars, without what is None or as it is by default."""
    if isinstance(value, Struct):
        fields = {field.encode_name: getattr(value, field.name) for field in told(value)}
        config = value.__struct_config__
        tag = {config.tag_field: config.tag} if config.tag_field else {}
        return {key: _plain(each) for key, each in (tag | fields).items()}
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    return msgspec.to_builtins(value)


def _are_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)


def _entries(table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        yield f"{_key(key)} = {_value(value)}"


def _key(key: str) -> str:
    return key if BARE.fullmatch(key) else _text(key)


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _text(value)
        case int():
            return str(value)
        case float():
            return repr(value).removesuffix(".0")
        case list():
            return f"[{', '.join(map(_value, value))}]"
        case dict():
            return f"{{ {', '.join(_entries(value))} }}" if value else "{}"
    message = f"TOML has no way to say {value!r}"
    raise ValueError(message)


def _text(text: str) -> str:
    # JSON's escapes are TOML's, but for the one control character that JSON lets stand.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
