"""Writes an experiment as the file that does it again."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from chaos.experiment import Experiment


def toml_of(experiment: Experiment) -> str:
    """A text that `chaos.experiment.parsed` reads as the same experiment; what is as by default is left out."""
    found = _plain(experiment)
    tables = {key: value for key, value in found.items() if isinstance(value, Mapping)}
    faults = found.pop("fault")
    lines = [f"{key} = {_value(value)}" for key, value in found.items() if key not in tables]
    for name, table in tables.items():
        lines += ["", f"[{name}]", *(f"{key} = {_value(value)}" for key, value in table.items())]
    for fault in faults:
        lines += ["", "[[fault]]", *(f"{key} = {_value(value)}" for key, value in fault.items())]
    return "\n".join(lines) + "\n"


def _plain(experiment: Experiment) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(experiment)
    plain["fault"] = [{key: value for key, value in fault.items() if value is not None} for fault in plain["fault"]]
    return {key: value for key, value in plain.items() if value is not None}


def _value(value: Any) -> str:
    """As TOML, of which JSON's strings, numbers and lists are a part."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_value(each)}" for key, each in value.items() if each is not None) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value)
