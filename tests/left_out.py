"""Writes the tests that another session runs as skipped, in JUnit XML: they are there, and this time nobody ran them.

    python tests/left_out.py FILE MARKS

`nox -s tested` hands that file over beside the one that the tests have left; else each would count as gone.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from evidence import ROOT

REASON = "another session runs it"


class Collected:
    """A plugin of pytest, which keeps the ids of the tests that it would run."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Once all are chosen."""
        self.ids = [item.nodeid for item in session.items]


def as_skipped(ids: Iterable[str]) -> str:
    """JUnit XML with each of these tests under the name that pytest gives it there."""
    root = ET.Element("testsuite", name="left out")
    for each in ids:
        path, *classes, name = _parts(each)
        group = ".".join((path.removesuffix(".py").replace("/", "."), *classes))
        case = ET.SubElement(root, "testcase", classname=group, name=name, time="0")
        ET.SubElement(case, "skipped", message=REASON)
    return ET.tostring(root, encoding="unicode")


def _parts(nodeid: str) -> list[str]:
    """Its path, its classes and its name; parameters may hold what else parts them."""
    test, bracket, parameters = nodeid.partition("[")
    *before, name = test.split("::")
    return [*before, name + bracket + parameters]


def main(file: str, marks: str) -> int:
    collected = Collected()
    code = pytest.main(["--collect-only", "-qq", "-m", marks, f"--rootdir={ROOT}", str(ROOT / "tests")], [collected])
    if code == pytest.ExitCode.OK:
        Path(file).write_text(as_skipped(collected.ids), encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
