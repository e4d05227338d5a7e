"""What each part of a recovery is called, and which setting makes it shorter."""

from harness.checking.recovery import Spent
from harness.checking.waits import TIMER_SECONDS, Cause
from harness.records.faults import FaultWindow

WORDS = {
    Cause.DETECTION: "noticing that it was mended",
    Cause.HEARTBEAT: "heartbeat timeout",
    Cause.SWALLOWED: "tasks that a lost worker had taken",
    Cause.STICKY: "sticky timeout",
    Cause.RETRY: "pauses between attempts",
    Cause.DRAIN: "backlog",
    Cause.WORK: "work",
    Cause.OTHER: "timers, messages, the server",
}
"""What a recovery was spent on, as it reads."""

CHANGES = {
    Cause.HEARTBEAT: "Lower {setting}, and send heartbeats at least twice as often: only when so much time has passed "
    "without one does the server give an attempt up.",
    Cause.SWALLOWED: "Lower {setting}. For an activity, a heartbeat_timeout is up sooner: what was handed out is not "
    "handed out again until its time is up.",
    Cause.STICKY: "Lower {setting}, 10 s by default: so long a workflow task is kept for the worker that had the one "
    "before.",
    Cause.RETRY: f"Lower {{setting}}. Below {TIMER_SECONDS:g} s nothing is gained: Temporal fires no timer sooner.",
    Cause.DRAIN: "Add workers, or slots (max_concurrent_activities, max_concurrent_workflow_tasks): work had piled up, "
    "and waited its turn.",
    Cause.WORK: "Make activities shorter, or have them go on from their last heartbeat: it is the work itself.",
    Cause.OTHER: "Look at the slowest workflows: they waited for a timer or a message of their own, or the server did "
    "not go on.",
}
AT_THEIR_LIMIT = (
    "Add workers, give them a larger machine, or ask for less: executions took longer than they usually do, so there "
    "was more to do than could be done."
)
TEMPORAL_NOTICED = "Nothing that can be set: these are the SDK's own pauses, and shorter ones after a shorter outage."
WORKER_NOTICED = "Have workers start sooner, or run one more: nobody asked for tasks."
STORE_NOTICED = (
    "Have dead connections to {service} noticed sooner: by a connect timeout, a timeout for each statement, or a check "
    "of a connection before it is used."
)


def advice(spent: Spent, window: FaultWindow) -> str:
    """What to change so that this part of a recovery gets shorter."""
    if spent.cause is Cause.DETECTION:
        return _sooner_noticed(window)
    if spent.cause is Cause.WORK and spent.over:
        return AT_THEIR_LIMIT
    if spent.cause is Cause.RETRY and not spent.setting:
        return "Nothing that can be set: after a workflow task that failed, the server itself pauses."
    return CHANGES[spent.cause].format(setting=spent.setting)


def _sooner_noticed(window: FaultWindow) -> str:
    owner, _, service = window.on.rpartition(".")
    if service == "temporal" or window.name == "wire":
        return TEMPORAL_NOTICED
    if window.name == "point" or (service.startswith("worker") and not owner):
        return WORKER_NOTICED
    return STORE_NOTICED.format(service=service)
