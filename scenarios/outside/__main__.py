"""The front door of the outside: `python -m scenarios.outside --address 127.0.0.1:8090`."""

import argparse
import asyncio
import signal
import sys

from aiohttp import web

from scenarios.outside.service import Routes

SHUTDOWN_SECONDS = 0.5
"""How long calls that are still open may go on when it is told to end."""


async def serve(host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT."""
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    runner = web.AppRunner(Routes().application(), access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        await told.wait()
    finally:
        await runner.cleanup()


def address(text: str) -> tuple[str, int]:
    """Host and port."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is no address; expected host:port")
    return host, int(port)


def main() -> None:
    """Read the command line, and serve."""
    parser = argparse.ArgumentParser(prog="python -m scenarios.outside", description=__doc__)
    parser.add_argument("--address", type=address, required=True, metavar="HOST:PORT", help="where to listen")
    host, port = parser.parse_args().address
    try:
        asyncio.run(serve(host, port))
    except OSError as error:
        sys.exit(f"cannot listen on {host}:{port}: {error}")


if __name__ == "__main__":
    main()
