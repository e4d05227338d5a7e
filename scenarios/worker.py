"""The system's worker, composed with the harness's fault points where FAULT_POINTS asks for them."""

import asyncio
import logging
import os
import sys

from harness import faultpoints
from harness.errors import CannotRun
from system import __main__ as command


def main() -> int:
    """Work until SIGTERM and return the exit status; without FAULT_POINTS this is `python -m system worker`."""
    if not os.environ.get(faultpoints.VARIABLE):
        return command.main(["worker"])

    from system.errors import Error  # noqa: PLC0415 the command imports them with the collector off
    from system.settings import Settings  # noqa: PLC0415
    from system.worker import run_worker  # noqa: PLC0415

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        asyncio.run(run_worker(Settings.from_environment(), interceptors=faultpoints.interceptors()))
    except (Error, CannotRun) as error:
        sys.stderr.write(f"error: {error}\n")
        return command.COULD_NOT_RUN
    return command.DONE


if __name__ == "__main__":
    # The interpreter's own exit aborts now and then once the Temporal client was used.
    os._exit(main())
