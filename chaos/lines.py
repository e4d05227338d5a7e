"""Finds the line of a TOML file that an error speaks of, so that it can be told."""

import re

AT = re.compile(r" - at `\$(?P<path>[^`]*)`$")
PARSED = re.compile(r" \(at line (?P<line>\d+), column \d+\)$")
PART = re.compile(r"\.(?P<key>[^.\[]+)|\[(?P<index>\d+)\]")
UNKNOWN = re.compile(r"unknown field `(?P<key>[^`]+)`")


def with_line(error: str, text: str) -> str:
    """The error with the number of its line before it, as ":12: …", where it can be found; ": …" where not."""
    if parsed := PARSED.search(error):
        return f":{parsed['line']}: {error[: parsed.start()]}"
    at = AT.search(error)
    if at is None:
        return f": {error}"
    keys = [part["key"] or int(part["index"]) for part in PART.finditer(at["path"])]
    if unknown := UNKNOWN.search(error):
        keys.append(unknown["key"])
    line = _line(keys, text)
    said = error[: at.start()] + (f" ({at['path'].lstrip('.')})" if at["path"] else "")
    return f":{line}: {said}" if line else f": {said}"


def _line(keys: list[str | int], text: str) -> int | None:
    """The line of a key such as ["fault", 1, "at"]: of its table's header where the key itself is not there."""
    headers = [key for key in keys[:2] if isinstance(key, str)][:1]
    index = keys[1] if len(keys) > 1 and isinstance(keys[1], int) else 0
    rest = [key for key in keys if isinstance(key, str)]
    lines = text.splitlines()
    start, found = 0, None
    if headers and (begin := _table(lines, headers[0], index)) is not None:
        start, found, rest = begin, begin, rest[1:]
    for key in rest[:1]:
        for number, line in enumerate(lines[start:], start=start + 1):
            if number > start + (found is not None) and line.lstrip().startswith("["):
                break
            if re.match(rf"\s*{re.escape(key)}\s*=", line):
                return number
    return found


def _table(lines: list[str], name: str, index: int) -> int | None:
    """The number of the line that opens the table, or the index-th of an array of tables."""
    opened = [
        number
        for number, line in enumerate(lines, start=1)
        if re.match(rf"\s*\[{{1,2}}\s*{re.escape(name)}\s*\]", line)
    ]
    return opened[index] if index < len(opened) else None
