"""The invariant of workflows that were told to cancel."""

from harness.checking.invariants import Records, as_judgement
from harness.records.verdicts import Finding, Judgement
from harness.records.workflows import OPEN, WorkflowRun

COMPLETED = "completed"


def was_told(run: WorkflowRun) -> bool:
    """Whether it was told to cancel, has ended, and its history lets us judge what it did after that."""
    if run.cancel_requested is None or run.status == OPEN:
        return False
    # What it began for the first time may be a compensation, after which it may well complete.
    return run.status != COMPLETED or bool(run.went_on_with) or not run.begun_after_cancel


def cancelled_as_told(records: Records) -> Judgement:
    """A workflow that was told to cancel does not go on with its work, and complete as if nobody had said anything.

    It may complete where it was too late, and it may take back what it did. One that began activities of other types
    than before is not judged: they may be either.
    """
    told = [run for run in records.workflows if was_told(run)]
    findings = [
        Finding(
            problem="cancellation_swallowed", message=swallowed(run.type, run.went_on_with), workflow_id=run.workflow_id
        )
        for run in told
        if run.status == COMPLETED and run.went_on_with
    ]
    return as_judgement("cancelled as told", len(told), findings)


def swallowed(workflow_type: str, went_on_with: tuple[str, ...]) -> str:
    """What is said of it."""
    begun = ", ".join(dict.fromkeys(went_on_with))
    return (
        f"{workflow_type} was told to cancel, and completed: it went on with {begun} ({len(went_on_with)} more); "
        "somewhere a CancelledError is caught and not raised again"
    )
