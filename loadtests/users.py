"""Locust's users: any scenario in a closed loop, and the arrivals in an open one."""

import random
from collections.abc import Sequence
from typing import ClassVar

import gevent
from locust import User, task
from locust.exception import StopUser

from harness.clock import now
from loadtests.bridge import Bridge
from loadtests.generator import Generator


class DrivingUser(User):
    """What both kinds have: the process's one generator, and the bridge to it. The locustfile sets them."""

    abstract = True
    generator: ClassVar[Generator]
    bridge: ClassVar[Bridge]


class TemporalUser(DrivingUser):
    """Drives one iteration after the other, each when the one before has ended: a closed loop.

    A subclass can name scenarios of its own, and set `wait_time` as any user can.
    """

    mix: ClassVar[Sequence[str]] = ()
    """Scenarios or domains, each with its weight behind an "="; those of the load where it is empty."""
    _due = 0.0

    def wait_time(self) -> float:
        """So long that the user starts once in the load's pace, unless an iteration takes longer."""
        self._due = max(self._due + self.generator.share.wish.pace, now())
        return self._due - now()

    def on_start(self) -> None:
        """Wait for the load to begin, and then for a while, so that users do not all start at once."""
        share = self.generator.share
        gevent.sleep(max(0.0, share.begin - now()) + random.uniform(0, share.wish.pace))
        self._due = now()

    @task
    def iterate(self) -> None:
        """Drive one iteration; the user is done when the load is."""
        if now() >= self.generator.share.end:
            raise StopUser
        self.bridge.run(self.generator.once(self.mix))


class OpenLoopUser(DrivingUser):
    """Walks the process's share of the arrivals: each iteration starts at its time, whatever the others do.

    One of these is all that a process needs, of however many iterations.
    """

    def stop(self, force: bool = False) -> bool:  # noqa: ARG002  # as Locust calls it
        """End at once, also in the middle: what is in flight is recorded as unanswered."""
        return bool(super().stop(force=True))

    @task
    def walk(self) -> None:
        """Drive the whole share, once; a process that came late has none."""
        if self.generator.unwalked:
            self.bridge.run(self.generator.walk())
        raise StopUser
