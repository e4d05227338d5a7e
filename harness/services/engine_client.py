"""Reaches the container engine through testcontainers, and pulls what images it lacks."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from harness.errors import ToolMissing
from harness.services import images
from harness.services.engine import Found

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

CALL_SECONDS = 60.0
"""How long one call to the engine may take."""
PULL_SECONDS = 600.0


async def pull_missing(service: str, image: str, engine: Found, notify: Callable[[str], None]) -> None:
    """See that the image is on this machine, and pull it otherwise; raises ToolMissing."""
    try:
        async with asyncio.timeout(PULL_SECONDS):
            await asyncio.to_thread(_pull_missing, image, engine, notify)
    except ToolMissing:
        raise
    except Exception as error:  # the engine's library raises several kinds
        reason = f"no answer within {PULL_SECONDS:g} s" if isinstance(error, TimeoutError) else reason_of(error)
        raise ToolMissing(
            f"The image {image} is not on this machine, and {engine.name} cannot pull it: {reason}",
            remedy=f"Set {images.variable(service)} to an image that is there. Where none can be pulled, "
            "`python -m harness.services.obtain_images` builds stand-ins from Debian's packages.",
        ) from error


def _pull_missing(image: str, engine: Found, notify: Callable[[str], None]) -> None:
    with contextlib.closing(docker_client(engine)) as docker:
        from docker.errors import ImageNotFound  # noqa: PLC0415 - comes with testcontainers

        try:
            docker.images.get(image)
        except ImageNotFound:
            notify(f"pulling {image} (once)")
            for event in docker.api.pull(image, stream=True, decode=True):
                if "error" in event:
                    raise ImageNotFound(event["error"]) from None


def docker_client(engine: Found) -> Any:
    """A `docker.DockerClient` of this engine, to be closed; raises ToolMissing."""
    return docker_container(engine, "").get_docker_client().client


def docker_container(engine: Found, image: str) -> DockerContainer:
    """A container of testcontainers on this engine; raises ToolMissing."""
    try:
        from testcontainers.core.config import testcontainers_config  # noqa: PLC0415 - an extra, and slow to import
        from testcontainers.core.container import DockerContainer  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ToolMissing(
            "The container provider needs testcontainers, which is not installed.",
            remedy="pip install 'temper-harness[containers]'",
        ) from error
    testcontainers_config.ryuk_disabled = True  # the guard does its work, on Podman too, and without another image
    options = {"environment": {**os.environ, "DOCKER_HOST": engine.address}, "timeout": int(CALL_SECONDS)}
    return DockerContainer(image, docker_client_kw=options)


def reason_of(error: Exception) -> str:
    """What the engine says went wrong, in one line."""
    said = getattr(error, "explanation", None) or str(error) or type(error).__name__
    return " ".join(str(said).split())
