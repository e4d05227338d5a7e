"""The clock of a run: wall time that never steps, so that durations and the stores' timestamps can be compared."""

import time

_OFFSET = time.time() - time.monotonic()


def now() -> float:
    """Seconds since the Unix epoch: the wall time at which this process began, plus what has passed since."""
    return _OFFSET + time.monotonic()
