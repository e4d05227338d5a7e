"""Sees that every service has an image: the official one where it can be had, else a stand-in.

`python -m harness.services.obtain_images` prints the environment that names the images, one variable a line; what it
does goes to standard error.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TextIO

from harness.errors import CannotRun, ToolMissing
from harness.services import images, stand_ins, toxiproxy
from harness.services.engine import Engine, Found
from harness.services.engine_client import pull_missing
from harness.services.reaper import reaper
from harness.services.service import Notify, Site


async def choose(notify: Notify) -> dict[str, str]:
    """The image of each service, which is on this machine afterwards; raises CannotRun."""
    folder = Path(tempfile.mkdtemp(prefix="temper-"))
    reaper.watch_directory(folder)
    engine = Engine()
    try:
        found = await engine.start(Site(data=folder, logs=folder, notify=notify))
        return {service: await _choose(service, found, folder / service, notify) for service in images.OFFICIAL}
    finally:
        await engine.stop()
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        reaper.forget_directory(folder)


async def _choose(service: str, engine: Found, folder: Path, notify: Notify) -> str:
    image = images.image_of(service)
    try:
        await pull_missing(service, image, engine, notify)
    except ToolMissing as missing:
        notify(missing.problem)
    else:
        return image
    if service == "toxiproxy":
        await toxiproxy.obtain_server(notify)
    return await asyncio.to_thread(stand_ins.build, service, engine, folder, notify)


def main() -> int:
    """Print TEMPER_IMAGE_POSTGRES=… and its like; returns the exit code."""
    try:
        chosen = asyncio.run(choose(lambda message: _say(sys.stderr, message)))
    except CannotRun as error:
        _say(sys.stderr, str(error))
        return 2
    for service, image in chosen.items():
        _say(sys.stdout, f"{images.variable(service)}={image}")
    return 0


def _say(stream: TextIO, line: str) -> None:
    stream.write(f"{line}\n")
    stream.flush()


if __name__ == "__main__":
    sys.exit(main())
