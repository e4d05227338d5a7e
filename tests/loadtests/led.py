"""A master of Locust's to which two workers come, of which one or none gets ready; prints what came of it.

The workers are two ends of Locust's own wire, in the same process; the plan is in the environment.
"""

import sys
from collections.abc import Iterator
from itertools import takewhile

import gevent
import locust
from locust.argument_parser import get_parser
from locust.env import Environment
from locust.rpc import Message, zmqrpc

from harness.services.ports import free_port
from loadtests import locustfile
from loadtests.shapes import present_processes

LAST = "nothing comes after this"


def received(end: zmqrpc.Client) -> Iterator[str]:
    """What kinds of messages come, for ever."""
    while True:
        yield end.recv().type


def main(ready: str, *options: str) -> None:
    """Begin the load that is planned, with those of "a" and "b" that are `ready`; `options` are Locust's."""
    locustfile.CONNECT_SECONDS = 0.5
    port = free_port()
    environment = Environment(host="127.0.0.1:1")
    master = environment.create_master_runner("127.0.0.1", port)
    leading = locustfile.Leading(environment, master)
    environment.parsed_options = get_parser().parse_args(list(options))
    ends = {name: zmqrpc.Client("127.0.0.1", port, name) for name in ("a", "b")}
    for name, end in ends.items():
        end.send(Message("client_ready", locust.__version__, name))
        if name in ready:
            end.send(Message(locustfile.READY, None, name))
    while len(present_processes(master)) < len(ends) or not leading._ready.issuperset(ready):
        gevent.sleep(0.01)
    gevent.spawn(environment.events.test_start.fire, environment=environment).join()
    print("shares", sorted(leading.leader.shares))
    master.send_message(LAST)
    for name, end in ends.items():
        told = list(takewhile(lambda kind: kind != LAST, received(end)))
        print(name, "was told", sorted({"quit", locustfile.SHARE} & set(told)))
    print("to exit with", environment.process_exit_code)
    environment.events.quit.fire(exit_code=environment.process_exit_code)


if __name__ == "__main__":
    main(*sys.argv[1:])
