"""What is decided about dead letters, without asking anybody."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

from system.records import storable

HOLE = "#"
# What differs between two occurrences of one fault. Quoted text first: whatever it holds, it is a value.
_VALUES = re.compile(
    r"""
      "[^"]*" | (?<!\w)'[^']*'(?!\w) | `[^`]*` | “[^”]*”               # quoted
    | \w[\w+.-]*://[^\s"'<>]+                                           # a URL
    | (?<![\w/])~?(?:\.{0,2}/|(?:[A-Za-z]:)?\\)[^\s:,;()"']+            # a path from its root
    | [\w.-]+(?:/[\w.-]+)+                                              # a path
    | (?<![\w:])[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7}(?![\w:])       # an IPv6 address
    | \b(?=[\w.+:@-]*\d)\w[\w.+:@-]*\w | \d                             # a number, an id, a hash, a time, an address
    """,
    re.VERBOSE,
)
_HOLES = re.compile(rf"(?:[-+]?{HOLE}[\s,;:]*(?:and\s+)?)*[-+]?{HOLE}")
_REDRIVES = re.compile(r"(?:\.redrive\.\d+)+$")


def normalised(message: str) -> str:
    """Return what two messages of the same fault have in common: the words, without the values."""
    holes = _VALUES.sub(HOLE, message)
    return " ".join(_HOLES.sub(HOLE, holes).split())


def fingerprint(error_type: str, where: str, message: str) -> str:
    """Return the same text for the same fault at the same place, whatever the values in its message.

    Args:
        error_type: the stable name of the error.
        where: the activity's type; the workflow's, where it failed by itself.
        message: as it was raised.

    """
    parts = "\0".join((error_type, where, normalised(message)))
    return hashlib.sha256(parts.encode(errors="replace")).hexdigest()[:16]


def redrive_id(workflow_id: str, letter: int) -> str:
    """Return the id of the workflow that runs a failed part again: its own, as no other letter ever has that number.

    It keeps the prefix of the first workflow's id, however often it is redriven.
    """
    return f"{_REDRIVES.sub('', workflow_id)}.redrive.{letter}"


def item_of(arguments: Sequence[Any]) -> str:
    """Return which item of a batch an activity works on, where its argument names one."""
    item = getattr(arguments[0], "item", "") if arguments else ""
    return storable(str(item), 500) if isinstance(item, (str, int)) else ""


def will_run_again(attempt: int, maximum: int, error_type: str, refused: Sequence[str], *, final: bool) -> bool:
    """Say whether the server starts a failed workflow anew, by the workflow's own retry policy.

    Args:
        attempt: of the run that failed, from 1.
        maximum: attempts; 0 is without end.
        error_type: of its failure.
        refused: error types the policy does not retry.
        final: the error itself says that it must not be retried.

    """
    return not final and error_type not in refused and (maximum == 0 or attempt < maximum)


def refusal(status: str, *, is_newest_run: bool) -> str:
    """Say why a workflow must not be run again for a letter; empty where it may.

    Args:
        status: of the run the letter is about, as Temporal names it.
        is_newest_run: nobody has run the workflow again under its id.

    """
    if not is_newest_run:
        return "it was run again under its own id: look at that run, and discard this letter if it did the work"
    if status == "RUNNING":
        return "it is still running: wait until it has closed, or cancel it first"
    if status == "COMPLETED":
        return (
            "it went on without this step and completed, so to run it again would do the rest twice: "
            "start what is missing by itself, then discard this letter"
        )
    if status == "CONTINUED_AS_NEW":
        return "it went on in a new run: look at that run"
    return ""
