"""Tells of an error in a TOML file its line, and what was expected there."""

import re
import tomllib
from collections.abc import Sequence
from typing import Any

from msgspec import inspect

AT = re.compile(r" - at `\$(?P<path>[^`]*)`$")
PARSED = re.compile(r" \(at line (?P<line>\d+), column \d+\)$")
PART = re.compile(r"\.(?P<key>[^.\[]+)|\[(?P<index>\d+)\]")
UNKNOWN = re.compile(r"unknown field `(?P<key>[^`]+)`")
INVALID = re.compile(r"^Invalid (enum )?value ")

Keys = list[str | int]


def at(*keys: str | int) -> str:
    """What an error ends with to say where it is, as those of msgspec do; keys from the outermost."""
    return " - at `$" + "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys) + "`"


def explained(error: str, text: str, kind: type[Any]) -> str:
    """An error of reading `text` as a `kind`: ":12: fault[0].service: Invalid enum value 'x'; expected …"."""
    if parsed := PARSED.search(error):
        return f":{parsed['line']}: {error[: parsed.start()]}"
    found = AT.search(error)
    said = error[: found.start()] if found else error
    keys: Keys = [part["key"] or int(part["index"]) for part in PART.finditer(found["path"])] if found else []
    where = found["path"].lstrip(".") if found else ""
    expected = _expected(said, keys, text, kind)
    if unknown := UNKNOWN.search(said):
        keys.append(unknown["key"])
    line = _line(keys, text)
    return (f":{line}" if line else "") + ": " + (f"{where}: " if where else "") + said + expected


def _expected(said: str, keys: Keys, text: str, kind: type[Any]) -> str:
    names: Sequence[object] = ()
    if UNKNOWN.search(said):
        names = _names(_type_at(inspect.type_info(kind), keys, tomllib.loads(text)))
    elif INVALID.search(said):
        names = _values(inspect.type_info(kind), keys, tomllib.loads(text))
    return f"; expected {'one of ' if len(names) > 1 else ''}{', '.join(map(str, names))}" if names else ""


def _names(found: inspect.Type | None) -> list[str]:
    if not isinstance(found, inspect.StructType):
        return []
    tag = [found.tag_field] if found.tag_field else []
    return sorted([*tag, *(field.encode_name for field in found.fields)])


def _values(root: inspect.Type, keys: Keys, data: Any) -> Sequence[object]:
    """What a literal may be, or the tag of a table."""
    holder = _type_at(root, keys[:-1], data, tagged=False)
    if isinstance(holder, inspect.UnionType):
        structs = [each for each in holder.types if isinstance(each, inspect.StructType)]
        if keys[-1] in {each.tag_field for each in structs}:
            return sorted(str(each.tag) for each in structs)
    if isinstance(holder, inspect.StructType) and holder.tag_field == keys[-1]:
        return [str(holder.tag)]
    found = _type_at(root, keys, data)
    return list(found.values) if isinstance(found, inspect.LiteralType) else []


def _type_at(found: inspect.Type | None, keys: Keys, data: Any, *, tagged: bool = True) -> inspect.Type | None:
    """The type of what stands at these keys; of a tagged union the member that the data say, if `tagged`."""
    for number, key in enumerate(keys):
        if isinstance(key, int):
            found = found.item_type if isinstance(found, inspect.VarTupleType) else None
            data = data[key]
            if tagged or number < len(keys) - 1:
                found = _member(found, data)
        elif isinstance(found, inspect.StructType):
            data = data.get(key)
            found = next((field.type for field in found.fields if field.encode_name == key), None)
            found = _not_none(found)
        else:
            return None
    return found


def _member(found: inspect.Type | None, data: Any) -> inspect.Type | None:
    if not isinstance(found, inspect.UnionType):
        return found
    structs = [each for each in found.types if isinstance(each, inspect.StructType)]
    return next((each for each in structs if data.get(each.tag_field) == each.tag), None)


def _not_none(found: inspect.Type | None) -> inspect.Type | None:
    if isinstance(found, inspect.UnionType):
        rest = [each for each in found.types if not isinstance(each, inspect.NoneType)]
        return rest[0] if len(rest) == 1 else found
    return found


def _line(keys: Keys, text: str) -> int | None:
    """The line of a key such as ["fault", 1, "at"]; that of its table's header where the key is not there."""
    lines = text.splitlines()
    names = [key for key in keys if isinstance(key, str)]
    index = next((key for key in keys if isinstance(key, int)), 0)
    header = _header(lines, names[0], index) if names else None
    if header is not None:
        names = names[1:]
    found = _key(lines, names[0], header or 0) if names else None
    return found or header


def _header(lines: list[str], name: str, index: int) -> int | None:
    """The number of the line that opens the table, or the index-th of an array of tables."""
    opened = [
        number
        for number, line in enumerate(lines, start=1)
        if re.match(rf"\s*\[{{1,2}}\s*{re.escape(name)}\s*\]", line)
    ]
    return opened[index] if index < len(opened) else None


def _key(lines: list[str], key: str, after: int) -> int | None:
    """The number of the line that sets a key in the table that is opened in line `after`."""
    for number, line in enumerate(lines[after:], start=after + 1):
        if line.lstrip().startswith("["):
            return None
        if re.match(rf"\s*{re.escape(key)}\s*=", line):
            return number
    return None
