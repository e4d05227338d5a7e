"""Reads one figure from a kept record: where it stands, and how several values there are made one."""

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any

STEP = re.compile(r"/([^/\[]+)((?:\[[^\]]+\])*)")
CONDITION = re.compile(r"\[(\w+|\.)(!?=)([^\]]*)\]")
BOUND = re.compile(r"(<=|>=|<|>|=) (-?[\d_.]+)")
HOLDS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    ">=": operator.ge,
    ">": operator.gt,
}


class NoFigure(Exception):
    """There is no such figure; the message says why."""


class Fold(StrEnum):
    """How the values at a place become one figure."""

    ONLY = "only"
    """There is one."""
    COUNT = "count"
    """How many there are, which may be none."""
    DISTINCT = "distinct"
    """How many different ones there are, which may be none."""
    MAX = "max"
    LAST = "last"


def values(record: Any, place: str) -> list[Any]:
    """All that stands at a place, which is told as a JSON pointer.

    A step `*` goes into every element of a list or an object; `*[by=check]` into those of which a key has this value,
    and `*[by!=check]` into the others; `*[.=valid]` into those that are it. Raises NoFigure where a step leads nowhere.
    """
    found = [record]
    if "".join(match[0] for match in STEP.finditer(place)) != place:
        message = f"{place!r} is no place: it is told as /key/*/key"
        raise ValueError(message)
    for key, conditions in STEP.findall(place):
        found = [each for one in found for each in _step(one, key, place) if _meets(each, conditions)]
    return found


def _step(one: Any, key: str, place: str) -> Iterator[Any]:
    if key == "*" and isinstance(one, dict | list):
        yield from one.values() if isinstance(one, dict) else one
    elif isinstance(one, dict) and key in one:
        yield one[key]
    else:
        message = f"it has no {place}"
        raise NoFigure(message)


def _meets(one: Any, conditions: str) -> bool:
    return all(
        (str(one if key == "." else one.get(key)) == value) is (sign == "=")
        for key, sign, value in CONDITION.findall(conditions)
    )


def figure(record: Any, place: str, fold: Fold = Fold.ONLY) -> Any:
    """The figure at a place. Raises NoFigure where there is none, or null, or one is expected and there are several."""
    found = values(record, place)
    match fold:
        case Fold.COUNT:
            return len(found)
        case Fold.DISTINCT:
            return len(set(found))
    if not found or any(each is None for each in found):
        message = f"its {place} is not known"
        raise NoFigure(message)
    match fold:
        case Fold.MAX:
            return max(found)
        case Fold.LAST:
            return found[-1]
    if len(found) > 1:
        message = f"it has {len(found)} {place}"
        raise NoFigure(message)
    return found[0]


def holds(value: float, bound: str) -> bool:
    """Whether a figure is as it must be: "< 120", ">= 80", "= 0"."""
    sign, limit = parsed(bound)
    return HOLDS[sign](value, limit)


def parsed(bound: str) -> tuple[str, float]:
    """Raises ValueError where it is no bound."""
    told = BOUND.fullmatch(bound)
    if told is None:
        message = f'{bound!r} is no bound: it is told as "< 120"'
        raise ValueError(message)
    return told[1], float(told[2])
