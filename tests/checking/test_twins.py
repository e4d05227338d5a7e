"""What was done twice by two workflows, and which of them nobody asked for."""

import pytest
from handwritten_records import GOOD, WORKFLOW, operation, workflow
from msgspec.structs import replace

from harness.checking.invariants import Records
from harness.checking.twins import with_twin
from harness.records.verdicts import Finding
from harness.records.workflows import WorkflowRun

TWICE = Finding(problem="doubled", message="it was loaded twice", workflow_id=WORKFLOW)
ASKED = replace(workflow(), input_digest="digest")
TWIN = replace(workflow(f"{WORKFLOW}-again"), input_digest="digest")


def told(*runs: WorkflowRun, finding: Finding = TWICE) -> str:
    """What the finding says in the end."""
    records: Records = replace(GOOD, operations=[operation(), operation("run.slice.0.other")], workflows=runs)
    return with_twin(finding, records).message


def test_a_twin_is_named() -> None:
    """And what makes twins."""
    assert told(ASKED, TWIN) == (
        f"it was loaded twice; {WORKFLOW}-again did the same beside it, with the same input: a start that is not "
        "answered may have been heard: try it again under the same workflow id"
    )


@pytest.mark.parametrize(
    "other",
    [
        replace(TWIN, input_digest="another"),
        replace(TWIN, type="Other"),
        replace(TWIN, status="failed"),
        replace(TWIN, workflow_id="run.slice.0.other"),
        replace(TWIN, workflow_id=WORKFLOW),
    ],
    ids=["another input", "another type", "not completed", "asked for", "a second run of it"],
)
def test_what_is_no_twin_is_not_named(other: WorkflowRun) -> None:
    """Another input, another type, another end; or somebody asked for it."""
    assert told(ASKED, other) == TWICE.message


def test_where_inputs_are_not_known_nobody_is_a_twin() -> None:
    """Two that were started with nothing are no twins for that."""
    assert told(replace(ASKED, input_digest=""), replace(TWIN, input_digest="")) == TWICE.message


@pytest.mark.parametrize("finding", [replace(TWICE, problem="lost"), replace(TWICE, step="load")])
def test_what_is_not_there_twice_or_is_known_better_has_no_twin(finding: Finding) -> None:
    """What a step of a workflow has doubled, the workflow has."""
    assert told(ASKED, TWIN, finding=finding) == TWICE.message
