"""Worker processes of the system with its fault points, forked off one that has imported everything.

So a worker that a fault has killed is there again at once, and costs next to nothing; it is a process of its own all
the same, with connections of its own. TASK_QUEUES names a queue for each worker. SIGTERM drains all of them.
"""

import asyncio
import os
import signal
import sys
import traceback

from harness import faultpoints
from system.settings import Settings
from system.worker import run_worker


def main() -> int:
    """Keep the workers alive until SIGTERM, or until one ends by itself, which is returned as the exit status."""
    workers: dict[int, str] = {}
    draining = False

    def drain(*_: object) -> None:
        nonlocal draining
        draining = True
        for pid in workers:
            os.kill(pid, signal.SIGTERM)

    signal.signal(signal.SIGTERM, drain)
    for queue in os.environ["TASK_QUEUES"].split():
        workers[_begin(queue)] = queue
    while workers:
        pid, status = os.wait()
        queue = workers.pop(pid)
        if not draining:
            if os.WIFEXITED(status):
                return os.WEXITSTATUS(status) or 1
            workers[_begin(queue)] = queue
    return 0


def _begin(queue: str) -> int:
    """Begin a worker; returns its process id."""
    pid = os.fork()
    if pid:
        return pid
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.environ["TASK_QUEUE"] = queue
    status = 1
    try:
        asyncio.run(run_worker(Settings.from_environment(), interceptors=faultpoints.interceptors()))
        status = 0
    except Exception:  # noqa: BLE001 told, and then ended as the parent must not go on in here
        traceback.print_exc()
    finally:
        os._exit(status)


if __name__ == "__main__":
    sys.exit(main())
