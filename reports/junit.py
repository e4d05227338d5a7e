"""The gate as JUnit XML, for systems that show tests: a suite for each run, a case for each objective."""

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from msgspec import Struct
from msgspec.structs import replace

from harness.records.verdicts import ObjectiveResult, ObjectiveVerdict
from reports.gate import GateResult, RunGate

HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
GROUP = "temper.gate"
NOBODY = "not measured by any run"
"""The suite of objectives that were asked for, and that no run is of a kind to measure."""


class Case(Struct, frozen=True, kw_only=True):
    """One test case: it passes where it has no outcome."""

    group: str
    name: str
    outcome: str = ""
    """failure, error or skipped: what fails shuts the gate, as does an error; what is skipped does not."""
    type: str = ""
    message: str = ""
    out: str = ""
    """What is said of it, whatever its outcome."""


def junit(result: GateResult) -> str:
    """The document. It has a failure or an error exactly where the gate is shut."""
    root = ET.Element("testsuites", name="temper gate")
    for run in result.runs:
        _suite(root, run.run, [*(_case(each, result, run) for each in run.objectives), *_of_run(run)], run)
    if missing := [each for each in result.objectives if not each.run]:
        _suite(root, NOBODY, [_case(each, result) for each in missing])
    for each in result.unreadable:
        unread = Case(group=GROUP, name="it can be read", outcome="error", type="unreadable", message=each.reason)
        _suite(root, each.directory, [unread])
    if not result.runs:
        _suite(root, "no run", [Case(group=GROUP, name="there is a run", outcome="error", type="unknown")])
    for name in ("tests", "failures", "errors"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    ET.indent(root)
    return f"{HEAD}\n{ET.tostring(root, encoding='unicode')}\n"


def _case(each: ObjectiveResult, result: GateResult, run: RunGate | None = None) -> Case:
    case = Case(
        group=f"{GROUP}.{run.kind}" if run else GROUP,
        name=f"{each.title} ({'must be' if each.hard else 'aim:'} {_bare(each)})",
        out="\n".join(filter(None, (each.measured, each.note, each.command and f"measured by: {each.command}"))),
    )
    if each.verdict is ObjectiveVerdict.HOLDS:
        return case
    outcome, kind = _outcome(each, result)
    told = (each.waived and f"waived {each.waived}", f"{each.measured}, must be {_bare(each)}", each.note)
    return replace(case, outcome=outcome, type=kind, message="; ".join(filter(None, told)))


def _bare(each: ObjectiveResult) -> str:
    return each.threshold.removeprefix("= ")


def _outcome(each: ObjectiveResult, result: GateResult) -> tuple[str, str]:
    """What fails shuts the gate where it is hard; what is unknown, unless another run that counts has measured it."""
    if each.waived:
        return "skipped", "waived"
    if each.verdict is ObjectiveVerdict.FAILS:
        return ("failure", "fails") if each.hard else ("skipped", "aim missed")
    elsewhere = any(_same(each, other) and other.verdict is not ObjectiveVerdict.UNKNOWN for other in result.objectives)
    shuts = (each.hard or result.strict) and not elsewhere
    return ("error" if shuts else "skipped"), "unknown"


def _same(one: ObjectiveResult, other: ObjectiveResult) -> bool:
    return (one.name, one.hard, one.kinds) == (other.name, other.hard, other.kinds)


def _of_run(run: RunGate) -> Iterator[Case]:
    """What is to be said of the run itself."""
    group = f"{GROUP}.{run.kind}"
    if run.partial:
        yield Case(group=group, name="it ended", outcome="error", type="partial", message="cut off before its end")
    if not any(each.hard for each in run.objectives):
        message = f"no hard objective applies to a {run.kind} run"
        yield Case(group=group, name="it is judged", outcome="error", type="unknown", message=message)


def _suite(root: ET.Element, name: str, cases: Sequence[Case], run: RunGate | None = None) -> None:
    counts = {
        counted: str(sum(case.outcome == outcome for case in cases))
        for counted, outcome in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped"))
    }
    suite = ET.SubElement(root, "testsuite", {"name": _xml(name), "tests": str(len(cases)), **counts, "time": "0"})
    if run is not None:
        if (started := _moment(run.started)) is not None:
            suite.set("timestamp", started)
        suite.set("time", _seconds(run))
        told = {"title": run.title, "verdict": run.verdict, "command": run.command}
        if (conditions := run.fingerprint) is not None:
            told |= {"commit": conditions.commit, "machine": conditions.machine, "processor": conditions.cpu}
        properties = ET.SubElement(suite, "properties")
        for key, value in told.items():
            ET.SubElement(properties, "property", name=key, value=_xml(value))
    for case in cases:
        element = ET.SubElement(suite, "testcase", classname=_xml(case.group), name=_xml(case.name), time="0")
        if case.outcome:
            ET.SubElement(element, case.outcome, type=case.type, message=_xml(case.message))
        if case.out:
            ET.SubElement(element, "system-out").text = _xml(case.out)


def _moment(seconds: float) -> str | None:
    """As the schema has it, in UTC; None of what no calendar has."""
    try:
        return f"{datetime.fromtimestamp(seconds, tz=UTC):%Y-%m-%dT%H:%M:%S}"
    except (OverflowError, ValueError, OSError):
        return None


def _seconds(run: RunGate) -> str:
    took = 0.0 if run.ended is None else run.ended - run.started
    return f"{took:.3f}" if 0 <= took < math.inf else "0"


def _xml(words: str) -> str:
    """Words that XML can hold: of what is no character to it, a question mark stands in the place."""
    return "".join(c if c in "\t\n" or (c.isprintable() and c not in "\ufffe\uffff") else "?" for c in words)
