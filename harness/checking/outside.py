"""The invariants of calls to the outside world: one key an effect, one call an attempt."""

import re
from collections import defaultdict
from collections.abc import Sequence

from harness.checking.invariants import Records, as_judgement, by_workflow, unknown
from harness.records.calls import Call
from harness.records.verdicts import Finding, Judgement
from harness.records.workflows import WorkflowRun

KEYS, CALLS = "one key an effect", "one call an attempt"
UNCOUNTED = "nobody counted the calls to the outside world"
NUMBER = re.compile(r"\d+")
SHOWN = 3
"""Keys of one effect that are told."""


def one_key_an_effect(records: Records) -> Judgement:
    """Whatever the attempt, an activity calls the outside under one key, which makes its calls one effect."""
    if records.calls is None:
        return unknown(KEYS, UNCOUNTED)
    calls = _by_activity(records.calls)
    findings = [
        Finding(
            problem="doubled" if _effects(made) > 1 else "rekeyed",
            message=f"{activity} {wrong}",
            workflow_id=workflow_id,
        )
        for (workflow_id, activity), made in calls.items()
        if (wrong := _why_not_one_key(made))
    ]
    return as_judgement(KEYS, len(calls), findings)


def one_call_an_attempt(records: Records) -> Judgement:
    """An attempt calls the outside once: what is retried, Temporal retries.

    Activities that had not ended when their workflow closed are not judged: history does not tell their attempts.
    """
    if records.calls is None:
        return unknown(CALLS, UNCOUNTED)
    runs, findings, checked = by_workflow(records.workflows), [], 0
    for (workflow_id, activity), made in _by_activity(records.calls).items():
        attempts = _attempts(activity, runs.get(workflow_id, ()))
        if attempts is None:
            continue
        checked += 1
        calls = sum(call.calls for call in made)
        if calls > attempts:
            message = (
                f"{activity} called the outside {calls} times in {attempts} attempt{'s' if attempts > 1 else ''}: it "
                "retries within Temporal's own retry; let the attempt fail, its retry policy tries again"
            )
            findings.append(Finding(problem="retried_inside", message=message, workflow_id=workflow_id))
    return as_judgement(CALLS, checked, findings)


def _by_activity(calls: Sequence[Call]) -> dict[tuple[str, str], list[Call]]:
    found: dict[tuple[str, str], list[Call]] = defaultdict(list)
    for call in calls:
        found[call.workflow_id, call.activity].append(call)
    return found


def _why_not_one_key(made: Sequence[Call]) -> str | None:
    effects = _effects(made)
    if any(not call.key for call in made):
        return f"called the outside without an idempotency key (effects: {effects}): a repeat has its effect again"
    if len(made) == 1:
        return None
    keys = sorted(call.key for call in made)
    told = ", ".join(keys[:SHOWN]) + (", …" if len(keys) > SHOWN else "")
    alike = len({NUMBER.sub("#", key) for key in keys}) == 1
    cause = (
        "they differ by a number, such as the attempt's, which must not be in a key"
        if alike
        else "a key is made of workflow id, step and item, and of nothing that a repeat changes"
    )
    return f"called the outside under {len(keys)} keys (effects: {effects}): {told}; {cause}"


def _effects(made: Sequence[Call]) -> int:
    return sum(call.effects for call in made)


def _attempts(activity: str, runs: Sequence[WorkflowRun]) -> int | None:
    """How many attempts were made, in all runs; None where that is not known."""
    made = [each for run in runs for each in run.activities if each.type == activity]
    if not made or any(each.started is None or each.closed is None for each in made):
        return None
    return sum(each.attempts for each in made)
