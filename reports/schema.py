"""The JSON Schema of what `temper gate --json` prints: `python -m reports.schema > docs/schema/gate.schema.json`."""

import sys

import msgspec

from reports.gate import GateResult

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> str:
    """The schema, indented."""
    described = {"$schema": DIALECT, "title": "What `temper gate --json` prints", **msgspec.json.schema(GateResult)}
    return msgspec.json.format(msgspec.json.encode(described), indent=2).decode() + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema())
