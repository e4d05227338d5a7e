"""Reads JUnit XML, as pytest and most other runners write it."""

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET  # nosec B405 # expat itself bounds entities, and fetches none

from harness.records.checks import Outcome, TestCase

MESSAGE_LINES = 12


class NotJUnit(Exception):
    """The file is no JUnit XML: the message says why."""


def read_junit(path: Path) -> list[TestCase]:
    """Every test it tells of. Raises NotJUnit."""
    try:
        root = ET.parse(path).getroot()  # noqa: S314  # nosec B314 # what a test runner wrote on this machine
    except FileNotFoundError as error:
        raise NotJUnit(f"{path.name} was not written") from error
    except (OSError, ET.ParseError) as error:
        raise NotJUnit(f"{path.name} cannot be read as XML: {error}") from error
    if root.tag not in {"testsuite", "testsuites"}:
        raise NotJUnit(f"{path.name} is no JUnit XML: it begins with <{root.tag}>")
    try:
        return list(_cases(root))
    except ValueError as error:
        raise NotJUnit(f"{path.name} cannot be read: {error}") from error


def _cases(root: ET.Element) -> Iterator[TestCase]:
    for case in root.iter("testcase"):
        ends = {child.tag: child for child in case}
        failure = ends.get("failure", ends.get("error"))
        outcome = Outcome.PASSED
        if failure is not None:
            outcome = Outcome.FAILED
        elif "skipped" in ends:
            outcome = Outcome.SKIPPED
        told = failure if failure is not None else ends.get("skipped")
        yield TestCase(
            name=f"{case.get('classname', '')}::{case.get('name', '')}",
            seconds=float((case.get("time") or "0").replace(",", "")),
            outcome=outcome,
            message="" if told is None else _first_lines(told),
        )


def _first_lines(told: ET.Element) -> str:
    """What it failed with: the message, or the text where there is none."""
    return "\n".join((told.get("message") or told.text or "").strip().splitlines()[:MESSAGE_LINES])
