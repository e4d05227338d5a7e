"""The event loop that a load is generated on."""

import asyncio
import importlib.util


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Uvloop's where it is installed, which leaves more of the processor to what is measured; else asyncio's own."""
    if importlib.util.find_spec("uvloop") is None:
        return asyncio.new_event_loop()
    import uvloop  # noqa: PLC0415  # it is optional

    return uvloop.new_event_loop()
