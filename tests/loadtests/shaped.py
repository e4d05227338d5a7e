"""A program that asks each of Locust's shapes for the users of a closed loop; prints them as JSON, by arrivals."""

import json

import locust  # noqa: F401  # it patches the process

from loadtests.hosted import Loop, Wish
from loadtests.shapes import SHAPES, users_at

if __name__ == "__main__":
    wishes = [Wish(mix=[], rate=10, duration=20, arrivals=each.spec, loop=Loop.CLOSED, pace=0.5) for each in SHAPES]
    print(json.dumps({wish.arrivals: [users_at(wish, second / 2) for second in range(50)] for wish in wishes}))
