"""Locust has a shape for each kind of arrivals, and so many users at each moment as make up its rate."""

import json
import math
import subprocess
import sys
from pathlib import Path

from loadtests.arrivals import SHAPES, parse


def test_each_kind_of_arrivals_has_its_users() -> None:
    """Users who each start twice a second are half as many as the rate; after the end they are those of the end."""
    program = Path(__file__).with_name("shaped.py")
    told = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, timeout=100, check=True
    ).stdout
    users: dict[str, list[int]] = json.loads(told)
    assert set(users) == set(SHAPES)
    for spec, found in users.items():
        arrivals = parse(spec, 10, 20)
        assert found[:40] == [max(1, math.ceil(arrivals.rate_at(half / 2) / 2)) for half in range(40)], spec
        assert set(found[40:]) == {max(1, math.ceil(arrivals.rate_at(19.999_999) / 2))}, spec
    assert users["constant"] == [5] * 50
    assert users["ramp"][0] < users["ramp"][20] < users["ramp"][39]
