"""Greenlets and coroutines reach each other, in a process that Locust has patched."""

import subprocess
import sys
from pathlib import Path

CROSSED = """\
result 3
loop uvloop
error 'not there'
many 4950
others went on True
killed ['began', 'ended in order']
no loop in the hub
closed ['began', 'ended in order']
"""


def test_the_bridge_is_crossed_in_every_way() -> None:
    """Results and errors come back, greenlets go on meanwhile, who is killed cancels, and closing leaves nothing."""
    program = Path(__file__).with_name("bridged.py")
    ended = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=100, check=False)
    assert ended.stdout == CROSSED, ended.stderr
    assert ended.returncode == 0
