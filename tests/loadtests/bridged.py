"""A program that crosses the bridge in every way, in a process that Locust has patched; prints what came of each."""

import asyncio

import gevent
import locust  # noqa: F401  # it patches the process
from gevent.event import Event

from loadtests.bridge import Bridge

FOR_EVER = 3600


async def add(one: int, other: int) -> int:
    await asyncio.sleep(0.01)
    return one + other


async def fails() -> None:
    raise KeyError("not there")


async def waits(seen: list[str]) -> None:
    seen.append("began")
    try:
        await asyncio.sleep(FOR_EVER)
    except asyncio.CancelledError:
        await asyncio.sleep(0.01)
        seen.append("ended in order")
        raise


async def where() -> str:
    return type(asyncio.get_running_loop()).__module__.partition(".")[0]


def until(seen: list[str]) -> None:
    while not seen:
        gevent.sleep(0.01)


def main() -> None:
    bridge = Bridge()
    print("result", bridge.run(add(1, 2)))
    print("loop", bridge.run(where()))
    try:
        bridge.run(fails())
    except KeyError as error:
        print("error", error)
    many = [gevent.spawn(bridge.run, add(number, 0)) for number in range(100)]
    gevent.joinall(many)
    print("many", sum(each.value for each in many))
    passed = Event()
    gevent.spawn(passed.set)
    bridge.run(asyncio.sleep(0.01))
    print("others went on", passed.is_set())
    seen: list[str] = []
    waiting = gevent.spawn(bridge.run, waits(seen))
    until(seen)
    waiting.kill()
    print("killed", seen)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        print("no loop in the hub")
    left: list[str] = []
    gevent.spawn(bridge.run, waits(left))
    until(left)
    bridge.close()
    print("closed", left)


if __name__ == "__main__":
    main()
