"""Where the time of a workflow run went: each moment of it belongs to one part."""

from enum import StrEnum

from msgspec import Struct


class Part(StrEnum):
    """What a moment of a run can be spent on.

    Where several things go on at once, the moment belongs to the part that is named first here: to what does work,
    before what waits for somebody who could; to that, before what fails and is tried again; and last to what waits
    on purpose.
    """

    ACTIVITY_EXECUTION = "activity_execution"
    """The last attempt of an activity runs, however it ends."""
    WORKFLOW_TASKS = "workflow_tasks"
    """A worker executes a workflow task. Local activities run within it, and belong to it."""
    WORKER = "worker"
    """A workflow task waits for a worker that picks it up: from its schedule to its start."""
    ACTIVITY_QUEUE = "activity_queue"
    """The first attempt of an activity waits for a worker: from its schedule to its start."""
    RETRIES = "retries"
    """Failed attempts and the pauses between them. Of an activity, a history holds the last attempt alone: so it is
    the time from its schedule to the start of that one. Of a workflow task, it is until it is scheduled again."""
    UNFINISHED = "unfinished"
    """An activity that had not ended when the run did, or was told to cancel: whether it waited or ran until then is
    in no history."""
    OTHERS = "others"
    """A child, another workflow or a Nexus operation has not answered. Of a child that is abandoned on purpose, only
    until it has begun."""
    TIMERS = "timers"
    """A timer runs, or the run is not to begin yet, by a start delay or a cron schedule."""
    MESSAGES = "messages"
    """The workflow did what it could, and waits for a signal, an update, a cancellation or an operator."""
    SERVER = "server"
    """None of these: the server has yet to write down what comes next, or holds it back."""


class Anatomy(Struct, frozen=True, kw_only=True):
    """The parts of the time between the start of a closed run and its close, by the server's clock."""

    seconds: dict[Part, float]
    """They add up to that time. A part to which no moment belonged is left out."""

    @property
    def total(self) -> float:
        """Seconds from start to close."""
        return sum(self.seconds.values())
